//! The heads and their log: what Raft promises, and no more.
//!
//! There is one sequence of entries. An entry of a leader gets in while that head leads with a
//! quorum; what it proposed and did not get in when another is elected is adopted by that one, up
//! to some point, or lost. Followers lag; a head that restarts has what it applied, read back from
//! its records. A deposed leader believes in itself for a while yet.

use std::collections::{BTreeMap, VecDeque};

use agent::leader::watch;
use anyhow::{Context, Result, bail, ensure};
use model::assignment::Report;
use model::node::NodeHealth;
use model::{Changes, Command, LogIndex, NodeId, Reply, Stamp, State};
use scheduler::liveness::Liveness;
use scheduler::retries::Retries;

use super::duties::What;
use super::members::read_back;
use super::{Clock, Event, World};
use crate::invariants::Replica;

/// How long a deposed leader goes on believing in itself at most: openraft's `is_leading` is false
/// once no quorum has answered for an election timeout.
const BELIEF_MAX: u64 = 1_000;
/// Entries behind which the log of a leader is gone.
const SNAPSHOT_BEHIND: usize = 12;

/// The log as it is committed.
pub(super) struct Log {
    pub(super) entries: Vec<Entry>,
    /// The table that it leads to, under every check there is.
    pub(super) replica: Replica,
    pub(super) term: u64,
    pub(super) leader: Option<usize>,
    /// The heads that vote.
    pub(super) voters: Vec<usize>,
    index: u64,
    proposals: BTreeMap<u64, Proposal>,
    tickets: u64,
    leaderless_since: Option<u64>,
}

/// A committed entry and what it did.
pub(super) struct Entry {
    at: Stamp,
    command: Command,
    told: (Reply, Changes),
}

struct Proposal {
    head: usize,
    term: u64,
    time: model::Timestamp,
    command: Command,
    asker: Asker,
}

/// Who waits for an answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Asker {
    /// A duty of a leader.
    Duty(usize, u64, What),
    /// A user's request, by its number.
    Submit(usize),
    /// A user's wish to end that request.
    Cancel(usize),
    /// Nobody.
    Nobody,
}

/// One head.
pub(super) struct Head {
    pub(super) up: bool,
    pub(super) clock: Clock,
    pub(super) state: State,
    /// Entries that the state contains.
    pub(super) applied: usize,
    /// The term in which it carries out the duties.
    pub(super) leads: Option<u64>,
    pub(super) liveness: Liveness,
    pub(super) retries: Retries,
    pub(super) reports: VecDeque<(NodeId, Vec<Report>)>,
    /// What it waits for an answer to.
    pub(super) waits: Vec<What>,
    /// What it settles, if it waits for that.
    pub(super) settling: Vec<(NodeId, Report)>,
    pub(super) sessions: BTreeMap<NodeId, u64>,
    /// The marks whose outcome it waits for; nodes that they call lost get no lease.
    pub(super) marking: Vec<(NodeId, NodeHealth)>,
    /// Until when it is cut off from the other heads.
    pub(super) alone_until: u64,
}

impl Log {
    pub(super) fn new() -> Log {
        Log {
            entries: Vec::new(),
            replica: Replica::default(),
            term: 0,
            leader: None,
            voters: vec![0, 1, 2],
            index: 1,
            proposals: BTreeMap::new(),
            tickets: 0,
            leaderless_since: None,
        }
    }

    pub(super) fn state(&self) -> &State {
        &self.replica.state
    }
}

impl Head {
    pub(super) fn new(clock: Clock) -> Head {
        Head {
            up: true,
            clock,
            state: State::default(),
            applied: 0,
            leads: None,
            liveness: Liveness::new(model::Millis(0)),
            retries: Retries::default(),
            reports: VecDeque::new(),
            waits: Vec::new(),
            settling: Vec::new(),
            sessions: BTreeMap::new(),
            marking: Vec::new(),
            alone_until: 0,
        }
    }

    fn stop_leading(&mut self) {
        self.leads = None;
        self.reports.clear();
        self.waits.clear();
        self.settling.clear();
        self.marking.clear();
    }

    pub(super) fn bars(&self, node: NodeId) -> bool {
        watch::lost_among(&self.marking).contains(&node)
    }
}

