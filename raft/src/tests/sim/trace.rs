//! What happened, in order: the same seed writes the same trace.
//!
//! Every line and every datagram goes into the digest; the last lines are kept to be shown.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use sha2::{Digest, Sha256};

/// Lines kept.
const KEPT: usize = 120;

/// Things that happened, and how often.
pub(super) type Met = BTreeMap<String, u64>;

#[derive(Default)]
pub(super) struct Trace {
    digest: Sha256,
    last: VecDeque<String>,
    met: Met,
}

impl Trace {
    pub(super) fn line(&mut self, at: Duration, text: &str) {
        let line = format!("{:>8.3} {text}", at.as_secs_f64());
        self.digest.update(line.as_bytes());
        if std::env::var_os("TRACE").is_some() {
            println!("{line}");
        }
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }

    /// A datagram of so many bytes.
    pub(super) fn datagram(&mut self, at: Duration, from: u8, to: u8, bytes: usize) {
        if std::env::var("TRACE").is_ok_and(|what| what == "2") {
            println!("{:>8.3} {from} -> {to}: {bytes} bytes", at.as_secs_f64());
        }
        let at = u64::try_from(at.as_micros()).unwrap();
        self.digest.update(at.to_le_bytes());
        self.digest.update([from, to]);
        self.digest.update(bytes.to_le_bytes());
    }

    /// Counts something that has to happen somewhere.
    pub(super) fn met(&mut self, what: &str) {
        *self.met.entry(what.to_owned()).or_default() += 1;
    }

    pub(super) fn all_met(&self) -> &Met {
        &self.met
    }

    /// One number for all that happened.
    pub(super) fn digest(&self) -> String {
        let digest = self.digest.clone().finalize();
        digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    /// The end of the trace.
    pub(super) fn end(&self) -> String {
        let lines: Vec<&str> = self.last.iter().map(String::as_str).collect();
        lines.join("\n")
    }
}
