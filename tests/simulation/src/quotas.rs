//! A second opinion on quotas: what users and projects hold, reserve and have spent, reckoned from
//! the jobs and the accounting lines alone, and held against the bounds whenever something starts.

use std::collections::BTreeMap;

use anyhow::{Result, ensure};
use model::account::UserName;
use model::command::Command;
use model::job::Job;
use model::ledger::LedgerLine;
use model::quota::{Holder, Quota};
use model::spec::JobSpec;
use model::{Changes, EventKind, NodeId, State, Timestamp};

/// Milliseconds of a day.
const DAY: u64 = 86_400_000;

/// What holders have spent, by day, in core-milliseconds and MiB-milliseconds.
#[derive(Clone, Default)]
pub(crate) struct Quotas {
    spent: BTreeMap<Holder, BTreeMap<u64, [u128; 2]>>,
    /// What nodes keep of ended attempts, as they said last.
    kept: BTreeMap<NodeId, BTreeMap<Holder, u64>>,
}

/// What a holder has at one moment.
#[derive(Default)]
struct Sum {
    cpu: u64,
    memory: u64,
    running: u64,
    reserved: [u128; 2],
    disk: u64,
}

impl Quotas {
    /// Takes note of an entry, and checks what started by it.
    pub(crate) fn observe(
        &mut self,
        state: &State,
        command: &Command,
        changes: &Changes,
    ) -> Result<()> {
        self.forget(command, changes);
        self.keep(state, command);
        for line in &changes.ledger {
            self.charge(state.now(), line)?;
        }
        // Jobs of one kind are held against the same bounds: one of each is enough.
        let (mut started, mut submitted) = (BTreeMap::new(), BTreeMap::new());
        for event in &changes.events {
            if let EventKind::AttemptPlaced { attempt, .. } = event
                && let Some(job) = state.job(attempt.task.job)
            {
                started.insert(kind(job), job);
            }
            if let EventKind::JobsSubmitted { first, count, .. } = event {
                let ids = first.0..first.0 + u64::from(*count);
                let jobs = ids.filter_map(|id| state.job(model::JobId(id)));
                submitted.extend(jobs.map(|job| (kind(job), job)));
            }
        }
        for job in started.values() {
            self.may_run(state, job)?;
        }
        for job in submitted.values() {
            may_wait(state, job)?;
        }
        self.agrees(state)
    }

    /// What is reset, and projects that are removed, begin anew.
    fn forget(&mut self, command: &Command, changes: &Changes) {
        let gone = match command {
            Command::Audited(audited) => return self.forget(&audited.command, changes),
            Command::ResetSpent(holder) => holder.clone(),
            Command::RemoveProject(name) => Holder::Project(name.clone()),
            _ => return,
        };
        if !changes.touched.is_empty() {
            let record = model::RecordKey::Spent(gone.clone());
            if changes.touched.contains(&record) {
                self.spent.remove(&gone);
            }
        }
    }

    /// What a node says that it keeps counts as long as there is such a node.
    fn keep(&mut self, state: &State, command: &Command) {
        match command {
            Command::Audited(audited) => return self.keep(state, &audited.command),
            Command::NoteStored(note) => {
                let said = note.stored.holders.iter();
                let said = said.map(|(holder, bytes)| (holder.clone(), bytes.0));
                self.kept.insert(note.node, said.collect());
            }
            _ => {}
        }
        self.kept.retain(|node, _| state.node(*node).is_some());
    }

    fn kept_of(&self, holder: &Holder) -> u64 {
        let kept = self.kept.values();
        kept.filter_map(|of_node| of_node.get(holder)).sum()
    }

    fn charge(&mut self, now: Timestamp, line: &LedgerLine) -> Result<()> {
        let since = line
            .end
            .started
            .as_ref()
            .map_or(u64::MAX, |started| started.at.0);
        let ran = u128::from(line.end.ended_at.0.saturating_sub(since));
        let most = u128::from(line.asked.cpu.0) * ran / 1000;
        ensure!(
            u128::from(line.charged.cpu) <= most,
            "{} is charged too much",
            line.attempt
        );
        let charged = [line.charged.cpu, line.charged.memory].map(u128::from);
        if charged == [0, 0] {
            return Ok(());
        }
        let user = Holder::User(line.owner.clone());
        for holder in [user, Holder::Project(line.project.clone())] {
            let days = self.spent.entry(holder).or_default();
            let sum = days.entry(now.0 / DAY).or_default();
            for (sum, part) in sum.iter_mut().zip(charged) {
                *sum += part;
            }
        }
        Ok(())
    }

    /// What a holder has spent in the window.
    fn within(&self, state: &State, holder: &Holder) -> [u128; 2] {
        let days = u64::from(state.policy().rules.window_days);
        let first = (state.now().0 / DAY + 1).saturating_sub(days);
        let mut sum = [0; 2];
        for (_, spent) in self
            .spent
            .get(holder)
            .into_iter()
            .flat_map(|of| of.range(first..))
        {
            sum = [sum[0] + spent[0], sum[1] + spent[1]];
        }
        sum
    }