impl World {
    /// A command for the log, by a head that believes it leads.
    pub(super) fn propose(&mut self, head: usize, term: u64, command: &Command, asker: Asker) {
        let time = self.heads[head].clock.wall(self.now);
        let may_twice = match asker {
            Asker::Duty(_, _, What::Register | What::Mark | What::Forget) => false,
            Asker::Duty(_, _, _) | Asker::Submit(_) | Asker::Cancel(_) | Asker::Nobody => true,
        };
        let twice = may_twice && self.goes_wrong(30);
        for copy in 0..1 + u64::from(twice) {
            self.log.tickets += 1;
            let ticket = self.log.tickets;
            let asker = if copy == 0 { asker } else { Asker::Nobody };
            let command = command.clone();
            let proposal = Proposal {
                head,
                term,
                time,
                command,
                asker,
            };
            self.log.proposals.insert(ticket, proposal);
            self.soon(3, 60, Event::Commit(head, term));
        }
        if twice {
            self.meet("a proposal was doubled");
        }
    }

    /// A leader's entries get in in the order in which it wrote them.
    pub(super) fn commit(&mut self, head: usize, term: u64) -> Result<()> {
        let of = |p: &Proposal| p.head == head && p.term == term;
        let first = self.log.proposals.iter().find(|(_, p)| of(p));
        let Some(ticket) = first.map(|(ticket, _)| *ticket) else {
            return Ok(());
        };
        let leads = self.heads[head].up && self.log.leader == Some(head) && self.log.term == term;
        if leads && !self.has_quorum(head) {
            self.soon(50, 200, Event::Commit(head, term));
            return Ok(());
        }
        let Some(proposal) = self.log.proposals.remove(&ticket) else {
            return Ok(());
        };
        if !leads {
            self.meet("a proposal was lost");
            return self.answer(proposal.asker, None);
        }
        let asker = proposal.asker;
        let reply = self.append(proposal)?;
        self.follow(head, self.log.entries.len())?;
        if self.goes_wrong(40) {
            self.meet("an answer was lost");
            return self.answer(asker, None);
        }
        self.answer(asker, Some(reply))
    }

    fn append(&mut self, proposal: Proposal) -> Result<Reply> {
        let at = Stamp {
            index: self.next_index(),
            time: proposal.time,
        };
        self.note(|| format!("  entry {} {:?}", at.index, proposal.command));
        self.append_at(at, proposal.command)
    }

    pub(super) fn next_index(&mut self) -> LogIndex {
        self.log.index += 1;
        LogIndex(self.log.index)
    }

    pub(super) fn append_at(&mut self, at: Stamp, command: Command) -> Result<Reply> {
        let told = self.log.replica.step(at, &command);
        let told = told.with_context(|| format!("I4, I6: entry {command:?}"))?;
        self.after_entry(at, &command, &told.1)?;
        let reply = told.0.clone();
        self.log.entries.push(Entry { at, command, told });
        Ok(reply)
    }

    fn answer(&mut self, asker: Asker, reply: Option<Reply>) -> Result<()> {
        match asker {
            Asker::Duty(head, term, what) => {
                self.duty_answered(head, term, what, reply.as_ref());
                Ok(())
            }
            Asker::Submit(request) => self.submit_answered(request, reply),
            Asker::Cancel(request) => {
                self.cancel_answered(request, reply.as_ref());
                Ok(())
            }
            Asker::Nobody => Ok(()),
        }
    }

    /// A head applies the log up to so many entries, and must come to what everybody came to.
    pub(super) fn follow(&mut self, head: usize, end: usize) -> Result<()> {
        let head = &mut self.heads[head];
        for entry in self.log.entries.iter().take(end).skip(head.applied) {
            let told = head.state.apply(entry.at, entry.command.clone());
            ensure!(
                told == entry.told,
                "I10: a head answers {told:?} to {:?}, others {:?}",
                entry.command,
                entry.told
            );
        }
        head.applied = head.applied.max(end);
        Ok(())
    }

    pub(super) fn follow_some(&mut self, head: usize) -> Result<()> {
        self.soon(20, 250, Event::Follow(head));
        let leader = self.log.leader.filter(|leader| self.heads[*leader].up);
        let reached = leader.is_some_and(|leader| self.connected(leader, head));
        if self.heads[head].up && reached {
            let behind = self.log.entries.len() - self.heads[head].applied;
            if behind > SNAPSHOT_BEHIND && leader != Some(head) {
                return self.receive_snapshot(head);
            }
            let lag = if self.calm { 0 } else { self.chance.below(4) };
            let some = behind.saturating_sub(usize::try_from(lag).unwrap_or(0));
            return self.follow(head, self.heads[head].applied + some);
        }
        Ok(())
    }

    /// Whether two heads hear each other.
    pub(super) fn connected(&self, one: usize, other: usize) -> bool {
        let alone = |head: usize| self.heads[head].alone_until > self.now;
        one == other || !(alone(one) || alone(other))
    }

