//! The keys of the tables' database. The first byte says what a record is; numbers are
//! big-endian, and inverted where the newest comes first.

use model::account::UserName;
use model::{JobId, LogIndex, RecordKey, Table, Timestamp};

/// What is applied, and the members.
pub(crate) const APPLIED: &[u8] = b"Mapplied";
/// The first log index whose events are kept.
pub(crate) const EVENTS_FLOOR: &[u8] = b"Mevents_floor";

/// Records of the state, by table.
pub(crate) fn state(key: &RecordKey) -> Vec<u8> {
    let mut bytes = table(key.table()).to_vec();
    bytes.extend_from_slice(&key.bytes());
    bytes
}

/// What the keys of a table begin with. The letters are on disk: they never change.
pub(crate) fn table(table: Table) -> [u8; 2] {
    let letter = match table {
        Table::Meta => b'm',
        Table::Policy => b'p',
        Table::User => b'u',
        Table::Token => b't',
        Table::JoinToken => b'j',
        Table::Volume => b'v',
        Table::Node => b'n',
        Table::Spec => b's',
        Table::Job => b'J',
        Table::SubmitKey => b'k',
        Table::Trouble => b'w',
        Table::Project => b'P',
        Table::Queue => b'Q',
        Table::Spent => b'x',
        Table::Directory => b'd',
        Table::SshKey => b'K',
        Table::Secret => b'S',
    };
    [b'S', letter]
}

/// Ended jobs by id.
pub(crate) fn ended(id: JobId) -> [u8; 9] {
    numbered(b'J', id.0)
}

/// Ended jobs, newest end first.
pub(crate) fn by_time(ended: Timestamp, id: JobId) -> Vec<u8> {
    let mut key = vec![b'T'];
    newest_first(&mut key, ended, id);
    key
}

/// What the keys of [`by_owner`] begin with.
pub(crate) fn owner(name: &UserName) -> Vec<u8> {
    let mut key = vec![b'O'];
    key.extend_from_slice(name.0.as_bytes());
    key.push(0);
    key
}

/// Ended jobs of one owner, newest end first.
pub(crate) fn by_owner(name: &UserName, ended: Timestamp, id: JobId) -> Vec<u8> {
    let mut key = owner(name);
    newest_first(&mut key, ended, id);
    key
}

fn newest_first(key: &mut Vec<u8>, ended: Timestamp, id: JobId) {
    key.extend_from_slice(&(!ended.0).to_be_bytes());
    key.extend_from_slice(&(!id.0).to_be_bytes());
}

/// What the end of a key of [`by_time`] or [`by_owner`] says.
pub(crate) fn parse_newest_first(key: &[u8]) -> Option<(Timestamp, JobId)> {
    let (rest, id) = key.split_last_chunk::<8>()?;
    let (_, ended) = rest.split_last_chunk::<8>()?;
    Some((
        Timestamp(!u64::from_be_bytes(*ended)),
        JobId(!u64::from_be_bytes(*id)),
    ))
}

/// What the keys of accounting lines begin with that version 1 wrote: by entry and position in it.
pub(crate) const OLD_LEDGER: [u8; 1] = [b'A'];

/// A key of the first release, which reports still read.
#[cfg(test)]
pub(crate) fn old_ledger(index: LogIndex, position: u32) -> Vec<u8> {
    let mut key = numbered(OLD_LEDGER[0], index.0).to_vec();
    key.extend_from_slice(&position.to_be_bytes());
    key
}

/// Accounting lines by the time of their entry, the entry, and their position in it.
pub(crate) fn ledger(at: Timestamp, index: LogIndex, position: u32) -> Vec<u8> {
    let mut key = ledger_from(at).to_vec();
    key.extend_from_slice(&index.0.to_be_bytes());
    key.extend_from_slice(&position.to_be_bytes());
    key
}

/// The first key of accounting lines from this time on.
pub(crate) fn ledger_from(at: Timestamp) -> [u8; 9] {
    numbered(b'L', at.0)
}

/// What the keys of [`audit`] begin with.
pub(crate) const AUDIT: [u8; 1] = [b'Z'];

/// Lines of the audit log, newest first, by entry and position in it.
pub(crate) fn audit(index: LogIndex, position: u32) -> Vec<u8> {
    let mut key = numbered(AUDIT[0], !index.0).to_vec();
    key.extend_from_slice(&(!position).to_be_bytes());
    key
}

/// The entry of a key of [`audit`].
pub(crate) fn parse_audit(key: &[u8]) -> Option<LogIndex> {
    let (index, _) = key.get(1..)?.split_first_chunk::<8>()?;
    Some(LogIndex(!u64::from_be_bytes(*index)))
}

/// Events by entry.
pub(crate) fn event(index: u64) -> [u8; 9] {
    numbered(b'E', index)
}

/// The first key behind all that begin with `prefix`.
pub(crate) fn behind(prefix: &[u8]) -> Vec<u8> {
    let mut key = prefix.to_vec();
    while let Some(last) = key.pop() {
        if last < u8::MAX {
            key.push(last + 1);
            break;
        }
    }
    key
}

fn numbered(letter: u8, number: u64) -> [u8; 9] {
    let mut key = [letter; 9];
    key[1..].copy_from_slice(&number.to_be_bytes());
    key
}
