//! The copy of an attempt's output into its files, byte for byte, each byte once.
//!
//! The engine's log is read from its beginning each time, and of each stream as many bytes are
//! passed over as its file holds already: the files themselves are the only memory of how far the
//! copy is. What a follower delivers is never taken for all there is; the copy is complete only
//! after a whole reading that began when the container had ended.

use std::path::PathBuf;
use std::time::Duration;

use bollard::container::LogOutput;
use futures_util::StreamExt;
use tokio::fs::{File, OpenOptions};
use tokio::io::AsyncWriteExt;
use tokio::time::{Instant, sleep, timeout};

use super::DockerRuntime;
use super::life::Patience;
use super::local_log::last_piece_ends_line;
use super::look::{Found, Phase};
use super::mender::{End, Mender};
use crate::runtime::{Place, RuntimeError};

/// Pieces taken from the engine at once, of 16 KiB at the most.
const PIECES_AT_ONCE: usize = 64;
/// Bytes that are gathered before they are written: the engine gives them line by line.
const GATHER_BYTES: usize = 256 << 10;
/// How long gathered bytes wait for more: who looks at the file sees them soon.
const GATHER_WAIT: Duration = Duration::from_millis(20);
/// A follower that is silent for so long is asked whether there is anything left to follow.
const SILENCE: Duration = Duration::from_secs(3);
/// A follower that breaks off after so long has been answered meanwhile.
const WENT_WELL: Duration = Duration::from_secs(5);
/// The pause before a follower that ended too early is replaced.
const FOLLOW_AGAIN: Duration = Duration::from_millis(200);

/// One of the two files.
struct Sink {
    path: PathBuf,
    file: File,
    /// Bytes in the file.
    length: u64,
    source: &'static str,
}

/// One stream during one reading of the log.
#[derive(Default)]
struct Reading {
    mender: Mender,
    /// Bytes of the stream seen in this reading.
    position: u64,
    /// Bytes made of pieces and not yet written.
    ready: Vec<u8>,
}

