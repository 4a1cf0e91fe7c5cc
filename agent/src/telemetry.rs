//! What a `goagent` writes about itself: events on standard error, as text or JSON lines.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

use crate::config::LogConfig;

/// openraft warns of every unanswered message, dozens a second while a head is down; what follows
/// from that is said by the rooms above it.
const QUIET: &str = "openraft=error";

/// Whatever the configuration says: at its finest, bollard writes down the headers of what it asks
/// an engine, and with them passwords for registries.
const NEVER: &str = "bollard::docker=info";

/// Starts writing. A filter that cannot be read falls back to `info`, and says so.
pub fn start(config: &LogConfig) {
    // Of two directives for one target the later holds: the configuration has the last word.
    let (filter, bad) = match EnvFilter::try_new(format!("{QUIET},{},{NEVER}", config.filter)) {
        Ok(filter) => (filter, None),
        Err(error) => (EnvFilter::new(format!("{QUIET},info,{NEVER}")), Some(error)),
    };
    let writer = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    // A second start in one process (tests) keeps the first.
    let _ = if config.json {
        writer.json().try_init()
    } else {
        writer.try_init()
    };
    if let Some(error) = bad {
        tracing::warn!(%error, filter = config.filter, "log.filter is not understood; using info");
    }
}
