//! What is typed to see, get and put the files of jobs.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::parse::selector::{Selector, one_job};

/// What the directory of an attempt holds.
const HOLDS: &str = "The directory of an attempt holds god.log and god.err (its output), god.info \
    (what it was, once it has ended) and work, which the job sees as /mnt/go-docker.";

/// `goctl files …`.
#[derive(Subcommand, Debug)]
#[command(after_help = HOLDS)]
pub enum Files {
    /// List a directory
    Ls(Ls),
    /// Download a file; what was broken off before goes on
    Get(Get),
    /// Download a directory, or all of it, as one archive
    Archive(Archive),
    /// Upload a file into the directory of your own job, while it runs or afterwards
    Put(Put),
    /// Remove a file, or a directory with all that is in it
    Rm(Rm),
}

/// Which attempt.
#[derive(Args, Debug)]
pub struct Whose {
    /// The job's number, or last
    #[arg(value_parser = one_job)]
    pub job: Selector,
    /// Of this attempt [default: the last]
    #[arg(long, value_name = "NUMBER")]
    pub attempt: Option<u32>,
}

/// `goctl files ls`.
#[derive(Args, Debug)]
pub struct Ls {
    /// Which attempt
    #[command(flatten)]
    pub whose: Whose,
    /// The directory [default: that of the attempt]
    pub path: Option<String>,
}

/// `goctl files get`.
#[derive(Args, Debug)]
pub struct Get {
    /// Which attempt
    #[command(flatten)]
    pub whose: Whose,
    /// The file, as `files ls` shows it: work/out.txt
    pub path: String,
    /// Where to; - is standard output [default: its name, here]
    pub to: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(short, long)]
    pub force: bool,
}

/// `goctl files archive`.
#[derive(Args, Debug)]
pub struct Archive {
    /// Which attempt
    #[command(flatten)]
    pub whose: Whose,
    /// The directory or file [default: all]
    pub path: Option<String>,
    /// Where to: .tar, .tar.gz or .zip; - is standard output [default: job-N.tar.gz, here]
    #[arg(long, value_name = "FILE")]
    pub to: Option<PathBuf>,
    /// Replace a file that is there
    #[arg(short, long)]
    pub force: bool,
}

/// `goctl files put`.
#[derive(Args, Debug)]
pub struct Put {
    /// Which attempt
    #[command(flatten)]
    pub whose: Whose,
    /// The file here
    pub file: PathBuf,
    /// Its path there [default: its name, below work]
    pub path: Option<String>,
}

/// `goctl files rm`.
#[derive(Args, Debug)]
pub struct Rm {
    /// Which attempt
    #[command(flatten)]
    pub whose: Whose,
    /// The file or directory
    pub path: String,
}
