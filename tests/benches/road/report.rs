//! What was measured: printed at once, kept for the report.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context;
use serde::Serialize;

/// The figures of a run.
#[derive(Default)]
pub(crate) struct Report(Vec<Figure>);

/// One of them.
#[derive(Serialize)]
struct Figure {
    metric: &'static str,
    value: f64,
    unit: &'static str,
    better: &'static str,
}

/// Which way is better.
#[derive(Clone, Copy)]
pub(crate) enum Better {
    Higher,
    Lower,
}

impl Report {
    /// Prints a figure and keeps it.
    pub(crate) fn add(
        &mut self,
        metric: &'static str,
        value: f64,
        unit: &'static str,
        way: Better,
    ) {
        say(&format!("{metric:<58} {value:>10.2} {unit}"));
        let better = match way {
            Better::Higher => "higher",
            Better::Lower => "lower",
        };
        let value = (value * 1e3).round() / 1e3;
        self.0.push(Figure {
            metric,
            value,
            unit,
            better,
        });
    }

    /// Writes `target/bench/report.json` in this clone.
    pub(crate) fn write(&self) -> anyhow::Result<()> {
        let dir = root()?.join("target/bench");
        std::fs::create_dir_all(&dir)?;
        let path = dir.join("report.json");
        std::fs::write(&path, serde_json::to_string_pretty(&self.0)? + "\n")?;
        say(&format!("written: {}", path.display()));
        Ok(())
    }
}

/// The clone that this was built from.
pub(crate) fn root() -> anyhow::Result<PathBuf> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    own.parent().map(Path::to_path_buf).context("a parent")
}

/// So many a second.
pub(crate) fn rate(count: usize, elapsed: Duration) -> f64 {
    #[allow(clippy::cast_precision_loss, reason = "a count of jobs")]
    let count = count as f64;
    count / elapsed.as_secs_f64()
}

/// The smallest time that at least this share of sorted times does not exceed.
pub(crate) fn share(times: &[Duration], percent: usize) -> Duration {
    let rank = (times.len() * percent).div_ceil(100).max(1);
    times.get(rank - 1).copied().unwrap_or_default()
}

/// A time in milliseconds.
pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

/// Prints the median, the 99th percentile, minimum and maximum.
pub(crate) fn say_times(what: &str, times: &mut [Duration]) {
    times.sort_unstable();
    let mut line = format!("{what:<58}");
    for (name, percent) in [("p50", 50), ("p99", 99), ("max", 100)] {
        let _ = write!(line, " {name} {:.2} ms", millis(share(times, percent)));
    }
    say(&line);
}

/// Prints a line.
#[allow(clippy::print_stdout, reason = "the figures")]
pub(crate) fn say(line: &str) {
    println!("{line}");
    let _ = std::io::stdout().flush();
}
