//! The bytes of the journal's records: see `raft/model/golden/README.md`.
#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "../../../raft/model/tests/golden/book.rs"]
mod book;
#[path = "../../../raft/model/tests/golden/parts.rs"]
#[allow(
    dead_code,
    reason = "values for all rooms; this one needs some of them"
)]
mod parts;

use std::path::PathBuf;

use book::{Form, Samples, variants};
use model::assignment::StopCause;
use model::format::Kept;
use model::unit::Millis;
use redb::TableHandle;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{ASSIGNMENTS, LeaseMark, META, PROGRESS, Standing, StopWish, VERSION, seal, unseal};
use crate::step::{Progress, Running};

fn form<T: Kept>() -> Form<T> {
    Form {
        encode: |value| seal(value),
        decode: |bytes| unseal(bytes).ok_or_else(|| "it is damaged".into()),
    }
}

/// As what is inside of records is written.
fn part<T: Serialize + DeserializeOwned>() -> Form<T> {
    Form {
        encode: |value| seal(value),
        decode: |bytes| postcard::from_bytes(&bytes[6..]).map_err(|why| why.to_string()),
    }
}

#[test]
fn golden_records_of_the_journal_are_written_as_ever() {
    let mut samples = Samples::default();
    samples.put("assignment", &parts::assignment(), &form());
    // The journal's own version stays the same: what it seals has one of its own.
    samples.meant(1, "assignment", &parts::assignment_v1(), &form());
    samples.meant(2, "assignment", &parts::assignment_v2(), &form());
    samples.meant(3, "assignment", &parts::assignment_v3(), &form());
    let running = Running {
        started: parts::started(),
        boot_ms: 70_000,
    };
    let progress = [
        Progress::Accepted,
        Progress::Running(running.clone()),
        Progress::Ended(parts::ending()),
    ];
    let all = variants!(Progress: Accepted, Running, Ended);
    samples.all(all, &progress, &part());
    let standing = Standing {
        progress: Progress::Running(running),
        stop: Some(StopWish {
            cause: StopCause::LeaseLost,
            grace: Millis(500),
        }),
    };
    samples.put("standing", &standing, &form());
    samples.put("term", &7_u64, &form());
    samples.put("commits", &70_000_u64, &form());
    let lease = LeaseMark {
        until_boot_ms: 70_000,
        boot_id: 0x0123_4567_89ab_cdef_0123_4567_89ab_cdef,
    };
    samples.put("lease", &lease, &form());
    let as_it_is: Form<String> = Form {
        encode: |text| text.clone().into_bytes(),
        decode: |bytes| String::from_utf8(bytes.to_vec()).map_err(|why| why.to_string()),
    };
    let names = [ASSIGNMENTS.name(), PROGRESS.name(), META.name()];
    samples.put("tables", &names.join(" "), &as_it_is);
    samples.put("key", &parts::attempt_id().to_string(), &as_it_is);
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
    samples.check(&golden, "journal", VERSION);
}
