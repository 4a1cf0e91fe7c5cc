//! A thread that is waited for: at its end its files are closed, and a process that ends does not
//! leave it behind in the middle of its work.

use std::io;
use std::sync::{Mutex, PoisonError};
use std::thread::{self, JoinHandle};

/// A running thread. Dropping it waits for its end, so whatever tells it to end must be dropped
/// before.
pub(crate) struct Thread(Mutex<Option<JoinHandle<()>>>);

impl Thread {
    pub(crate) fn start(name: &str, work: impl FnOnce() + Send + 'static) -> io::Result<Thread> {
        let started = thread::Builder::new().name(name.into()).spawn(work)?;
        Ok(Thread(Mutex::new(Some(started))))
    }

    /// Waits for its end.
    pub(crate) fn join(&self) {
        let running = self.0.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(running) = running {
            let name = running.thread().name().unwrap_or_default().to_owned();
            if running.join().is_err() {
                tracing::error!(name, "a thread panicked");
            }
        }
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.join();
    }
}
