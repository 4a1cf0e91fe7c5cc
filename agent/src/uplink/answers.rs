//! What heads ask about attempts of this node: their output, what they use, and their files.

use std::io::SeekFrom;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use model::account::UserName;
use model::assignment::Held;
use model::{AttemptId, Fence};
use net::message::{Opening, OutputAnswer, OutputCall, OutputStart, UsageAnswer};
use net::{FrameSender, NetError, Stream};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::Uplink;
use crate::files;

/// How often a followed file is looked at for more.
const FOLLOW_EVERY: Duration = Duration::from_millis(100);
/// How long a question may take to arrive.
const QUESTION_WITHIN: Duration = Duration::from_secs(10);

/// Answers one question; what goes wrong ends the stream, and the head sees it end.
pub(super) async fn answer(uplink: Arc<Uplink>, stream: Stream) {
    let Ok(_permit) = uplink.answers.clone().acquire_owned().await else {
        return;
    };
    if let Err(error) = try_answer(&uplink, stream).await {
        tracing::debug!(%error, "a question was not answered to its end");
    }
}

async fn try_answer(uplink: &Uplink, mut stream: Stream) -> Result<(), NetError> {
    let question = stream.receiver.hear::<Opening>();
    let question = tokio::time::timeout(QUESTION_WITHIN, question).await;
    let Ok(question) = question else {
        return Ok(());
    };
    match question? {
        Some(Opening::OutputOf { owner, call }) => {
            if is_of(uplink, call.attempt, &owner).await {
                send_output(uplink, &call, &mut stream.sender).await?;
            } else {
                stream.sender.send(&OutputAnswer::Missing).await?;
            }
        }
        Some(Opening::UsageOf { owner, attempt }) => {
            let usage = if is_of(uplink, attempt, &owner).await {
                uplink.runner.usage(attempt).await
            } else {
                None
            };
            stream.sender.send(&UsageAnswer(usage)).await?;
        }
        Some(Opening::Output(call)) => send_output(uplink, &call, &mut stream.sender).await?,
        Some(Opening::Usage(attempt)) => {
            let usage = uplink.runner.usage(attempt).await;
            stream.sender.send(&UsageAnswer(usage)).await?;
        }
        Some(Opening::Files(call)) => super::files::serve(uplink, call, &mut stream).await?,
        Some(Opening::Session(_) | Opening::Secrets(_)) | None => {}
    }
    stream.sender.finish()
}

/// Whether an attempt is whose the head says. Nothing of somebody else's is told.
async fn is_of(uplink: &Uplink, attempt: AttemptId, owner: &UserName) -> bool {
    let theirs = uplink.runner.is_of(attempt, owner).await;
    if !theirs {
        tracing::debug!(%attempt, asked = %owner, "nothing of theirs is here");
    }
    theirs
}

async fn send_output(
    uplink: &Uplink,
    call: &OutputCall,
    sender: &mut FrameSender,
) -> Result<(), NetError> {
    // The directory's name does not depend on the fence.
    let held = Held {
        attempt: call.attempt,
        fence: Fence(0),
    };
    let path = files::output(&uplink.runner.place(held), call.stream);
    let running = || uplink.runner.is_running(call.attempt);
    let opened = match File::open(&path).await {
        Ok(file) => Some(file),
        Err(_) if running() => None,
        Err(_) => return sender.send(&OutputAnswer::Missing).await,
    };
    let offset = match (&opened, call.start) {
        (_, OutputStart::Offset(offset)) => offset,
        (None, OutputStart::BeforeEnd(_)) => 0,
        (Some(file), OutputStart::BeforeEnd(count)) => {
            let length = file.metadata().await.map_err(unreadable)?.len();
            length.saturating_sub(count)
        }
    };
    sender.send(&OutputAnswer::Found { offset }).await?;
    let file = match opened {
        Some(file) => file,
        None if call.follow => match appears(&path, running).await {
            Some(file) => file,
            None => return Ok(()),
        },
        None => return Ok(()),
    };
    send_file(file, offset, || call.follow && running(), sender).await
}

/// Waits for a file that a running attempt has yet to write; `None` if it ends without.
async fn appears(path: &Path, running: impl Fn() -> bool) -> Option<File> {
    loop {
        // Asked before opening: what is written until the end is then there.
        let more_to_come = running();
        match File::open(path).await {
            Ok(file) => return Some(file),
            Err(_) if more_to_come => tokio::time::sleep(FOLLOW_EVERY).await,
            Err(_) => return None,
        }
    }
}

/// Sends the file from `offset` on, until its end while nothing more is to come.
async fn send_file(
    mut file: File,
    offset: u64,
    follow: impl Fn() -> bool,
    sender: &mut FrameSender,
) -> Result<(), NetError> {
    file.seek(SeekFrom::Start(offset))
        .await
        .map_err(unreadable)?;
    let mut buffer = vec![0; files::CHUNK_BYTES];
    loop {
        // Asked before reading: what is written until the end is then read below.
        let more_to_come = follow();
        match file.read(&mut buffer).await.map_err(unreadable)? {
            0 if more_to_come => {
                tokio::select! {
                    () = tokio::time::sleep(FOLLOW_EVERY) => {}
                    () = sender.abandoned() => return Ok(()),
                }
            }
            0 => return Ok(()),
            count => sender.send_bytes(&buffer[..count]).await?,
        }
    }
}

#[allow(
    clippy::needless_pass_by_value,
    reason = "the shape that `map_err` wants"
)]
fn unreadable(error: std::io::Error) -> NetError {
    NetError::Closed(error.to_string())
}
