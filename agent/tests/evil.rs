//! Orders that no honest head gives: the node itself refuses each, and begins nothing.
//!
//! What users may ask for is refused by heads already (`api/tests/rest/evil.txt`); here a head is
//! taken over, or of another version.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use agent::files::storage::Storage;
use agent::journal::Journal;
use agent::runner::{Options, Runner};
use agent::runtime::fake::FakeRuntime;
use agent::uplink::talk::Talk;
use model::account::UnixIds;
use model::assignment::{Assignment, Mount, News};
use model::job::Outcome;
use model::spec::{JobSpec, Program, SecretUse, VolumeUse};
use model::{Bytes, ClusterId, Fence, JobId, MilliCpus, Millis, Resources};
use tokio::sync::mpsc;

/// Longer than anything here may take.
const PATIENCE: Duration = Duration::from_secs(60);

type Evil = (&'static str, fn(&mut Assignment, &mut JobSpec));

/// What is done to an honest order, and a word of the refusal.
const ORDERS: [Evil; 56] = [
    ("root of the machine", |it, _| ids(it).uid = 0),
    ("root of the machine", |it, _| ids(it).gid = 0),
    ("root of the machine", |it, _| ids(it).groups = vec![100, 0]),
    ("nobody's attempt", |it, _| it.owner = "".into()),
    ("nobody's attempt", |it, _| it.attempt.number = 0),
    ("given 2", |it, _| it.mounts.push(it.mounts[0].clone())),
    ("given 0", |it, _| it.mounts.clear()),
    ("asks for 0", |_, spec| spec.volumes.clear()),
    ("two volumes at /data", |it, spec| {
        it.mounts.push(it.mounts[0].clone());
        spec.volumes.push(VolumeUse {
            name: "other".into(),
            ..spec.volumes[0].clone()
        });
    }),
    ("not `/`", |it, _| host(it, "/")),
    ("not `/`", |it, _| host(it, "//")),
    ("not `/`", |it, _| host(it, "/./")),
    ("not `/`", |it, _| host(it, "/proc")),
    ("not `/`", |it, _| host(it, "//proc/1/root")),
    ("not `/`", |it, _| host(it, "/./sys")),
    ("not `/`", |it, _| host(it, "/dev/")),
    ("not `/`", |it, _| host(it, "/dev/sda")),
    ("not `/`", |it, _| host(it, "/run/docker.sock")),
    ("not `/`", |it, _| host(it, "/var//run")),
    ("not `/`", |it, _| host(it, "/var/lib/docker/volumes")),
    ("not `/`", |it, _| host(it, "/var/lib/containerd")),
    ("not `/`", |it, _| host(it, "/boot")),
    ("absolute", |it, _| host(it, "/srv/../etc")),
    ("absolute", |it, _| host(it, "srv")),
    ("absolute", |it, _| host(it, "")),
    ("absolute", |it, _| host(it, "/srv:/etc:rw")),
    ("absolute", |it, _| host(it, "/srv\0")),
    ("not `/`", |it, _| target(it, "/")),
    ("not `/`", |it, _| target(it, "/proc/sys")),
    ("not `/`", |it, _| target(it, "//dev")),
    ("not `/`", |it, _| target(it, "/mnt/go-docker")),
    ("not `/`", |it, _| target(it, "/mnt/./go-docker/x")),
    ("not `/`", |it, _| target(it, "/run/secrets")),
    ("absolute", |it, _| target(it, "/data/../etc")),
    ("absolute", |it, _| target(it, "data")),
    ("absolute", |it, _| target(it, "/data:rw")),
    ("another part", |it, _| {
        it.mounts[0].sub_path = String::new()
    }),
    ("another part", |it, _| {
        it.mounts[0].sub_path = "../..".into()
    }),
    ("writable", |_, spec| spec.volumes[0].read_only = true),
    ("writable", |_, spec| spec.root = true),
    ("volumes[0].sub_path", |it, spec| {
        it.mounts[0].sub_path = "../../etc".into();
        spec.volumes[0].sub_path = "../../etc".into();
    }),
    ("ports[0]", |_, spec| spec.ports = vec![0]),
    ("ports[1]", |_, spec| spec.ports = vec![80, 80]),
    ("17 ports", |_, spec| spec.ports = (1..=17).collect()),
    ("disk_max", |_, spec| spec.disk_max = Some(Bytes(1))),
    ("secrets[0]", |_, spec| secret(spec, "../../etc/shadow")),
    ("secrets[0]", |_, spec| secret(spec, "/etc/shadow")),
    ("image", |_, spec| spec.image = "--privileged".into()),
    ("image", |_, spec| {
        spec.image = "a:1 --volume /:/host".into()
    }),
    ("env.GO_JOB_ID", |_, spec| {
        spec.env = vec![("GO_JOB_ID".into(), "1".into())]
    }),
    ("env.A", |_, spec| {
        spec.env = vec![("A".into(), "1\0B=2".into())]
    }),
    ("args[0]", |_, spec| {
        spec.program = Program::Script {
            text: "true".into(),
            args: vec!["a\0b".into()],
        };
    }),
    ("entrypoint", |_, spec| {
        spec.entrypoint = Some(vec!["/bin/sh\0".into()])
    }),
    ("resources.memory", |_, spec| {
        spec.resources.memory = Bytes(0)
    }),
    ("resources.cpu", |_, spec| spec.resources.cpu = MilliCpus(0)),
    ("grace", |_, spec| spec.grace = Millis(u64::MAX)),
];

fn ids(of: &mut Assignment) -> &mut UnixIds {
    of.ids.as_mut().unwrap()
}

fn host(of: &mut Assignment, path: &str) {
    of.mounts[0].host_path = path.into();
}

fn target(of: &mut Assignment, path: &str) {
    of.mounts[0].mount_path = path.into();
}

fn secret(of: &mut JobSpec, file: &str) {
    of.secrets = vec![SecretUse {
        name: "key".into(),
        file: file.into(),
        owner: None,
    }];
}

fn spec() -> JobSpec {
    JobSpec {
        name: "job".into(),
        image: "debian:12".into(),
        program: Program::Argv(vec!["true".into()]),
        resources: Resources {
            cpu: MilliCpus(1_000),
            memory: Bytes::mebi(64),
        },
        volumes: vec![VolumeUse {
            name: "data".into(),
            read_only: false,
            sub_path: "part".into(),
        }],
        ..JobSpec::default()
    }
}

fn honest(job: u64) -> Assignment {
    Assignment {
        attempt: JobId(job).task().attempt(1),
        fence: Fence(job),
        owner: "alice".into(),
        ids: Some(UnixIds {
            uid: 1_000,
            gid: 1_000,
            groups: vec![100],
        }),
        spec: Arc::new(spec()),
        mounts: vec![Mount {
            host_path: "/srv/data".into(),
            sub_path: "part".into(),
            mount_path: "/data".into(),
            writable: true,
        }],
        exclusive: false,
    }
}

fn evil(job: u64, change: fn(&mut Assignment, &mut JobSpec)) -> Assignment {
    let (mut order, mut spec) = (honest(job), spec());
    change(&mut order, &mut spec);
    order.spec = Arc::new(spec);
    order
}

fn start(dir: &Path) -> Runner {
    let runtime = FakeRuntime::new(&dir.join("fake"), Some(dir.join("ledger"))).unwrap();
    let (journal, found) = Journal::open(&dir.join("journal")).unwrap();
    let options = Options {
        storage: Storage::new(dir.join("attempts"), ClusterId([1; 16])),
        default_ids: (65_534, 65_534),
        sample_every: Duration::from_secs(60),
        volumes: agent::volumes::Volumes::none(),
        secrets: agent::secrets::Asking::new(),
    };
    let (failed, _) = mpsc::channel(1);
    Runner::start(Arc::new(runtime), journal, options, found, failed)
}

#[test]
fn an_honest_order_is_not_refused() {
    assert_eq!(honest(1).refusal(), None);
}

#[tokio::test]
async fn every_evil_order_ends_with_its_reason_and_begins_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let runner = start(dir.path());
    let orders = (1..).zip(ORDERS);
    let orders: Vec<_> = orders.map(|(job, (_, change))| evil(job, change)).collect();
    runner.assign(orders, || true).await.unwrap();
    let (mut outbox, mut talk) = (runner.outbox_changes(), Talk::default());
    let mut told = BTreeMap::new();
    let all = async {
        while told.len() < ORDERS.len() {
            for report in runner.untold(&mut talk) {
                let News::Ended(ending) = report.news else {
                    panic!("{report:?} began");
                };
                told.insert(report.attempt.task.job.0, ending);
            }
            if told.len() < ORDERS.len() {
                outbox.changed().await.unwrap();
            }
        }
    };
    tokio::time::timeout(PATIENCE, all).await.unwrap();
    for ((job, ending), (word, _)) in told.iter().zip(ORDERS) {
        assert_eq!(ending.outcome, Outcome::CannotStart, "{job}: {ending:?}");
        let message = ending.message.as_str();
        assert!(
            message.contains(word),
            "{job}: `{word}` is not in: {message}"
        );
    }
    let ledger = std::fs::read_to_string(dir.path().join("ledger")).unwrap_or_default();
    assert_eq!(ledger, "");
}
