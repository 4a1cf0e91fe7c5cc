//! `goagent.toml`: what one node is told by its administrator.
//!
//! Every key has a default, `GODOCKER_SECTION__KEY` in the environment overrides the file, and a
//! key that nobody knows is refused by name. Rules of the whole cluster are not here: they live
//! in the log.

pub mod influx;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use influx::InfluxConfig;

/// Where the file lies unless told otherwise.
pub const DEFAULT_PATH: &str = "/etc/godocker/goagent.toml";
/// What every variable that overrides a key begins with.
pub const ENV_PREFIX: &str = "GODOCKER_";

/// Everything in the file.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The node and its network.
    pub node: NodeConfig,
    /// What runs its jobs.
    pub runtime: RuntimeConfig,
    /// Where jobs have their directories.
    pub files: FilesConfig,
    /// Its part in the log; heads only.
    pub head: HeadConfig,
    /// What it writes about itself.
    pub log: LogConfig,
    /// Where it pushes the cluster's series while it leads; heads only.
    pub influxdb: InfluxConfig,
}

/// The node and its network.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct NodeConfig {
    /// Its name in the cluster; the host's name if empty. Used when it joins.
    pub name: String,
    /// Where everything it must not lose lies.
    pub data_dir: PathBuf,
    /// Where peers reach it by QUIC (UDP); heads only.
    pub peer_listen: SocketAddr,
    /// Where users reach it by HTTPS (TCP); heads only.
    pub api_listen: SocketAddr,
    /// The host under which others reach it, where that is not the address it listens on.
    pub advertise: String,
    /// Host names and addresses that its certificate shall be good for, besides `advertise`.
    pub names: Vec<String>,
}

/// What runs the node's jobs.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RuntimeConfig {
    /// `docker`, `process`, `fake`; `auto`: docker if it answers, else process; `none`: no jobs.
    pub kind: RuntimeChoice,
    /// The engine's socket.
    pub docker_socket: String,
    /// The network of containers whose jobs may have one, as Docker names it.
    pub docker_network: String,
    /// The node's ports by which published ports of containers are reached, `first-last`; empty:
    /// the engine chooses.
    pub docker_ports: String,
    /// Cpus offered to jobs; 0: all of the machine.
    pub cpus: f64,
    /// Mebibytes offered to jobs; 0: all of the machine but a tenth.
    pub memory_mib: u64,
    /// User id of jobs whose owner has none.
    pub default_uid: u32,
    /// Group id of jobs whose owner has none.
    pub default_gid: u32,
    /// Days for which the output of ended attempts is kept.
    pub keep_output_days: u64,
    /// How often the usage of a running attempt is read, in milliseconds.
    pub sample_ms: u64,
    /// The `fake` runtime appends a line here at each begin and end; empty: it does not.
    pub fake_ledger: String,
}

/// Where jobs have their directories.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct FilesConfig {
    /// Storage that nodes share, where it is mounted; empty: on the node's own disk.
    pub shared: PathBuf,
}

impl FilesConfig {
    /// The root of the shared storage, if there is any.
    pub fn shared(&self) -> Option<PathBuf> {
        let named = !self.shared.as_os_str().is_empty();
        named.then(|| self.shared.clone())
    }
}

/// What runs jobs, as it may be chosen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum RuntimeChoice {
    /// Docker if it answers, else `process`.
    #[default]
    Auto,
    /// A Docker engine.
    Docker,
    /// Namespaces and cgroups.
    Process,
    /// Nothing runs.
    Fake,
    /// The node takes no jobs.
    None,
}

/// A head's part in the log.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct HeadConfig {
    /// How often the leader says that it is there.
    pub heartbeat_ms: u64,
    /// The shortest silence after which a follower stands for election.
    pub election_min_ms: u64,
    /// The longest.
    pub election_max_ms: u64,
    /// Entries between two snapshots.
    pub snapshot_every: u64,
    /// Entries kept although a snapshot holds them, for followers that are a little behind.
    pub keep_logs: u64,
    /// Mebibytes of the data directory's disk that are kept for settling and ending what was
    /// taken on: with less, this head takes no new jobs while it leads.
    pub reserve_mib: u64,
}

/// What a node writes about itself, on standard error.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LogConfig {
    /// `error`, `warn`, `info`, `debug`, `trace`, or filters per module as `tracing` knows them.
    pub filter: String,
    /// One JSON object a line instead of text.
    pub json: bool,
}

impl Default for NodeConfig {
    fn default() -> Self {
        NodeConfig {
            name: String::new(),
            data_dir: PathBuf::from("/var/lib/godocker"),
            peer_listen: SocketAddr::from(([0, 0, 0, 0], 8443)),
            api_listen: SocketAddr::from(([0, 0, 0, 0], 8443)),
            advertise: String::new(),
            names: Vec::new(),
        }
    }
}

