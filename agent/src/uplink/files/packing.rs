//! A directory or a file, packed while it is sent.

use std::io::{self, BufWriter, ErrorKind, Write};

use beneath::{BeneathError, Format};
use bytes::Bytes;
use net::message::{ArchiveKind, FilesAnswer};
use net::{NetError, Stream};
use tokio::sync::mpsc;

use super::content::Paced;
use super::fault::Refusal;
use super::{At, blocking};

/// Bytes that are gathered before they are sent: who waits shall see the archive begin.
const GATHER_BYTES: usize = 64 << 10;
/// Chunks between the packing thread and the stream.
const READY_MAX: usize = 1;

/// Where the packing thread writes.
struct Outlet(mpsc::Sender<Bytes>);

impl Write for Outlet {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let chunk = Bytes::copy_from_slice(bytes);
        let sent = self.0.blocking_send(chunk);
        sent.map_err(|_| io::Error::from(ErrorKind::BrokenPipe))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) async fn send(at: At, kind: ArchiveKind, stream: &mut Stream) -> Result<(), NetError> {
    // What is wrong with the path is said before anything is packed.
    let looked = blocking(move || look(&at).map(|()| at)).await;
    let at = match looked {
        Ok(at) => at,
        Err(refusal) => return stream.sender.send(&refusal.answer()).await,
    };
    stream.sender.send(&FilesAnswer::Archive).await?;
    let (chunks, mut ready) = mpsc::channel(READY_MAX);
    let packing = tokio::task::spawn_blocking(move || pack(&at, kind, chunks));
    let mut paced = Paced::new(stream);
    while let Some(chunk) = ready.recv().await {
        paced.send(&chunk).await?;
    }
    match packing.await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(error)) => Err(NetError::Closed(error.to_string())),
        Err(died) => Err(NetError::Closed(died.to_string())),
    }
}

fn look(at: &At) -> Result<(), Refusal> {
    match at.tree.list(&at.path, None, 1) {
        Err(BeneathError::NotDirectory(_)) => at.tree.open_file(&at.path).map(drop)?,
        listed => drop(listed?),
    }
    Ok(())
}

fn pack(at: &At, kind: ArchiveKind, chunks: mpsc::Sender<Bytes>) -> Result<(), BeneathError> {
    let format = match kind {
        ArchiveKind::Tar => Format::Tar,
        ArchiveKind::TarGz => Format::TarGz,
        ArchiveKind::Zip => Format::Zip,
    };
    let mut outlet = BufWriter::with_capacity(GATHER_BYTES, Outlet(chunks));
    let packed = at.tree.archive(&at.path, format, &mut outlet, u64::MAX)?;
    outlet.flush().map_err(BeneathError::Writer)?;
    tracing::debug!(?packed, "packed files of an attempt");
    Ok(())
}
