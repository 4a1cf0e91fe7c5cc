//! How records look on disk: one version byte, then postcard.
//!
//! Dated list of versions. A reader knows every version ever written; a writer writes the last.
//! - 4 (2026-11-26): jobs have published ports and a bound on their directory, quotas one on job
//!   directories, rules say who may publish. Two new tables, two commands, an outcome, two
//!   verdicts.
//! - 3 (2026-11-26): jobs ask for secrets. A new table and two commands.
//! - 2 (2026-11-26): jobs have project, queue, entry point, network, root and a bound on output;
//!   volumes have sub-paths and say who may use them; accounts have groups, home, mail, source and
//!   quota; tokens have scopes; the policy has rules; accounting lines have project, queue, name,
//!   wait and charge; plans can end jobs. New tables, commands and outcomes.
//! - 1 (2026-11-24): the first. Since 2026-11-26 with the table `trouble`, the health `unwell` and
//!   the outcome `not_begun`, which no older record has.

pub mod v1;
pub mod v2;
pub mod v3;

use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::account::{TokenId, UserName};
use crate::change::{RecordKey, Table};
use crate::id::{JobId, NodeId};
use crate::job::Job;
use crate::quota::Holder;
use crate::spec::JobSpec;
use crate::state::State;

/// The version that is written.
pub const VERSION: u8 = 4;

/// A record that cannot be read. Never skipped: whoever meets one refuses to go on.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FormatError {
    /// No bytes at all.
    Empty,
    /// Written by a later release.
    UnknownVersion(u8),
    /// The bytes do not decode.
    Malformed,
    /// The key does not belong to its table.
    BadKey(Table),
    /// A job without its spec.
    MissingSpec(JobId),
}

impl fmt::Display for FormatError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            FormatError::Empty => write!(f, "the record is empty"),
            FormatError::UnknownVersion(version) => {
                write!(
                    f,
                    "the record has version {version}, this release reads up to {VERSION}"
                )
            }
            FormatError::Malformed => write!(f, "the record does not decode"),
            FormatError::BadKey(table) => write!(f, "a key of table {} is malformed", table.name()),
            FormatError::MissingSpec(job) => write!(f, "job {job} has no spec record"),
        }
    }
}

impl core::error::Error for FormatError {}

/// Room for most records, so that they are not moved while they grow.
const LIKELY: usize = 512;

/// The bytes of a record: version byte and postcard.
pub fn encode<T: Serialize>(value: &T) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(LIKELY);
    bytes.push(VERSION);
    // Postcard fails only on types that announce no length; none of ours does.
    match postcard::to_extend(value, bytes) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("a record type that postcard cannot write: {error}"),
    }
}

/// Something that is kept: it knows how older releases wrote it.
pub trait Kept: Serialize + DeserializeOwned {
    /// Reads what version 1 wrote; by default that is what version 2 wrote.
    ///
    /// # Errors
    /// [`FormatError::Malformed`].
    fn read_v1(bytes: &[u8]) -> Result<Self, FormatError> {
        Self::read_v2(bytes)
    }

    /// Reads what version 2 wrote; by default that is what version 3 wrote.
    ///
    /// # Errors
    /// [`FormatError::Malformed`].
    fn read_v2(bytes: &[u8]) -> Result<Self, FormatError> {
        Self::read_v3(bytes)
    }

    /// Reads what version 3 wrote; by default that is what is written today.
    ///
    /// # Errors
    /// [`FormatError::Malformed`].
    fn read_v3(bytes: &[u8]) -> Result<Self, FormatError> {
        read(bytes)
    }
}

/// The value of a record, whichever release wrote it.
///
/// # Errors
/// [`FormatError`] if it was a later one, or the bytes are no such value.
pub fn decode<T: Kept>(bytes: &[u8]) -> Result<T, FormatError> {
    let (version, rest) = bytes.split_first().ok_or(FormatError::Empty)?;
    match *version {
        1 => T::read_v1(rest),
        2 => T::read_v2(rest),
        3 => T::read_v3(rest),
        VERSION => read(rest),
        unknown => Err(FormatError::UnknownVersion(unknown)),
    }
}

