//! Every enum inside records and messages, and what agents and heads exchange about attempts.

use model::account::{Role, Scope};
use model::assignment::{News, StopCause};
use model::command::Membership;
use model::job::Outcome;
use model::ledger::Verdict;
use model::node::{HeadIntent, NodeHealth, NodeRole, RuntimeKind};
use model::policy::{Network, OverQuota, RootVolumes};
use model::quota::Holder;
use model::secret::SecretKind;
use model::spec::{OnLost, Program, PullPolicy};

use crate::book::{Samples, variants};
use crate::parts::{
    assignment, assignment_v1, assignment_v2, assignment_v3, ending, held, ports, report, started,
    stop,
};
use crate::{form, part};

pub(crate) fn words(samples: &mut Samples) {
    of_jobs(samples);
    of_nodes(samples);
    of_people(samples);
    let all = variants!(News: Running, Ended, Serving);
    let news = [
        News::Running(started()),
        News::Ended(ending()),
        News::Serving(started(), ports()),
    ];
    samples.all(all, &news, &part());
    samples.put("assignment", &assignment(), &form());
    samples.meant(1, "assignment", &assignment_v1(), &form());
    samples.meant(2, "assignment", &assignment_v2(), &form());
    samples.meant(3, "assignment", &assignment_v3(), &form());
    samples.put("stop", &stop(), &part());
    samples.put("held", &held(), &part());
    samples.put("report", &report(News::Ended(ending())), &part());
}

fn of_jobs(samples: &mut Samples) {
    let all = variants!(Outcome: Succeeded, Failed, Cancelled, TimedOut, OutOfMemory,
        ImageUnavailable, CannotStart, Infrastructure, NodeLost, NotBegun, OverQuota,
        OutputLimit, DiskLimit);
    let outcomes = [
        Outcome::Succeeded,
        Outcome::Failed,
        Outcome::Cancelled,
        Outcome::TimedOut,
        Outcome::OutOfMemory,
        Outcome::ImageUnavailable,
        Outcome::CannotStart,
        Outcome::Infrastructure,
        Outcome::NodeLost,
        Outcome::NotBegun,
        Outcome::OverQuota,
        Outcome::OutputLimit,
        Outcome::DiskLimit,
    ];
    samples.all(all, &outcomes, &part());
    let all = variants!(Program: Script, Argv);
    let script = Program::Script {
        text: "true\n".into(),
        args: vec!["x".into()],
    };
    let argv = Program::Argv(vec!["sleep".into(), "1".into()]);
    samples.all(all, &[script, argv], &part());
    let all = variants!(PullPolicy: Missing, Always, Never);
    let policies = [PullPolicy::Missing, PullPolicy::Always, PullPolicy::Never];
    samples.all(all, &policies, &part());
    let all = variants!(OnLost: Hold, Requeue);
    samples.all(all, &[OnLost::Hold, OnLost::Requeue], &part());
    let all = variants!(StopCause: Cancel, WallLimit, LeaseLost, Stale, OutputLimit, DiskLimit);
    let causes = [
        StopCause::Cancel,
        StopCause::WallLimit,
        StopCause::LeaseLost,
        StopCause::Stale,
        StopCause::OutputLimit,
        StopCause::DiskLimit,
    ];
    samples.all(all, &causes, &part());
}

fn of_people(samples: &mut Samples) {
    let all = variants!(Scope: Read, Jobs, Account, Admin);
    samples.all(all, &Scope::ALL, &part());
    let all = variants!(Network: None, Bridge);
    samples.all(all, &[Network::None, Network::Bridge], &part());
    let all = variants!(OverQuota: Wait, End);
    samples.all(all, &[OverQuota::Wait, OverQuota::End], &part());
    let all = variants!(RootVolumes: ReadOnly, Refused);
    let both = [RootVolumes::ReadOnly, RootVolumes::Refused];
    samples.all(all, &both, &part());
    let all = variants!(Membership: None, Member, Manager);
    let memberships = [Membership::None, Membership::Member, Membership::Manager];
    samples.all(all, &memberships, &part());
    let all = variants!(Holder: User, Project);
    let holders = [Holder::User("alice".into()), Holder::Project("lab".into())];
    samples.all(all, &holders, &part());
    let all = variants!(SecretKind: File, Registry);
    let kinds = [
        SecretKind::File,
        SecretKind::Registry {
            host: "registry.lab:5000".into(),
            login: "alice".into(),
        },
    ];
    samples.all(all, &kinds, &part());
    let all = variants!(Verdict: Done, Rejected, Refused, DoneOften, Failed);
    let verdicts = [
        Verdict::Done,
        Verdict::Rejected("limit".into()),
        Verdict::Refused {
            why: "403".into(),
            times: 3,
        },
        Verdict::DoneOften { times: 300 },
        Verdict::Failed {
            why: "502".into(),
            times: 2,
        },
    ];
    samples.all(all, &verdicts, &part());
}

fn of_nodes(samples: &mut Samples) {
    let all = variants!(Role: User, Operator, Admin);
    samples.all(all, &[Role::User, Role::Operator, Role::Admin], &part());
    let all = variants!(NodeRole: Head, Agent);
    samples.all(all, &[NodeRole::Head, NodeRole::Agent], &part());
    let all = variants!(HeadIntent: None, Learner, Voter);
    let intents = [HeadIntent::None, HeadIntent::Learner, HeadIntent::Voter];
    samples.all(all, &intents, &part());
    let all = variants!(NodeHealth: Joined, Up, Suspect, Lost, Unwell);
    let healths = [
        NodeHealth::Joined,
        NodeHealth::Up,
        NodeHealth::Suspect,
        NodeHealth::Lost,
        NodeHealth::Unwell,
    ];
    samples.all(all, &healths, &part());
    let all = variants!(RuntimeKind: Docker, Process, Fake);
    let kinds = [RuntimeKind::Docker, RuntimeKind::Process, RuntimeKind::Fake];
    samples.all(all, &kinds, &part());
}
