//! The supervisor of one attempt without a container engine: `goagent shim DIR`.
//!
//! It outlives the agent that started it, so that the end of an attempt is recorded exactly even
//! while no agent runs. Four processes: the one that the agent starts, which only forks and ends;
//! the supervisor, in a session of its own; process 1 of the attempt's namespaces ([`init`]); and
//! the program ([`program`]). All are forks of one executable image, so replacing the file of a
//! running agent changes nothing for attempts under way.
//!
//! Invariant: the program is executed only after `begun` is on disk, and `begun` can be written
//! once. Whatever fails before is tried again by the agent; nothing after is.

mod init;
mod mounts;
mod output;
mod pipes;
mod program;

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::process::ExitCode;

use model::job::{Exit, Started, Usage};
use nix::sched::CloneFlags;
use nix::sys::stat::Mode;
use nix::sys::wait::waitpid;
use nix::unistd::{Pid, dup2_stderr, dup2_stdin, dup2_stdout};

use self::output::Pump;
use self::pipes::{Line, Pipe, Word};
use crate::kernel;
use crate::runtime::process::cgroup::Group;
use crate::runtime::process::records::{
    self, ExitRecord, ORDER_VERSION, Order, RefusedRecord, StartRecord, StateDir,
};

/// Serves the attempt whose state lies in `dir`. Must be called before the process has a second
/// thread. Returns at once in the process that the caller started; standard output stays open
/// until the attempt runs or cannot, and carries a line of text in the latter case.
pub fn main(dir: &Path) -> ExitCode {
    let forked = kernel::fork(|| match supervise(dir) {
        Ok(()) => 0,
        Err(error) => {
            // The agent reads it from the pipe; whoever started this by hand sees it.
            let _ = writeln!(io::stdout(), "{error}");
            1
        }
    });
    match forked {
        Ok(_) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(io::stdout(), "cannot fork the supervisor: {error}");
            ExitCode::FAILURE
        }
    }
}

fn supervise(dir: &Path) -> io::Result<()> {
    nix::unistd::setsid()?;
    nix::sys::stat::umask(Mode::from_bits_truncate(0o022));
    std::env::set_current_dir("/")?;
    dup2_stdin(null()?)?;
    let state = StateDir(dir.to_path_buf());
    dup2_stderr(log(&state)?)?;
    // Opened for both directions, so that opening does not wait for a reader.
    let alive = File::options()
        .read(true)
        .write(true)
        .open(state.alive()?)?;
    let lock = state.lock()?;
    let order = state
        .order()?
        .ok_or_else(|| io::Error::other("there is no order"))?;
    if order.version != ORDER_VERSION {
        return Err(io::Error::other(format!(
            "order of version {}",
            order.version
        )));
    }
    if state.has_begun() {
        return Ok(());
    }
    let group =
        Group::create(&order.cgroup, &order.limits, order.processes).map_err(io::Error::other)?;
    let attempt = Attempt::launch(&order, (alive, lock)).inspect_err(|_| {
        // What was set up for an attempt that never began is of no use; the agent tries again.
        let _ = group.kill().and_then(|()| group.delete());
    })?;
    let (record, held) = attempt.run(&state, &order, &group)?;
    if let Some(record) = record {
        state.write_exit(&record)?;
    }
    // The agent removes the group if this fails.
    let _ = group.delete();
    // Only now: who finds the lock free finds every record written.
    drop(held);
    Ok(())
}

fn null() -> io::Result<File> {
    File::options().read(true).write(true).open("/dev/null")
}

fn log(state: &StateDir) -> io::Result<File> {
    File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(state.0.join(records::LOG))
}

/// What the supervisor keeps open until the end: the sign of life, and the lock.
type Held = (File, File);

/// An attempt that stands ready at the door: everything is set up but the program.
struct Attempt {
    init: Pid,
    /// From the program, until it is executed.
    program: Line,
    /// From process 1.
    status: Line,
    /// Tells the program to go.
    go: OwnedFd,
    stdout: OwnedFd,
    stderr: OwnedFd,
    held: Held,
}

