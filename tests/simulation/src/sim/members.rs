//! Which heads vote, and copies of the state for those that are too far behind for the log.

use anyhow::{Context, Result};
use model::State;
use model::change::Table;

use super::{Event, World};

impl World {
    /// A head takes the place of another among the voters, once it has what the leader has.
    pub(super) fn change_members(&mut self) -> Result<()> {
        let Some(leader) = self.log.leader.filter(|leader| self.has_quorum(*leader)) else {
            return Ok(());
        };
        let others = (0..self.heads.len()).filter(|head| !self.log.voters.contains(head));
        let ready = |head: &usize| self.heads[*head].up && self.connected(leader, *head);
        let others: Vec<usize> = others.filter(ready).collect();
        let Some(new) = self.chance.of(&others) else {
            return Ok(());
        };
        self.receive_snapshot(new)?;
        self.follow(new, self.log.entries.len())?;
        let at = self.chance.at(self.log.voters.len());
        let old = std::mem::replace(&mut self.log.voters[at], new);
        self.next_index();
        self.note(|| format!("  head {new} votes instead of head {old}"));
        self.meet(if old == leader {
            "the leader was replaced"
        } else {
            "a head was replaced"
        });
        if old == leader {
            self.log.leader = None;
            self.soon(0, 1_000, Event::Depose(old, self.log.term));
        }
        Ok(())
    }

    /// A head has the leader's state instead of its own.
    pub(super) fn receive_snapshot(&mut self, head: usize) -> Result<()> {
        let Some(leader) = self.log.leader else {
            return Ok(());
        };
        let (state, applied) = (&self.heads[leader].state, self.heads[leader].applied);
        if applied > self.heads[head].applied {
            self.heads[head].state = read_back(state)?;
            self.heads[head].applied = applied;
            self.meet("a head received a snapshot");
        }
        Ok(())
    }
}

/// A state as it comes back from its records.
pub(super) fn read_back(state: &State) -> Result<State> {
    let mut loaded = State::default();
    for table in Table::ALL {
        for key in state.records().filter(|key| key.table() == table) {
            let record = state.record(&key).context("a record")?;
            loaded.load(table, &key.bytes(), &record)?;
        }
    }
    Ok(loaded)
}
