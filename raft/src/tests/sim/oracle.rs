//! What must hold, and a machine that applies the log on its own to know it.
//!
//! It sees every entry that any head applies, every reply that any client gets, and the states of
//! the heads at many entries, after each installed snapshot among them. Of what it is told late it
//! judges later; [`Oracle::end`] judges all that is left.

use std::collections::BTreeMap;

use model::{Command, LogIndex, Reply, Stamp, State, Timestamp};
use openraft::EntryPayload;

use crate::handle::{Role, state_digest};
use crate::record;
use crate::types::Entry;

type Digest = [u8; 32];

/// What a client was told.
struct Told {
    index: u64,
    command: Command,
    reply: Reply,
}

/// One entry that is committed.
struct Committed {
    bytes: Vec<u8>,
    /// What it led to, for an entry with a command.
    outcome: Option<(Command, Reply)>,
}

#[derive(Default)]
pub(super) struct Oracle {
    committed: BTreeMap<u64, Committed>,
    /// Entries that were seen before one in front of them.
    early: BTreeMap<u64, Entry>,
    state: State,
    /// The state behind each entry; they share what is the same.
    states: BTreeMap<u64, State>,
    digests: BTreeMap<u64, Digest>,
    /// Digests of entries to come, with the head that has them.
    unjudged: Vec<(u64, u64, Digest)>,
    leaders: BTreeMap<u64, u64>,
    told: Vec<Told>,
    last_told: u64,
    violations: Vec<String>,
}

impl Oracle {
    pub(super) fn violated(&mut self, what: String) {
        self.violations.push(what);
    }

    /// What was found wrong since it was last asked.
    pub(super) fn violations(&mut self) -> Vec<String> {
        std::mem::take(&mut self.violations)
    }

    /// A head leads a term.
    pub(super) fn role(&mut self, node: u64, term: u64, role: Role) {
        if role == Role::Leader {
            let leader = *self.leaders.entry(term).or_insert(node);
            if leader != node {
                self.violated(format!("heads {leader} and {node} both lead term {term}"));
            }
        }
    }

    /// How many terms had a leader.
    pub(super) fn leaders(&self) -> usize {
        self.leaders.len()
    }

    /// A head has applied these entries.
    pub(super) fn applied(&mut self, node: u64, entries: Vec<Entry>) {
        for entry in entries {
            let index = entry.log_id.index;
            let bytes = record::encode(b"", &entry);
            if let Some(known) = self.committed.get(&index) {
                if known.bytes != bytes {
                    self.violated(format!("head {node} has another entry {index}: {entry}"));
                }
                continue;
            }
            match self.early.get(&index) {
                Some(known) if record::encode(b"", known) != bytes => {
                    self.violated(format!("head {node} has another entry {index}: {entry}"));
                }
                Some(_) => {}
                None => drop(self.early.insert(index, entry)),
            }
        }
        while let Some(entry) = self.early.remove(&self.next()) {
            self.commit(entry);
        }
        let ready = |(index, ..): &(u64, u64, Digest)| self.committed.contains_key(index);
        let unjudged = std::mem::take(&mut self.unjudged);
        let (now, later): (Vec<_>, Vec<_>) = unjudged.into_iter().partition(ready);
        self.unjudged = later;
        for (index, node, digest) in now {
            self.state_at(node, index, digest);
        }
    }

    /// The index of the first entry that nobody has applied.
    pub(super) fn next(&self) -> u64 {
        self.committed.len() as u64
    }

    fn commit(&mut self, entry: Entry) {
        let index = entry.log_id.index;
        let bytes = record::encode(b"", &entry);
        let before = self.state.now();
        let outcome = match entry.payload {
            EntryPayload::Blank | EntryPayload::Membership(_) => None,
            EntryPayload::Normal(proposal) => {
                let command = proposal.decode().unwrap();
                let at = Stamp {
                    index: LogIndex(index),
                    time: Timestamp(proposal.time),
                };
                let (reply, _) = self.state.apply(at, command.clone());
                Some((command, reply))
            }
        };
        if self.state.now() < before {
            self.violated(format!("the cluster's clock goes back at entry {index}"));
        }
        self.states.insert(index, self.state.clone());
        self.committed.insert(index, Committed { bytes, outcome });
    }

    /// A head's state behind an entry has this digest.
    pub(super) fn state_at(&mut self, node: u64, index: u64, digest: Digest) {
        let Some(state) = self.states.get(&index) else {
            self.unjudged.push((index, node, digest));
            return;
        };
        let wanted = self.digests.entry(index);
        if *wanted.or_insert_with(|| state_digest(state)) != digest {
            self.violated(format!("head {node} has another state at entry {index}"));
        }
    }

    /// The last entry of which a client was told.
    pub(super) fn last_told(&self) -> u64 {
        self.last_told
    }

    /// A client was told what its command led to; `floor` was the last entry of which any client
    /// had been told when it asked.
    pub(super) fn told(&mut self, index: u64, command: Command, reply: Reply, floor: u64) {
        if index <= floor {
            self.violated(format!(
                "entry {index} answers a command that was given after entry {floor} was answered"
            ));
        }
        self.last_told = self.last_told.max(index);
        self.told.push(Told {
            index,
            command,
            reply,
        });
    }

    /// Commands of which clients were told.
    pub(super) fn answers(&self) -> usize {
        self.told.len()
    }

    /// A client reads a state, with the same `floor`.
    pub(super) fn read(&mut self, index: u64, state: &State, at: u64, floor: u64) {
        if index < floor || at < index {
            self.violated(format!(
                "a read at entry {at} promises {index}, and entry {floor} was answered before"
            ));
        }
        self.state_at(0, at, state_digest(state));
    }

    /// Judges what is left, when every head has applied everything.
    pub(super) fn end(&mut self) {
        if !self.unjudged.is_empty() || !self.early.is_empty() {
            let (states, entries) = (self.unjudged.len(), self.early.len());
            self.violated(format!(
                "{states} states and {entries} entries behind a hole in the log"
            ));
        }
        for told in std::mem::take(&mut self.told) {
            let found = self.committed.get(&told.index);
            let outcome = found.and_then(|found| found.outcome.as_ref());
            if outcome != Some(&(told.command.clone(), told.reply.clone())) {
                self.violated(format!(
                    "entry {}: a client was told {:?} of {:?}, the log says {outcome:?}",
                    told.index, told.reply, told.command
                ));
            }
        }
        self.once();
    }

    /// A key stands for one job, whatever was repeated.
    fn once(&mut self) {
        let mut jobs = BTreeMap::new();
        let mut violations = Vec::new();
        for (index, entry) in &self.committed {
            let Some((
                Command::SubmitJobs(submit),
                Reply::Submitted {
                    first, replayed, ..
                },
            )) = &entry.outcome
            else {
                continue;
            };
            let key = submit.key.as_ref().map(|key| key.key.clone());
            let (known, fresh) = match jobs.get(&key) {
                Some(known) => (*known, false),
                None => (*first, true),
            };
            jobs.insert(key.clone(), known);
            if known != *first || fresh == *replayed {
                violations.push(format!(
                    "entry {index}: {key:?} stands for {known} and {first}"
                ));
            }
        }
        self.violations.append(&mut violations);
    }
}
