//! `logs`: what a job writes, byte for byte.
//!
//! A broken stream is resumed at the byte where it broke, on whichever head answers. A stream
//! that ends is believed only when the attempt has ended and nothing more comes.

use api_types::header::{LOG_ATTEMPT, LOG_OFFSET};
use api_types::job::Job;
use api_types::problem::code;
use api_types::query::LogQuery;
use reqwest::Response;
use tokio::time::Instant;

use super::wait;
use crate::args::look::Logs;
use crate::client::{Client, Request, unreadable};
use crate::error::{Failure, Kind};
use crate::limits::{LOOK_FIRST, LOOK_MAX, OUTAGE_MAX};
use crate::output::{note, write_out};
use crate::select;
use crate::session::Session;

/// One of the two streams of a job, and where it is shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Stream {
    /// Its standard output on ours.
    Out,
    /// Its standard error on ours.
    Err,
    /// Its standard error on our standard output.
    ErrAsData,
}

impl Stream {
    fn word(self) -> &'static str {
        match self {
            Stream::Out => "stdout",
            Stream::Err | Stream::ErrAsData => "stderr",
        }
    }

    fn write(self, bytes: &[u8]) -> Result<(), Failure> {
        match self {
            Stream::Out | Stream::ErrAsData => write_out(bytes),
            Stream::Err => {
                let mut talk = std::io::stderr().lock();
                std::io::Write::write_all(&mut talk, bytes).map_err(Failure::from)
            }
        }
    }
}

/// `goctl logs`.
///
/// # Errors
/// When there is no such job, or its node cannot be reached.
pub async fn logs(session: &Session, args: &Logs) -> Result<(), Failure> {
    let client = session.client()?;
    let job = select::one(client, &args.job).await?;
    let streams: &[Stream] = match (args.stdout, args.stderr) {
        (true, _) => &[Stream::Out],
        (false, true) => &[Stream::ErrAsData],
        (false, false) => &[Stream::Out, Stream::Err],
    };
    if !args.follow {
        for stream in streams {
            Reader::new(client, job, *stream, args.offset, args.attempt)
                .once()
                .await?;
        }
        return Ok(());
    }
    let follow = async |stream: Stream| {
        Reader::new(client, job, stream, args.offset, args.attempt)
            .follow()
            .await
    };
    let work = async {
        match streams {
            [only] => follow(*only).await,
            _ => futures_util::future::try_join(follow(Stream::Out), follow(Stream::Err))
                .await
                .map(drop),
        }
    };
    Box::pin(wait::or_interrupt(work, || wait::goes_on(job))).await
}

/// Shows both streams of a job from their beginning to their end.
///
/// # Errors
/// When there is no such job, or its node cannot be reached for long.
pub async fn follow_both(client: &Client, job: u64) -> Result<(), Failure> {
    let out = Reader::new(client, job, Stream::Out, 0, None);
    let err = Reader::new(client, job, Stream::Err, 0, None);
    Box::pin(futures_util::future::try_join(out.follow(), err.follow()))
        .await
        .map(drop)
}

/// An attempt without output.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Unstarted {
    /// It has not written anything yet.
    StillToCome,
    /// It ended before it wrote anything.
    Over,
}

/// One stream of one job, and how far it was read.
struct Reader<'a> {
    client: &'a Client,
    job: u64,
    stream: Stream,
    /// The next byte wanted; negative before the first answer: from the end.
    offset: i64,
    /// The attempt that is read, once that is known.
    attempt: Option<u32>,
    /// The user asked for this attempt, and no other.
    only: bool,
}

