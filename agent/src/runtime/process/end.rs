//! Ending attempts: signals, burying what a dead supervisor left, and taking everything away.

use std::io::ErrorKind;
use std::path::Path;

use model::Fence;
use model::job::{Exit, Usage};
use nix::errno::Errno;
use nix::sys::signal::{Signal as UnixSignal, kill};
use nix::unistd::Pid;

use super::cgroup::{Group, GroupError};
use super::records::{ExitRecord, Standing, StartRecord, StateDir};
use super::{LOCAL_SECONDS, LOOK_AGAIN, blocking, disk, engine, read_order, ticks};
use crate::runtime::{Place, RuntimeError, Signal};

/// Sends a signal to a running attempt; anything else needs none.
pub(super) async fn signal(state: StateDir, signal: Signal) -> Result<(), RuntimeError> {
    blocking("signal", move || {
        let standing = state.standing().map_err(|error| disk(&state.0, error))?;
        let Some(Standing::Running(record)) = standing else {
            return Ok(());
        };
        match signal {
            Signal::Term => term(&record),
            Signal::Kill => group(&state)?
                .kill()
                .map_err(|error| failed("signal", &error)),
        }
    })
    .await
}

/// Tells process 1 of the attempt, which passes it on to the program.
fn term(record: &StartRecord) -> Result<(), RuntimeError> {
    // Another process may bear the number by now.
    if ticks(record.init) != Some(record.init_ticks) {
        return Ok(());
    }
    match kill(Pid::from_raw(record.init), UnixSignal::SIGTERM) {
        Ok(()) | Err(Errno::ESRCH) => Ok(()),
        Err(error) => Err(engine("signal", &error)),
    }
}

/// Records the end of an attempt whose supervisor died, once nothing of it lives.
pub(super) async fn bury(state: &StateDir) -> Result<ExitRecord, RuntimeError> {
    let state = state.clone();
    blocking("bury", move || {
        let at = |error| disk(&state.0, error);
        // Whoever else is at it, or a supervisor after all, goes first.
        let _lock = state.lock().map_err(at)?;
        if let Some(Standing::Ended(_, record)) = state.standing().map_err(at)? {
            return Ok(record);
        }
        let group = group(&state)?;
        let paths = group.paths().ok();
        let oom_killed = paths.as_ref().and_then(|paths| paths.oom_kills().ok());
        let usage = paths.and_then(|paths| paths.read().ok());
        group.kill().map_err(|error| failed("bury", &error))?;
        let record = ExitRecord {
            exit: Exit {
                oom_killed: oom_killed.is_some_and(|kills| kills > 0),
                ..Exit::default()
            },
            usage: usage.unwrap_or_else(Usage::default),
            engine_failed: true,
            output_lost: None,
        };
        state.write_exit(&record).map_err(at)?;
        group.delete().map_err(|error| failed("bury", &error))?;
        Ok(record)
    })
    .await
}

/// Removes attempts of the same name with a lower fence; refuses if there is one with a higher.
pub(super) async fn clear_older(states: &Path, place: &Place) -> Result<(), RuntimeError> {
    let (dir, prefix) = (states.to_path_buf(), format!("{}-", place.name()));
    let found = blocking("prepare", move || {
        let entries = std::fs::read_dir(&dir).map_err(|error| disk(&dir, error))?;
        let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
        let fences = names.filter_map(|name| name.strip_prefix(&prefix)?.parse().ok().map(Fence));
        Ok(fences.collect::<Vec<_>>())
    });
    for fence in found.await? {
        if fence > place.fence {
            let why = format!("{} is here under the later fence {fence}", place.attempt);
            return Err(RuntimeError::Refused { why });
        }
        if fence < place.fence {
            remove(StateDir(states.join(format!("{}-{fence}", place.name())))).await?;
        }
    }
    Ok(())
}

/// Ends what runs, and takes control group and records away.
pub(super) async fn remove(state: StateDir) -> Result<(), RuntimeError> {
    blocking("remove", move || {
        let at = |error| disk(&state.0, error);
        let begun = std::time::Instant::now();
        if !state.0.exists() {
            return Ok(());
        }
        if read_order(&state)?.is_some() {
            let group = group(&state)?;
            // With nothing left to run, the supervisor records the end and lets go of the lock.
            let _lock = loop {
                group.kill().map_err(|error| failed("remove", &error))?;
                if let Some(lock) = state.try_lock().map_err(at)? {
                    break lock;
                }
                if begun.elapsed().as_secs() > LOCAL_SECONDS {
                    return Err(engine("remove", &"the supervisor does not end"));
                }
                std::thread::sleep(LOOK_AGAIN);
            };
            group.kill().map_err(|error| failed("remove", &error))?;
            group.delete().map_err(|error| failed("remove", &error))?;
            return gone(std::fs::remove_dir_all(&state.0)).map_err(at);
        }
        gone(std::fs::remove_dir_all(&state.0)).map_err(at)
    })
    .await
}

fn gone(result: std::io::Result<()>) -> std::io::Result<()> {
    match result {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        Err(_) | Ok(()) => Ok(()),
    }
}

fn group(state: &StateDir) -> Result<Group, RuntimeError> {
    let order = read_order(state)?.ok_or(RuntimeError::Gone)?;
    Ok(Group::open(&order.cgroup))
}

fn failed(call: &'static str, error: &GroupError) -> RuntimeError {
    engine(call, error)
}