impl DockerRuntime {
    /// Copies until the container has ended and everything is in the files.
    pub(super) async fn copy_output(&self, place: &Place) -> Result<(), RuntimeError> {
        let mut sinks = [
            Sink::open(place.stdout(), "stdout").await?,
            Sink::open(place.stderr(), "stderr").await?,
        ];
        let name = self.container_name(place);
        let mut patience = Patience::new(self.config.timeouts.patience);
        loop {
            let copied = match self.must_find(place).await {
                Ok(Found {
                    phase: Phase::Created,
                    ..
                }) => Ok(()),
                Ok(Found {
                    phase: Phase::Running { .. },
                    ..
                }) => {
                    let began = Instant::now();
                    let followed = self.read_log(&name, place, true, &mut sinks).await;
                    if began.elapsed() >= WENT_WELL {
                        patience.renew();
                    }
                    followed.map(|_| ())
                }
                Ok(Found {
                    phase: Phase::Exited { .. },
                    id,
                    ..
                }) => match self.read_log(&name, place, false, &mut sinks).await {
                    Ok(readings) => return self.complete(&id, readings, &mut sinks).await,
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
            match copied {
                Ok(()) => {
                    patience.renew();
                    sleep(FOLLOW_AGAIN).await;
                }
                Err(error) => patience.bear(error).await?,
            }
        }
    }

    /// Reads the log from its beginning, writing what the files do not hold yet.
    async fn read_log(
        &self,
        name: &str,
        place: &Place,
        follow: bool,
        sinks: &mut [Sink; 2],
    ) -> Result<[Reading; 2], RuntimeError> {
        let mut readings = [Reading::default(), Reading::default()];
        let pieces = self
            .engine
            .output(name, follow)
            .ready_chunks(PIECES_AT_ONCE);
        let mut pieces = std::pin::pin!(pieces);
        loop {
            let gathered = readings
                .iter()
                .map(|reading| reading.ready.len())
                .sum::<usize>();
            let patience = if gathered > 0 { GATHER_WAIT } else { SILENCE };
            let taken = match timeout(patience, pieces.next()).await {
                Ok(Some(some)) => take_pieces(some, &mut readings),
                Ok(None) => {
                    write_all(sinks, &mut readings).await?;
                    return Ok(readings);
                }
                Err(_) if gathered > 0 => {
                    write_all(sinks, &mut readings).await?;
                    continue;
                }
                Err(_) if follow => {
                    if matches!(self.must_find(place).await?.phase, Phase::Exited { .. }) {
                        return Ok(readings);
                    }
                    continue;
                }
                Err(_) => {
                    let seconds = SILENCE.as_secs();
                    self.engine.inspect(name).await?;
                    tracing::debug!(name, seconds, "the engine is slow to give its log");
                    continue;
                }
            };
            if gathered >= GATHER_BYTES || taken.is_err() {
                write_all(sinks, &mut readings).await?;
            }
            taken?;
        }
    }

    /// Settles the end of each stream after a whole reading.
    async fn complete(
        &self,
        id: &str,
        readings: [Reading; 2],
        sinks: &mut [Sink; 2],
    ) -> Result<(), RuntimeError> {
        for (sink, mut reading) in sinks.iter_mut().zip(readings) {
            let line_end = match reading.mender.end() {
                End::Complete => false,
                End::Lost => true,
                End::Unsure => self.line_ended(id, sink.source).await,
            };
            if line_end {
                reading.ready.push(b'\n');
                sink.write(&mut reading).await?;
            }
            if sink.length > reading.position {
                let (held, kept) = (sink.length, reading.position);
                let path = sink.path.display();
                tracing::warn!(%path, held, kept, "the file holds more than the engine's log");
            }
            sink.file
                .sync_data()
                .await
                .map_err(|source| sink.disk(source))?;
        }
        Ok(())
    }

    /// Whether a long last line had an end, by the engine's own file. Where that cannot be read
    /// the answer is no, and the log says so.
    async fn line_ended(&self, id: &str, source: &'static str) -> bool {
        let path = self.engine_log(id);
        let asked = path.clone();
        let said = tokio::task::spawn_blocking(move || last_piece_ends_line(&asked, source)).await;
        said.ok().flatten().unwrap_or_else(|| {
            let path = path.display();
            tracing::warn!(%path, source, "cannot tell whether the last line had an end");
            false
        })
    }
}

impl Sink {
    async fn open(path: PathBuf, source: &'static str) -> Result<Sink, RuntimeError> {
        let opened = OpenOptions::new()
            .append(true)
            .create(true)
            .open(&path)
            .await;
        let disk = |source| RuntimeError::Disk {
            path: path.clone(),
            source,
        };
        let file = opened.map_err(disk)?;
        let length = file.metadata().await.map_err(disk)?.len();
        Ok(Sink {
            file,
            length,
            source,
            path,
        })
    }

    /// Writes what is ready and lies behind the end of the file.
    async fn write(&mut self, reading: &mut Reading) -> Result<(), RuntimeError> {
        let held = self.length.saturating_sub(reading.position);
        let ready = reading.ready.len();
        reading.position += ready as u64;
        let skip = usize::try_from(held).unwrap_or(usize::MAX).min(ready);
        let new = &reading.ready[skip..];
        if !new.is_empty() {
            let written = match self.file.write_all(new).await {
                Ok(()) => self.file.flush().await,
                Err(error) => Err(error),
            };
            written.map_err(|source| self.disk(source))?;
            self.length += new.len() as u64;
        }
        reading.ready.clear();
        Ok(())
    }

    fn disk(&self, source: std::io::Error) -> RuntimeError {
        RuntimeError::Disk {
            path: self.path.clone(),
            source,
        }
    }
}

/// Writes what was gathered of each stream.
async fn write_all(sinks: &mut [Sink; 2], readings: &mut [Reading; 2]) -> Result<(), RuntimeError> {
    for (sink, reading) in sinks.iter_mut().zip(readings) {
        sink.write(reading).await?;
    }
    Ok(())
}

/// Turns pieces of the log into bytes of their streams. Stops at the first that is not a piece.
fn take_pieces(
    pieces: Vec<Result<LogOutput, RuntimeError>>,
    readings: &mut [Reading; 2],
) -> Result<(), RuntimeError> {
    let [stdout, stderr] = readings;
    for piece in pieces {
        let (reading, message) = match piece? {
            LogOutput::StdOut { message } => (&mut *stdout, message),
            LogOutput::StdErr { message } => (&mut *stderr, message),
            // What is left of a stream cut off within a piece, or the engine's own complaint.
            LogOutput::StdIn { message } | LogOutput::Console { message } => {
                return Err(broken(&String::from_utf8_lossy(&message)));
            }
        };
        if reading.mender.push(&message, &mut reading.ready).is_err() {
            return Err(broken("a piece without its time"));
        }
    }
    Ok(())
}

fn broken(what: &str) -> RuntimeError {
    let what: String = what.chars().take(200).collect();
    RuntimeError::Engine {
        call: "logs",
        why: format!("the log broke off: {what}"),
    }
}
