//! The clocks of this machine. Decisions use the two that never jump; wall time is for people.

use std::sync::OnceLock;
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use model::unit::{Millis, Timestamp};
use nix::time::{ClockId, clock_gettime};

/// Wall-clock time, as people read it.
pub fn wall() -> Timestamp {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Timestamp(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

/// Milliseconds since the process first asked; never jumps, stops while the machine sleeps.
pub fn monotonic() -> Millis {
    static START: OnceLock<Instant> = OnceLock::new();
    let passed = START.get_or_init(Instant::now).elapsed();
    Millis(u64::try_from(passed.as_millis()).unwrap_or(u64::MAX))
}

/// Milliseconds since the machine booted; never jumps, runs on while the machine sleeps, and is
/// the same for every process.
pub fn since_boot() -> Millis {
    Millis(since_boot_micros() / 1_000)
}

/// The same in microseconds.
pub fn since_boot_micros() -> u64 {
    let time = clock_gettime(ClockId::CLOCK_BOOTTIME).map(std::time::Duration::from);
    let passed = time.unwrap_or_default();
    u64::try_from(passed.as_micros()).unwrap_or(u64::MAX)
}

/// Names the current boot of the machine; 0 where the kernel does not say.
pub fn boot_id() -> u128 {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let digits: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    u128::from_str_radix(&digits, 16).unwrap_or(0)
}
