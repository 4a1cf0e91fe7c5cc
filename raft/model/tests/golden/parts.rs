//! Values that have something in every field, so that each field is in the bytes.

use std::sync::Arc;

use model::account::UnixIds;
use model::assignment::{Assignment, Ending, Held, Mount, News, Report, Stop, StopCause};
use model::job::{Attempt, AttemptEnd, Cancel, Exit, Outcome, Phase, Started, Usage};
use model::node::{NodeFacts, RuntimeKind};
use model::policy::{Network, Timings};
use model::port::Published;
use model::quota::Holder;
use model::secret::{Secret, SecretKind};
use model::spec::{JobSpec, OnLost, Program, PullPolicy, SecretUse, VolumeUse};
use model::stored::Stored;
use model::unit::{Bytes, MilliCpus, Millis, Timestamp};
use model::{AttemptId, Fence, JobId, NodeId, Resources};

pub(crate) fn resources() -> Resources {
    Resources {
        cpu: MilliCpus(1_500),
        memory: Bytes::mebi(64),
    }
}

pub(crate) fn timings() -> Timings {
    Timings {
        heartbeat: Millis(250),
        suspect_after: Millis(2_000),
        lease: Millis(10_000),
        lease_margin: Millis(2_500),
    }
}

pub(crate) fn facts() -> NodeFacts {
    NodeFacts {
        capacity: Some(resources()),
        runtime: RuntimeKind::Process,
        version: "0.1.0".into(),
        peer_addr: "head1:8443".into(),
        api_addr: "head1:8444".into(),
    }
}

pub(crate) fn spec() -> JobSpec {
    JobSpec {
        name: "align".into(),
        tags: vec!["genome".into(), "2026".into()],
        image: "registry/bwa:1".into(),
        pull: PullPolicy::Always,
        program: Program::Script {
            text: "#!/bin/sh\nbwa \"$1\"\n".into(),
            args: vec!["x".into()],
        },
        env: vec![("LANG".into(), "C".into())],
        resources: resources(),
        wall_limit: Some(Millis(3_600_000)),
        grace: Millis(10_000),
        on_lost: OnLost::Requeue,
        volumes: vec![VolumeUse {
            name: "genomes".into(),
            read_only: true,
            sub_path: "hg38".into(),
        }],
        project: "lab".into(),
        queue: "night".into(),
        entrypoint: Some(vec!["/bin/time".into()]),
        network: Some(Network::Bridge),
        root: true,
        output_max: Some(Bytes::mebi(9)),
        secrets: vec![SecretUse {
            name: "db".into(),
            file: "password".into(),
            owner: Some(Holder::Project("lab".into())),
        }],
        ports: vec![80, 8_080],
        disk_max: Some(Bytes::mebi(300)),
    }
}

/// What of it version 3 could say.
pub(crate) fn spec_v3() -> JobSpec {
    JobSpec {
        ports: Vec::new(),
        disk_max: None,
        ..spec()
    }
}

/// What of it version 2 could say.
pub(crate) fn spec_v2() -> JobSpec {
    JobSpec {
        secrets: Vec::new(),
        ..spec_v3()
    }
}

/// What of it version 1 could say.
pub(crate) fn spec_v1() -> JobSpec {
    let mut spec = spec_v2();
    spec.volumes[0].sub_path.clear();
    JobSpec {
        project: "default".into(),
        queue: "default".into(),
        entrypoint: None,
        network: None,
        root: false,
        output_max: None,
        ..spec
    }
}

pub(crate) fn secret() -> Secret {
    Secret {
        owner: Holder::Project("lab".into()),
        name: "db".into(),
        kind: SecretKind::Registry {
            host: "registry.lab:5000".into(),
            login: "alice".into(),
        },
        sealed: vec![2, 3, 4],
        created_at: Timestamp(1_700_000_000_000),
        changed_at: Timestamp(1_700_000_000_500),
        changed_by: "bob".into(),
    }
}

pub(crate) fn ports() -> Vec<Published> {
    vec![Published {
        container: 8_080,
        host: 20_001,
    }]
}

