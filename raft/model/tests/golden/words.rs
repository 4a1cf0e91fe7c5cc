//! Every enum inside records and messages, and what agents and heads exchange about attempts.

use model::account::Role;
use model::assignment::{News, StopCause};
use model::job::Outcome;
use model::node::{HeadIntent, NodeHealth, NodeRole, RuntimeKind};
use model::spec::{OnLost, Program, PullPolicy};

use crate::book::{Samples, variants};
use crate::form;
use crate::parts::{assignment, ending, held, report, started, stop};

pub(crate) fn words(samples: &mut Samples) {
    of_jobs(samples);
    of_nodes(samples);
    let all = variants!(News: Running, Ended);
    let news = [News::Running(started()), News::Ended(ending())];
    samples.all(all, &news, &form());
    samples.put("assignment", &assignment(), &form());
    samples.put("stop", &stop(), &form());
    samples.put("held", &held(), &form());
    samples.put("report", &report(News::Ended(ending())), &form());
}

fn of_jobs(samples: &mut Samples) {
    let all = variants!(Outcome: Succeeded, Failed, Cancelled, TimedOut, OutOfMemory,
        ImageUnavailable, CannotStart, Infrastructure, NodeLost, NotBegun);
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
    ];
    samples.all(all, &outcomes, &form());
    let all = variants!(Program: Script, Argv);
    let script = Program::Script {
        text: "true\n".into(),
        args: vec!["x".into()],
    };
    let argv = Program::Argv(vec!["sleep".into(), "1".into()]);
    samples.all(all, &[script, argv], &form());
    let all = variants!(PullPolicy: Missing, Always, Never);
    let policies = [PullPolicy::Missing, PullPolicy::Always, PullPolicy::Never];
    samples.all(all, &policies, &form());
    let all = variants!(OnLost: Hold, Requeue);
    samples.all(all, &[OnLost::Hold, OnLost::Requeue], &form());
    let all = variants!(StopCause: Cancel, WallLimit, LeaseLost, Stale);
    let causes = [
        StopCause::Cancel,
        StopCause::WallLimit,
        StopCause::LeaseLost,
        StopCause::Stale,
    ];
    samples.all(all, &causes, &form());
}

fn of_nodes(samples: &mut Samples) {
    let all = variants!(Role: User, Operator, Admin);
    samples.all(all, &[Role::User, Role::Operator, Role::Admin], &form());
    let all = variants!(NodeRole: Head, Agent);
    samples.all(all, &[NodeRole::Head, NodeRole::Agent], &form());
    let all = variants!(HeadIntent: None, Learner, Voter);
    let intents = [HeadIntent::None, HeadIntent::Learner, HeadIntent::Voter];
    samples.all(all, &intents, &form());
    let all = variants!(NodeHealth: Joined, Up, Suspect, Lost, Unwell);
    let healths = [
        NodeHealth::Joined,
        NodeHealth::Up,
        NodeHealth::Suspect,
        NodeHealth::Lost,
        NodeHealth::Unwell,
    ];
    samples.all(all, &healths, &form());
    let all = variants!(RuntimeKind: Docker, Process, Fake);
    let kinds = [RuntimeKind::Docker, RuntimeKind::Process, RuntimeKind::Fake];
    samples.all(all, &kinds, &form());
}