/// A value that takes up all of the bytes.
fn read<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FormatError> {
    match postcard::take_from_bytes(bytes) {
        Ok((value, [])) => Ok(value),
        Ok((_, _)) | Err(_) => Err(FormatError::Malformed),
    }
}

impl RecordKey {
    /// The table it names a record of.
    pub fn table(&self) -> Table {
        match self {
            RecordKey::Meta => Table::Meta,
            RecordKey::Policy => Table::Policy,
            RecordKey::User(_) => Table::User,
            RecordKey::Token(_) => Table::Token,
            RecordKey::JoinToken(_) => Table::JoinToken,
            RecordKey::Volume(_) => Table::Volume,
            RecordKey::Node(_) => Table::Node,
            RecordKey::Spec(_) => Table::Spec,
            RecordKey::Job(_) => Table::Job,
            RecordKey::SubmitKey(_, _) => Table::SubmitKey,
            RecordKey::Trouble(_) => Table::Trouble,
            RecordKey::Project(_) => Table::Project,
            RecordKey::Queue(_) => Table::Queue,
            RecordKey::Spent(_) => Table::Spent,
            RecordKey::Directory(_) => Table::Directory,
            RecordKey::SshKey(_, _) => Table::SshKey,
            RecordKey::Secret(_, _) => Table::Secret,
            RecordKey::Ports(_) => Table::Ports,
            RecordKey::Stored(_) => Table::Stored,
        }
    }

    /// The key inside its table. Numbers are big-endian, so that order is kept.
    pub fn bytes(&self) -> Vec<u8> {
        match self {
            RecordKey::Meta | RecordKey::Policy => Vec::new(),
            RecordKey::User(name) => name.0.as_bytes().to_vec(),
            RecordKey::Token(id) | RecordKey::JoinToken(id) => id.0.as_bytes().to_vec(),
            RecordKey::Volume(name)
            | RecordKey::Project(name)
            | RecordKey::Queue(name)
            | RecordKey::Directory(name) => name.as_bytes().to_vec(),
            RecordKey::Spent(holder) => held(holder),
            RecordKey::Secret(owner, name) => {
                let mut bytes = held(owner);
                bytes.push(0);
                bytes.extend_from_slice(name.as_bytes());
                bytes
            }
            RecordKey::Node(id) | RecordKey::Trouble(id) | RecordKey::Stored(id) => {
                id.0.to_be_bytes().to_vec()
            }
            RecordKey::Spec(id) | RecordKey::Job(id) | RecordKey::Ports(id) => {
                id.0.to_be_bytes().to_vec()
            }
            RecordKey::SubmitKey(user, key) | RecordKey::SshKey(user, key) => {
                let mut bytes = user.0.as_bytes().to_vec();
                bytes.push(0);
                bytes.extend_from_slice(key.as_bytes());
                bytes
            }
        }
    }

    /// The key that [`RecordKey::bytes`] wrote.
    pub fn parse(table: Table, bytes: &[u8]) -> Result<RecordKey, FormatError> {
        let bad = || FormatError::BadKey(table);
        let text = || {
            core::str::from_utf8(bytes)
                .map(String::from)
                .map_err(|_| bad())
        };
        let pair = || {
            let text = text()?;
            let (user, rest) = text.split_once('\0').ok_or_else(bad)?;
            Ok((UserName(user.into()), String::from(rest)))
        };
        let number = || bytes.try_into().map(u64::from_be_bytes).map_err(|_| bad());
        Ok(match table {
            Table::Meta => RecordKey::Meta,
            Table::Policy => RecordKey::Policy,
            Table::User => RecordKey::User(UserName(text()?)),
            Table::Token => RecordKey::Token(TokenId(text()?)),
            Table::JoinToken => RecordKey::JoinToken(TokenId(text()?)),
            Table::Volume => RecordKey::Volume(text()?),
            Table::Node => RecordKey::Node(NodeId(number()?)),
            Table::Trouble => RecordKey::Trouble(NodeId(number()?)),
            Table::Spec => RecordKey::Spec(JobId(number()?)),
            Table::Job => RecordKey::Job(JobId(number()?)),
            Table::Ports => RecordKey::Ports(JobId(number()?)),
            Table::Stored => RecordKey::Stored(NodeId(number()?)),
            Table::SubmitKey => pair().map(|(user, key)| RecordKey::SubmitKey(user, key))?,
            Table::SshKey => pair().map(|(user, key)| RecordKey::SshKey(user, key))?,
            Table::Project => RecordKey::Project(text()?),
            Table::Queue => RecordKey::Queue(text()?),
            Table::Directory => RecordKey::Directory(text()?),
            Table::Spent => RecordKey::Spent(holder(&text()?).ok_or_else(bad)?),
            Table::Secret => {
                let (owner, name) = pair()?;
                RecordKey::Secret(holder(&owner.0).ok_or_else(bad)?, name)
            }
        })
    }
}