impl<'a> Reader<'a> {
    fn new(
        client: &'a Client,
        job: u64,
        stream: Stream,
        offset: i64,
        attempt: Option<u32>,
    ) -> Reader<'a> {
        Reader {
            client,
            job,
            stream,
            offset,
            attempt,
            only: attempt.is_some(),
        }
    }

    /// Shows what there is.
    async fn once(mut self) -> Result<(), Failure> {
        match self.open(false).await {
            Ok(response) => self.copy(response).await.map(drop),
            Err(failure) => match self.without_output(failure).await? {
                Unstarted::StillToCome | Unstarted::Over => Ok(()),
            },
        }
    }

    /// Shows what there is and what comes, over all attempts, until the job has ended.
    async fn follow(mut self) -> Result<(), Failure> {
        let (mut pause, mut quiet_since) = (LOOK_FIRST, Instant::now());
        // Whether the attempt had ended before the stream was opened.
        let mut over = false;
        loop {
            let before = (self.offset, self.attempt);
            let copied = match self.open(true).await {
                Ok(response) => self.copy(response).await,
                Err(failure) => Err(failure),
            };
            if (self.offset, self.attempt) != before {
                (pause, quiet_since) = (LOOK_FIRST, Instant::now());
            }
            let copied = match copied {
                Err(failure) if failure.kind == Kind::NotFound => {
                    match self.without_output(failure).await? {
                        Unstarted::StillToCome => {
                            tokio::time::sleep(LOOK_FIRST).await;
                            continue;
                        }
                        Unstarted::Over => Ok(0),
                    }
                }
                copied => copied,
            };
            match copied {
                Ok(0) if over => match self.next_attempt().await? {
                    true => over = false,
                    false => return Ok(()),
                },
                Ok(_) => {
                    let job = wait::look(self.client, self.job, 1).await?;
                    over = self.is_over(&job);
                    quiet_since = Instant::now();
                }
                Err(failure) if !passes(&failure) || quiet_since.elapsed() > OUTAGE_MAX => {
                    return Err(failure);
                }
                Err(_) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(LOOK_MAX);
                }
            }
        }
    }

    async fn open(&mut self, follow: bool) -> Result<Response, Failure> {
        let query = LogQuery {
            stream: Some(self.stream.word().into()),
            offset: Some(self.offset),
            follow: Some(follow),
            attempt: self.attempt,
        };
        let request = Request::get(format!("/jobs/{}/logs", self.job)).query(&query)?;
        let response = match follow {
            true => self.client.insist(&request.long_poll()).await?,
            false => self.client.send(&request).await?,
        };
        let header = |name| {
            response
                .headers()
                .get(name)
                .and_then(|value| value.to_str().ok())
        };
        if let Some(attempt) = header(LOG_ATTEMPT) {
            self.attempt = attempt
                .rsplit('#')
                .next()
                .and_then(|number| number.parse().ok());
            self.offset = header(LOG_OFFSET)
                .and_then(|text| text.parse().ok())
                .unwrap_or(0);
        }
        Ok(response)
    }

    /// Shows an answer; gives the bytes that it had.
    async fn copy(&mut self, mut response: Response) -> Result<u64, Failure> {
        let mut bytes: u64 = 0;
        while let Some(chunk) = response.chunk().await.map_err(|error| unreadable(&error))? {
            self.stream.write(&chunk)?;
            bytes += chunk.len() as u64;
            self.offset += i64::try_from(chunk.len()).unwrap_or(i64::MAX);
        }
        Ok(bytes)
    }

    /// What it means that a node does not have the output of an attempt: nothing, as long as the
    /// attempt has not started; otherwise it is a failure.
    async fn without_output(&self, failure: Failure) -> Result<Unstarted, Failure> {
        if failure.kind != Kind::NotFound {
            return Err(failure);
        }
        let job = wait::look(self.client, self.job, 0).await?;
        let read = match self.attempt {
            Some(number) => job.attempts.iter().find(|attempt| attempt.number == number),
            None => job.attempts.last(),
        };
        match read {
            Some(attempt) if attempt.state.is_ended() && attempt.started_at.is_some() => {
                Err(failure)
            }
            Some(attempt) if attempt.state.is_ended() => Ok(Unstarted::Over),
            Some(_) => Ok(Unstarted::StillToCome),
            None if self.attempt.is_some() => Err(failure),
            None if job.state.is_ended() => Ok(Unstarted::Over),
            None => Ok(Unstarted::StillToCome),
        }
    }

    /// Whether nothing more will be written by the attempt that is read.
    fn is_over(&self, job: &Job) -> bool {
        let mut attempts = job.attempts.iter();
        let read = attempts.find(|attempt| Some(attempt.number) == self.attempt);
        read.map_or(job.state.is_ended(), |attempt| attempt.state.is_ended())
    }

    /// Waits for another attempt, if there will be one, and turns to it.
    async fn next_attempt(&mut self) -> Result<bool, Failure> {
        loop {
            let job = wait::look(self.client, self.job, 1).await?;
            let later = |attempt: &&api_types::job::Attempt| Some(attempt.number) > self.attempt;
            let next = job.attempts.iter().find(later).filter(|_| !self.only);
            if let Some(next) = next {
                if self.stream != Stream::Err {
                    note(&format!("job {} is tried again on {}", self.job, next.node));
                }
                (self.attempt, self.offset) = (Some(next.number), 0);
                return Ok(true);
            }
            if self.only || job.state.is_ended() {
                return Ok(false);
            }
        }
    }
}

/// Whether a failure may pass by itself.
fn passes(failure: &Failure) -> bool {
    failure.kind == Kind::Unreachable || failure.is(code::NODE_UNREACHABLE)
}
