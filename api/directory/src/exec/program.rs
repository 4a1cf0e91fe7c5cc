//! One run of a program: its question goes in, its answer comes out, and nothing of it is left.
//!
//! The program leads a process group of its own. When it has ended or its time is over the whole
//! group is killed, and only then is the program reaped: as long as it is not, its number is not
//! anybody else's.

use std::pin::pin;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use nix::errno::Errno;
use nix::sys::signal::{Signal, killpg};
use nix::sys::wait::{Id, WaitPidFlag, waitid};
use nix::unistd::Pid;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::process::{Child, Command};
use tokio::time::error::Elapsed;
use tokio::time::timeout;

use crate::DirectoryError;
use crate::limits::{ANSWER_BYTES_MAX, COMPLAINT_BYTES_MAX, PIPES_MAX};

/// What came of a run.
pub(crate) struct Ran {
    pub(crate) status: ExitStatus,
    pub(crate) stdout: Vec<u8>,
    /// The beginning of what was written to standard error.
    pub(crate) stderr: Vec<u8>,
}

/// Runs the command with this on its standard input and nothing in its environment.
pub(crate) async fn run(
    command: &[String],
    input: &[u8],
    limit: Duration,
) -> Result<Ran, DirectoryError> {
    let (mut child, group) = spawn(command)?;
    let pipes = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (Some(mut stdin), Some(stdout), Some(stderr)) = pipes else {
        return Err(DirectoryError::unavailable("the program has no pipes"));
    };
    let write = async move {
        // A program may answer without having read its question.
        let _ = stdin.write_all(input).await;
        drop(stdin);
    };
    let end = async {
        let ended = timeout(limit, group.ended()).await;
        // Ends the program that is late, and whatever the program has left behind.
        group.kill();
        ended
    };
    let pipes = async {
        let (out, err) = (
            read(stdout, ANSWER_BYTES_MAX + 1),
            read(stderr, COMPLAINT_BYTES_MAX),
        );
        tokio::join!(write, out, err)
    };
    let (ended, pipes) = until_ended(end, pipes).await;
    let status = reap(&mut child, group).await?;
    let late = |passed| {
        let why = format!("the program does not end within {} ms", limit.as_millis());
        DirectoryError::caused(why, passed)
    };
    ended.map_err(late)??;
    let held = |passed| DirectoryError::caused("the program's pipes stay open", passed);
    let ((), stdout, stderr) = pipes.map_err(held)?;
    let failed = |error| DirectoryError::caused("cannot read what the program says", error);
    let stdout = stdout.map_err(failed)?;
    let stderr = stderr.map_err(failed)?;
    if stdout.len() > ANSWER_BYTES_MAX {
        let why = format!("the program's answer is longer than {ANSWER_BYTES_MAX} bytes");
        return Err(DirectoryError::unavailable(why));
    }
    Ok(Ran {
        status,
        stdout,
        stderr,
    })
}

/// Waits for the end and for the pipes, for these not much longer: who has left the group may hold
/// one for ever.
async fn until_ended<E, P>(
    end: impl Future<Output = E>,
    pipes: impl Future<Output = P>,
) -> (E, Result<P, Elapsed>) {
    let (mut end, mut pipes) = (pin!(end), pin!(pipes));
    let mut emptied = None;
    let ended = loop {
        tokio::select! {
            ended = &mut end => break ended,
            all = &mut pipes, if emptied.is_none() => emptied = Some(all),
        }
    };
    match emptied {
        Some(all) => (ended, Ok(all)),
        None => (ended, timeout(PIPES_MAX, pipes).await),
    }
}

fn spawn(command: &[String]) -> Result<(Child, Group), DirectoryError> {
    let failed = |error| DirectoryError::caused("cannot start the program", error);
    let (program, arguments) = command.split_first().ok_or_else(|| {
        DirectoryError::misconfigured("command", "write the program with its absolute path")
    })?;
    let child = Command::new(program)
        .args(arguments)
        .env_clear()
        .current_dir("/")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let id = child.id().and_then(|id| i32::try_from(id).ok());
    let id = id.ok_or_else(|| DirectoryError::unavailable("the program has no number"))?;
    Ok((child, Group(Some(Pid::from_raw(id)))))
}

/// The group of a program that is not reaped. It is killed when this goes.
struct Group(Option<Pid>);

impl Group {
    fn kill(&self) {
        if let Some(leader) = self.0 {
            // An error says that nobody is left in it.
            let _ = killpg(leader, Signal::SIGKILL);
        }
    }

    /// Waits until the program has ended, and leaves it to be reaped. The thread that waits is
    /// given back at the latest when the group is killed.
    async fn ended(&self) -> Result<(), DirectoryError> {
        let Some(leader) = self.0 else {
            return Ok(());
        };
        let wait = move || loop {
            match waitid(Id::Pid(leader), WaitPidFlag::WEXITED | WaitPidFlag::WNOWAIT) {
                Err(Errno::EINTR) => {}
                other => return other.map(|_| ()),
            }
        };
        let failed = |error| DirectoryError::caused("the program cannot be waited for", error);
        let waited = tokio::task::spawn_blocking(wait).await;
        waited
            .map_err(failed)?
            .map_err(|error| DirectoryError::caused("the program cannot be waited for", error))
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Takes the exit status of a program whose group is killed. From then on its number may be
/// another's.
async fn reap(child: &mut Child, mut group: Group) -> Result<ExitStatus, DirectoryError> {
    group.kill();
    group.0 = None;
    let failed = |error| DirectoryError::caused("the program cannot be waited for", error);
    // A program that the kernel holds is left to the runtime, which reaps it when it can.
    let held = |passed| DirectoryError::caused("the program cannot be ended", passed);
    timeout(PIPES_MAX, child.wait())
        .await
        .map_err(held)?
        .map_err(failed)
}

/// What a pipe gives, up to this; what is more is read and thrown away, so that nobody waits.
async fn read(mut pipe: impl AsyncRead + Unpin, bytes_max: usize) -> std::io::Result<Vec<u8>> {
    let mut kept = Vec::new();
    let most = u64::try_from(bytes_max).unwrap_or(u64::MAX);
    (&mut pipe).take(most).read_to_end(&mut kept).await?;
    tokio::io::copy(&mut pipe, &mut tokio::io::sink()).await?;
    Ok(kept)
}
