//! One replica of the state with a disk beside it, and what must hold after every entry.
//!
//! The disk is written the way the storage adapter does it: only the records that an entry says
//! it touched. A record that changed without being named is therefore found as a difference
//! between the disk and the state. Nothing here knows what a command means: see
//! [`crate::oracle`].

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use model::change::Table;
use model::format::{decode, encode};
use model::job::EndedJob;
use model::ledger::LedgerLine;
use model::{Changes, Command, RecordKey, Reply, Stamp, State};
use sha2::{Digest, Sha256};

use crate::oracle::Oracle;
use crate::quotas::Quotas;

/// Records by table and key, as bytes.
pub type Disk = BTreeMap<(usize, Vec<u8>), Vec<u8>>;

/// A state, its disk, and everything that has left it.
#[derive(Clone, Default)]
pub struct Replica {
    /// What `apply` keeps.
    pub state: State,
    /// What was written.
    pub disk: Disk,
    /// Jobs that ended, in order.
    pub ended: Vec<EndedJob>,
    /// Accounting, in order.
    pub ledger: Vec<LedgerLine>,
    oracle: Oracle,
    quotas: Quotas,
}

impl Replica {
    /// Applies one entry and checks everything that can be checked at once.
    ///
    /// # Errors
    /// The first invariant that does not hold.
    pub fn step(&mut self, at: Stamp, command: &Command) -> Result<(Reply, Changes)> {
        let read: Command = decode(&encode(command)).context("the command as written")?;
        ensure!(
            read == *command,
            "the command is read as another one: {read:?}"
        );
        let (clock, next) = (self.state.now(), self.state.meta().next_job);
        let (reply, changes) = self.state.apply(at, read);
        self.state.check().map_err(anyhow::Error::msg)?;
        ensure!(self.state.now() >= clock, "the clock ran backwards");
        ensure!(
            self.state.meta().next_job >= next,
            "the counter of jobs ran backwards"
        );
        if let Reply::Rejected(_) = reply {
            let clock_only = changes.touched.iter().all(|key| *key == RecordKey::Meta);
            let silent = changes.ended.is_empty() && changes.ledger.is_empty();
            ensure!(
                clock_only && silent && changes.events.is_empty(),
                "a rejected command changed something: {changes:?}"
            );
            ensure!(
                self.state.meta().next_job == next,
                "a rejected command took a job id"
            );
        }
        self.write(&changes)?;
        self.oracle.observe(at, command, &reply, &changes)?;
        self.oracle.compare(&self.state)?;
        self.quotas.observe(&self.state, command, &changes)?;
        Ok((reply, changes))
    }

    /// Writes what was touched, as the storage adapter does.
    fn write(&mut self, changes: &Changes) -> Result<()> {
        for key in &changes.touched {
            let (table, bytes) = (key.table(), key.bytes());
            let read = RecordKey::parse(table, &bytes)?;
            ensure!(read == *key, "{key:?} is read back as {read:?}");
            match self.state.record(key) {
                Some(record) => self.disk.insert((position(table)?, bytes), record),
                None => self.disk.remove(&(position(table)?, bytes)),
            };
        }
        self.ended.extend(changes.ended.iter().cloned());
        self.ledger.extend(changes.ledger.iter().cloned());
        Ok(())
    }

    /// Checks that the disk holds the state, no more and no less, and that a state loaded from it
    /// is the same one.
    ///
    /// # Errors
    /// The first difference.
    pub fn check_disk(&self) -> Result<()> {
        if !self.state.is_initialised() {
            return Ok(()); // Only the clock is there yet; the policy is written by the first entry.
        }
        differ(&self.disk, &dump(&self.state)?).context("on disk and in the state")?;
        let mut loaded = State::default();
        for ((table, key), record) in &self.disk {
            let table = Table::ALL.get(*table).copied().context("a table")?;
            loaded.load(table, key, record)?;
        }
        loaded
            .check()
            .map_err(anyhow::Error::msg)
            .context("after loading")?;
        differ(&self.disk, &dump(&loaded)?).context("on disk and after loading")?;
        ensure!(
            self.state.pending().eq(loaded.pending()),
            "loading changes the order of pending jobs"
        );
        let loads = |state: &State| -> Vec<_> {
            state
                .nodes()
                .map(|node| (node.id, state.held(node.id)))
                .collect()
        };
        ensure!(
            loads(&self.state) == loads(&loaded),
            "loading changes what nodes hold"
        );
        Ok(())
    }

    /// A digest of everything on disk: equal on every head that applied the same log.
    pub fn digest(&self) -> String {
        let mut hash = Sha256::new();
        for ((table, key), record) in &self.disk {
            for part in [&table.to_be_bytes()[..], key, record] {
                hash.update(part.len().to_be_bytes());
                hash.update(part);
            }
        }
        hash.finalize()
            .iter()
            .take(8)
            .map(|byte| format!("{byte:02x}"))
            .collect()
    }
}

/// Where a table comes in the order of loading.
fn position(table: Table) -> Result<usize> {
    Table::ALL
        .iter()
        .position(|known| *known == table)
        .context("a table that is never loaded")
}

fn dump(state: &State) -> Result<Disk> {
    let mut disk = Disk::new();
    for key in state.records() {
        let record = state
            .record(&key)
            .with_context(|| format!("no record of {key:?}"))?;
        disk.insert((position(key.table())?, key.bytes()), record);
    }
    Ok(disk)
}

/// Checks that two disks are the same to the byte.
///
/// # Errors
/// The first record that differs.
pub fn differ(left: &Disk, right: &Disk) -> Result<()> {
    let keys = left.keys().chain(right.keys());
    for key in keys {
        if left.get(key) != right.get(key) {
            let table = Table::ALL.get(key.0).map_or("?", |table| table.name());
            let name = RecordKey::parse(Table::ALL[key.0], &key.1);
            bail!(
                "a record of table {table} differs: {name:?}\n  {:?}\n  {:?}",
                left.get(key),
                right.get(key)
            );
        }
    }
    Ok(())
}
