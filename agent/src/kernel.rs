//! The few calls to the kernel that the `nix` crate does not offer safely: the only unsafe code
//! of this crate.
//!
//! Each function is sound for every caller that compiles; what the kernel refuses comes back as
//! its own error.
#![allow(unsafe_code, reason = "system calls without a safe wrapper")]

use std::io;

use nix::libc;
use nix::unistd::{ForkResult, Pid};

/// The highest capability number that any kernel may know.
const CAPABILITY_MAX: libc::c_ulong = 63;

/// Forks; the child runs `child` and ends with the code it returns.
///
/// # Errors
/// If this process has more than one thread (a lock that another thread holds would stay locked
/// in the child for ever), or the kernel refuses.
pub fn fork(child: impl FnOnce() -> u8) -> io::Result<Pid> {
    let threads = std::fs::read_dir("/proc/self/task")?.count();
    if threads != 1 {
        return Err(io::Error::other(format!(
            "cannot fork with {threads} threads"
        )));
    }
    // SAFETY: this is the only thread, so the child's copy of memory is consistent.
    match unsafe { nix::unistd::fork() }? {
        ForkResult::Parent { child } => Ok(child),
        ForkResult::Child => {
            let run = std::panic::AssertUnwindSafe(child);
            let code = std::panic::catch_unwind(run).unwrap_or(101);
            // No destructor of the parent's may run in the child.
            exit(code)
        }
    }
}

/// Ends the process at once: no thread is waited for, and nothing is put in order.
pub fn exit(code: u8) -> ! {
    // SAFETY: the call does not return, and touches no memory of this process.
    unsafe { libc::_exit(i32::from(code)) }
}

/// Takes every capability away from whatever this process will ever execute.
///
/// # Errors
/// If the kernel refuses: the process may not change its own bounding set.
pub fn drop_capability_bounds() -> io::Result<()> {
    for capability in 0..=CAPABILITY_MAX {
        // SAFETY: takes plain numbers.
        let done = unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) };
        if done != 0 {
            let error = io::Error::last_os_error();
            // Past the last capability of this kernel.
            if error.raw_os_error() == Some(libc::EINVAL) && capability > 0 {
                return Ok(());
            }
            return Err(error);
        }
    }
    Ok(())
}

/// Brings the loopback interface of this network namespace up.
///
/// # Errors
/// If there is none or the kernel refuses.
pub fn loopback_up() -> io::Result<()> {
    let socket = std::net::UdpSocket::bind("0.0.0.0:0")?;
    // SAFETY: all bytes zero is a valid `ifreq`.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = from.cast_signed();
    }
    #[allow(clippy::cast_possible_truncation, reason = "both are below 2^15")]
    let flags = (libc::IFF_UP | libc::IFF_RUNNING) as libc::c_short;
    request.ifr_ifru.ifru_flags = flags;
    let socket = std::os::fd::AsRawFd::as_raw_fd(&socket);
    // SAFETY: the request outlives the call and has the form that SIOCSIFFLAGS takes.
    let done = unsafe { libc::ioctl(socket, libc::SIOCSIFFLAGS, &raw const request) };
    if done == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// What the kernel says of the wall clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Clock {
    /// Something keeps it in step with the world's.
    pub synchronised: bool,
    /// The largest error that the kernel assumes, in microseconds.
    pub error_micros: i64,
}

/// Asks the kernel how good the wall clock is.
///
/// # Errors
/// If the kernel does not answer.
pub fn clock() -> io::Result<Clock> {
    // SAFETY: all bytes zero is a valid `timex` and asks for no change.
    let mut timex: libc::timex = unsafe { std::mem::zeroed() };
    // SAFETY: the structure outlives the call.
    let state = unsafe { libc::adjtimex(&raw mut timex) };
    if state < 0 {
        return Err(io::Error::last_os_error());
    }
    let unsynchronised = state == libc::TIME_ERROR || timex.status & libc::STA_UNSYNC != 0;
    Ok(Clock {
        synchronised: !unsynchronised,
        error_micros: timex.maxerror,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_with_threads_is_not_forked() {
        // The test harness runs each test in a thread of its own.
        let error = fork(|| 0).unwrap_err().to_string();
        assert!(error.contains("threads"), "{error}");
    }

    #[test]
    fn the_kernel_says_how_good_the_clock_is() {
        assert!(clock().unwrap().error_micros >= 0);
    }
}