impl Attempt {
    fn launch(order: &Order, held: Held) -> io::Result<Attempt> {
        let (program, status, go) = (Pipe::new()?, Pipe::new()?, Pipe::new()?);
        let (stdout, stderr) = (Pipe::new()?, Pipe::new()?);
        for stream in [&stdout, &stderr] {
            // The program may open its own streams again by name.
            let (uid, gid) = order.ids;
            nix::unistd::fchown(&stream.write, Some(uid.into()), Some(gid.into()))?;
        }
        let own_namespace = File::open("/proc/self/ns/pid")?;
        // Takes effect for children: the first of them becomes process 1 of the new namespace.
        nix::sched::unshare(CloneFlags::CLONE_NEWPID)?;
        let ends = (
            program.write,
            go.read,
            status.write,
            stdout.write,
            stderr.write,
        );
        let readers = (
            program.read,
            status.read,
            go.write,
            stdout.read,
            stderr.read,
        );
        let mut inherited = Some((held, readers, ends));
        let forked = kernel::fork(|| {
            let Some((held, readers, ends)) = inherited.take() else {
                return 1;
            };
            // These copies would outlive the supervisor and hide its death.
            drop((held, readers));
            let (program, go, status, stdout, stderr) = ends;
            init::main(
                order,
                init::Ends {
                    program,
                    go,
                    status,
                    stdout,
                    stderr,
                },
            )
        });
        // Back, or the supervisor could have no threads of its own.
        nix::sched::setns(&own_namespace, CloneFlags::CLONE_NEWPID)?;
        let init = forked?;
        let Some((held, readers, ends)) = inherited else {
            return Err(io::Error::other("the ends of the pipes are gone"));
        };
        drop(ends);
        let (program, status, go, stdout, stderr) = readers;
        let (mut program, mut status) = (Line::new(program), Line::new(status));
        await_ready(&mut program, &mut status)?;
        Ok(Attempt {
            init,
            program,
            status,
            go,
            stdout,
            stderr,
            held,
        })
    }

    /// Lets the program go and waits for its end; no record if it could not be executed.
    fn run(
        mut self,
        state: &StateDir,
        order: &Order,
        group: &Group,
    ) -> io::Result<(Option<ExitRecord>, Held)> {
        state.write_begun()?;
        nix::unistd::write(&self.go, b"g")?;
        drop(self.go);
        let out = Pump::start(self.stdout, &order.stdout)?;
        let err = Pump::start(self.stderr, &order.stderr)?;
        if let Some(Word::Exec { code, why }) = self.program.next() {
            state.write_refused(&RefusedRecord { code, why })?;
            waitpid(self.init, None)?;
            return Ok((None, self.held));
        }
        let init_ticks = crate::runtime::process::ticks(self.init.as_raw()).unwrap_or(0);
        let started = Started {
            at: crate::clock::wall(),
            ..Started::default()
        };
        let init = self.init.as_raw();
        state.write_started(&StartRecord {
            started,
            init,
            init_ticks,
        })?;
        dup2_stdout(null()?)?;
        let end = self.status.next();
        // Process 1 ends only when nothing of its namespace is left.
        waitpid(self.init, None)?;
        let lost = [out.finish(), err.finish()];
        let record = conclude(end.as_ref(), group, lost.into_iter().find_map(Result::err));
        Ok((Some(record), self.held))
    }
}

/// Returns once the program is about to be executed, or says what kept it from there.
fn await_ready(program: &mut Line, status: &mut Line) -> io::Result<()> {
    let why = match program.next() {
        Some(Word::Ready) => return Ok(()),
        Some(Word::Setup { why }) => why,
        Some(Word::Exec { .. } | Word::Ended { .. }) | None => match status.next() {
            Some(Word::Setup { why }) => why,
            Some(Word::Ready | Word::Exec { .. } | Word::Ended { .. }) | None => {
                "the attempt's first process died while it was set up".into()
            }
        },
    };
    Err(io::Error::other(why))
}

fn conclude(end: Option<&Word>, group: &Group, output_lost: Option<String>) -> ExitRecord {
    let paths = group.paths();
    let (usage, oom_killed) = match &paths {
        Ok(paths) => (paths.read(), paths.oom_kills().is_ok_and(|kills| kills > 0)),
        Err(_) => (Ok(Usage::default()), false),
    };
    let usage = usage.unwrap_or_default();
    let (exit, engine_failed) = match end {
        Some(Word::Ended { code, signal }) => (
            Exit {
                code: Some(*code),
                signal: *signal,
                oom_killed,
            },
            false,
        ),
        Some(Word::Ready | Word::Setup { .. } | Word::Exec { .. }) | None => (
            Exit {
                oom_killed,
                ..Exit::default()
            },
            true,
        ),
    };
    ExitRecord {
        exit,
        usage,
        engine_failed,
        output_lost,
    }
}