impl State {
    /// The record as it stands now; `None` when there is none: it is to be deleted.
    pub fn record(&self, key: &RecordKey) -> Option<Vec<u8>> {
        match key {
            RecordKey::Meta => Some(encode(&self.meta)),
            RecordKey::Policy => Some(encode(&*self.policy)),
            RecordKey::User(name) => self.users.get(name).map(encode),
            RecordKey::Token(id) => self.tokens.get(id).map(encode),
            RecordKey::JoinToken(id) => self.join_tokens.get(id).map(encode),
            RecordKey::Volume(name) => self.volumes.get(name).map(encode),
            RecordKey::Node(id) => self.nodes.get(id).map(encode),
            RecordKey::Trouble(id) => self.troubles.get(id).map(encode),
            RecordKey::Spec(id) => self.jobs.get(id).map(|job| encode(&*job.spec)),
            RecordKey::Job(id) => self.jobs.get(id).map(encode),
            RecordKey::SubmitKey(user, key) => self
                .submit_keys
                .get(&(user.clone(), key.clone()))
                .map(encode),
            RecordKey::Project(name) => self.projects.get(name).map(encode),
            RecordKey::Queue(name) => self.queues.get(name).map(encode),
            RecordKey::Spent(holder) => self.spent.get(holder).map(encode),
            RecordKey::Directory(name) => self.directories.get(name).map(encode),
            RecordKey::SshKey(user, key) => {
                let key = (user.clone(), key.clone());
                self.ssh_keys.get(&key).map(encode)
            }
            RecordKey::Secret(owner, name) => self.secret(owner, name).map(encode),
            RecordKey::Ports(id) => self.ports.get(id).map(encode),
            RecordKey::Stored(id) => self.stored.get(id).map(encode),
        }
    }

    /// Takes one stored record back in. Tables must come in the order of [`Table::ALL`].
    ///
    /// # Errors
    /// [`FormatError`] if the key or the bytes are not what this release writes or knows.
    pub fn load(&mut self, table: Table, key: &[u8], bytes: &[u8]) -> Result<(), FormatError> {
        match RecordKey::parse(table, key)? {
            RecordKey::Meta => self.meta = decode(bytes)?,
            RecordKey::Policy => self.policy = Arc::new(decode(bytes)?),
            RecordKey::User(name) => self.users.insert_mut(name, decode(bytes)?),
            RecordKey::Token(_) => self.put_token(decode(bytes)?),
            RecordKey::JoinToken(_) => self.put_join_token(decode(bytes)?),
            RecordKey::Volume(name) => self.volumes.insert_mut(name, decode(bytes)?),
            RecordKey::Node(_) => self.put_node(decode(bytes)?),
            RecordKey::Trouble(id) => self.troubles.insert_mut(id, decode(bytes)?),
            RecordKey::Spec(id) => {
                let spec: JobSpec = decode(bytes)?;
                self.loaded_specs.insert_mut(id, Arc::new(spec));
            }
            RecordKey::Job(id) => {
                let mut job: Job = decode(bytes)?;
                let spec = self.loaded_specs.get(&id).cloned();
                job.spec = spec.ok_or(FormatError::MissingSpec(id))?;
                self.loaded_specs.remove_mut(&id);
                self.put_job(job);
            }
            RecordKey::SubmitKey(user, key) => self.put_submit_key(user, key, decode(bytes)?),
            RecordKey::Project(name) => self.projects.insert_mut(name, decode(bytes)?),
            RecordKey::Queue(name) => self.queues.insert_mut(name, decode(bytes)?),
            RecordKey::Spent(holder) => self.spent.insert_mut(holder, decode(bytes)?),
            RecordKey::Directory(name) => self.directories.insert_mut(name, decode(bytes)?),
            RecordKey::SshKey(user, key) => self.ssh_keys.insert_mut((user, key), decode(bytes)?),
            RecordKey::Secret(owner, name) => {
                self.secrets.insert_mut((owner, name), decode(bytes)?);
            }
            RecordKey::Ports(id) => self.ports.insert_mut(id, decode(bytes)?),
            RecordKey::Stored(id) => self.put_stored(id, decode(bytes)?),
        }
        Ok(())
    }

