//! The log in memory: every proposal is applied at once, by the real `apply`. A test may make it
//! fail, forget its oldest events, or answer with a state of the past.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use model::change::Event;
use model::command::Command;
use model::job::EndedJob;
use model::ledger::{AuditLine, LedgerLine, UsageSearch, UsageSum};
use model::log::{Applied, AuditPage, AuditSearch, EndedPage, EndedSearch, Later, Log, LogError};
use model::{JobId, LogIndex, NodeId, Stamp, State, Timestamp};
use tokio::sync::watch;

use super::NOW;

#[derive(Default)]
pub struct MemoryLog {
    kept: Mutex<Kept>,
    moved: watch::Sender<u64>,
}

#[derive(Default)]
struct Kept {
    state: State,
    index: u64,
    ended: Vec<EndedJob>,
    events: Vec<Event>,
    audit: Vec<(LogIndex, AuditLine)>,
    ledger: Vec<(Timestamp, LedgerLine)>,
    /// Events up to here are forgotten.
    forgotten: u64,
    /// Who proposes or waits for a barrier waits forever.
    hangs: bool,
    propose_fails: Option<LogError>,
    barrier_fails: Option<LogError>,
    /// What readers see instead, as on a head that is behind.
    behind: Option<(Arc<State>, u64)>,
    disk_fails: bool,
    proposals: u64,
    /// Entries' worth of events that were read, all readers together.
    events_read: usize,
    ticks: u64,
}

impl MemoryLog {
    pub fn fail(&self, propose: Option<LogError>, barrier: Option<LogError>) {
        let mut kept = self.kept.lock().unwrap();
        kept.propose_fails = propose;
        kept.barrier_fails = barrier;
    }

    /// From now on nobody gets an answer.
    pub fn hang(&self) {
        self.kept.lock().unwrap().hangs = true;
    }

    /// From now on nothing can be read from disk.
    pub fn break_disk(&self) {
        self.kept.lock().unwrap().disk_fails = true;
    }

    pub fn forget_events(&self) {
        let mut kept = self.kept.lock().unwrap();
        kept.forgotten = kept.index;
        kept.events.clear();
    }

    /// From now on this head is behind, until the next barrier.
    pub fn fall_behind(&self) {
        let mut kept = self.kept.lock().unwrap();
        kept.behind = Some((Arc::new(kept.state.clone()), kept.index));
    }

    /// Resolves once two wait for news: streams and long polls have got so far.
    pub async fn until_waited_for(&self) {
        while self.moved.receiver_count() < 2 {
            tokio::task::yield_now().await;
        }
    }

    /// The last entry there is, whatever this head has applied.
    pub fn newest(&self) -> u64 {
        self.kept.lock().unwrap().index
    }

    pub fn events_read(&self) -> usize {
        self.kept.lock().unwrap().events_read
    }

    /// All that is kept, as text: the same before and after when nothing was changed.
    pub fn everything(&self) -> String {
        let kept = self.kept.lock().unwrap();
        let state = &kept.state;
        let jobs: Vec<_> = state.jobs().collect();
        let nodes: Vec<_> = state.nodes().collect();
        let users: Vec<_> = state.users().collect();
        let volumes: Vec<_> = state.volumes().collect();
        let mut tokens: Vec<_> = state.tokens().collect();
        tokens.sort_by(|a, b| a.id.cmp(&b.id));
        let mut joins: Vec<_> = state.join_tokens().collect();
        joins.sort_by(|a, b| a.id.cmp(&b.id));
        let (meta, policy) = (state.meta(), state.policy());
        format!(
            "{meta:?}\n{policy:?}\n{jobs:?}\n{nodes:?}\n{users:?}\n{volumes:?}\n{tokens:?}\n\
             {joins:?}\n{:?}\n{:?}",
            kept.ended, kept.events
        )
    }

    fn check_disk(&self) -> Result<(), LogError> {
        if self.kept.lock().unwrap().disk_fails {
            return Err(LogError::Storage("/var/lib/x: Input/output error".into()));
        }
        Ok(())
    }

    async fn hang_if_told(&self) {
        if self.kept.lock().unwrap().hangs {
            std::future::pending::<()>().await;
        }
    }

    /// How many commands were ever proposed.
    pub fn proposals(&self) -> u64 {
        self.kept.lock().unwrap().proposals
    }

    /// The next entry is stamped so much later.
    pub fn skip_time(&self, millis: u64) {
        self.kept.lock().unwrap().ticks += millis;
    }

    /// Each entry from now on is stamped a millisecond later than the one before.
    pub fn let_time_pass(&self) {
        self.kept.lock().unwrap().ticks = 1;
    }
}

