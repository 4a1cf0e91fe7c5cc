//! Where the log's writer runs: on its own thread, or, in the simulation, as a task.

use std::io;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use tokio::sync::Notify;

use super::writer::Writer;
use crate::outside::Outside;
use crate::thread::Thread;

/// A running writer.
pub(crate) enum Writing {
    Thread(Thread),
    Here {
        writer: Arc<Mutex<Writer>>,
        wake: Arc<Notify>,
    },
}

impl Writing {
    pub(crate) fn start(writer: Writer) -> io::Result<Writing> {
        let outside = writer.shared.outside.clone();
        if outside.has_threads() {
            let thread = Thread::start("raft-log", move || writer.run())?;
            return Ok(Writing::Thread(thread));
        }
        let (writer, wake) = (Arc::new(Mutex::new(writer)), Arc::new(Notify::new()));
        tokio::spawn(write(Arc::downgrade(&writer), wake.clone(), outside));
        Ok(Writing::Here { writer, wake })
    }

    /// Says that something waits.
    pub(crate) fn wake(&self) {
        match self {
            Writing::Thread(_) => {}
            Writing::Here { wake, .. } => wake.notify_one(),
        }
    }

    /// Ends it once all that waits is written. Blocks.
    pub(crate) fn end(&self) {
        match self {
            Writing::Thread(thread) => thread.join(),
            Writing::Here { writer, wake } => {
                write_waiting(writer);
                wake.notify_one();
            }
        }
    }
}

/// Writes what waits, each time after the time that the disk takes.
async fn write(writer: Weak<Mutex<Writer>>, wake: Arc<Notify>, outside: Outside) {
    loop {
        wake.notified().await;
        outside.latency().await;
        let Some(writer) = writer.upgrade() else {
            return;
        };
        write_waiting(&writer);
    }
}

fn write_waiting(writer: &Mutex<Writer>) {
    let mut writer = writer.lock().unwrap_or_else(PoisonError::into_inner);
    while writer.write_waiting() {}
}

impl Drop for Writing {
    fn drop(&mut self) {
        self.wake();
    }
}
