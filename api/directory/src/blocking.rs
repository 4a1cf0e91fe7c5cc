//! Calls that block, on threads of their own, so many at a time and no more.
//!
//! A call whose time-out has passed goes on where it is, for nobody can end it; it keeps its place
//! until it returns, so that a library that hangs costs a bounded number of threads.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::timeout;

use crate::DirectoryError;
use crate::limits::QUESTIONS_MAX;

/// Places for calls that block.
#[derive(Clone)]
pub(crate) struct Blocking(Arc<Semaphore>);

impl Blocking {
    pub(crate) fn new() -> Blocking {
        Blocking(Arc::new(Semaphore::new(QUESTIONS_MAX)))
    }

    /// The answer of a call, or `Unavailable` when it has not come within the time-out.
    pub(crate) async fn ask<T: Send + 'static>(
        &self,
        limit: Duration,
        call: impl FnOnce() -> Result<T, DirectoryError> + Send + 'static,
    ) -> Result<T, DirectoryError> {
        let places = self.0.clone();
        let asked = async move {
            let place = places.acquire_owned().await;
            let place = place.map_err(|closed| DirectoryError::caused("no places", closed))?;
            let answer = tokio::task::spawn_blocking(move || {
                let answer = call();
                drop(place);
                answer
            });
            let failed = |error| DirectoryError::caused("a call did not return", error);
            answer.await.map_err(failed)?
        };
        let late = |passed| DirectoryError::caused("no answer in time", passed);
        timeout(limit, asked).await.map_err(late)?
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn calls_that_hang_keep_their_places_and_others_fail_in_time() {
        let blocking = Blocking::new();
        let mut held = Vec::new();
        for _ in 0..QUESTIONS_MAX {
            let (release, released) = mpsc::channel::<()>();
            held.push(release);
            let hang = move || {
                let _ = released.recv();
                Ok(())
            };
            let answer = blocking.ask(Duration::from_millis(20), hang).await;
            assert!(matches!(answer, Err(DirectoryError::Unavailable { .. })));
        }
        let more = blocking.ask(Duration::from_millis(20), || Ok(())).await;
        assert!(matches!(more, Err(DirectoryError::Unavailable { .. })));
        drop(held);
        let after = blocking.ask(Duration::from_secs(20), || Ok(7)).await;
        assert_eq!(after.unwrap(), 7);
    }
}
