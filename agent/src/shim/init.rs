//! Process 1 of an attempt: makes its namespaces, starts the program, passes signals on to it,
//! reaps whatever is left to it, and says how the program ended.
//!
//! It is no member of the attempt's control group, so no kill for memory hits it. When it ends,
//! the kernel ends everything else in its namespace; when the supervisor dies, it dies.

use std::io;
use std::os::fd::OwnedFd;

use nix::errno::Errno;
use nix::sched::CloneFlags;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{Pid, dup2_stderr, dup2_stdout};

use super::pipes::{Word, say};
use super::{mounts, null, program};
use crate::kernel;
use crate::runtime::process::records::Order;

/// Signals that are passed on to the program.
const PASSED_ON: [Signal; 6] = [
    Signal::SIGTERM,
    Signal::SIGINT,
    Signal::SIGHUP,
    Signal::SIGQUIT,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
];

/// The ends of the pipes that belong to the attempt's side.
pub(super) struct Ends {
    /// The program says whether it could be executed.
    pub(super) program: OwnedFd,
    /// The program waits here.
    pub(super) go: OwnedFd,
    /// Process 1 says how the program ended.
    pub(super) status: OwnedFd,
    /// The program's standard output.
    pub(super) stdout: OwnedFd,
    /// The program's standard error.
    pub(super) stderr: OwnedFd,
}

pub(super) fn main(order: &Order, ends: Ends) -> u8 {
    let Ends {
        program,
        go,
        status,
        stdout,
        stderr,
    } = ends;
    match start(
        order,
        program::Ends {
            program,
            go,
            stdout,
            stderr,
        },
    ) {
        Ok((child, signals)) => {
            let word = serve(child, &signals);
            u8::from(say(&status, &word).is_err())
        }
        Err(error) => {
            // If nobody hears it, the supervisor is dead, and so is this process.
            let _ = say(
                &status,
                &Word::Setup {
                    why: error.to_string(),
                },
            );
            1
        }
    }
}

/// Sets everything up; returns the program's process and the signals that are now waited for.
fn start(order: &Order, ends: program::Ends) -> io::Result<(Pid, SigSet)> {
    nix::sys::prctl::set_pdeathsig(Signal::SIGKILL)?;
    dup2_stdout(null()?)?;
    dup2_stderr(null()?)?;
    let mut signals: SigSet = PASSED_ON.into_iter().collect();
    signals.add(Signal::SIGCHLD);
    signals.thread_block()?;
    let mut apart = CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWIPC | CloneFlags::CLONE_NEWUTS;
    if !order.host_network {
        apart |= CloneFlags::CLONE_NEWNET;
    }
    nix::sched::unshare(apart)?;
    nix::unistd::sethostname(&order.hostname)?;
    if !order.host_network {
        kernel::loopback_up().map_err(|error| context("the loopback interface", &error))?;
    }
    mounts::arrange(order)?;
    let mut ends = Some(ends);
    let child = kernel::fork(|| match ends.take() {
        Some(ends) => program::main(order, &ends),
        None => 1,
    })?;
    Ok((child, signals))
}

pub(super) fn context(what: &str, error: &dyn std::fmt::Display) -> io::Error {
    io::Error::other(format!("{what}: {error}"))
}

/// Waits for the program's end, passing signals on and reaping.
fn serve(program: Pid, signals: &SigSet) -> Word {
    loop {
        if let Some(word) = reap(program) {
            return word;
        }
        match signals.wait() {
            Ok(Signal::SIGCHLD) | Err(_) => {}
            Ok(signal) => {
                // The program may be a zombie already; then there is nobody to tell.
                let _ = kill(program, signal);
            }
        }
    }
}

/// Reaps everything that has ended; `Some` if the program is among it.
fn reap(program: Pid) -> Option<Word> {
    loop {
        match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(pid, code)) if pid == program => {
                return Some(Word::Ended { code, signal: None });
            }
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == program => {
                let signal = u8::try_from(signal as i32).unwrap_or(u8::MAX);
                return Some(Word::Ended {
                    code: 128 + i32::from(signal),
                    signal: Some(signal),
                });
            }
            Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => return None,
            // Somebody else's end, a stop, or an interruption: look again.
            Ok(_) | Err(_) => {}
        }
    }
}
