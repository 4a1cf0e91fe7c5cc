//! Every record, the key that it lies under, and every event.

use std::sync::Arc;

use model::account::{JoinToken, Role, Source, TokenId, User};
use model::change::{Event, EventKind};
use model::job::{EndedJob, Job, Outcome, Phase, TaskState};
use model::ledger::{AuditLine, LedgerLine, Verdict};
use model::node::{HeadIntent, Node, NodeHealth, NodeRole};
use model::policy::{EarlierLeases, Policy, Rules};
use model::port::Ports;
use model::quota::{Holder, Spent};
use model::state::{Meta, SubmitRecord};
use model::unit::{Millis, Timestamp};
use model::{ClusterId, Effort, JobId, LogIndex, NodeId, RecordKey, Table};

use crate::book::{Form, Samples, variants};
use crate::parts::{
    attempt, attempt_end, attempt_id, cancel, facts, ids, ids_v1, ports, resources, secret, spec,
    spec_v1, spec_v2, spec_v3, stored, timings,
};
use crate::settings::{
    directory, project, project_v3, queue, quota, quota_v3, rules, rules_v3, ssh_key, token,
    token_v1, volume, volume_v1, who,
};
use crate::{form, part};

fn job(task: TaskState) -> Job {
    Job {
        id: JobId(300),
        owner: "alice".into(),
        submitted_at: Timestamp(1_700_000_000_000),
        // It has a record of its own.
        spec: Arc::default(),
        cancel: Some(Box::new(cancel())),
        task,
        past: vec![attempt_end()],
    }
}

fn node() -> Node {
    Node {
        id: NodeId(17),
        name: "node17".into(),
        role: NodeRole::Head,
        joined_at: Timestamp(1_700_000_000_000),
        facts: facts(),
        health: NodeHealth::Suspect,
        health_since: Timestamp(1_700_000_000_500),
        drain: Some("new fans".into()),
        intent: HeadIntent::Voter,
        key_hash: [7; 32],
    }
}

/// Of each table, and of what is kept beside the state.
pub(crate) fn records(samples: &mut Samples) {
    for table in Table::ALL {
        record(samples, table);
    }
    let ended = EndedJob {
        id: JobId(300),
        owner: "alice".into(),
        submitted_at: Timestamp(1_700_000_000_000),
        ended_at: Timestamp(1_700_000_010_000),
        spec: Arc::new(spec()),
        cancel: Some(cancel()),
        outcome: Outcome::Cancelled,
        attempts: vec![attempt_end()],
    };
    samples.put("ended_job", &ended, &form());
    let ended = EndedJob {
        spec: Arc::new(spec_v3()),
        ..ended
    };
    samples.meant(3, "ended_job", &ended, &form());
    let ended = EndedJob {
        spec: Arc::new(spec_v2()),
        ..ended
    };
    samples.meant(2, "ended_job", &ended, &form());
    let ended = EndedJob {
        spec: Arc::new(spec_v1()),
        ..ended
    };
    samples.meant(1, "ended_job", &ended, &form());
    let line = LedgerLine {
        attempt: attempt_id(),
        owner: "alice".into(),
        project: "lab".into(),
        queue: "night".into(),
        name: "align".into(),
        asked: resources(),
        image: "registry/bwa:1".into(),
        submitted_at: Timestamp(1_700_000_000_000),
        waited_since: Timestamp(1_700_000_000_050),
        charged: Effort {
            cpu: 70_005,
            memory: 70_006,
        },
        end: attempt_end(),
    };
    samples.put("ledger", &line, &form());
    let line = LedgerLine {
        project: "default".into(),
        queue: "default".into(),
        name: String::new(),
        waited_since: line.submitted_at,
        // It started after it ended, by its node's clock.
        charged: Effort::default(),
        ..line
    };
    samples.meant(1, "ledger", &line, &form());
    let line = AuditLine {
        at: Timestamp(1_700_000_000_000),
        who: who(),
        what: "PUT /users/bob".into(),
        verdict: Verdict::Done,
    };
    samples.put("audit", &line, &form());
}