    pub(super) fn has_quorum(&self, head: usize) -> bool {
        let hears = |other: &&usize| self.heads[**other].up && self.connected(head, **other);
        let voters = &self.log.voters;
        voters.contains(&head) && voters.iter().filter(hears).count() * 2 > voters.len()
    }

    pub(super) fn look_for_leader(&mut self) -> Result<()> {
        self.soon(100, 300, Event::Elect);
        let leader = self.log.leader;
        let leads = leader.is_some_and(|head| self.heads[head].up && self.has_quorum(head));
        if leads {
            self.log.leaderless_since = None;
            if self.goes_wrong(8) {
                self.meet("a leader was voted out");
                return self.elect();
            }
            return Ok(());
        }
        let since = *self.log.leaderless_since.get_or_insert(self.now);
        if self.now - since >= 300 {
            return self.elect();
        }
        Ok(())
    }

    fn elect(&mut self) -> Result<()> {
        let able = |head: &usize| self.heads[*head].up && self.has_quorum(*head);
        let able: Vec<usize> = self.log.voters.iter().copied().filter(able).collect();
        let Some(new) = self.chance.of(&able) else {
            return Ok(());
        };
        let (old, old_term) = (self.log.leader, self.log.term);
        self.adopt_some(old_term)?;
        self.log.term += 1;
        self.next_index();
        self.log.leader = Some(new);
        self.log.leaderless_since = None;
        if let Some(old) = old.filter(|old| self.heads[*old].up) {
            self.soon(0, BELIEF_MAX, Event::Depose(old, old_term));
        }
        self.soon(2, 150, Event::Lead(new, self.log.term));
        Ok(())
    }

    /// What the leader before had written to enough heads is in the log of the next.
    fn adopt_some(&mut self, term: u64) -> Result<()> {
        let open = self.log.proposals.iter().filter(|(_, p)| p.term == term);
        let open: Vec<u64> = open.map(|(ticket, _)| *ticket).collect();
        let count = self.chance.at(open.len() + 1);
        for ticket in open.into_iter().take(count) {
            if let Some(proposal) = self.log.proposals.remove(&ticket) {
                self.meet("the next leader adopted a proposal");
                let asker = proposal.asker;
                self.append(proposal)?;
                self.answer(asker, None)?;
            }
        }
        Ok(())
    }

    pub(super) fn lead(&mut self, head: usize, term: u64) -> Result<()> {
        let elected = self.log.leader == Some(head) && self.log.term == term;
        if !elected || !self.heads[head].up {
            return Ok(());
        }
        self.follow(head, self.log.entries.len())?;
        let now = self.heads[head].clock.monotonic(self.now);
        self.heads[head].stop_leading();
        self.heads[head].leads = Some(term);
        self.heads[head].liveness = Liveness::new(now);
        self.heads[head].retries = Retries::default();
        self.meet("a head began to lead");
        for what in What::ALL {
            self.soon(1, 50, Event::Duty(head, term, what));
        }
        Ok(())
    }

    pub(super) fn depose(&mut self, head: usize, term: u64) {
        if self.heads[head].leads == Some(term) {
            self.heads[head].stop_leading();
        }
    }

    pub(super) fn crash_head(&mut self, head: usize) {
        self.meet("a head crashed");
        if self.log.leader == Some(head) {
            self.log.leader = None;
        }
        let crashed = &mut self.heads[head];
        crashed.up = false;
        crashed.stop_leading();
        crashed.sessions.clear();
        let links: Vec<u64> = self.links_of_head(head);
        for link in links {
            self.hang_up(link);
            self.soon(0, 1_500, Event::Break(link));
        }
    }

    /// A head reads its records back; what it had not applied it applies later.
    pub(super) fn start_head(&mut self, head: usize) -> Result<()> {
        if self.heads[head].up {
            return Ok(());
        }
        self.heads[head].state = read_back(&self.heads[head].state)?;
        self.heads[head].up = true;
        Ok(())
    }

    /// In the end all heads hold the same, to the byte.
    pub(super) fn compare_heads(&mut self) -> Result<()> {
        self.log.replica.check_disk()?;
        let end = self.log.entries.len();
        for head in 0..self.heads.len() {
            self.follow(head, end)?;
            let (state, told) = (&self.heads[head].state, self.log.state());
            let keys: Vec<_> = told.records().collect();
            ensure!(
                keys.iter().cloned().eq(state.records()),
                "I10: other records"
            );
            for key in keys {
                if state.record(&key) != told.record(&key) {
                    bail!("I10: {key:?} differs on head {head}");
                }
            }
        }
        Ok(())
    }
}
