//! The lease under which an agent may keep attempts that may be tried elsewhere.
//!
//! It is counted from the moment a heartbeat was *sent* that a leader answered, on a clock that
//! runs on while the machine sleeps. It is written down now and then, never later than it holds,
//! so that a restarted agent knows at once whether it has run out.

pub mod span;

use std::time::Duration;

use model::unit::Millis;
use span::Span;
use tokio::sync::watch;

use crate::clock;
use crate::journal::{Journal, JournalError, LeaseMark};

/// The longest sleep before the clock is asked again: timers stand still while the machine
/// sleeps, the lease does not.
const LOOK_AGAIN: Duration = Duration::from_millis(500);

/// How long the lease runs.
pub struct Lease {
    span: watch::Sender<Span>,
    boot: u128,
}

impl Lease {
    /// Goes on with what the journal knows. A lease from before a reboot has run out.
    pub fn resume(mark: LeaseMark) -> Lease {
        let boot = clock::boot_id();
        Lease {
            span: watch::Sender::new(Span::resume(mark, boot)),
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
        let mut must_write = None;
        self.span.send_if_modified(|span| {
            let before = *span;
            must_write = span.renew(sent, length);
            *span != before
        });
        if let Some(until) = must_write {
            let mark = LeaseMark {
                until_boot_ms: until.0,
                boot_id: self.boot,
            };
            journal.lease(mark).await?;
        }
        Ok(())
    }

    /// Whether it holds now.
    pub fn holds(&self) -> bool {
        self.left() > Millis(0)
    }

    fn left(&self) -> Millis {
        self.span.borrow().left(clock::since_boot())
    }

    /// Returns when the lease has run out; at once if it has.
    pub async fn lost(&self) {
        loop {
            let left = Duration::from_millis(self.left().0);
            if left.is_zero() {
                return;
            }
            tokio::time::sleep(left.min(LOOK_AGAIN)).await;
        }
    }

    /// Returns when the lease holds (again).
    pub async fn held(&self) {
        let mut changes = self.span.subscribe();
        let holds = |span: &Span| span.left(clock::since_boot()) > Millis(0);
        // The sender lives in `self`; an error cannot come up while we borrow it.
        let _ = changes.wait_for(holds).await;
    }
}