impl Log for MemoryLog {
    fn propose(&self, command: Command) -> Later<'_, Result<Applied, LogError>> {
        Box::pin(async move {
            self.hang_if_told().await;
            let mut kept = self.kept.lock().unwrap();
            kept.proposals += 1;
            if let Some(error) = &kept.propose_fails {
                return Err(error.clone());
            }
            kept.index += 1;
            if kept.ticks > 0 {
                kept.ticks += 1;
            }
            let index = LogIndex(kept.index);
            let time = model::Timestamp(NOW.0 + kept.ticks);
            let (reply, changes) = kept.state.apply(Stamp { index, time }, command);
            kept.ended.extend(changes.ended);
            let at = kept.state.now();
            let lines = changes.ledger.into_iter();
            kept.ledger.extend(lines.map(|line| (at, line)));
            let index = LogIndex(kept.index);
            let lines = changes.audit.into_iter();
            kept.audit.extend(lines.map(|line| (index, line)));
            if !changes.events.is_empty() {
                let at = kept.state.now();
                kept.events.push(Event {
                    index,
                    at,
                    kinds: changes.events,
                });
            }
            drop(kept);
            self.moved.send_replace(index.0);
            Ok(Applied { index, reply })
        })
    }

    fn read(&self) -> Arc<State> {
        let kept = self.kept.lock().unwrap();
        match &kept.behind {
            Some((state, _)) => state.clone(),
            None => Arc::new(kept.state.clone()),
        }
    }

    fn applied(&self) -> LogIndex {
        let kept = self.kept.lock().unwrap();
        LogIndex(kept.behind.as_ref().map_or(kept.index, |(_, index)| *index))
    }

    fn barrier(&self) -> Later<'_, Result<LogIndex, LogError>> {
        Box::pin(async move {
            self.hang_if_told().await;
            let mut kept = self.kept.lock().unwrap();
            if let Some(error) = &kept.barrier_fails {
                return Err(error.clone());
            }
            kept.behind = None;
            let index = kept.index;
            drop(kept);
            self.moved.send_replace(index);
            Ok(LogIndex(index))
        })
    }

    fn moved_past(&self, index: LogIndex) -> Later<'_, LogIndex> {
        Box::pin(async move {
            let mut moved = self.moved.subscribe();
            loop {
                let applied = self.applied();
                if applied > index {
                    return applied;
                }
                moved.changed().await.unwrap();
            }
        })
    }

    fn ended_job(&self, id: JobId) -> Later<'_, Result<Option<EndedJob>, LogError>> {
        let disk = self.check_disk();
        let found = self
            .kept
            .lock()
            .unwrap()
            .ended
            .iter()
            .find(|job| job.id == id)
            .cloned();
        Box::pin(async move { disk.map(|()| found) })
    }

    fn ended_jobs(&self, search: EndedSearch) -> Later<'_, Result<EndedPage, LogError>> {
        let disk = self.check_disk();
        let mut jobs = self.kept.lock().unwrap().ended.clone();
        jobs.sort_by_key(|job| std::cmp::Reverse((job.ended_at, job.id)));
        jobs.retain(|job| {
            let behind = |after| (job.ended_at, job.id) < after;
            search.matches(job) && search.after.is_none_or(behind)
        });
        let more = jobs.len() > search.limit;
        jobs.truncate(search.limit);
        let next = jobs
            .last()
            .filter(|_| more)
            .map(|job| (job.ended_at, job.id));
        Box::pin(async move { disk.map(|()| EndedPage { jobs, next }) })
    }

    fn events(
        &self,
        after: LogIndex,
        limit: usize,
    ) -> Later<'_, Result<Option<Vec<Event>>, LogError>> {
        let disk = self.check_disk();
        let mut kept = self.kept.lock().unwrap();
        let known = after.0 >= kept.forgotten;
        let events = kept.events.iter().filter(|event| event.index > after);
        let events: Vec<Event> = events.take(limit).cloned().collect();
        kept.events_read += events.len();
        Box::pin(async move { disk.map(|()| known.then_some(events)) })
    }

    fn usage(
        &self,
        search: UsageSearch,
    ) -> Later<'_, Result<BTreeMap<String, UsageSum>, LogError>> {
        let disk = self.check_disk();
        let mut sums = BTreeMap::new();
        for (at, line) in &self.kept.lock().unwrap().ledger {
            if (search.from..search.until).contains(at) {
                search.add(&mut sums, line);
            }
        }
        Box::pin(async move { disk.map(|()| sums) })
    }

    fn audit(&self, search: AuditSearch) -> Later<'_, Result<AuditPage, LogError>> {
        let disk = self.check_disk();
        let kept = self.kept.lock().unwrap();
        let wanted = |(index, line): &&(LogIndex, AuditLine)| {
            search.before.is_none_or(|before| *index < before)
                && (search.user.as_ref()).is_none_or(|user| *user == line.who.user)
        };
        let lines = kept.audit.iter().rev().filter(wanted);
        let lines: Vec<_> = lines.take(search.limit).cloned().collect();
        Box::pin(async move { disk.map(|()| AuditPage { lines, next: None }) })
    }

    fn leader(&self) -> Option<NodeId> {
        Some(model::id::FIRST_HEAD)
    }
}
