//! Chance and time from a seed: for the weather, and for everything below us that asks the system
//! for them.
//!
//! openraft's election times, the keys of hash maps, tokio's choice among ready branches and
//! quinn's connection ids all begin with `getrandom`. This test program has its own: on a thread
//! with a seed ([`sow`]) it answers from the seed, on every other one from the system. So nothing
//! of theirs has to be built or called differently than in production. The time of the system is
//! chance, too, for whoever looks at it while the simulation's stands still: on such a thread it
//! only moves when it is looked at.

#![allow(unsafe_code, reason = "a C function is replaced in this test program")]

use std::cell::Cell;
use std::ffi::{c_long, c_void};
use std::fs::File;
use std::io::Read;
use std::ops::Range;
use std::time::Duration;

/// A stream of numbers that its seed determines (splitmix64).
#[derive(Clone, Debug)]
pub(super) struct Chance(u64);

impl Chance {
    /// Streams with different names are independent.
    pub(super) fn new(seed: u64, name: &str) -> Chance {
        let name = u64::from(crc32fast::hash(name.as_bytes()));
        let mut chance = Chance(seed ^ name << 32);
        chance.next();
        chance
    }

    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    /// A number in the range.
    pub(super) fn of(&mut self, range: Range<u64>) -> u64 {
        range.start + self.next() % (range.end - range.start)
    }

    /// Whether it happens that happens `per_mille` times in a thousand.
    pub(super) fn happens(&mut self, per_mille: u64) -> bool {
        self.of(0..1_000) < per_mille
    }

    pub(super) fn millis(&mut self, range: Range<u64>) -> Duration {
        Duration::from_millis(self.of(range))
    }

    /// One of these.
    pub(super) fn one<T: Clone>(&mut self, of: &[T]) -> T {
        let at = self.of(0..of.len() as u64);
        of[usize::try_from(at).unwrap()].clone()
    }
}

thread_local! {
    /// What this thread is given instead of the system's chance.
    static SOWN: Cell<Option<u64>> = const { Cell::new(None) };
}

/// From now on everything on this thread that asks the system for chance is given the seed's.
/// The thread must be new: what it asked for before stays.
pub(super) fn sow(seed: u64) {
    SOWN.set(Some(seed));
}

/// In place of the C library's: std, getrandom and whatever is built on them call it.
///
/// # Safety
/// As getrandom(2): `buffer` has room for `length` bytes.
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(buffer: *mut u8, length: usize, _flags: u32) -> isize {
    if length == 0 {
        return 0;
    }
    // SAFETY: the caller gives a buffer of this length, which need not be initialised; every
    // byte is written before any is read.
    let bytes = unsafe {
        std::ptr::write_bytes(buffer, 0, length);
        std::slice::from_raw_parts_mut(buffer, length)
    };
    if let Ok(Some(seed)) = SOWN.try_with(Cell::get) {
        let mut chance = Chance(seed);
        for chunk in bytes.chunks_mut(8) {
            chunk.copy_from_slice(&chance.next().to_le_bytes()[..chunk.len()]);
        }
        SOWN.set(Some(chance.0));
    } else {
        let mut system = File::open("/dev/urandom").unwrap();
        system.read_exact(bytes).unwrap();
    }
    length.cast_signed()
}

/// In place of the C library's, which takes a number and up to six more, for `ring`: it asks the
/// kernel itself.
///
/// # Safety
/// As syscall(2).
#[unsafe(no_mangle)]
unsafe extern "C" fn syscall(
    number: c_long,
    a: usize,
    b: usize,
    c: usize,
    d: usize,
    e: usize,
    f: usize,
) -> c_long {
    type Syscall = unsafe extern "C" fn(c_long, ...) -> c_long;
    if number == nix::libc::SYS_getrandom && sown() {
        // SAFETY: its arguments are those of the function.
        return unsafe { getrandom(a as *mut u8, b, 0) } as c_long;
    }
    // SAFETY: the C library has it; the arguments are the caller's.
    unsafe {
        let real = nix::libc::dlsym(nix::libc::RTLD_NEXT, c"syscall".as_ptr());
        std::mem::transmute::<*mut c_void, Syscall>(real)(number, a, b, c, d, e, f)
    }
}

fn sown() -> bool {
    matches!(SOWN.try_with(Cell::get), Ok(Some(_)))
}

/// How much later it is whenever a sown thread looks at the clock.
const LOOK: i64 = 1_000;

thread_local! {
    /// What a sown thread's clocks show next, in ns since 1970 or since the machine was started.
    static SHOWN: Cell<i64> = const { Cell::new(1_700_000_000_000_000_000) };
}

/// In place of the C library's, as [`getrandom`] is.
///
/// # Safety
/// As clock_gettime(2): `time` can be written.
#[unsafe(no_mangle)]
unsafe extern "C" fn clock_gettime(
    clock: nix::libc::clockid_t,
    time: *mut nix::libc::timespec,
) -> i32 {
    if !sown() {
        // SAFETY: the caller's own call.
        let done = unsafe { nix::libc::syscall(nix::libc::SYS_clock_gettime, clock, time) };
        return if done == 0 { 0 } else { -1 };
    }
    let shown = SHOWN.with(|shown| shown.replace(shown.get() + LOOK));
    // SAFETY: the caller gives a place for one.
    unsafe {
        (*time).tv_sec = shown / 1_000_000_000;
        (*time).tv_nsec = shown % 1_000_000_000;
    }
    0
}

#[test]
fn a_sown_thread_repeats_itself_and_others_do_not() {
    let hash_keys = |seed: Option<u64>| {
        let thread = std::thread::spawn(move || {
            if let Some(seed) = seed {
                sow(seed);
            }
            let mut bytes = [0; 16];
            getrandom::fill(&mut bytes).unwrap();
            let keys = std::collections::hash_map::RandomState::new();
            (bytes, std::hash::BuildHasher::hash_one(&keys, 1))
        });
        thread.join().unwrap()
    };
    assert_eq!(hash_keys(Some(1)), hash_keys(Some(1)));
    assert_ne!(hash_keys(Some(1)), hash_keys(Some(2)));
    assert_ne!(hash_keys(None), hash_keys(None));
}
