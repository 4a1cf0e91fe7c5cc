//! The second seam: whatever runs attempts on this node.
//!
//! A runtime holds no belief of its own: it is asked, and answers what it sees. Every call is
//! idempotent, has a time-out inside, and may be repeated after a crash of the agent. Silence or
//! failure of an engine is an [`RuntimeError`], never the end of an attempt.

pub mod docker;
pub mod fake;
pub mod process;

use std::path::PathBuf;

use model::assignment::Assignment;
use model::job::{Exit, Started, Usage};
use model::log::Later;
use model::node::RuntimeKind;
use model::port::Published;
use model::{AttemptId, Fence};

/// What runs attempts: a container engine, the kernel itself, or nothing at all.
pub trait Runtime: Send + Sync {
    /// Which of them.
    fn kind(&self) -> RuntimeKind;

    /// Whether an attempt's directory must be there before it is prepared. If not, what it may have
    /// lies on the node's own disk.
    fn needs_directory(&self) -> bool {
        true
    }

    /// Makes the attempt ready to start: fetches the image as its policy says and creates the
    /// container under the attempt's own name. If it exists already with the same fence, that is
    /// success; with an older fence it is removed first.
    fn prepare<'a>(
        &'a self,
        assignment: &'a Assignment,
        place: &'a Place,
    ) -> Later<'a, Result<(), RuntimeError>>;

    /// Starts what was prepared; success if it runs already or has run.
    fn start<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Started, RuntimeError>>;

    /// Where the published ports of a running attempt are reached.
    fn ports<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Vec<Published>, RuntimeError>> {
        let _ = place;
        Box::pin(async { Ok(Vec::new()) })
    }

    /// Waits for the end. May be dropped and called again at any time.
    fn wait<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Exit, RuntimeError>>;

    /// Copies the output into the place's files, byte for byte, each byte once, however often the
    /// agent was restarted; returns when the attempt has ended and everything is copied.
    fn capture<'a>(&'a self, place: &'a Place) -> Later<'a, Result<(), RuntimeError>>;

    /// Sends a signal to the attempt; success if it is not running any more.
    fn signal<'a>(
        &'a self,
        place: &'a Place,
        signal: Signal,
    ) -> Later<'a, Result<(), RuntimeError>>;

    /// What is seen of one attempt now; `None` if nothing is there.
    fn inspect<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Option<Seen>, RuntimeError>>;

    /// Everything of this node and cluster that the runtime holds.
    fn list(&self) -> Later<'_, Result<Vec<Seen>, RuntimeError>>;

    /// What the attempt uses now, and used at the most.
    fn usage<'a>(&'a self, place: &'a Place) -> Later<'a, Result<Usage, RuntimeError>>;

    /// Takes away what is left of an attempt that has ended; success if nothing is there.
    fn remove<'a>(&'a self, place: &'a Place) -> Later<'a, Result<(), RuntimeError>>;

    /// Takes away what was prepared and never started, so that it never will be; `false` if it has
    /// been started, or is not there: what is gone may have run before.
    fn discard<'a>(&'a self, place: &'a Place) -> Later<'a, Result<bool, RuntimeError>> {
        Box::pin(async move {
            match self.inspect(place).await?.map(|seen| seen.stage) {
                Some(Stage::Created) => self.remove(place).await.map(|()| true),
                None | Some(Stage::Running(_) | Stage::Exited { .. }) => Ok(false),
            }
        })
    }

    /// Tries whether attempts can be started and ended here, with one in which no job has a part.
    fn probe(&self) -> Later<'_, Result<(), RuntimeError>>;
}

/// Which attempt, and where its files lie on this node.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// The attempt.
    pub attempt: AttemptId,
    /// The log index that placed it.
    pub fence: Fence,
    /// The attempt's own directory.
    pub dir: PathBuf,
}

/// The name of an attempt's container, directory and control group: job, task and attempt.
pub(crate) fn name(attempt: AttemptId) -> String {
    let AttemptId { task, number } = attempt;
    format!("{}-{}-{number}", task.job, task.index)
}

impl Place {
    /// The name of the attempt's container and directory: job, task and attempt.
    pub fn name(&self) -> String {
        name(self.attempt)
    }

    /// The directory that the job sees as its own, mounted read-write.
    pub fn work(&self) -> PathBuf {
        self.dir.join("work")
    }

    /// What the attempt wrote to its standard output.
    pub fn stdout(&self) -> PathBuf {
        self.dir.join("god.log")
    }

    /// What the attempt wrote to its standard error.
    pub fn stderr(&self) -> PathBuf {
        self.dir.join("god.err")
    }
}

/// How an attempt is told to end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// It may finish its work.
    Term,
    /// It ends now.
    Kill,
}

/// What a runtime sees of an attempt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Seen {
    /// The attempt, from the name or label.
    pub attempt: AttemptId,
    /// The fence it was created with.
    pub fence: Fence,
    /// How far it is.
    pub stage: Stage,
}

/// How far an attempt is, as seen.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Stage {
    /// Created, not started.
    Created,
    /// Running.
    Running(Started),
    /// Ended.
    Exited {
        /// What the start looked like.
        started: Started,
        /// What the engine said of the end.
        exit: Exit,
        /// The engine itself died with the attempt: its code is not the job's doing.
        engine_failed: bool,
    },
}

/// Why a runtime could not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum RuntimeError {
    /// The image cannot be had: unknown, refused by its registry, or not here and not to be
    /// pulled. Trying again does not help.
    #[error("image {image}: {why}")]
    Image {
        /// The image as asked for.
        image: String,
        /// In the engine's words.
        why: String,
    },
    /// The program cannot be started. Trying again does not help.
    #[error("cannot start: {why}")]
    CannotStart {
        /// In the engine's words.
        why: String,
        /// The code that users of Docker know: 126 not executable, 127 not found.
        code: i32,
    },
    /// The engine refuses what was asked; trying again does not help.
    #[error("refused by the engine: {why}")]
    Refused {
        /// In the engine's words.
        why: String,
    },
    /// The attempt may not have a secret that it asks for, or it cannot be handed out here. Trying
    /// again does not help.
    #[error("secrets: {why}")]
    Secret {
        /// What is wrong; never a value.
        why: String,
    },
    /// No head has answered: ask again.
    #[error("no head has said what the attempt's {what} are, for {seconds} s")]
    NoHead {
        /// What was asked for.
        what: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// No answer in time. Nothing is known: ask again.
    #[error("no answer from the engine to `{call}` in {seconds} s")]
    TimedOut {
        /// Which call.
        call: &'static str,
        /// How long it was waited for.
        seconds: u64,
    },
    /// The engine cannot be reached, or failed. Nothing is known: ask again.
    #[error("the engine failed in `{call}`: {why}")]
    Engine {
        /// Which call.
        call: &'static str,
        /// In its words.
        why: String,
    },
    /// The storage of jobs' directories is away, or not this cluster's. Nothing was made.
    #[error("{why}")]
    Storage {
        /// Which, why, and what to do.
        why: String,
    },
    /// This node's disk failed.
    #[error("{path}")]
    Disk {
        /// Where.
        path: PathBuf,
        /// How.
        #[source]
        source: std::io::Error,
    },
    /// There is no such attempt here.
    #[error("nothing is there under this name")]
    Gone,
}
