//! Contexts: which clusters there are, where their heads are, and what to trust.
//!
//! `config.toml` holds no secrets; tokens are in `credentials.toml` beside it, for the user
//! alone. Both are replaced as a whole, so a crash leaves the old or the new one.

use std::collections::BTreeMap;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::environment::Environment;
use crate::error::Failure;
use crate::limits::CONFIG_BYTES_MAX;

/// What `config.toml` holds.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The context in use.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current: Option<String>,
    /// The contexts by name.
    #[serde(default)]
    pub context: BTreeMap<String, Context>,
}

/// One cluster.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Context {
    /// Addresses of the heads, `https://host:port`.
    pub heads: Vec<String>,
    /// The certificate of the cluster's authority, PEM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca: Option<String>,
    /// A file with that certificate, in place of `ca`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_file: Option<PathBuf>,
    /// SHA-256 of that certificate, 64 hexadecimal digits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ca_sha256: Option<String>,
    /// Who logged in last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// What `credentials.toml` holds: what opens each context, by its name.
pub type Credentials = BTreeMap<String, Credential>;

/// What opens one context.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credential {
    /// The bearer token.
    pub token: String,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential(…)")
    }
}

/// Where the two files are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Files {
    /// `config.toml`.
    pub config: PathBuf,
}

impl Files {
    /// From `GOCTL_CONFIG`, or `goctl/config.toml` in the user's configuration directory.
    ///
    /// # Errors
    /// When none of `GOCTL_CONFIG`, `XDG_CONFIG_HOME` and `HOME` is set.
    pub fn of(environment: &Environment) -> Result<Files, Failure> {
        if let Some(path) = environment.get("GOCTL_CONFIG") {
            return Ok(Files {
                config: path.into(),
            });
        }
        let home = environment
            .get("HOME")
            .map(|home| Path::new(home).join(".config"));
        let base = environment
            .get("XDG_CONFIG_HOME")
            .map(PathBuf::from)
            .or(home);
        match base {
            Some(base) => Ok(Files {
                config: base.join("goctl/config.toml"),
            }),
            None => Err(Failure::failed("HOME is not set").hint("set GOCTL_CONFIG to a file")),
        }
    }

    fn credentials(&self) -> PathBuf {
        self.config.with_file_name("credentials.toml")
    }

    fn last_heads(&self) -> PathBuf {
        self.config.with_file_name("last-heads.toml")
    }

    /// The configuration; empty when there is none yet.
    ///
    /// # Errors
    /// When the file cannot be read or understood.
    pub fn read_config(&self) -> Result<Config, Failure> {
        read(&self.config)
    }

    /// The tokens; empty when there are none yet.
    ///
    /// # Errors
    /// When the file cannot be read or understood.
    pub fn read_credentials(&self) -> Result<Credentials, Failure> {
        read(&self.credentials())
    }

    /// Replaces the configuration.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_config(&self, config: &Config) -> Result<(), Failure> {
        write(&self.config, config)
    }

    /// Replaces the tokens.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write_credentials(&self, credentials: &Credentials) -> Result<(), Failure> {
        write(&self.credentials(), credentials)
    }

    /// The head of a context that answered last, if that is known.
    pub fn last_head(&self, context: &str) -> Option<String> {
        let heads: BTreeMap<String, String> = read(&self.last_heads()).ok()?;
        heads.get(context).cloned()
    }

    /// Remembers the head that answered last. Only a hint, so failing to is not told.
    pub fn remember_head(&self, context: &str, head: &str) {
        let mut heads: BTreeMap<String, String> = read(&self.last_heads()).unwrap_or_default();
        if heads.insert(context.into(), head.into()).as_deref() != Some(head) {
            drop(write(&self.last_heads(), &heads));
        }
    }
}

impl Context {
    /// The certificate to trust, PEM.
    ///
    /// # Errors
    /// When `ca_file` cannot be read.
    pub fn ca_pem(&self) -> Result<Option<String>, Failure> {
        match (&self.ca, &self.ca_file) {
            (Some(pem), _) => Ok(Some(pem.clone())),
            (None, Some(path)) => read_text(path, CONFIG_BYTES_MAX).map(Some),
            (None, None) => Ok(None),
        }
    }
}

/// A whole text file, unless it is longer than `most` bytes.
///
/// # Errors
/// Names the file and what is wrong with it.
pub fn read_text(path: &Path, most: u64) -> Result<String, Failure> {
    let wrong = |what: String| Failure::failed(format!("{}: {what}", path.display()));
    let size = std::fs::metadata(path)
        .map_err(|error| wrong(error.to_string()))?
        .len();
    if size > most {
        return Err(wrong(format!("{size} bytes, at most {most}")));
    }
    std::fs::read_to_string(path).map_err(|error| wrong(error.to_string()))
}

fn read<T: DeserializeOwned + Default>(path: &Path) -> Result<T, Failure> {
    if !path.exists() {
        return Ok(T::default());
    }
    let text = read_text(path, CONFIG_BYTES_MAX)?;
    toml::from_str(&text).map_err(|error| {
        let line = error
            .span()
            .map_or(1, |span| text[..span.start].matches('\n').count() + 1);
        Failure::failed(format!("{}:{line}: {}", path.display(), error.message()))
    })
}

fn write<T: Serialize>(path: &Path, value: &T) -> Result<(), Failure> {
    let wrong = |what: String| Failure::failed(format!("{}: {what}", path.display()));
    let text = toml::to_string_pretty(value).map_err(|error| wrong(error.to_string()))?;
    if let Some(folder) = path
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
    {
        std::fs::create_dir_all(folder).map_err(|error| wrong(error.to_string()))?;
    }
    let fresh = path.with_extension(format!("new-{}", std::process::id()));
    let written = (|| {
        let mut options = std::fs::OpenOptions::new();
        let mut file = options
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&fresh)?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        std::fs::rename(&fresh, path)
    })();
    written.map_err(|error: std::io::Error| {
        drop(std::fs::remove_file(&fresh));
        wrong(error.to_string())
    })
}
