//! Whether this host can serve: one finding for each thing that a node needs, with the remedy
//! where it is missing.
//!
//! Nothing on the host is changed, except for a probe file in the data directory that is gone
//! afterwards. A finding is what was seen now, not a promise.

mod engine;
mod machine;
mod ports;
mod storage;

use std::io::Write;

use model::ClusterId;
use model::NodeId;

use crate::config::{Config, RuntimeChoice};

/// How good a finding is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Verdict {
    /// As it should be.
    Fine,
    /// The node can serve, less well than it might.
    Doubtful,
    /// The node cannot serve.
    Missing,
}

/// One thing that was looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Finding {
    /// What was looked at.
    pub about: &'static str,
    /// How good it is.
    pub verdict: Verdict,
    /// What was seen.
    pub seen: String,
    /// What to do; empty where all is well.
    pub remedy: String,
}

impl Finding {
    fn fine(about: &'static str, seen: impl Into<String>) -> Finding {
        let (seen, remedy) = (seen.into(), String::new());
        Finding {
            about,
            verdict: Verdict::Fine,
            seen,
            remedy,
        }
    }

    fn doubtful(
        about: &'static str,
        seen: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Finding {
        let (seen, remedy) = (seen.into(), remedy.into());
        Finding {
            about,
            verdict: Verdict::Doubtful,
            seen,
            remedy,
        }
    }

    fn missing(about: &'static str, seen: impl Into<String>, remedy: impl Into<String>) -> Finding {
        let (seen, remedy) = (seen.into(), remedy.into());
        Finding {
            about,
            verdict: Verdict::Missing,
            seen,
            remedy,
        }
    }
}

/// Looks at everything that a node with this configuration needs.
pub async fn run(config: &Config) -> Vec<Finding> {
    let mut findings = vec![machine::privileges(config)];
    let docker = match config.runtime.kind {
        RuntimeChoice::Auto | RuntimeChoice::Docker => true,
        RuntimeChoice::Process | RuntimeChoice::Fake | RuntimeChoice::None => false,
    };
    if docker {
        findings.extend(engine::look(config, ClusterId([0; 16]), NodeId(0)).await);
    }
    findings.extend(machine::control_groups());
    findings.extend(storage::look(&config.node.data_dir));
    findings.extend(storage::shared(config).await);
    findings.extend(ports::look(&config.node));
    findings.push(machine::clock());
    findings
}

/// Writes the findings as lines of √, ! and ×, remedies below, and the sum at the end.
///
/// # Errors
/// If `out` cannot be written.
pub fn print(findings: &[Finding], out: &mut impl Write) -> std::io::Result<()> {
    let width = findings
        .iter()
        .map(|finding| finding.about.len())
        .max()
        .unwrap_or(0);
    for finding in findings {
        let sign = match finding.verdict {
            Verdict::Fine => '√',
            Verdict::Doubtful => '!',
            Verdict::Missing => '×',
        };
        writeln!(out, "{sign} {:width$}  {}", finding.about, finding.seen)?;
        if !finding.remedy.is_empty() {
            writeln!(out, "  {:width$}  → {}", "", finding.remedy)?;
        }
    }
    let count = |verdict| {
        findings
            .iter()
            .filter(|finding| finding.verdict == verdict)
            .count()
    };
    writeln!(out)?;
    match (count(Verdict::Missing), count(Verdict::Doubtful)) {
        (0, 0) => writeln!(out, "This host can serve."),
        (0, doubts) => writeln!(out, "This host can serve; {doubts} to look at."),
        (missing, _) => writeln!(out, "This host cannot serve yet: {missing} to mend."),
    }
}

/// Whether a node can serve with these findings.
pub fn can_serve(findings: &[Finding]) -> bool {
    findings
        .iter()
        .all(|finding| finding.verdict != Verdict::Missing)
}
