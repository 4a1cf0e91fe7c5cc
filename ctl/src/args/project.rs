//! What is typed to look at projects, queues and bounds, and to say who is in a project.

use clap::{Args, Subcommand};

/// `goctl project …`.
#[derive(Subcommand, Debug)]
pub enum Project {
    /// Show a project and what of its bounds is taken
    Show {
        /// Its name
        name: String,
    },
    /// Who is in a project; for those who manage it
    #[command(subcommand, visible_alias = "member")]
    Members(Members),
}

/// `goctl project members …`.
#[derive(Subcommand, Debug)]
pub enum Members {
    /// Take somebody into a project, or change what they are in it
    Add {
        /// The project
        name: String,
        /// The login
        user: String,
        /// They manage the project
        #[arg(long)]
        manager: bool,
    },
    /// Take somebody out of a project; their jobs go on
    #[command(visible_alias = "rm")]
    Remove {
        /// The project
        name: String,
        /// The login
        user: String,
    },
}

/// `goctl queue …`.
#[derive(Subcommand, Debug)]
pub enum Queue {
    /// Show a queue and its rules
    Show {
        /// Its name
        name: String,
    },
}

/// `goctl quota`.
#[derive(Args, Debug, Default)]
pub struct Quota {
    /// Of this user [default: you]
    #[arg(short, long, value_name = "NAME", conflicts_with = "project")]
    pub user: Option<String>,
    /// Of this project
    #[arg(long, value_name = "NAME")]
    pub project: Option<String>,
}
