//! What scripts may look at without changing anything.

use std::collections::BTreeSet;
use std::fmt::Write;

use anyhow::{Context, Result, bail};
use model::account::UnixIds;
use model::assignment::{Held, StopCause};
use model::job::{Job, TaskState};
use model::node::{Node, NodeRole};
use model::query::JobFilter;
use model::{Command, Fence};
use scheduler::explain::Reason;

use super::print::{self, moment};
use super::words::Words;
use super::world::World;

/// Runs a view; `None` if there is none of that name.
pub(super) fn run(world: &mut World, name: &str, words: &mut Words) -> Result<Option<String>> {
    Ok(Some(match name {
        "jobs" => jobs(world)?,
        "nodes" => nodes(world)?,
        "explain" => explain(world)?,
        "planned" => planned(world)?,
        "orders" => orders(world, words)?,
        "problems" => problems(words)?,
        "settings" => settings(world)?,
        "accounts" => accounts(world)?,
        "expired" => format!("{}\n", world.replica.state.has_expired(world.now())),
        "reload" => {
            world.replica.check_disk()?;
            let (records, digest) = (world.replica.disk.len(), world.replica.digest());
            format!("{records} records, digest {digest}\n")
        }
        "lead" => {
            world.lead();
            String::new()
        }
        "outlived" => outlived(world)?,
        "heard" => heard(world, words)?,
        "due" => due(world, words)?,
        _ => return Ok(None),
    }))
}

fn jobs(world: &World) -> Result<String> {
    let state = &world.replica.state;
    let filter = JobFilter::default();
    let mut jobs: Vec<&Job> = state.live_page(&filter, None).collect();
    jobs.reverse();
    let mut lines = Vec::new();
    for job in jobs {
        let mut line = format!("{} {} {}", job.id, job.owner, state.live_state(job).word());
        match &job.task {
            TaskState::Pending { since, not_before } if since == not_before => {
                write!(line, " since {}", moment(*since))?;
            }
            TaskState::Pending { since, not_before } => {
                write!(
                    line,
                    " since {} not before {}",
                    moment(*since),
                    moment(*not_before)
                )?;
            }
            TaskState::Live(attempt) => {
                let (number, node, fence) = (attempt.number, attempt.node, attempt.fence);
                write!(line, " #{number} on node {node} fence {fence}")?;
            }
        }
        for port in state.ports_of(job.id) {
            write!(line, ", {} at {}", port.container, port.host)?;
        }
        if let Some(cancel) = &job.cancel {
            write!(line, ", {} cancels since {}", cancel.by, moment(cancel.at))?;
        }
        for end in &job.past {
            write!(line, "\n  #{} {}", end.number, print::end(end))?;
        }
        lines.push(line);
    }
    Ok(if lines.is_empty() {
        "no jobs\n".into()
    } else {
        lines.join("\n") + "\n"
    })
}

fn nodes(world: &World) -> Result<String> {
    let state = &world.replica.state;
    let mut out = String::new();
    for node in state.nodes() {
        let health = print::health(node.health);
        write!(
            out,
            "{} {} {health} since {}",
            node.id,
            node.name,
            moment(node.health_since)
        )?;
        write!(out, "{}", part(node))?;
        if let Some(capacity) = node.facts.capacity {
            write!(out, ", has {capacity}, holds {}", state.held(node.id))?;
            write!(out, ", free {}", state.free(node))?;
        }
        if let Some(trouble) = state.trouble(node.id) {
            write!(out, ", unwell: {trouble}")?;
        }
        if let Some(reason) = &node.drain {
            write!(out, ", drains: {reason}")?;
        }
        let jobs: Vec<String> = state
            .jobs_on(node.id)
            .map(|job| job.id.to_string())
            .collect();
        if !jobs.is_empty() {
            write!(out, ", jobs {}", jobs.join(" "))?;
        }
        writeln!(out)?;
    }
    Ok(out)
}

fn part(node: &Node) -> String {
    match node.role {
        NodeRole::Agent => String::new(),
        NodeRole::Head => format!(", head ({})", print::intent(node.intent)),
    }
}

fn explain(world: &World) -> Result<String> {
    let state = &world.replica.state;
    let mut out = String::new();
    for job in state.jobs() {
        match scheduler::explain::explain(state, job, world.now()) {
            Some(reason) => writeln!(out, "{}: {}", job.id, why(&reason))?,
            None => writeln!(out, "{}: not pending", job.id)?,
        }
    }
    Ok(out)
}

fn why(reason: &Reason) -> String {
    match reason {
        Reason::TryingAgain { at } => format!("{reason} ({})", moment(*at)),
        Reason::OnHold(_)
        | Reason::NoNode { .. }
        | Reason::WrongRuntime { .. }
        | Reason::TooLarge { .. }
        | Reason::NoRoom { .. }
        | Reason::Next => reason.to_string(),
    }
}

fn planned(world: &World) -> Result<String> {
    let plan = scheduler::plan(&world.replica.state, &world.waiting(), world.now());
    let one = |place: &model::command::Placement| format!("{} → node {}", place.task, place.node);
    let text = print::list(plan.placements.iter().map(one));
    Ok(if text.is_empty() {
        "nothing\n".into()
    } else {
        format!("{text}\n")
    })
}