    /// Whether a job that has just been placed may run beside all others.
    fn may_run(&self, state: &State, job: &Job) -> Result<()> {
        let spec = &job.spec;
        let theirs = |other: &Job| other.owner == job.owner;
        let of_project = |other: &Job| other.spec.project == spec.project;
        let user = Holder::User(job.owner.clone());
        let project = Holder::Project(spec.project.clone());
        self.keeps(
            state,
            &user,
            &state.quota_of(&job.owner),
            spec,
            &sum(state, theirs),
        )?;
        let bounds = state.project(&spec.project).map(|project| project.quota);
        let bounds = bounds.unwrap_or_default();
        self.keeps(state, &project, &bounds, spec, &sum(state, of_project))?;
        let Some(queue) = state.queue(&spec.queue) else {
            anyhow::bail!("job {} was placed from no queue", job.id);
        };
        ensure!(
            queue.starts,
            "job {} was placed from a stopped queue",
            job.id
        );
        let in_queue = sum(state, |other| {
            theirs(other) && other.spec.queue == spec.queue
        });
        let most = queue.running_per_user.map_or(u64::MAX, u64::from);
        ensure!(
            in_queue.running <= most,
            "{} runs {} jobs in queue {}, at most {most}",
            job.owner,
            in_queue.running,
            queue.name
        );
        Ok(())
    }

    fn keeps(
        &self,
        state: &State,
        holder: &Holder,
        bounds: &Quota,
        spec: &JobSpec,
        sum: &Sum,
    ) -> Result<()> {
        let over = |most: Option<u64>, has: u64| most.is_some_and(|most| has > most);
        let cpu = over(bounds.cpu.map(|most| most.0), sum.cpu);
        let memory = over(bounds.memory.map(|most| most.0), sum.memory);
        let running = over(bounds.running.map(u64::from), sum.running);
        ensure!(
            !cpu && !memory && !running,
            "{holder} exceeds {bounds:?} by a placement"
        );
        let disk = self.kept_of(holder) + sum.disk;
        ensure!(
            !over(bounds.disk.map(|most| most.0), disk),
            "{holder} keeps and reserves {disk} of {bounds:?}"
        );
        let spent = self.within(state, holder);
        let hours = [bounds.cpu_time, bounds.memory_time];
        for ((most, spent), reserved) in hours.into_iter().zip(spent).zip(sum.reserved) {
            let Some(most) = most else { continue };
            ensure!(
                spec.wall_limit.is_some(),
                "{holder} starts what may cost anything"
            );
            ensure!(
                spent + reserved <= u128::from(most),
                "{holder} has spent {spent} and reserved {reserved} of {most}"
            );
        }
        Ok(())
    }

    /// The state's own sums are these.
    fn agrees(&self, state: &State) -> Result<()> {
        for holder in self.spent.keys() {
            let (ours, theirs) = (
                self.within(state, holder),
                state.spent_by(holder, state.now()),
            );
            let theirs = [theirs.cpu, theirs.memory].map(u128::from);
            ensure!(
                ours == theirs,
                "{holder} has spent {ours:?}, and {theirs:?} is kept"
            );
        }
        for holder in self.kept.values().flat_map(BTreeMap::keys) {
            let (ours, theirs) = (self.kept_of(holder), state.stored_by(holder).0);
            ensure!(ours == theirs, "{holder} keeps {ours}, {theirs} is summed");
        }
        Ok(())
    }
}

/// Whose job it is, in which project and queue.
fn kind(job: &Job) -> (&UserName, &str, &str) {
    (&job.owner, &job.spec.project, &job.spec.queue)
}

/// Whether a job that has just been submitted may wait beside all others.
fn may_wait(state: &State, job: &Job) -> Result<()> {
    let (owner, spec) = (&job.owner, &job.spec);
    let waiting = |wanted: &dyn Fn(&Job) -> bool| {
        let waiting = state.pending().filter(|other| wanted(other));
        u32::try_from(waiting.count()).unwrap_or(u32::MAX)
    };
    let theirs = waiting(&|other| other.owner == *owner);
    let of_project = waiting(&|other| other.spec.project == spec.project);
    let in_queue = waiting(&|other| other.owner == *owner && other.spec.queue == spec.queue);
    let project = state.project(&spec.project);
    let queue = state.queue(&spec.queue);
    for (waits, most) in [
        (theirs, state.quota_of(owner).pending),
        (
            of_project,
            project.and_then(|project| project.quota.pending),
        ),
        (in_queue, queue.and_then(|queue| queue.pending_per_user)),
    ] {
        ensure!(
            waits <= most.unwrap_or(u32::MAX),
            "{waits} jobs wait, at most {most:?}"
        );
    }
    let open = project.is_some_and(|project| !project.closed && project.has(owner));
    ensure!(open, "{owner} has a job in project {}", spec.project);
    Ok(())
}

/// What live attempts of some jobs have together.
fn sum(state: &State, wanted: impl Fn(&Job) -> bool) -> Sum {
    let mut sum = Sum::default();
    for job in state
        .jobs()
        .filter(|job| job.attempt().is_some() && wanted(job))
    {
        let spec = &job.spec;
        sum.cpu += spec.resources.cpu.0;
        sum.memory += spec.resources.memory.0;
        sum.running += 1;
        sum.disk += spec.disk_max.map_or(0, |most| most.0);
        let Some(wall) = spec.wall_limit else {
            continue;
        };
        let longest = u128::from(wall.0 + spec.grace.0);
        sum.reserved[0] += u128::from(spec.resources.cpu.0) * longest / 1000;
        sum.reserved[1] += u128::from(spec.resources.memory.0) * longest / (1 << 20);
    }
    sum
}
