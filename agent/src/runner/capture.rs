//! The copy of an attempt's output while it runs: begun anew when it breaks off, until everything
//! is there.

use model::AttemptId;
use tokio::task::JoinHandle;

use crate::runtime::RuntimeError;

/// The copy; it ends with whoever owns it.
#[derive(Default)]
pub(super) struct Capture {
    task: Option<JoinHandle<Result<(), RuntimeError>>>,
    complete: bool,
}

impl Capture {
    /// Begins, unless it is under way or complete.
    pub(super) fn begin(
        &mut self,
        copy: impl Future<Output = Result<(), RuntimeError>> + Send + 'static,
    ) {
        if self.task.is_none() && !self.complete {
            self.task = Some(tokio::spawn(copy));
        }
    }

    /// Everything that can be had is in the files.
    pub(super) fn is_complete(&self) -> bool {
        self.complete
    }

    /// Returns when the copy has broken off, with the reason if there is one, or is complete; never
    /// if none is under way. May be dropped while it waits.
    pub(super) async fn ended(&mut self, attempt: AttemptId) -> Option<RuntimeError> {
        let Some(task) = &mut self.task else {
            return std::future::pending().await;
        };
        let copied = task.await;
        self.task = None;
        match copied {
            Ok(Ok(()) | Err(RuntimeError::Gone)) => {
                self.complete = true;
                None
            }
            Ok(Err(error)) => Some(error),
            Err(panicked) => {
                tracing::error!(%attempt, %panicked, "capture panicked");
                None
            }
        }
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}
