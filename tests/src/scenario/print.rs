//! How a trace reads: replies, news, what was written, what left the state.

use std::fmt::{Result, Write};

use model::change::Table;
use model::command::{CancelResult, Refusal, Rejection};
use model::job::{AttemptEnd, EndedJob};
use model::ledger::LedgerLine;
use model::node::{HeadIntent, NodeHealth};
use model::{Changes, EventKind, Millis, RecordKey, Reply, State, Timestamp};

/// Midnight of the day on which scripts begin.
const DAY: Timestamp = Timestamp(1_767_225_600_000);

/// More lines or names than this are cut to the first two and the last.
const SHOWN_MAX: usize = 12;

/// Texts that are longer are cut.
const TEXT_SHOWN_MAX: usize = 200;

/// `+1m30s` behind the beginning of the script.
pub(super) fn moment(at: Timestamp) -> String {
    if at < DAY {
        return format!("-{}", length(DAY.since(at)));
    }
    format!("+{}", length(at.since(DAY)))
}

/// `1h2m3s`, `250ms`, `0s`.
pub(super) fn length(length: Millis) -> String {
    let mut left = length.0;
    let mut out = String::new();
    for (unit, name) in [
        (86_400_000, "d"),
        (3_600_000, "h"),
        (60_000, "m"),
        (1000, "s"),
        (1, "ms"),
    ] {
        if left >= unit {
            out += &format!("{}{name}", left / unit);
            left %= unit;
        }
    }
    if out.is_empty() { "0s".into() } else { out }
}

/// One line for a reply.
pub(super) fn reply(reply: &Reply) -> String {
    match reply {
        Reply::Done => "done".into(),
        Reply::Submitted {
            first,
            count,
            replayed,
        } => {
            let again = if *replayed { " (again)" } else { "" };
            format!("submitted {}{again}", ids(first.0, u64::from(*count)))
        }
        Reply::Cancelled(results) => {
            let one = |(job, result): &(_, CancelResult)| format!("{job} {}", cancel(*result));
            format!("cancelled: {}", list(results.iter().map(one)))
        }
        Reply::Planned { accepted, refused } => {
            let one = |(task, why): &(_, Refusal)| format!("{task} {}", refusal(*why));
            let refused = list(refused.iter().map(one));
            let refused = if refused.is_empty() {
                refused
            } else {
                format!(", refused: {refused}")
            };
            format!("placed {accepted}{refused}")
        }
        Reply::Joined(node) => format!("joined as node {node}"),
        Reply::Expired(count) => format!("expired {count}"),
        Reply::Rejected(why) => format!("rejected: {}", rejection(why)),
    }
}

fn rejection(why: &Rejection) -> String {
    match why {
        Rejection::NotFound { what } => format!("not found: {what}"),
        Rejection::Conflict { what } => format!("conflict: {what}"),
        Rejection::Limit { name, limit } => format!("limit: {name}, at most {limit}"),
        Rejection::Forbidden { what } => format!("forbidden: {what}"),
        Rejection::BadToken => "bad token".into(),
        Rejection::Invalid { field, message } => format!("invalid {field}: {message}"),
        Rejection::WrongTime { what } => format!("wrong time: {what}"),
    }
}

fn cancel(result: CancelResult) -> &'static str {
    match result {
        CancelResult::Ended => "ended",
        CancelResult::Stopping => "stopping",
        CancelResult::AlreadyEnded => "ended before",
        CancelResult::NotFound => "not found",
    }
}

fn refusal(why: Refusal) -> &'static str {
    match why {
        Refusal::NotPending => "not pending",
        Refusal::NodeUnavailable => "node unavailable",
        Refusal::NoRoom => "no room",
        Refusal::WrongRuntime => "wrong runtime",
        Refusal::OnHold => "on hold",
    }
}

/// The word for what is believed of a node.
pub(super) fn health(health: NodeHealth) -> &'static str {
    match health {
        NodeHealth::Joined => "joined",
        NodeHealth::Up => "up",
        NodeHealth::Suspect => "suspect",
        NodeHealth::Lost => "lost",
        NodeHealth::Unwell => "unwell",
    }
}

/// The word for a part in the quorum.
pub(super) fn intent(intent: HeadIntent) -> &'static str {
    match intent {
        HeadIntent::None => "none",
        HeadIntent::Learner => "learner",
        HeadIntent::Voter => "voter",
    }
}

/// Everything that an entry changed, one line each.
pub(super) fn changes(out: &mut String, state: &State, changes: &Changes) -> Result {
    several(out, "event", changes.events.iter().map(news))?;
    several(out, "ledger", changes.ledger.iter().map(ledger))?;
    several(out, "over", changes.ended.iter().map(ended))?;
    if !changes.touched.is_empty() {
        let mut names: Vec<String> = Vec::new();
        for key in &changes.touched {
            let gone = if state.record(key).is_some() { "" } else { "-" };
            names.push(format!("{gone}{}", record(key)));
        }
        writeln!(out, "  wrote: {}", list(names.into_iter()))?;
    }
    Ok(())
}

/// One line each; of very many the first two and the last.
fn several(out: &mut String, kind: &str, lines: impl Iterator<Item = String>) -> Result {
    let lines: Vec<String> = lines.collect();
    for (at, line) in lines.iter().enumerate() {
        let last = at + 1 == lines.len();
        if lines.len() <= SHOWN_MAX || at < 2 || last {
            writeln!(out, "  {kind}: {line}")?;
        } else if at == 2 {
            writeln!(out, "  {kind}: … {} more …", lines.len() - 3)?;
        }
    }
    Ok(())
}