fn record(samples: &mut Samples, table: Table) {
    let name = table.name();
    match table {
        Table::Meta => {
            let meta = Meta {
                cluster: ClusterId([9; 16]),
                name: "lab".into(),
                next_job: 301,
                now: Timestamp(1_700_000_000_000),
            };
            samples.put(name, &meta, &form());
        }
        Table::Policy => policy(samples, name),
        Table::User => user(samples, name),
        Table::Token => {
            samples.put(name, &token(), &form());
            samples.meant(1, name, &token_v1(), &form());
        }
        Table::JoinToken => samples.put(name, &join_token(), &form()),
        Table::Volume => {
            samples.put(name, &volume(), &form());
            samples.meant(1, name, &volume_v1(), &form());
        }
        Table::Node => samples.put(name, &node(), &form()),
        Table::Trouble => samples.put(name, &String::from("no runc"), &form()),
        Table::Spec => {
            samples.put(name, &spec(), &form());
            samples.meant(1, name, &spec_v1(), &form());
            samples.meant(2, name, &spec_v2(), &form());
            samples.meant(3, name, &spec_v3(), &form());
        }
        Table::Project => {
            samples.put(name, &project(), &form());
            samples.meant(2, name, &project_v3(), &form());
            samples.meant(3, name, &project_v3(), &form());
        }
        Table::Queue => samples.put(name, &queue(), &form()),
        Table::Directory => samples.put(name, &directory(), &form()),
        Table::SshKey => samples.put(name, &ssh_key(), &form()),
        Table::Secret => samples.put(name, &secret(), &form()),
        Table::Ports => samples.put(name, &Ports(ports()), &form()),
        Table::Stored => samples.put(name, &stored(), &form()),
        Table::Spent => {
            let day = Effort {
                cpu: 70_005,
                memory: 70_006,
            };
            let spent = Spent {
                days: vec![(19_675, day)],
            };
            samples.put(name, &spent, &form());
        }
        Table::Job => jobs(samples, name),
        Table::SubmitKey => {
            let used = SubmitRecord {
                at: Timestamp(1_700_000_000_000),
                first: JobId(300),
                count: 2,
                digest: [3; 32],
            };
            samples.put(name, &used, &form());
        }
    }
}

fn policy(samples: &mut Samples, name: &str) {
    let policy = Policy {
        timings: timings(),
        earlier: Some(EarlierLeases {
            lost_after: Millis(75_000),
            until: Timestamp(1_700_000_075_000),
        }),
        rules: rules(),
    };
    samples.put(name, &policy, &form());
    let policy = Policy {
        rules: rules_v3(),
        ..policy
    };
    samples.meant(2, name, &policy, &form());
    samples.meant(3, name, &policy, &form());
    let policy = Policy {
        rules: Rules::default(),
        ..policy
    };
    samples.meant(1, name, &policy, &form());
}

fn user(samples: &mut Samples, name: &str) {
    let user = User {
        name: "alice".into(),
        role: Role::Admin,
        password: "$argon2id$x".into(),
        one_time: true,
        ids: Some(ids()),
        disabled: true,
        created_at: Timestamp(1_700_000_000_000),
        home: "/home/alice".into(),
        mail: "alice@lab".into(),
        source: Some(Source {
            directory: "ldap".into(),
            confirmed_at: Timestamp(1_700_000_000_500),
        }),
        quota: Some(quota()),
    };
    samples.put(name, &user, &form());
    let user = User {
        quota: Some(quota_v3()),
        ..user
    };
    samples.meant(2, name, &user, &form());
    samples.meant(3, name, &user, &form());
    let user = User {
        ids: Some(ids_v1()),
        home: String::new(),
        mail: String::new(),
        source: None,
        quota: None,
        ..user
    };
    samples.meant(1, name, &user, &form());
}

fn join_token() -> JoinToken {
    JoinToken {
        id: TokenId("jt".into()),
        hash: [4; 32],
        role: NodeRole::Agent,
        by: "admin".into(),
        expires_at: Timestamp(1_700_000_000_000),
        used: Some((NodeId(17), [5; 32])),
    }
}

fn jobs(samples: &mut Samples, name: &str) {
    let pending = TaskState::Pending {
        since: Timestamp(1_700_000_000_000),
        not_before: Timestamp(1_700_000_001_000),
    };
    let mut placed = attempt();
    placed.phase = Phase::Placed;
    let tasks = [
        pending,
        TaskState::Live(Box::new(placed)),
        TaskState::Live(Box::new(attempt())),
    ];
    let all = variants!(TaskState: Pending, Live);
    samples.all(all, &tasks, &form());
    let phases = tasks.iter().filter_map(|task| match task {
        TaskState::Live(attempt) => Some(attempt.phase.clone()),
        TaskState::Pending { .. } => None,
    });
    let phases: Vec<Phase> = phases.collect();
    samples.all(variants!(Phase: Placed, Running), &phases, &part());
    for (number, task) in (1..).zip(tasks) {
        samples.put(&format!("{name}.{number}"), &job(task), &form());
    }
}

