//! The keys of the tables' database. The first byte says what a record is; numbers are
//! big-endian, and inverted where the newest comes first.

use model::account::UserName;
use model::{JobId, LogIndex, RecordKey, Table, Timestamp};

/// What is applied, and the members.
pub(crate) const APPLIED: &[u8] = b"Mapplied";
/// The first log index whose events are kept.
pub(crate) const EVENTS_FLOOR: &[u8] = b"Mevents_floor";

/// Up to where the index by [`Facet`] is complete.
pub(crate) const INDEXED: &[u8] = b"Mindexed";

/// By what ended jobs are indexed, beside their owner and their end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Facet {
    /// The project that they are charged to.
    Project,
    /// The queue that they waited in.
    Queue,
    /// The image, as it was asked for.
    Image,
    /// The word of their outcome.
    State,
    /// One of their tags.
    Tag,
}

/// Records of the state, by table.
pub(crate) fn state(key: &RecordKey) -> Vec<u8> {
    [table(key.table()).as_slice(), &key.bytes()].concat()
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
        Table::Ports => b'o',
        Table::Stored => b'D',
    };
    [b'S', letter]
}

/// Ended jobs by id.
pub(crate) fn ended(id: JobId) -> [u8; 9] {
    numbered(b'J', id.0)
}

/// What the keys of [`by_time`] begin with.
pub(crate) const BY_TIME: [u8; 1] = [b'T'];

/// Ended jobs, newest end first.
pub(crate) fn by_time(ended: Timestamp, id: JobId) -> Vec<u8> {
    let mut key = BY_TIME.to_vec();
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

/// What the keys of [`by_facet`] begin with. The letters are on disk: they never change.
pub(crate) fn facet(facet: Facet, value: &str) -> Vec<u8> {
    let letter = match facet {
        Facet::Project => b'P',
        Facet::Queue => b'Q',
        Facet::Image => b'M',
        Facet::State => b'S',
        Facet::Tag => b'T',
    };
    // One that begins like another is told apart by its length. None is nearly as long as that.
    let length = u16::try_from(value.len()).unwrap_or(u16::MAX);
    // With room for the place of a job.
    let mut key = Vec::with_capacity(2 + 2 + value.len() + size_of::<Place>());
    key.extend_from_slice(&[b'I', letter]);
    key.extend_from_slice(&length.to_be_bytes());
    key.extend_from_slice(value.as_bytes());
    key
}

/// Ended jobs that have something in common, newest end first.
pub(crate) fn by_facet(of: Facet, value: &str, ended: Timestamp, id: JobId) -> Vec<u8> {
    let mut key = facet(of, value);
    newest_first(&mut key, ended, id);
    key
}

fn newest_first(key: &mut Vec<u8>, ended: Timestamp, id: JobId) {
    key.extend_from_slice(&(!ended.0).to_be_bytes());
    key.extend_from_slice(&(!id.0).to_be_bytes());
}

/// Where a job stands in every list of ended jobs: the end of its keys. Smaller is newer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) struct Place(u128);

impl Place {
    /// Before every job.
    pub(crate) const FIRST: Place = Place(0);
    /// Behind every job.
    pub(crate) const LAST: Place = Place(u128::MAX);

    pub(crate) fn new(ended: Timestamp, id: JobId) -> Place {
        Place(u128::from(!ended.0) << 64 | u128::from(!id.0))
    }

    /// The place of a key of [`by_time`], [`by_owner`] or [`by_facet`].
    pub(crate) fn parse(key: &[u8]) -> Option<Place> {
        let (_, place) = key.split_last_chunk::<16>()?;
        Some(Place(u128::from_be_bytes(*place)))
    }

    /// The end and number of the job.
    pub(crate) fn job(self) -> (Timestamp, JobId) {
        let half = |bits: u128| u64::try_from(bits & u128::from(u64::MAX)).unwrap_or_default();
        (Timestamp(!half(self.0 >> 64)), JobId(!half(self.0)))
    }

    pub(crate) fn bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// The next one, whether a job stands there or not.
    pub(crate) fn behind(self) -> Place {
        Place(self.0.saturating_add(1))
    }

    /// The one before, whether a job stands there or not.
    pub(crate) fn before(self) -> Place {
        Place(self.0.saturating_sub(1))
    }
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
