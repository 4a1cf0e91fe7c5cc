//! S4, S8: files are replaced whole, and records keep their form.

use std::fs::{self, File};
use std::io::{self, Read};

use bytes::Bytes;
use model::Timestamp;
use openraft::RaftSnapshotBuilder;
use openraft::storage::RaftLogStorage;

use super::super::stores::{
    Switch, append, apply, close, entries, image, log_id, open_log, open_tables, open_tables_with,
    users, vote,
};
use crate::disk::{self, DiskPoint};
use crate::log_store::open::Owner;
use crate::record;
use crate::table_store::load::Applied;
use crate::types::{Entry, LogId, Proposal, StoredMembership, TypeConfig, Vote};

/// S4: whoever reads sees the old file or the new one, for the old one is never written to.
#[test]
fn a_small_file_is_replaced_whole() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("CURRENT");
    disk::write_whole(&path, b"the first").unwrap();
    let mut old = File::open(&path).unwrap();
    disk::write_whole(&path, b"2nd").unwrap();
    let mut seen = String::new();
    old.read_to_string(&mut seen).unwrap();
    assert_eq!(seen, "the first");
    assert_eq!(fs::read(&path).unwrap(), b"2nd");

    // The directory is all that is left of it.
    let names = fs::read_dir(dir.path()).unwrap().count();
    assert_eq!(names, 1);
}

/// S4: a crash within the replacement leaves a half of the new file beside the old one.
#[tokio::test]
async fn a_half_written_file_is_not_read() {
    let dir = tempfile::tempdir().unwrap();
    let tables = open_tables(dir.path()).unwrap();
    apply(&tables, entries(1, 0, 3)).await.unwrap();
    close(move || tables.close()).await;
    fs::write(dir.path().join("tables/CURRENT.new"), b"ha").unwrap();
    let tables = open_tables(dir.path()).unwrap();
    assert_eq!(users(&tables.view().state), [1, 2, 3]);
}

/// S4: a snapshot counts once all of it is durable; what a crash leaves of one is removed.
#[tokio::test]
async fn a_half_made_snapshot_is_none() {
    let dir = tempfile::tempdir().unwrap();
    let (switch, faults) = Switch::new();
    let mut tables = open_tables_with(dir.path(), faults).unwrap();
    apply(&tables, entries(1, 0, 3)).await.unwrap();
    tables.build_snapshot().await.unwrap();
    apply(&tables, entries(1, 4, 5)).await.unwrap();
    switch.refuse(DiskPoint::SnapshotBuilt, io::ErrorKind::StorageFull);
    assert!(tables.build_snapshot().await.is_err());

    let crashed = image(dir.path());
    let made = || {
        fs::read_dir(crashed.path().join("snapshots"))
            .unwrap()
            .count()
    };
    assert_eq!(made(), 2, "a finished one and a half");
    let after = open_tables(crashed.path()).unwrap();
    let (meta, _) = after.snapshots().newest().unwrap();
    assert_eq!(meta.last_log_id, Some(log_id(1, 3)));
    assert_eq!(made(), 1);
    assert_eq!(users(&after.view().state), [1, 2, 3, 4, 5]);
}

/// A record of the log, as a name, a key, what it says, and its bytes.
struct Golden {
    name: &'static str,
    written: Vec<u8>,
    read_back: bool,
    bytes: &'static str,
}

fn golden<T>(name: &'static str, value: &T, bytes: &'static str) -> Golden
where
    T: serde::Serialize + serde::de::DeserializeOwned + PartialEq,
{
    let kept: Result<T, String> = record::decode(name.as_bytes(), &unhex(bytes));
    Golden {
        name,
        written: record::encode(name.as_bytes(), value),
        read_back: kept.as_ref() == Ok(value),
        bytes,
    }
}