impl Default for RuntimeConfig {
    fn default() -> Self {
        RuntimeConfig {
            kind: RuntimeChoice::Auto,
            docker_socket: "unix:///var/run/docker.sock".into(),
            docker_network: "bridge".into(),
            docker_ports: String::new(),
            cpus: 0.0,
            memory_mib: 0,
            default_uid: 65_534,
            default_gid: 65_534,
            keep_output_days: 30,
            sample_ms: 1_000,
            fake_ledger: String::new(),
        }
    }
}

impl Default for HeadConfig {
    fn default() -> Self {
        HeadConfig {
            heartbeat_ms: 50,
            election_min_ms: 150,
            election_max_ms: 300,
            snapshot_every: 50_000,
            keep_logs: 20_000,
            reserve_mib: 512,
        }
    }
}

impl Default for LogConfig {
    fn default() -> Self {
        LogConfig {
            filter: "info".into(),
            json: false,
        }
    }
}

/// Why a configuration cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// The file is there and cannot be read.
    #[error("cannot read {path}")]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// How.
        #[source]
        source: std::io::Error,
    },
    /// A key or value in the file is wrong.
    #[error("{path}: {why}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// What and where, with the known keys.
        why: String,
    },
    /// A variable that overrides a key is wrong.
    #[error("environment variable {name}: {why}")]
    Variable {
        /// Its name.
        name: String,
        /// What is wrong.
        why: String,
    },
    /// A value makes no sense.
    #[error("{field}: {why}")]
    Invalid {
        /// The key, as `section.key`.
        field: &'static str,
        /// What is wrong, and what to write instead.
        why: String,
    },
}

impl Config {
    /// Reads the file (a missing one is an empty one unless `required`), then the variables.
    ///
    /// # Errors
    /// [`ConfigError`] names the key.
    pub fn read(
        path: &Path,
        required: bool,
        variables: impl Iterator<Item = (String, String)>,
    ) -> Result<Config, ConfigError> {
        let text = match std::fs::read_to_string(path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => {
                String::new()
            }
            Err(source) => {
                return Err(ConfigError::Unreadable {
                    path: path.into(),
                    source,
                });
            }
        };
        let malformed = |why: String| ConfigError::Malformed {
            path: path.into(),
            why,
        };
        let mut table: toml::Table = toml::from_str(&text).map_err(|e| malformed(e.to_string()))?;
        // The file alone first, so that its mistakes are shown with their lines.
        toml::from_str::<Config>(&text).map_err(|e| malformed(e.to_string()))?;
        for (name, value) in variables {
            override_key(&mut table, &name, &value)?;
        }
        let config: Config =
            toml::Value::Table(table)
                .try_into()
                .map_err(|e: toml::de::Error| ConfigError::Variable {
                    name: format!("{ENV_PREFIX}…"),
                    why: e.message().to_string(),
                })?;
        config.validate()?;
        Ok(config)
    }

    fn validate(&self) -> Result<(), ConfigError> {
        let head = &self.head;
        let invalid = |field, why: String| Err(ConfigError::Invalid { field, why });
        if head.election_min_ms < head.heartbeat_ms.saturating_mul(2) {
            let why = format!("at least twice head.heartbeat_ms ({})", head.heartbeat_ms);
            return invalid("head.election_min_ms", why);
        }
        if head.election_max_ms <= head.election_min_ms {
            let why = format!("more than head.election_min_ms ({})", head.election_min_ms);
            return invalid("head.election_max_ms", why);
        }
        if !self.runtime.cpus.is_finite() || self.runtime.cpus < 0.0 {
            return invalid("runtime.cpus", "a number of cpus, or 0 for all".into());
        }
        let ports = &self.runtime.docker_ports;
        if !ports.is_empty() && !is_range(ports) {
            let why = format!("`{ports}` is not two ports, as in `20000-29999`, or empty");
            return invalid("runtime.docker_ports", why);
        }
        if !self.node.data_dir.is_absolute() {
            let why = format!("`{}` is not absolute", self.node.data_dir.display());
            return invalid("node.data_dir", why);
        }
        if let Some((field, why)) = self.influxdb.mistake() {
            return invalid(field, why);
        }
        if let Some(shared) = self.files.shared()
            && (!shared.is_absolute() || shared.parent().is_none())
        {
            let why = format!("`{}` is no directory below `/`", shared.display());
            return invalid("files.shared", why);
        }
        Ok(())
    }
}

/// Whether it is `first-last`, both ports.
fn is_range(text: &str) -> bool {
    let port = |text: &str| text.parse::<u16>().ok().filter(|port| *port > 0);
    let ends = text.split_once('-');
    let ends = ends.and_then(|(first, last)| port(first).zip(port(last)));
    ends.is_some_and(|(first, last)| first <= last)
}

