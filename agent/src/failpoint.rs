//! One named moment at which this process stops, for tests that cut the power just then.
//!
//! `GODOCKER_FAILPOINT=append-synced:40` stops the process (SIGSTOP) the fortieth time that a head
//! comes to that point of what it asks its disk for ([`raft::DiskPoint`]). Without the variable,
//! which nobody but a test sets, nothing is asked and nothing happens. Nothing is changed at the
//! point either: what follows, a cut, a kill or SIGCONT, is up to whoever set it.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

use nix::sys::signal::{Signal, raise};
use raft::{DiskPoint, Faults};

use crate::error::AgentError;

/// Names the point and the crossing.
pub const VARIABLE: &str = "GODOCKER_FAILPOINT";

/// What the environment asks for.
///
/// # Errors
/// [`AgentError::Runtime`] if it names no point.
pub fn from_environment() -> Result<Faults, AgentError> {
    match std::env::var(VARIABLE) {
        Ok(text) => stop_at(&text),
        Err(_) => Ok(Faults::default()),
    }
}

fn stop_at(text: &str) -> Result<Faults, AgentError> {
    let (wanted, crossing) = parse(text).ok_or_else(|| AgentError::Runtime {
        why: format!("{VARIABLE}={text} is not of the form append-synced:40"),
    })?;
    let crossed = AtomicU64::new(0);
    Ok(Faults::new(move |point| {
        if point == wanted && crossed.fetch_add(1, Ordering::Relaxed) + 1 == crossing {
            raise(Signal::SIGSTOP).map_err(io::Error::from)?;
        }
        Ok(())
    }))
}

fn parse(text: &str) -> Option<(DiskPoint, u64)> {
    let (name, crossing) = text.split_once(':')?;
    let point = DiskPoint::ALL
        .into_iter()
        .find(|point| point.name() == name)?;
    let crossing = crossing.parse().ok().filter(|crossing| *crossing > 0)?;
    Some((point, crossing))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_point_has_a_name_of_its_own() {
        for point in DiskPoint::ALL {
            assert_eq!(parse(&format!("{}:3", point.name())), Some((point, 3)));
        }
        for wrong in ["append-synced", "append-synced:0", "nowhere:1", ":1", ""] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
