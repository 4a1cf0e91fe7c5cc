//! Every command and every answer.

use model::account::Role;
use model::assignment::News;
use model::command::{
    Audited, CancelJobs, CancelResult, Command, CommitPlan, ConfirmLost, ConfirmUser,
    CreateJoinToken, Deed, DrainNode, ForgetEarlierLeases, InitCluster, MarkNodes, Membership,
    NoteStored, NoteTrouble, Placement, PutMember, PutUser, RecordStatus, RedeemJoinToken, Refusal,
    Refused, RegisterNode, Rejection, RemoveNode, RemoveSecret, RemoveSshKey, Reply, RevokeToken,
    RotateToken, SetHeadIntent, SetPassword, SetQuota, SubmitJobs, SubmitKey,
};
use model::ledger::Verdict;
use model::node::{HeadIntent, NodeHealth, NodeRole};
use model::policy::EarlierLeases;
use model::quota::Holder;
use model::unit::{Millis, Timestamp};
use model::{ClusterId, JobId, NodeId};

use crate::book::{Samples, variants};
use crate::parts::{
    ending, facts, ids, ids_v1, report, secret, spec, spec_v1, spec_v2, spec_v3, started, stored,
    timings,
};
use crate::settings::{
    directory, project, project_v3, queue, quota, quota_v3, rules, rules_v3, ssh_key, token,
    token_v1, volume, volume_v1, who,
};
use crate::{form, part};

pub(crate) fn commands(samples: &mut Samples) {
    let all = variants!(Command: InitCluster, SubmitJobs, CancelJobs, CommitPlan, RecordStatus,
        ConfirmLost, RegisterNode, MarkNodes, DrainNode, SetHeadIntent, RemoveNode,
        CreateJoinToken, RedeemJoinToken, PutUser, SetPassword, CreateToken, RevokeToken,
        PutVolume, RemoveVolume, SetTimings, Expire, RevokeJoinToken, ForgetEarlierLeases,
        NoteTrouble, PutProject, RemoveProject, PutMember, PutQueue, RemoveQueue, SetQuota,
        ResetSpent, SetRules, ConfirmUser, PutDirectory, RemoveDirectory, PutSshKey, RemoveSshKey,
        RotateToken, Audited, NoteRefusals, PutSecret, RemoveSecret, NoteStored,
        NoteDeeds);
    let values = [jobs(), nodes(), accounts(), people()].concat();
    samples.all(all, &values, &form());
    for older in older() {
        samples.meant(1, (all.0)(&older), &older, &form());
    }
    for (version, specs) in [(2, vec![spec_v2()]), (3, vec![spec_v3()])] {
        let submit = Command::SubmitJobs(SubmitJobs { specs, ..submit() });
        let set = Command::SetQuota(SetQuota {
            user: "alice".into(),
            quota: Some(quota_v3()),
        });
        let (put, rules) = (
            Command::PutProject(project_v3()),
            Command::SetRules(rules_v3()),
        );
        for older in [submit, set, put, rules] {
            samples.meant(version, (all.0)(&older), &older, &form());
        }
    }
}

/// What version 1 could say of those that have changed.
fn older() -> Vec<Command> {
    let changed = [jobs(), nodes(), accounts()].concat();
    let older = changed.into_iter().filter_map(|command| match command {
        Command::SubmitJobs(submit) => Some(Command::SubmitJobs(SubmitJobs {
            specs: vec![spec_v1()],
            ..submit
        })),
        Command::CommitPlan(plan) => Some(Command::CommitPlan(CommitPlan {
            over_quota: Vec::new(),
            ..plan
        })),
        Command::PutUser(put) => Some(Command::PutUser(PutUser {
            ids: Some(ids_v1()),
            home: String::new(),
            mail: String::new(),
            ..put
        })),
        Command::CreateToken(_) => Some(Command::CreateToken(token_v1())),
        Command::PutVolume(_) => Some(Command::PutVolume(volume_v1())),
        _ => None,
    });
    older.collect()
}

