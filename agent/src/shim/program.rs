//! The last step before the job's own program: into the control group, out of every privilege,
//! and wait for the word to go.
//!
//! Everything that can fail without having run the job is done before that word.

use std::convert::Infallible;
use std::io::{self, ErrorKind, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::SigSet;
use nix::unistd::{Gid, Uid, setgroups, setresgid, setresuid};

use super::init::context;
use super::pipes::{Word, say};
use crate::kernel;
use crate::runtime::process::cgroup::Group;
use crate::runtime::process::records::Order;

const NOT_EXECUTABLE: i32 = 126;
const NOT_FOUND: i32 = 127;

/// The ends of the pipes that the program's process holds until it is executed.
pub(super) struct Ends {
    pub(super) program: OwnedFd,
    pub(super) go: OwnedFd,
    pub(super) stdout: OwnedFd,
    pub(super) stderr: OwnedFd,
}

pub(super) fn main(order: &Order, ends: &Ends) -> u8 {
    if let Err(error) = give_up_privileges(order) {
        // If nobody hears it, everybody concerned is dead.
        let _ = say(
            &ends.program,
            &Word::Setup {
                why: error.to_string(),
            },
        );
        return 1;
    }
    let told = say(&ends.program, &Word::Ready).and_then(|()| wait_for_go(ends));
    if told.is_err() {
        return 1;
    }
    let error = match execute(order, ends) {
        Ok(never) => match never {},
        Err(error) => error,
    };
    let code = match error.kind() {
        ErrorKind::NotFound | ErrorKind::NotADirectory => NOT_FOUND,
        _ => NOT_EXECUTABLE,
    };
    let program = order.argv.first().map_or("", String::as_str);
    let why = format!("{program}: {error}");
    let _ = say(&ends.program, &Word::Exec { code, why });
    u8::try_from(code).unwrap_or(u8::MAX)
}

fn give_up_privileges(order: &Order) -> io::Result<()> {
    let group = Group::open(&order.cgroup);
    group.join().map_err(io::Error::other)?;
    nix::unistd::setsid()?;
    // The agent may be spared by the kernel when memory runs short; its jobs are not.
    std::fs::write("/proc/self/oom_score_adj", "0")?;
    setrlimit(Resource::RLIMIT_CORE, 0, 0)?;
    // As root still: the directory need not be open to others on the way there.
    std::env::set_current_dir(&order.work).map_err(|error| context("the job directory", &error))?;
    kernel::drop_capability_bounds().map_err(|error| context("capabilities", &error))?;
    let (uid, gid) = (Uid::from_raw(order.ids.0), Gid::from_raw(order.ids.1));
    let groups: Vec<Gid> = order.groups.iter().copied().map(Gid::from_raw).collect();
    setgroups(&groups)?;
    setresgid(gid, gid, gid)?;
    setresuid(uid, uid, uid)?;
    nix::sys::prctl::set_no_new_privs()?;
    SigSet::empty().thread_set_mask()?;
    Ok(())
}

/// Fails if the supervisor is gone.
fn wait_for_go(ends: &Ends) -> io::Result<()> {
    let mut go = std::fs::File::from(ends.go.try_clone()?);
    go.read_exact(&mut [0])
}

fn execute(order: &Order, ends: &Ends) -> io::Result<Infallible> {
    let Some((program, args)) = order.argv.split_first() else {
        return Err(io::Error::new(ErrorKind::NotFound, "no program is named"));
    };
    let error = Command::new(program)
        .args(args)
        .env_clear()
        .envs(order.env.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null())
        .stdout(ends.stdout.try_clone()?)
        .stderr(ends.stderr.try_clone()?)
        .exec();
    Err(error)
}