pub(crate) fn stored() -> Stored {
    let alice = (Holder::User("alice".into()), Bytes(70_007));
    let lab = (Holder::Project("lab".into()), Bytes(70_008));
    Stored {
        holders: [alice, lab].into(),
    }
}

pub(crate) fn attempt_id() -> AttemptId {
    JobId(300).task().attempt(2)
}

pub(crate) fn started() -> Started {
    Started {
        at: Timestamp(1_700_000_000_123),
        container: "gd-300-0-2".into(),
        image_digest: "sha256:ab".into(),
    }
}

pub(crate) fn usage() -> Usage {
    Usage {
        cpu_micros: 1_000_001,
        memory: Bytes(70_001),
        memory_peak: Bytes(80_002),
        processes: 3,
        processes_peak: 4,
        io_read: Bytes(500_005),
        io_written: Bytes(600_006),
    }
}

pub(crate) fn exit() -> Exit {
    Exit {
        code: Some(-7),
        signal: Some(9),
        oom_killed: true,
    }
}

pub(crate) fn ending() -> Ending {
    Ending {
        started: Some(started()),
        at: Timestamp(1_700_000_009_000),
        outcome: Outcome::OutOfMemory,
        exit: exit(),
        usage: usage(),
        message: "too much".into(),
    }
}

pub(crate) fn cancel() -> Cancel {
    Cancel {
        by: "alice".into(),
        at: Timestamp(1_700_000_005_000),
        reason: "a mistake".into(),
        grace: Some(Millis(500)),
    }
}

pub(crate) fn attempt() -> Attempt {
    Attempt {
        number: 2,
        node: NodeId(17),
        fence: Fence(412),
        placed_at: Timestamp(1_700_000_000_100),
        phase: Phase::Running(started()),
    }
}

pub(crate) fn attempt_end() -> AttemptEnd {
    AttemptEnd {
        number: 1,
        node: NodeId(16),
        node_name: "node16".into(),
        fence: Fence(400),
        placed_at: Timestamp(1_700_000_000_000),
        started: Some(started()),
        ended_at: Timestamp(1_700_000_000_090),
        outcome: Outcome::NodeLost,
        exit: exit(),
        usage: usage(),
        message: "gone".into(),
    }
}

pub(crate) fn held() -> Held {
    Held {
        attempt: attempt_id(),
        fence: Fence(412),
    }
}

pub(crate) fn report(news: News) -> Report {
    Report {
        attempt: attempt_id(),
        fence: Fence(412),
        news,
    }
}

pub(crate) fn stop() -> Stop {
    Stop {
        attempt: attempt_id(),
        fence: Fence(412),
        cause: StopCause::WallLimit,
        grace: Millis(500),
    }
}

pub(crate) fn assignment() -> Assignment {
    Assignment {
        attempt: attempt_id(),
        fence: Fence(412),
        owner: "alice".into(),
        ids: Some(ids()),
        spec: Arc::new(spec()),
        mounts: vec![Mount {
            host_path: "/srv/genomes".into(),
            sub_path: "hg38".into(),
            mount_path: "/data/genomes".into(),
            writable: true,
        }],
        exclusive: true,
    }
}

/// What version 3 could say.
pub(crate) fn assignment_v3() -> Assignment {
    Assignment {
        spec: Arc::new(spec_v3()),
        ..assignment()
    }
}

/// What of it version 2 could say.
pub(crate) fn assignment_v2() -> Assignment {
    Assignment {
        spec: Arc::new(spec_v2()),
        ..assignment()
    }
}

/// What of it version 1 could say.
pub(crate) fn assignment_v1() -> Assignment {
    let mut assignment = assignment();
    assignment.mounts[0].sub_path.clear();
    Assignment {
        ids: Some(ids_v1()),
        spec: Arc::new(spec_v1()),
        ..assignment
    }
}

pub(crate) fn ids() -> UnixIds {
    UnixIds {
        uid: 1_001,
        gid: 1_002,
        groups: vec![1_003],
    }
}

/// What of them version 1 could say.
pub(crate) fn ids_v1() -> UnixIds {
    UnixIds {
        groups: Vec::new(),
        ..ids()
    }
}
