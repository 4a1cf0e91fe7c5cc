//! The keys of the log's database: `E` and a big-endian index for entries, `M` and a name for
//! the rest.

use std::io;

use crate::disk::io_error;

/// Whose directory this is.
pub(crate) const OWNER: &[u8] = b"Mowner";
/// The last vote.
pub(crate) const VOTE: &[u8] = b"Mvote";
/// The last entry removed from the front.
pub(crate) const PURGED: &[u8] = b"Mpurged";
/// The last entry known to be committed; may be older than what is applied.
pub(crate) const COMMITTED: &[u8] = b"Mcommitted";
/// The instances of other heads.
pub(crate) const PEERS: &[u8] = b"Mpeers";
/// Behind every entry.
pub(crate) const ENTRIES_END: [u8; 1] = [b'E' + 1];

pub(crate) fn entry(index: u64) -> [u8; 9] {
    let mut key = [b'E'; 9];
    key[1..].copy_from_slice(&index.to_be_bytes());
    key
}

pub(crate) fn entry_index(key: &[u8]) -> io::Result<u64> {
    let number = key.get(1..).and_then(|rest| rest.try_into().ok());
    let number = number.map(u64::from_be_bytes);
    number.ok_or_else(|| io_error(format!("{} bytes are no entry's key", key.len())))
}