/// `orders n1 1_0#1/7 …`: what a node that has these attempts is told.
fn orders(world: &World, words: &mut Words) -> Result<String> {
    let node = world.node(&words.next("a node")?)?;
    let fences = world.fences();
    let mut held = BTreeSet::new();
    for word in words.rest() {
        let (attempt, fence) = match word.split_once('/') {
            Some((attempt, fence)) => (attempt.parse()?, fence.parse()?),
            None => {
                let attempt: model::AttemptId = word.parse()?;
                (
                    attempt,
                    *fences.get(&attempt.task.job).context("it is not live")?,
                )
            }
        };
        held.insert(Held {
            attempt,
            fence: Fence(fence),
        });
    }
    let orders = scheduler::assignment::diff(&world.replica.state, node, &held);
    let mut out = String::new();
    for order in &orders.assign {
        let wall = order.spec.wall_limit.map_or("none".into(), print::length);
        write!(
            out,
            "run {} fence {} of {}",
            order.attempt, order.fence, order.owner
        )?;
        write!(out, ", {}, wall limit {wall}", order.spec.resources)?;
        write!(out, "{}", if order.exclusive { ", exclusive" } else { "" })?;
        if let Some(UnixIds { uid, gid, .. }) = &order.ids {
            write!(out, ", as {uid}:{gid}")?;
        }
        for mount in &order.mounts {
            let mode = if mount.writable { "rw" } else { "ro" };
            write!(out, ", {} at {} {mode}", mount.host_path, mount.mount_path)?;
        }
        writeln!(out)?;
    }
    for stop in &orders.stop {
        let cause = match stop.cause {
            StopCause::Cancel => "cancelled",
            StopCause::WallLimit => "at its wall limit",
            StopCause::LeaseLost => "lease lost",
            StopCause::Stale => "stale",
            StopCause::OutputLimit => "at its output limit",
            StopCause::DiskLimit => "at its disk limit",
        };
        let grace = print::length(stop.grace);
        writeln!(
            out,
            "stop {} fence {}: {cause}, grace {grace}",
            stop.attempt, stop.fence
        )?;
    }
    Ok(if out.is_empty() {
        "nothing to do\n".into()
    } else {
        out
    })
}

fn problems(words: &mut Words) -> Result<String> {
    let mut out = String::new();
    for problem in super::commands::spec(words)?.validate() {
        writeln!(
            out,
            "{}: {}; {}",
            problem.field, problem.message, problem.remedy
        )?;
    }
    Ok(if out.is_empty() { "none\n".into() } else { out })
}

fn settings(world: &World) -> Result<String> {
    let timings = world.replica.state.policy().timings;
    let mut out = format!("heartbeat {}", print::length(timings.heartbeat));
    write!(
        out,
        ", suspect after {}",
        print::length(timings.suspect_after)
    )?;
    write!(out, ", lease {}", print::length(timings.lease))?;
    writeln!(out, ", margin {}", print::length(timings.lease_margin))?;
    if let Some(earlier) = world.replica.state.policy().earlier {
        let (silence, until) = (print::length(earlier.lost_after), moment(earlier.until));
        writeln!(
            out,
            "leases from before: lost after {silence}, until {until}"
        )?;
    }
    for volume in world.replica.state.volumes() {
        let mode = if volume.writable { "rw" } else { "ro" };
        let (host, mount) = (&volume.host_path, &volume.mount_path);
        writeln!(out, "volume {}: {host} at {mount} {mode}", volume.name)?;
    }
    Ok(out)
}

fn accounts(world: &World) -> Result<String> {
    let state = &world.replica.state;
    let mut out = String::new();
    for user in state.users() {
        let tokens = state
            .tokens()
            .filter(|token| token.user == user.name)
            .count();
        write!(
            out,
            "{} {:?} password `{}`",
            user.name, user.role, user.password
        )?;
        write!(out, "{}", if user.one_time { " for one login" } else { "" })?;
        write!(out, "{}", if user.disabled { ", disabled" } else { "" })?;
        writeln!(
            out,
            ", tokens {tokens}, live jobs {}",
            state.live_jobs_of(&user.name)
        )?;
    }
    for token in state.join_tokens() {
        let used = token.used.map(|(node, _)| format!(", used by node {node}"));
        let (id, role) = (&token.id.0, token.role);
        let expires = moment(token.expires_at);
        writeln!(
            out,
            "join token {id} {role:?} until {expires}{}",
            used.unwrap_or_default()
        )?;
    }
    Ok(out)
}

fn heard(world: &mut World, words: &mut Words) -> Result<String> {
    let node = world.node(&words.next("a node")?)?;
    let now = world.monotonic();
    world
        .liveness
        .as_mut()
        .context("nobody leads")?
        .heard(node, now);
    Ok(String::new())
}

/// What the leader proposes once it has waited out the leases from before.
fn outlived(world: &mut World) -> Result<String> {
    let now = world.monotonic();
    let liveness = world.liveness.as_mut().context("nobody leads")?;
    match liveness.outlived(&world.replica.state, now) {
        Some(outlived) => world.propose(&Command::ForgetEarlierLeases(outlived)),
        None => Ok("nothing\n".into()),
    }
}

/// `due`: what the leader would propose; `due mark`: and proposes it.
fn due(world: &mut World, words: &mut Words) -> Result<String> {
    let now = world.monotonic();
    let liveness = world.liveness.as_mut().context("nobody leads")?;
    let nodes = liveness.due(&world.replica.state, now);
    let one = |(node, health): &(_, _)| format!("node {node} {}", print::health(*health));
    let mut out = print::list(nodes.iter().map(one));
    out += if out.is_empty() { "nothing\n" } else { "\n" };
    match words.maybe_next().as_deref() {
        None => {}
        Some("mark") => {
            let mark = model::command::MarkNodes { nodes };
            out += &world.propose(&Command::MarkNodes(mark))?;
        }
        Some(other) => bail!("`{other}` is not understood"),
    }
    Ok(out)
}
