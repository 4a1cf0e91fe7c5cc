//! What is typed about directories of users.

use std::path::PathBuf;

use clap::Subcommand;

/// `goctl admin directory …`.
#[derive(Subcommand, Debug)]
pub enum Directory {
    /// List them, in the order in which they are asked
    #[command(visible_alias = "ls")]
    List,
    /// Make or change one
    #[command(
        after_help = "FILE is TOML or JSON: the keys of docs/directories.md, alone or in a \
        table [directory]."
    )]
    Set {
        /// Its name
        name: String,
        /// Its kind and how it is asked; - is standard input
        #[arg(long, value_name = "FILE")]
        file: PathBuf,
        /// Read the password with which it is asked from a file of one line [default: as it was]
        #[arg(long, value_name = "FILE", conflicts_with = "no_secret")]
        secret_file: Option<PathBuf>,
        /// It is asked without a password
        #[arg(long)]
        no_secret: bool,
    },
    /// Ask one about somebody, from the head that answers
    Test {
        /// Its name
        name: String,
        /// Whom to ask about
        login: String,
    },
    /// Forget one: its users are let in no more, and keep their jobs
    Remove {
        /// Its name
        name: String,
    },
}
