//! The lease under which an agent may keep attempts that may be tried elsewhere.
//!
//! It is counted from the moment a heartbeat was *sent* that a leader answered, on a clock that
//! runs on while the machine sleeps. It is written down now and then, never later than it holds,
//! so that a restarted agent knows at once whether it has run out.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use model::unit::Millis;
use tokio::sync::watch;

use crate::clock;
use crate::journal::{Journal, JournalError, LeaseMark};

/// How long the lease runs.
pub struct Lease {
    until: watch::Sender<Millis>,
    written: Mutex<Millis>,
    boot: u128,
}

impl Lease {
    /// Goes on with what the journal knows. A lease from before a reboot has run out.
    pub fn resume(mark: LeaseMark) -> Lease {
        let boot = clock::boot_id();
        let until = if mark.boot_id == boot {
            Millis(mark.until_boot_ms)
        } else {
            Millis(0)
        };
        Lease {
            until: watch::Sender::new(until),
            written: Mutex::new(until),
            boot,
        }
    }

    /// A leader has answered the heartbeat that was sent at `sent` (milliseconds since boot).
    ///
    /// # Errors
    /// If the journal fails.
    pub async fn renew(
        &self,
        sent: Millis,
        length: Millis,
        journal: &Journal,
    ) -> Result<(), JournalError> {
        let until = sent.plus(length);
        self.until.send_if_modified(|known| {
            let later = until > *known;
            if later {
                *known = until;
            }
            later
        });
        if self.must_write(until, length) {
            let mark = LeaseMark {
                until_boot_ms: until.0,
                boot_id: self.boot,
            };
            journal.lease(mark).await?;
        }
        Ok(())
    }

    /// A quarter of the lease may be missing from what is written down.
    fn must_write(&self, until: Millis, length: Millis) -> bool {
        let mut written = self.written.lock().unwrap_or_else(PoisonError::into_inner);
        let due = until.0 >= written.0.saturating_add(length.0 / 4);
        if due {
            *written = until;
        }
        due
    }

    /// Returns when the lease has run out; at once if it has.
    pub async fn lost(&self) {
        let mut changes = self.until.subscribe();
        loop {
            let left = changes
                .borrow_and_update()
                .0
                .saturating_sub(clock::since_boot().0);
            if left == 0 {
                return;
            }
            tokio::select! {
                () = tokio::time::sleep(Duration::from_millis(left)) => {}
                // The sender lives in `self`; an error cannot come up while we borrow it.
                _ = changes.changed() => {}
            }
        }
    }

    /// Returns when the lease holds (again).
    pub async fn held(&self) {
        let mut changes = self.until.subscribe();
        // As above: the sender outlives this borrow.
        let _ = changes.wait_for(|until| *until > clock::since_boot()).await;
    }
}
