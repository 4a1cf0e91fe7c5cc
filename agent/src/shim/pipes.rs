//! How the supervisor's processes speak: one line of JSON per word, through pipes whose ends close
//! on execution.
//!
//! A pipe that closes without a word is itself a word: the one at its other end was executed, or
//! has died.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Write};
use std::os::fd::{AsFd, OwnedFd};

use nix::fcntl::OFlag;
use serde::{Deserialize, Serialize};

/// What is said.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(super) enum Word {
    /// The program stands ready to be executed.
    Ready,
    /// Setting up failed; nothing of the job has run.
    Setup {
        /// Why.
        why: String,
    },
    /// The program cannot be executed.
    Exec {
        /// 126 or 127.
        code: i32,
        /// In the kernel's words.
        why: String,
    },
    /// The program has ended.
    Ended {
        /// Its exit code, or 128 plus the signal.
        code: i32,
        /// The signal that ended it.
        signal: Option<u8>,
    },
}

/// Both ends of a new pipe.
pub(super) struct Pipe {
    pub(super) read: OwnedFd,
    pub(super) write: OwnedFd,
}

impl Pipe {
    pub(super) fn new() -> io::Result<Pipe> {
        let (read, write) = nix::unistd::pipe2(OFlag::O_CLOEXEC)?;
        Ok(Pipe { read, write })
    }
}

/// Says one word; the other side may be gone.
pub(super) fn say(to: impl AsFd, word: &Word) -> io::Result<()> {
    let mut line = serde_json::to_vec(word)?;
    line.push(b'\n');
    File::from(to.as_fd().try_clone_to_owned()?).write_all(&line)
}

/// The reading end of a pipe of words.
pub(super) struct Line(BufReader<File>);

impl Line {
    pub(super) fn new(from: OwnedFd) -> Line {
        Line(BufReader::new(File::from(from)))
    }

    /// The next word; `None` when nobody is left to say one.
    pub(super) fn next(&mut self) -> Option<Word> {
        let mut line = String::new();
        match self.0.read_line(&mut line) {
            Ok(0) | Err(_) => None,
            Ok(_) => serde_json::from_str(&line).ok(),
        }
    }
}
