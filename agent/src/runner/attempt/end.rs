//! The end of an attempt: its output is complete, what it left is given back and measured, heads
//! are told, and everything that was made for it goes.

use model::assignment::News;

use super::{CAPTURE_TRIES, COPYING, Run};
use crate::journal::JournalError;
use crate::runner::ready::blocking;
use crate::step::{Conclusion, Progress, ending};
use crate::{clock, files, volumes};

impl Run {
    pub(super) async fn conclude(
        &mut self,
        mut conclusion: Conclusion,
    ) -> Result<(), JournalError> {
        if conclusion.started.is_some() {
            self.sample().await;
            if !self.complete_output().await {
                let message = &mut conclusion.message;
                message.push_str(" (the output is incomplete: the engine did not answer)");
            }
            self.give_back().await;
        }
        let ending = ending(
            conclusion,
            &self.standing.progress,
            clock::wall(),
            self.usage,
        );
        if self.shared.runtime.needs_directory() {
            let ids = self.shared.options.default_ids;
            files::info::leave(&self.place, &self.assignment, &ending, ids).await;
        }
        self.standing.progress = Progress::Ended(ending.clone());
        self.save().await?;
        self.shared.set_report(self.held, News::Ended(ending));
        Ok(())
    }

    /// What root in the container has made is the user's from now on.
    async fn give_back(&mut self) {
        if !self.assignment.spec.root || !self.shared.runtime.needs_directory() {
            return;
        }
        for _ in 0..CAPTURE_TRIES {
            let ids = self.assignment.runs_as(self.shared.options.default_ids);
            let place = self.place.clone();
            match blocking(move || volumes::give_back(&place, &ids)).await {
                Ok(()) => return,
                Err(error) => self.pause("giving the job's directory back", &error).await,
            }
        }
    }

    /// Ends it before its start; if it has started after all, or is gone, that is seen next.
    pub(super) async fn discard(&mut self, conclusion: Conclusion) -> Result<(), JournalError> {
        match self.shared.runtime.discard(&self.place).await {
            Ok(true) => self.conclude(conclusion).await,
            Ok(false) => Ok(()),
            Err(error) => {
                self.pause("discard", &error).await;
                Ok(())
            }
        }
    }

    /// Waits until everything the attempt wrote is in its files. Bounded: an engine that is gone
    /// for good must not keep the end from being told.
    async fn complete_output(&mut self) -> bool {
        for _ in 0..CAPTURE_TRIES {
            if self.capture.is_complete() {
                break;
            }
            self.begin_capture();
            if let Some(error) = self.capture.ended(self.held.attempt).await {
                self.pause(COPYING, &error).await;
            }
        }
        self.capture.is_complete()
    }

    /// Takes its pins away.
    async fn unpin(&self) {
        let (shared, place) = (self.shared.clone(), self.place.clone());
        let assignment = self.assignment.clone();
        let unpinned = blocking(move || {
            shared.options.volumes.unpin(&place, &assignment);
            Ok(())
        });
        if let Err(error) = unpinned.await {
            tracing::warn!(attempt = %self.held.attempt, %error, "cannot take pins away");
        }
    }

    /// Measures what it left, now that nothing of it writes any more. Its end is told already: a
    /// large directory takes its time.
    async fn measure(&self) {
        let (shared, place) = (self.shared.clone(), self.place.clone());
        let measured = blocking(move || {
            shared.kept.measure(&place);
            Ok(())
        });
        if let Err(error) = measured.await {
            tracing::error!(attempt = %self.held.attempt, %error, "measuring failed");
        }
    }

    pub(super) async fn clean_up(mut self) -> Result<(), JournalError> {
        while let Err(error) = self.shared.runtime.remove(&self.place).await {
            self.pause("remove", &error).await;
        }
        let has_directory = self.shared.runtime.needs_directory();
        if has_directory {
            self.unpin().await;
        }
        self.shared.book().gone(self.held.attempt);
        if has_directory {
            self.measure().await;
        }
        // The sender lives in the entry that is dropped below, so this ends only by the order.
        let _ = self.forgets.wait_for(|forget| *forget).await;
        self.shared.journal.forget(self.held.attempt).await?;
        self.shared.book().remove(self.held.attempt);
        Ok(())
    }
}