fn people() -> Vec<Command> {
    let alice = || model::account::UserName::from("alice");
    vec![
        Command::PutProject(project()),
        Command::RemoveProject("lab".into()),
        Command::PutMember(PutMember {
            project: "lab".into(),
            user: alice(),
            membership: Membership::Manager,
            by: "bob".into(),
        }),
        Command::PutQueue(queue()),
        Command::RemoveQueue("night".into()),
        Command::SetQuota(SetQuota {
            user: alice(),
            quota: Some(quota()),
        }),
        Command::ResetSpent(Holder::Project("lab".into())),
        Command::SetRules(rules()),
        Command::ConfirmUser(ConfirmUser {
            name: alice(),
            directory: "ldap".into(),
            ids: ids(),
            home: "/home/alice".into(),
            mail: "alice@lab".into(),
        }),
        Command::PutDirectory(directory()),
        Command::RemoveDirectory("ldap".into()),
        Command::PutSshKey(ssh_key()),
        Command::RemoveSshKey(RemoveSshKey {
            user: alice(),
            fingerprint: "SHA256:ab".into(),
        }),
        Command::RotateToken(RotateToken {
            old: model::account::TokenId("tk".into()),
            user: alice(),
            id: model::account::TokenId("tl".into()),
            hash: [6; 32],
            expires_at: Timestamp(1_700_000_900_000),
        }),
        Command::Audited(Audited {
            who: who(),
            what: "DELETE /queues/night".into(),
            command: Box::new(Command::RemoveQueue("night".into())),
        }),
        Command::NoteRefusals(vec![Refused {
            at: Timestamp(1_700_000_000_000),
            who: who(),
            what: "GET /users".into(),
            why: "403".into(),
            times: 3,
        }]),
        Command::PutSecret(secret()),
        Command::RemoveSecret(RemoveSecret {
            owner: Holder::User(alice()),
            name: "db".into(),
            by: alice(),
        }),
        Command::NoteStored(NoteStored {
            node: NodeId(17),
            stored: stored(),
        }),
        Command::NoteDeeds(vec![Deed {
            who: who(),
            what: "PUT /jobs/7/files/content work/a".into(),
            verdict: Verdict::DoneOften { times: 300 },
        }]),
    ]
}

fn submit() -> SubmitJobs {
    SubmitJobs {
        by: "alice".into(),
        key: Some(SubmitKey {
            key: "night-7".into(),
            digest: [3; 32],
        }),
        specs: vec![spec()],
    }
}

fn jobs() -> Vec<Command> {
    vec![
        Command::SubmitJobs(submit()),
        Command::CancelJobs(CancelJobs {
            jobs: vec![JobId(300), JobId(301)],
            by: "alice".into(),
            reason: "a mistake".into(),
            grace: Some(Millis(500)),
        }),
        Command::CommitPlan(CommitPlan {
            placements: vec![Placement {
                task: JobId(300).task(),
                node: NodeId(17),
            }],
            over_quota: vec![JobId(302)],
        }),
        Command::RecordStatus(RecordStatus {
            reports: vec![
                (NodeId(17), report(News::Running(started()))),
                (NodeId(18), report(News::Ended(ending()))),
            ],
        }),
        Command::ConfirmLost(ConfirmLost {
            job: JobId(300),
            by: "root".into(),
        }),
    ]
}

