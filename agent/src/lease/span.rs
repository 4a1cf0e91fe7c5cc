//! How long a lease runs, and when its end has to be written down. Pure: time comes in.

use model::unit::Millis;

use crate::journal::LeaseMark;

/// A lease, in milliseconds since boot.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Span {
    until: Millis,
    written: Millis,
}

impl Span {
    /// Goes on with what was written down. A lease from before a reboot has run out.
    pub fn resume(mark: LeaseMark, boot: u128) -> Span {
        let until = if mark.boot_id == boot {
            Millis(mark.until_boot_ms)
        } else {
            Millis(0)
        };
        Span {
            until,
            written: until,
        }
    }

    /// A leader has answered the heartbeat that was sent at `sent`. What is answered has to be
    /// written down: a quarter of the lease may be missing there.
    pub fn renew(&mut self, sent: Millis, length: Millis) -> Option<Millis> {
        let until = sent.plus(length);
        self.until = self.until.max(until);
        let due = until.0 >= self.written.0.saturating_add(length.0 / 4);
        due.then(|| {
            self.written = until;
            until
        })
    }

    /// What is left of it; zero once it has run out.
    pub fn left(&self, now: Millis) -> Millis {
        Millis(self.until.0.saturating_sub(now.0))
    }
}