fn unhex(text: &str) -> Vec<u8> {
    let digits = text.as_bytes().chunks(2);
    let byte = |two| u8::from_str_radix(std::str::from_utf8(two).unwrap(), 16).unwrap();
    digits.map(byte).collect()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn membership() -> StoredMembership {
    let voters = vec![std::collections::BTreeSet::from([1])];
    let node = |addr: &str| openraft::BasicNode { addr: addr.into() };
    let nodes = std::collections::BTreeMap::from([(1, node("a:1")), (2, node("b:2"))]);
    let members = openraft::Membership::new(voters, nodes).unwrap();
    StoredMembership::new(Some(log_id(3, 9)), members)
}

/// S8: what was written by any release is read by this one. Whoever changes a form adds a version
/// in `record` and keeps these lines.
#[test]
fn every_record_keeps_its_form() {
    let blank: Entry = openraft::testing::blank_ent::<TypeConfig>(3, 1, 7);
    let members: Entry =
        openraft::entry::RaftEntry::new_membership(log_id(3, 9), membership().membership().clone());
    let applied = Applied {
        last: Some(log_id(3, 9)),
        membership: membership(),
    };
    let owner = Owner {
        node: 5,
        instance: [9; 16],
    };
    // What a command looks like is the model's to say, and changes.
    let proposal = Proposal::new(
        Timestamp(1_008),
        Bytes::from_static(b"\x01\x0d\x06user-8\0\0\0"),
    );
    let normal: Entry = openraft::entry::RaftEntry::new_normal(log_id(3, 8), proposal);
    let kept: [Golden; 9] = [
        golden::<Vote>("Mvote", &vote(3), VOTE),
        golden::<LogId>("Mpurged", &log_id(3, 300), PURGED),
        golden::<Option<LogId>>("Mcommitted", &Some(log_id(3, 300)), COMMITTED),
        golden("Mowner", &owner, OWNER),
        golden("Eblank", &blank, BLANK),
        golden("Emembers", &members, MEMBERS),
        golden("Enormal", &normal, NORMAL),
        golden("Mapplied", &applied, APPLIED),
        golden("CURRENT", &300_u64, CURRENT),
    ];
    let line = |name: &str, bytes: &str| format!("{name} {bytes}\n");
    let written = |kept: &Golden| line(kept.name, &hex(&kept.written));
    let written: String = kept.iter().map(written).collect();
    let known: String = kept
        .iter()
        .map(|kept| line(kept.name, kept.bytes))
        .collect();
    assert_eq!(written, known);
    for kept in kept {
        assert!(kept.read_back, "{} is read otherwise", kept.name);
    }
}

const VOTE: &str = "019717181503010100";
const PURGED: &str = "015ef2b7f903ac02";
const COMMITTED: &str = "0147b76ed30103ac02";
const OWNER: &str = "0142b0e2260509090909090909090909090909090909";
const BLANK: &str = "01fe9e5ee8030700";
const MEMBERS: &str = "017f89480c030902010101020103613a310203623a32";
const NORMAL: &str = "01c9d1554b030801f0070c010d06757365722d38000000";
const APPLIED: &str = "0127cc3c00010309010309010101020103613a310203623a32";
const MARK: [&str; 2] = ["0800012c870514020003", "0a0001fe2183390301040303"];
const CURRENT: &str = "013e6b0d85ac02";

/// S8: the mark is a file of its own.
#[tokio::test]
async fn the_mark_keeps_its_form() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open_log(dir.path()).unwrap();
    log.save_vote(&vote(3)).await.unwrap();
    append(&log, entries(3, 0, 4)).await.unwrap();
    let mark = fs::read(dir.path().join("acknowledged")).unwrap();
    let places = mark.chunks(4_096).map(|place| {
        let bytes = u16::from_le_bytes([place[0], place[1]]);
        hex(&place[..2 + usize::from(bytes)])
    });
    assert_eq!(places.collect::<Vec<_>>(), MARK);
}

/// S8: a later release's records are refused by name, not guessed at.
#[test]
fn a_record_of_a_later_release_is_refused() {
    let mut bytes = record::encode(b"Mvote", &vote(3));
    bytes[0] += 1;
    let refused = record::decode::<Vote>(b"Mvote", &bytes).unwrap_err();
    assert_eq!(refused, "version 2; this release reads up to 1");
}
