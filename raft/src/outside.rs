//! What this room takes from outside itself: the time of day, and threads for what blocks.
//!
//! Production has the system's. A simulation has a clock of its own and one thread: with a second
//! one no run would be like the one before. What is done does not depend on it, only where.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use model::Timestamp;

use crate::database::Kind;
use crate::disk::io_error;

/// Where the time of day comes from, and where work that blocks is done. The default is the
/// system's.
#[derive(Clone, Default)]
pub struct Outside(Option<Arc<Simulated>>);

struct Simulated {
    now: Box<dyn Fn() -> Timestamp + Send + Sync>,
    latency: Box<dyn Fn() -> Duration + Send + Sync>,
}

impl Outside {
    /// The simulation's: commands are stamped by `now`, and work that blocks is done on the
    /// caller's thread, each piece after the time that `latency` says.
    pub fn simulated(
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        latency: impl Fn() -> Duration + Send + Sync + 'static,
    ) -> Outside {
        Outside(Some(Arc::new(Simulated {
            now: Box::new(now),
            latency: Box::new(latency),
        })))
    }

    /// The time of day.
    pub(crate) fn now(&self) -> Timestamp {
        match &self.0 {
            Some(simulated) => (simulated.now)(),
            None => {
                let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
                Timestamp(now.map_or(0, |since| {
                    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
                }))
            }
        }
    }

    /// Whether the stores have threads of their own.
    pub(crate) fn has_threads(&self) -> bool {
        self.0.is_none()
    }

    /// Waits as long as the simulated disk needs; with threads not at all.
    pub(crate) async fn latency(&self) {
        if let Some(simulated) = &self.0 {
            tokio::time::sleep((simulated.latency)()).await;
        }
    }

    /// How a database is opened. A copy of the tables is sent to other heads: where RocksDB
    /// compacts files on threads of its own, the moment of the copy decides what is in it.
    pub(crate) fn kind(&self, kind: Kind) -> Kind {
        match kind {
            Kind::Log if !self.has_threads() => Kind::SmallLog,
            Kind::Tables if !self.has_threads() => Kind::SmallTables,
            Kind::Log | Kind::Tables | Kind::SmallLog | Kind::SmallTables | Kind::Inspect => kind,
        }
    }

    /// Does what blocks, off the threads that may not wait.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        if self.has_threads() {
            return tokio::task::spawn_blocking(work).await.map_err(io_error)?;
        }
        self.latency().await;
        work()
    }
}

impl fmt::Debug for Outside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.has_threads() {
            "Outside(the system)"
        } else {
            "Outside(simulated)"
        })
    }
}