/// Keys say their table by the first bytes of the database's key, which is not ours.
pub(crate) fn keys(samples: &mut Samples) {
    let all = variants!(RecordKey: Meta, Policy, User, Token, JoinToken, Volume, Node, Spec, Job,
        SubmitKey, Trouble, Project, Queue, Spent, Directory, SshKey, Secret, Ports, Stored);
    let keys = [
        RecordKey::Meta,
        RecordKey::Policy,
        RecordKey::User("alice".into()),
        RecordKey::Token(TokenId("tk".into())),
        RecordKey::JoinToken(TokenId("jt".into())),
        RecordKey::Volume("genomes".into()),
        RecordKey::Node(NodeId(17)),
        RecordKey::Spec(JobId(300)),
        RecordKey::Job(JobId(301)),
        RecordKey::SubmitKey("alice".into(), "night-7".into()),
        RecordKey::Trouble(NodeId(17)),
        RecordKey::Project("lab".into()),
        RecordKey::Queue("night".into()),
        RecordKey::Spent(Holder::User("alice".into())),
        RecordKey::Spent(Holder::Project("lab".into())),
        RecordKey::Directory("ldap".into()),
        RecordKey::SshKey("alice".into(), "SHA256:ab".into()),
        RecordKey::Secret(Holder::User("alice".into()), "db".into()),
        RecordKey::Secret(Holder::Project("lab".into()), "db".into()),
        RecordKey::Ports(JobId(301)),
        RecordKey::Stored(NodeId(17)),
    ];
    let form = Form {
        encode: |key: &RecordKey| [key.table().name().as_bytes(), b"=", &key.bytes()].concat(),
        decode: |bytes| {
            let at = bytes.iter().position(|byte| *byte == b'=').unwrap();
            let named = |table: &Table| table.name().as_bytes() == &bytes[..at];
            let table = Table::ALL.into_iter().find(named).ok_or("no such table")?;
            RecordKey::parse(table, &bytes[at + 1..]).map_err(|why| why.to_string())
        },
    };
    samples.all(all, &keys, &form);
}

pub(crate) fn events(samples: &mut Samples) {
    let all = variants!(EventKind: JobsSubmitted, CancelRequested, AttemptPlaced, AttemptStarted,
        AttemptEnded, JobEnded, NodeJoined, NodeHealth, NodeDrain, NodeRemoved);
    let kinds = [of_jobs(), of_nodes()].concat();
    samples.all(all, &kinds, &part());
    let event = Event {
        index: LogIndex(500),
        at: Timestamp(1_700_000_000_000),
        kinds,
    };
    samples.put("event", &event, &form());
}

fn of_jobs() -> Vec<EventKind> {
    let (job, node) = (JobId(300), NodeId(17));
    vec![
        EventKind::JobsSubmitted {
            owner: "alice".into(),
            first: job,
            count: 2,
        },
        EventKind::CancelRequested {
            job,
            owner: "alice".into(),
            by: "root".into(),
        },
        EventKind::AttemptPlaced {
            attempt: attempt_id(),
            owner: "alice".into(),
            node,
        },
        EventKind::AttemptStarted {
            attempt: attempt_id(),
            owner: "alice".into(),
            node,
        },
        EventKind::AttemptEnded {
            attempt: attempt_id(),
            owner: "alice".into(),
            node,
            outcome: Outcome::Failed,
            code: Some(7),
            requeued: true,
        },
        EventKind::JobEnded {
            job,
            owner: "alice".into(),
            outcome: Outcome::TimedOut,
        },
    ]
}

fn of_nodes() -> Vec<EventKind> {
    let node = NodeId(17);
    vec![
        EventKind::NodeJoined {
            node,
            name: "node17".into(),
        },
        EventKind::NodeHealth {
            node,
            health: NodeHealth::Up,
        },
        EventKind::NodeDrain {
            node,
            reason: Some("new fans".into()),
        },
        EventKind::NodeRemoved {
            node,
            name: "node17".into(),
        },
    ]
}