/// `GODOCKER_NODE__DATA_DIR=/x` sets `data_dir` of `[node]`. Variables without `__` are not ours
/// to judge.
fn override_key(table: &mut toml::Table, name: &str, value: &str) -> Result<(), ConfigError> {
    let Some(path) = name.strip_prefix(ENV_PREFIX) else {
        return Ok(());
    };
    let Some((section, key)) = path.split_once("__") else {
        return Ok(());
    };
    let (section, key) = (section.to_lowercase(), key.to_lowercase());
    let wrong = |why: String| ConfigError::Variable {
        name: name.into(),
        why,
    };
    let known = toml::Value::try_from(Config::default()).map_err(|e| wrong(e.to_string()))?;
    let Some(default) = known.get(&section).and_then(|section| section.get(&key)) else {
        return Err(wrong(format!(
            "there is no key `{key}` in section `[{section}]`"
        )));
    };
    let parsed = match default {
        toml::Value::String(_) => toml::Value::String(value.into()),
        _ => parse_value(value).ok_or_else(|| {
            wrong(format!(
                "`{value}` is not of the type of the default, `{default}`"
            ))
        })?,
    };
    let parsed = match (default, parsed) {
        (toml::Value::Float(_), toml::Value::Integer(number)) =>
        {
            #[allow(clippy::cast_precision_loss, reason = "a count of cpus")]
            toml::Value::Float(number as f64)
        }
        (_, parsed) => parsed,
    };
    if parsed.type_str() != default.type_str() {
        return Err(wrong(format!(
            "`{value}` should be a {}",
            default.type_str()
        )));
    }
    let entry = table
        .entry(section)
        .or_insert_with(|| toml::Value::Table(toml::Table::new()));
    if let Some(entry) = entry.as_table_mut() {
        entry.insert(key, parsed);
    }
    Ok(())
}

fn parse_value(value: &str) -> Option<toml::Value> {
    let line = format!("value = {value}");
    toml::from_str::<toml::Table>(&line).ok()?.remove("value")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    fn read(text: &str, variables: &[(&str, &str)]) -> Result<Config, String> {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), text).unwrap();
        let variables = variables.iter().map(|(k, v)| ((*k).into(), (*v).into()));
        Config::read(file.path(), true, variables).map_err(|e| e.to_string())
    }

    #[test]
    fn variables_override_the_file() {
        let text = "[node]\nname = \"a\"\n[runtime]\ncpus = 4.0\n";
        let variables = [
            ("GODOCKER_NODE__NAME", "b"),
            ("GODOCKER_RUNTIME__CPUS", "2"),
            ("GODOCKER_LOG__JSON", "true"),
            ("GODOCKER_OTHER", "left alone"),
        ];
        let config = read(text, &variables).unwrap();
        assert_eq!(config.node.name, "b");
        assert!((config.runtime.cpus - 2.0).abs() < f64::EPSILON);
        assert!(config.log.json);
    }

    #[test]
    fn mistakes_name_the_key() {
        type Case<'a> = (&'a str, &'a [(&'a str, &'a str)], &'a str);
        let cases: [Case<'_>; 10] = [
            ("[node]\nnmae = \"a\"\n", &[], "unknown field `nmae`"),
            ("[nodes]\n", &[], "unknown field `nodes`"),
            ("[runtime]\nkind = \"podman\"\n", &[], "podman"),
            (
                "[head]\nelection_min_ms = 10\n",
                &[],
                "head.election_min_ms",
            ),
            ("[node]\ndata_dir = \"x\"\n", &[], "node.data_dir"),
            (
                "[runtime]\ndocker_ports = \"9-1\"\n",
                &[],
                "runtime.docker_ports",
            ),
            ("[files]\nshared = \"srv\"\n", &[], "files.shared"),
            ("", &[("GODOCKER_FILES__SHARED", "/")], "files.shared"),
            ("", &[("GODOCKER_NODE__NMAE", "x")], "GODOCKER_NODE__NMAE"),
            (
                "",
                &[("GODOCKER_HEAD__HEARTBEAT_MS", "fast")],
                "GODOCKER_HEAD__HEARTBEAT_MS",
            ),
        ];
        for (text, variables, expected) in cases {
            let error = read(text, variables).unwrap_err();
            assert!(error.contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn a_missing_file_is_an_error_only_if_it_was_asked_for() {
        let path = Path::new("/nonexistent/goagent.toml");
        assert!(Config::read(path, false, std::iter::empty()).is_ok());
        assert!(Config::read(path, true, std::iter::empty()).is_err());
    }
}