fn nodes() -> Vec<Command> {
    vec![
        Command::InitCluster(InitCluster {
            cluster: ClusterId([9; 16]),
            name: "lab".into(),
            head_name: "head1".into(),
            head_key: [1; 32],
            head_facts: facts(),
            admin: "admin".into(),
            admin_password: "$argon2id$x".into(),
            timings: timings(),
        }),
        Command::RegisterNode(RegisterNode {
            node: NodeId(17),
            facts: facts(),
        }),
        Command::MarkNodes(MarkNodes {
            nodes: vec![(NodeId(17), NodeHealth::Lost)],
        }),
        Command::NoteTrouble(NoteTrouble {
            node: NodeId(17),
            trouble: Some("no runc".into()),
        }),
        Command::DrainNode(DrainNode {
            node: NodeId(17),
            reason: Some("new fans".into()),
        }),
        Command::SetHeadIntent(SetHeadIntent {
            node: NodeId(17),
            intent: HeadIntent::Learner,
        }),
        Command::RemoveNode(RemoveNode { node: NodeId(17) }),
        Command::CreateJoinToken(CreateJoinToken {
            id: model::account::TokenId("jt".into()),
            hash: [4; 32],
            role: NodeRole::Agent,
            by: "admin".into(),
            expires_at: Timestamp(1_700_000_000_000),
        }),
        Command::RedeemJoinToken(RedeemJoinToken {
            id: model::account::TokenId("jt".into()),
            hash: [4; 32],
            key_hash: [5; 32],
            name: "node7".into(),
            facts: facts(),
        }),
        Command::RevokeJoinToken(model::account::TokenId("jt".into())),
        Command::SetTimings(timings()),
        Command::PutVolume(volume()),
        Command::RemoveVolume("genomes".into()),
        Command::Expire,
        Command::ForgetEarlierLeases(ForgetEarlierLeases {
            timings: timings(),
            earlier: EarlierLeases {
                lost_after: Millis(75_000),
                until: Timestamp(1_700_000_075_000),
            },
        }),
    ]
}

fn accounts() -> Vec<Command> {
    vec![
        Command::PutUser(PutUser {
            name: "alice".into(),
            role: Role::Operator,
            ids: Some(ids()),
            disabled: true,
            home: "/home/alice".into(),
            mail: "alice@lab".into(),
        }),
        Command::SetPassword(SetPassword {
            user: "alice".into(),
            password: "$argon2id$y".into(),
            one_time: true,
            replaces: Some("$argon2id$x".into()),
        }),
        Command::CreateToken(token()),
        Command::RevokeToken(RevokeToken {
            id: model::account::TokenId("tk".into()),
            user: Some("alice".into()),
        }),
    ]
}

pub(crate) fn replies(samples: &mut Samples) {
    let all = variants!(Reply: Done, Submitted, Cancelled, Planned, Joined, Expired, Rejected);
    let replies = [
        Reply::Done,
        Reply::Submitted {
            first: JobId(300),
            count: 2,
            replayed: true,
        },
        Reply::Cancelled(vec![(JobId(300), CancelResult::Stopping)]),
        Reply::Planned {
            accepted: 3,
            refused: vec![(JobId(300).task(), Refusal::NoRoom)],
        },
        Reply::Joined(NodeId(17)),
        Reply::Expired(5),
        Reply::Rejected(Rejection::BadToken),
    ];
    samples.all(all, &replies, &part());
    let all = variants!(Rejection: NotFound, Conflict, Limit, Forbidden, BadToken, Invalid,
        WrongTime);
    let what = || "node 12".to_owned();
    let rejections = [
        Rejection::NotFound { what: what() },
        Rejection::Conflict { what: what() },
        Rejection::Limit {
            name: "jobs".into(),
            limit: 10_000,
        },
        Rejection::Forbidden { what: what() },
        Rejection::BadToken,
        Rejection::Invalid {
            field: "name".into(),
            message: "too long".into(),
        },
        Rejection::WrongTime { what: what() },
    ];
    samples.all(all, &rejections, &part());
    let all = variants!(CancelResult: Ended, Stopping, AlreadyEnded, NotFound);
    let results = [
        CancelResult::Ended,
        CancelResult::Stopping,
        CancelResult::AlreadyEnded,
        CancelResult::NotFound,
    ];
    samples.all(all, &results, &part());
    let all = variants!(Refusal: NotPending, NodeUnavailable, NoRoom, WrongRuntime, OnHold);
    let refusals = [
        Refusal::NotPending,
        Refusal::NodeUnavailable,
        Refusal::NoRoom,
        Refusal::WrongRuntime,
        Refusal::OnHold,
    ];
    samples.all(all, &refusals, &part());
}