    /// Every record in key order, table by table: what a full copy of the state consists of.
    pub fn records(&self) -> impl Iterator<Item = RecordKey> {
        let meta = [RecordKey::Meta, RecordKey::Policy].into_iter();
        let users = self.users.keys().cloned().map(RecordKey::User);
        let tokens = self.tokens.keys().cloned().map(RecordKey::Token);
        let joins = self.join_tokens.keys().cloned().map(RecordKey::JoinToken);
        let volumes = self.volumes.keys().cloned().map(RecordKey::Volume);
        let nodes = self.nodes.keys().copied().map(RecordKey::Node);
        let specs = self.jobs.keys().copied().map(RecordKey::Spec);
        let jobs = self.jobs.keys().copied().map(RecordKey::Job);
        let keys = self.submit_keys.keys().cloned();
        let keys = keys.map(|(user, key)| RecordKey::SubmitKey(user, key));
        let troubles = self.troubles.keys().copied().map(RecordKey::Trouble);
        let projects = self.projects.keys().cloned().map(RecordKey::Project);
        let queues = self.queues.keys().cloned().map(RecordKey::Queue);
        let spent = self.spent.keys().cloned().map(RecordKey::Spent);
        let directories = self.directories.keys().cloned().map(RecordKey::Directory);
        let ssh = self.ssh_keys.keys().cloned();
        let ssh = ssh.map(|(user, key)| RecordKey::SshKey(user, key));
        let secrets = self.secrets.keys().cloned();
        let secrets = secrets.map(|(owner, name)| RecordKey::Secret(owner, name));
        let ports = self.ports.keys().copied().map(RecordKey::Ports);
        let stored = self.stored.keys().copied().map(RecordKey::Stored);
        let first = meta.chain(users).chain(tokens).chain(joins);
        first
            .chain(volumes)
            .chain(nodes)
            .chain(specs)
            .chain(jobs)
            .chain(keys)
            .chain(troubles)
            .chain(projects)
            .chain(queues)
            .chain(spent)
            .chain(directories)
            .chain(ssh)
            .chain(secrets)
            .chain(ports)
            .chain(stored)
    }
}

/// A holder's bytes inside a key: a letter for the kind, and the name.
fn held(holder: &Holder) -> Vec<u8> {
    match holder {
        Holder::User(name) => lettered(b'u', &name.0),
        Holder::Project(name) => lettered(b'p', name),
    }
}

/// What [`held`] wrote.
fn holder(text: &str) -> Option<Holder> {
    let user = text.strip_prefix('u');
    user.map(|name| Holder::User(name.into())).or_else(|| {
        let project = text.strip_prefix('p')?;
        Some(Holder::Project(project.into()))
    })
}

fn lettered(letter: u8, name: &str) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(name.len() + 1);
    bytes.push(letter);
    bytes.extend_from_slice(name.as_bytes());
    bytes
}
