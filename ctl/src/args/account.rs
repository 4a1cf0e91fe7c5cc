//! What is typed about oneself: logins, tokens, contexts.

use std::path::PathBuf;

use api_types::token::Scope;
use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::{Args, Subcommand};

use crate::parse;

/// `goctl login`.
#[derive(Args, Debug)]
#[command(
    after_help = "The certificate is trusted only if its SHA-256 is the one given, or you \
    say that it is right. A one-time password is replaced at once: by the second line of \
    standard input, or by what you are asked for."
)]
pub struct Login {
    /// Address of any head: https://HOST:PORT
    #[arg(value_name = "URL", value_parser = parse::head_url)]
    pub url: String,
    /// Who you are [default: the user that you are here]
    #[arg(short, long)]
    pub user: Option<String>,
    /// SHA-256 of the cluster's certificate, as `goagent init` said it
    #[arg(long, value_name = "HEX", value_parser = parse::fingerprint)]
    pub ca_sha256: Option<String>,
    /// File with the cluster's certificate
    #[arg(long, value_name = "FILE", conflicts_with = "ca_sha256")]
    pub ca_file: Option<PathBuf>,
    /// Read the password from standard input; its second line is the new one, if one is needed
    #[arg(long)]
    pub password_stdin: bool,
    /// Name of the context [default: the cluster's name]
    #[arg(long = "as", value_name = "NAME")]
    pub name: Option<String>,
}

/// `goctl passwd`.
#[derive(Args, Debug)]
pub struct Passwd {
    /// Read the old and the new password from standard input, a line each
    #[arg(long)]
    pub stdin: bool,
}

/// `goctl token …`.
#[derive(Subcommand, Debug)]
pub enum Token {
    /// List your tokens
    #[command(visible_alias = "ls")]
    List,
    /// Make a token; prints it, this once
    Create {
        /// What it is for
        #[arg(long, default_value = "", hide_default_value = true)]
        label: String,
        /// How long it lives [default: 30d]
        #[arg(long, value_name = "TIME", value_parser = parse::positive_seconds)]
        ttl: Option<u64>,
        /// What it may be used for: read, jobs, account, admin [default: as the token in use]
        #[arg(long, value_name = "A,B", value_delimiter = ',', value_parser = scope())]
        #[arg(hide_possible_values = true)]
        scope: Vec<Scope>,
    },
    /// Replace a token by a new one with the same scopes; prints it, this once
    Rotate {
        /// Its public half, as `goctl token list` shows it
        id: String,
        /// How long the new one lives [default: 30d]
        #[arg(long, value_name = "TIME", value_parser = parse::positive_seconds)]
        ttl: Option<u64>,
    },
    /// End a token
    Revoke {
        /// Its public half, as `goctl token list` shows it
        id: String,
    },
}

/// `goctl key …`.
#[derive(Args, Debug)]
pub struct Key {
    /// What to do [default: list]
    #[command(subcommand)]
    pub action: Option<KeyAction>,
}

/// What to do with one's public keys.
#[derive(Subcommand, Debug)]
pub enum KeyAction {
    /// List your keys
    #[command(visible_alias = "ls")]
    List,
    /// Add a key
    Add {
        /// File with one public key; - is standard input [default: ~/.ssh/id_ed25519.pub]
        file: Option<PathBuf>,
        /// What it is for [default: the comment behind the key]
        #[arg(long)]
        label: Option<String>,
    },
    /// Remove a key
    #[command(visible_alias = "rm")]
    Remove {
        /// As `goctl key list` shows it: SHA256:…
        fingerprint: String,
    },
}

/// `goctl secret …`.
#[derive(Args, Debug)]
#[command(
    after_help = "A job asks for a secret by its name: goctl submit --secret NAME, or \
    #GO --secret NAME. It finds the value in the file /run/secrets/NAME. A value is never shown \
    again, not even to you."
)]
pub struct Secret {
    /// What to do [default: list]
    #[command(subcommand)]
    pub action: Option<SecretAction>,
}

/// What to do with secrets.
#[derive(Subcommand, Debug)]
pub enum SecretAction {
    /// List yours, and those of your projects: names and times
    #[command(visible_alias = "ls")]
    List,
    /// Keep one, or give it another value; you are asked for it, unless it comes from a file
    Set {
        /// Its name
        name: String,
        /// Refused: whoever is on this machine can read what is typed here.
        #[arg(hide = true, allow_hyphen_values = true)]
        typed: Vec<String>,
        /// File with the value, byte for byte; - is standard input
        #[arg(short, long, value_name = "FILE")]
        file: Option<PathBuf>,
        /// It is this project's, for its members' jobs in it
        #[arg(long, value_name = "NAME")]
        project: Option<String>,
        /// It is the password for this registry: docker.io, registry.lab:5000
        #[arg(long, value_name = "HOST", requires = "login")]
        registry: Option<String>,
        /// Your name at the registry
        #[arg(long, value_name = "NAME", requires = "registry")]
        login: Option<String>,
    },
    /// Forget one
    #[command(visible_alias = "rm")]
    Remove {
        /// Its name
        name: String,
        /// It is this project's
        #[arg(long, value_name = "NAME")]
        project: Option<String>,
    },
}

/// `goctl can-i …`.
#[derive(Args, Debug)]
#[command(override_usage = "goctl can-i VERB\n       goctl can-i METHOD PATH")]
#[command(after_help = parse::verb::help())]
pub struct CanI {
    /// A verb of the list below, or a method: GET, POST, PUT, DELETE
    #[arg(value_name = "VERB|METHOD")]
    pub what: String,
    /// A path of the API, as in /jobs/12/cancel
    pub path: Option<String>,
}

fn scope() -> impl TypedValueParser<Value = Scope> {
    PossibleValuesParser::new(Scope::ALL.map(Scope::word)).try_map(|word| {
        let known = Scope::ALL.into_iter().find(|scope| scope.word() == word);
        known.ok_or("not a scope")
    })
}

/// `goctl context …`.
#[derive(Subcommand, Debug)]
pub enum Context {
    /// List the contexts
    #[command(visible_alias = "ls")]
    List,
    /// Print the name of the current one
    Current,
    /// Make one the current one
    Use {
        /// Which
        name: String,
    },
    /// Add one by hand; `goctl login` does it for you
    Add {
        /// Its name
        name: String,
        /// Addresses of its heads
        #[arg(required = true, value_name = "URL", value_parser = parse::head_url)]
        heads: Vec<String>,
        /// File with the cluster's certificate
        #[arg(long, value_name = "FILE")]
        ca_file: Option<PathBuf>,
    },
    /// Give one another name
    Rename {
        /// Its name
        name: String,
        /// Its new name
        new: String,
    },
    /// Forget one, and its token
    #[command(visible_alias = "rm")]
    Remove {
        /// Which
        name: String,
    },
}

/// `goctl config …`.
#[derive(Subcommand, Debug)]
pub enum Config {
    /// Print where the configuration is
    Path,
    /// Print the configuration; it holds no secrets
    Show,
}
