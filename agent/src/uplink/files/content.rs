//! A file's content, or a part of it: what it had when it was opened, and not what it grows by.

use std::fs::{File, Metadata};
use std::io::SeekFrom;
use std::os::unix::fs::MetadataExt;

use net::limits::{FILE_FRAME_MAX, FILE_FRAMES_AHEAD};
use net::message::{FileFault, FilesAnswer, Span, Taken};
use net::{NetError, Stream};
use sha2::{Digest, Sha256};
use tokio::io::{AsyncReadExt, AsyncSeekExt};

use super::fault::Refusal;
use super::{At, blocking};

/// Sends frames, never more at a time than the other side keeps.
pub(super) struct Paced<'a> {
    stream: &'a mut Stream,
    /// Frames sent and not yet taken.
    ahead: u32,
}

impl<'a> Paced<'a> {
    pub(super) fn new(stream: &'a mut Stream) -> Paced<'a> {
        Paced { stream, ahead: 0 }
    }

    /// Sends one when there is room for it at the other end.
    pub(super) async fn send(&mut self, frame: &[u8]) -> Result<(), NetError> {
        while self.ahead >= FILE_FRAMES_AHEAD {
            match self.stream.receiver.receive::<Taken>().await? {
                Some(Taken(count)) => self.ahead = self.ahead.saturating_sub(count),
                None => return Err(NetError::Closed("nobody takes the content".into())),
            }
        }
        self.stream.sender.send_bytes(frame).await?;
        self.ahead += 1;
        Ok(())
    }
}

pub(super) async fn send(at: At, stream: &mut Stream) -> Result<(), NetError> {
    let opened = blocking(move || {
        let opened = at.tree.open_file(&at.path)?;
        let about = opened.file.metadata().map_err(|error| Refusal {
            fault: FileFault::Failed,
            words: error.to_string(),
        })?;
        Ok((opened.file, about))
    });
    let (file, about) = match opened.await {
        Ok(opened) => opened,
        Err(refusal) => return stream.sender.send(&refusal.answer()).await,
    };
    let content = FilesAnswer::Content {
        length: about.len(),
        version: version(&about),
    };
    stream.sender.send(&content).await?;
    let Some(span) = stream.receiver.receive::<Span>().await? else {
        return Ok(());
    };
    send_span(file, span, stream).await
}

async fn send_span(file: File, span: Span, stream: &mut Stream) -> Result<(), NetError> {
    let mut file = tokio::fs::File::from_std(file);
    let broken = |error: std::io::Error| NetError::Closed(error.to_string());
    file.seek(SeekFrom::Start(span.offset))
        .await
        .map_err(broken)?;
    let mut paced = Paced::new(stream);
    let mut buffer = vec![0; FILE_FRAME_MAX];
    let mut left = span.length;
    while left > 0 {
        let most = usize::try_from(left).map_or(FILE_FRAME_MAX, |left| left.min(FILE_FRAME_MAX));
        let read = file.read(&mut buffer[..most]).await.map_err(broken)?;
        if read == 0 {
            return Err(NetError::Closed("the file became shorter".into()));
        }
        paced.send(&buffer[..read]).await?;
        left -= read as u64;
    }
    Ok(())
}

/// A number that changes with the content: the file, its size, and when it was changed. A job can
/// set the time of the last change as it likes, but not that of the last change of the entry.
fn version(about: &Metadata) -> u64 {
    let mut hash = Sha256::new();
    let times = [
        about.mtime(),
        about.mtime_nsec(),
        about.ctime(),
        about.ctime_nsec(),
    ];
    for number in [about.ino(), about.size()] {
        hash.update(number.to_le_bytes());
    }
    for number in times {
        hash.update(number.to_le_bytes());
    }
    let hash: [u8; 32] = hash.finalize().into();
    hash[..8]
        .iter()
        .fold(0, |version, byte| version << 8 | u64::from(*byte))
}
