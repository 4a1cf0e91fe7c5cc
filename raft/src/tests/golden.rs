//! The bytes of everything that this room keeps and says: see `raft/model/golden/README.md`.

#[path = "../../model/tests/golden/book.rs"]
mod book;
#[path = "../../net/tests/golden/frame.rs"]
mod frame;
mod messages;
mod snapshot;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use bytes::Bytes;
use model::account::UserName;
use model::{JobId, LogIndex, Table, Timestamp};
use openraft::{BasicNode, EntryPayload, Membership};

use super::stores::log_id;
use crate::log_store::keys as log_keys;
use crate::log_store::mark::{Acknowledged, Mark};
use crate::log_store::open::Owner;
use crate::record::{self, VERSION};
use crate::table_store::indexing::Indexed;
use crate::table_store::keys::{self as table_keys, Facet};
use crate::table_store::load::Applied;
use crate::types::{Entry, LogId, Proposal, StoredMembership, Vote};
use book::{Form, Samples, variants};

fn golden() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden")
}

/// As a record lies under a key.
macro_rules! under {
    ($key:expr) => {
        Form {
            encode: |value| record::encode(&$key, value),
            decode: |bytes| record::decode(&$key, bytes),
        }
    };
}

fn membership() -> Membership<u64, BasicNode> {
    let node = |addr: &str| BasicNode { addr: addr.into() };
    let voters = vec![BTreeSet::from([1]), BTreeSet::from([1, 17])];
    let nodes = BTreeMap::from([(1, node("a:1")), (17, node("b:2")), (18, node("c:3"))]);
    Membership::new(voters, nodes).unwrap()
}

fn proposal() -> Proposal {
    Proposal::new(Timestamp(1_700_000_000_000), Bytes::from_static(&[1, 20]))
}

/// One entry of every kind, all at the same place.
fn entries() -> Vec<Entry> {
    let payloads = [
        EntryPayload::Blank,
        EntryPayload::Normal(proposal()),
        EntryPayload::Membership(membership()),
    ];
    let entry = |payload| Entry {
        log_id: log_id(3, 300),
        payload,
    };
    payloads.into_iter().map(entry).collect()
}

type Payload = EntryPayload<Proposal, u64, BasicNode>;

fn kind(entry: &Entry) -> &'static str {
    let (name, _) = variants!(Payload: Blank, Normal, Membership);
    name(&entry.payload)
}

#[test]
fn records_are_written_as_ever() {
    let mut samples = Samples::default();
    let (_, kinds) = variants!(Payload: Blank, Normal, Membership);
    samples.all((kind, kinds), &entries(), &under!(log_keys::entry(300)));
    let owner = Owner {
        node: 17,
        instance: [7; 16],
    };
    samples.put("owner", &owner, &under!(log_keys::OWNER));
    let committed: Vote = Vote::new_committed(7, 17);
    samples.put("vote", &Vote::new(7, 17), &under!(log_keys::VOTE));
    samples.put("vote.committed", &committed, &under!(log_keys::VOTE));
    samples.put("purged", &log_id(3, 300), &under!(log_keys::PURGED));
    let none: Option<LogId> = None;
    samples.put(
        "committed",
        &Some(log_id(3, 300)),
        &under!(log_keys::COMMITTED),
    );
    samples.put("committed.none", &none, &under!(log_keys::COMMITTED));
    let peers = BTreeMap::from([(1_u64, [8_u8; 16])]);
    samples.put("peers", &peers, &under!(log_keys::PEERS));
    let applied = Applied {
        last: Some(log_id(3, 300)),
        membership: StoredMembership::new(Some(log_id(1, 2)), membership()),
    };
    samples.put("applied", &applied, &under!(table_keys::APPLIED));
    samples.put("events_floor", &300_u64, &under!(table_keys::EVENTS_FLOOR));
    let indexed = Indexed {
        last: Some(log_id(3, 300)),
        now: Timestamp(1_700_000_000_000),
    };
    samples.put("indexed", &indexed, &under!(table_keys::INDEXED));
    samples.put("tables/CURRENT", &300_u64, &under!(*b"CURRENT"));
    keys(&mut samples);
    samples.put("mark", &mark(), &mark_file());
    samples.check(&golden(), "records", VERSION);
}

/// The keys of both databases.
fn keys(samples: &mut Samples) {
    let as_it_is: Form<Vec<u8>> = Form {
        encode: Vec::clone,
        decode: |bytes| Ok(bytes.to_vec()),
    };
    let mut put = |name: &str, key: &[u8]| samples.put(name, &key.to_vec(), &as_it_is);
    put("key.log_entry", &log_keys::entry(300));
    put("key.owner", log_keys::OWNER);
    put("key.vote", log_keys::VOTE);
    put("key.purged", log_keys::PURGED);
    put("key.committed", log_keys::COMMITTED);
    put("key.peers", log_keys::PEERS);
    put("key.applied", table_keys::APPLIED);
    put("key.events_floor", table_keys::EVENTS_FLOOR);
    for table in Table::ALL {
        put(&format!("key.{}", table.name()), &table_keys::table(table));
    }
    let (at, owner) = (Timestamp(1_700_000_000_000), UserName::from("alice"));
    put("key.ended", &table_keys::ended(JobId(300)));
    put("key.by_time", &table_keys::by_time(at, JobId(300)));
    put(
        "key.by_owner",
        &table_keys::by_owner(&owner, at, JobId(300)),
    );
    put("key.indexed", table_keys::INDEXED);
    for (name, facet) in [
        ("project", Facet::Project),
        ("queue", Facet::Queue),
        ("image", Facet::Image),
        ("state", Facet::State),
        ("tag", Facet::Tag),
    ] {
        let key = table_keys::by_facet(facet, "value", at, JobId(300));
        put(&format!("key.by_{name}"), &key);
    }
    put("key.ledger", &table_keys::old_ledger(LogIndex(300), 2));
    put(
        "key.ledger_by_time",
        &table_keys::ledger(at, LogIndex(300), 2),
    );
    put("key.audit", &table_keys::audit(LogIndex(300), 2));
    put("key.event", &table_keys::event(300));
}

fn mark() -> Acknowledged {
    Acknowledged {
        last: Some((300, 3)),
        vote_term: 7,
    }
}

/// The mark's file, without the zeros at its end.
fn mark_file() -> Form<Acknowledged> {
    Form {
        encode: |wanted| {
            let dir = tempfile::tempdir().unwrap();
            let (mut mark, _) = Mark::open(dir.path()).unwrap();
            mark.vote(wanted.vote_term).unwrap();
            let (index, term) = wanted.last.unwrap();
            mark.raise(log_id(term, index)).unwrap();
            let mut bytes = fs::read(dir.path().join("acknowledged")).unwrap();
            let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
            bytes.truncate(used);
            bytes
        },
        decode: |bytes| {
            let dir = tempfile::tempdir().unwrap();
            let mut bytes = bytes.to_vec();
            bytes.resize(2 * 4_096, 0);
            fs::write(dir.path().join("acknowledged"), bytes).unwrap();
            let opened = Mark::open(dir.path()).map_err(|why| why.to_string())?;
            Ok(opened.1)
        },
    }
}