fn news(event: &EventKind) -> String {
    match event {
        EventKind::JobsSubmitted {
            owner,
            first,
            count,
        } => {
            format!("{owner} submitted {}", ids(first.0, u64::from(*count)))
        }
        EventKind::CancelRequested { job, owner, by } => {
            format!("{by} cancels job {job} of {owner}")
        }
        EventKind::AttemptPlaced {
            attempt,
            owner,
            node,
        } => {
            format!("{attempt} of {owner} placed on node {node}")
        }
        EventKind::AttemptStarted {
            attempt,
            owner,
            node,
        } => {
            format!("{attempt} of {owner} started on node {node}")
        }
        EventKind::AttemptEnded {
            attempt,
            owner,
            node,
            outcome,
            code,
            requeued,
        } => {
            let code = code.map(|code| format!(" code {code}")).unwrap_or_default();
            let again = if *requeued {
                ", waits for another try"
            } else {
                ""
            };
            format!(
                "{attempt} of {owner} ended on node {node}: {}{code}{again}",
                outcome.word()
            )
        }
        EventKind::JobEnded {
            job,
            owner,
            outcome,
        } => {
            format!("job {job} of {owner} is over: {}", outcome.word())
        }
        EventKind::NodeJoined { node, name } => format!("node {node} joined as {name}"),
        EventKind::NodeHealth { node, health: now } => format!("node {node} is {}", health(*now)),
        EventKind::NodeDrain {
            node,
            reason: Some(why),
        } => {
            format!("node {node} drains: {}", cut(why))
        }
        EventKind::NodeDrain { node, reason: None } => format!("node {node} takes jobs again"),
        EventKind::NodeRemoved { node, name } => format!("node {node} ({name}) is removed"),
    }
}

fn ledger(line: &LedgerLine) -> String {
    let (attempt, owner, asked) = (line.attempt, &line.owner, line.asked);
    format!(
        "{attempt} {owner} {asked}, {}: {}",
        line.image,
        end(&line.end)
    )
}

/// How an attempt ended, in one line.
pub(super) fn end(end: &AttemptEnd) -> String {
    let mut text = format!(
        "on {} fence {} placed {} ",
        end.node_name,
        end.fence,
        moment(end.placed_at)
    );
    text += &match &end.started {
        Some(started) => format!("started {} as {} ", moment(started.at), started.container),
        None => "never started ".into(),
    };
    text += &format!("ended {} {}", moment(end.ended_at), end.outcome.word());
    let exit = &end.exit;
    text += &exit
        .code
        .map(|code| format!(" code {code}"))
        .unwrap_or_default();
    text += &exit
        .signal
        .map(|signal| format!(" signal {signal}"))
        .unwrap_or_default();
    text += if exit.oom_killed { " oom" } else { "" };
    if end.usage.cpu_micros > 0 || end.usage.memory_peak.0 > 0 {
        text += &format!(
            " used {} us, {}",
            end.usage.cpu_micros, end.usage.memory_peak
        );
    }
    if !end.message.is_empty() {
        text += &format!(" ({})", cut(&end.message));
    }
    text
}

fn ended(job: &EndedJob) -> String {
    let mut text = format!(
        "job {} {} of {} submitted {} ended {} {}, attempts: {}",
        job.id,
        job.spec.name,
        job.owner,
        moment(job.submitted_at),
        moment(job.ended_at),
        job.outcome.word(),
        job.attempts.len()
    );
    if let Some(cancel) = &job.cancel {
        text += &format!(", cancelled by {} {}", cancel.by, moment(cancel.at));
        if !cancel.reason.is_empty() {
            text += &format!(" ({})", cut(&cancel.reason));
        }
    }
    text
}

fn record(key: &RecordKey) -> String {
    let table: Table = key.table();
    match key {
        RecordKey::Meta | RecordKey::Policy => table.name().into(),
        RecordKey::User(name) => format!("{} {name}", table.name()),
        RecordKey::Token(id) | RecordKey::JoinToken(id) => format!("{} {}", table.name(), id.0),
        RecordKey::Volume(name)
        | RecordKey::Project(name)
        | RecordKey::Queue(name)
        | RecordKey::Directory(name) => format!("{} {name}", table.name()),
        RecordKey::Secret(owner, name) => format!("{} {owner}/{name}", table.name()),
        RecordKey::Spent(holder) => format!("{} {holder}", table.name()),
        RecordKey::Node(id) | RecordKey::Trouble(id) | RecordKey::Stored(id) => {
            format!("{} {id}", table.name())
        }
        RecordKey::Spec(id) | RecordKey::Job(id) | RecordKey::Ports(id) => {
            format!("{} {id}", table.name())
        }
        RecordKey::SubmitKey(user, key) | RecordKey::SshKey(user, key) => {
            format!("{} {user}/{key}", table.name())
        }
    }
}

fn ids(first: u64, count: u64) -> String {
    if count == 1 {
        format!("{first}")
    } else {
        format!("{first}..{}", first + count - 1)
    }
}

/// A text, or the beginning of a long one and how long it is.
fn cut(text: &str) -> String {
    if text.len() <= TEXT_SHOWN_MAX {
        return text.into();
    }
    let beginning: String = text.chars().take(10).collect();
    format!("{beginning}… {} bytes", text.len())
}

/// The first and the last few of many, so that a trace of thousands stays readable.
pub(super) fn list(parts: impl Iterator<Item = String>) -> String {
    let parts: Vec<String> = parts.collect();
    match parts.as_slice() {
        [first, second, middle @ .., last] if parts.len() > SHOWN_MAX => {
            format!("{first}, {second}, … {} more …, {last}", middle.len())
        }
        all => all.join(", "),
    }
}
