//! Who takes part in the log, and who leads it: one small, committed step at a time.
//!
//! A new member first only receives (learner) and votes once it has caught up, so that adding it
//! never makes a quorum harder to reach. Each step looks at the members anew: whoever was
//! interrupted just asks again.

use std::collections::{BTreeMap, BTreeSet};

use model::NodeId;
use openraft::errors::{ClientWriteError, RaftError as Refused};
use openraft::{BasicNode, ChangeMembers, Instant};

use crate::error::RaftError;
use crate::handle::{Handle, Metrics, fatal};
use crate::limits;
use crate::types::TypeConfig;

type Change = ChangeMembers<u64, BasicNode>;

/// What to do next.
#[derive(PartialEq, Eq, Debug)]
enum Step {
    /// Nothing is left to do.
    Done,
    /// Commit a change; `retain` keeps a removed voter as a learner.
    Change { change: Change, retain: bool },
    /// Wait for a learner, then let it vote.
    Promote(u64),
    /// Let another head lead: this one is not to vote any more.
    HandOver,
}

impl Handle {
    /// Makes the members what they shall be: `voters` and `learners` with their addresses, nobody
    /// else. Only the leader can. May be called again at any time; what is done is not undone by
    /// a failure.
    ///
    /// # Errors
    /// [`RaftError::NotLeading`], also after leadership was handed over because this head is not
    /// to vote any more; [`RaftError::NotCaughtUp`]; [`RaftError::Membership`].
    pub async fn set_members(
        &self,
        voters: BTreeMap<NodeId, String>,
        learners: BTreeMap<NodeId, String>,
    ) -> Result<(), RaftError> {
        let voters: BTreeMap<u64, String> = voters.into_iter().map(|(id, at)| (id.0, at)).collect();
        let mut all: BTreeMap<u64, String> =
            learners.into_iter().map(|(id, at)| (id.0, at)).collect();
        all.extend(voters.clone());
        let voters: BTreeSet<u64> = voters.into_keys().collect();
        if voters.is_empty() {
            return Err(RaftError::Membership {
                why: "somebody must vote".into(),
            });
        }
        for _ in 0..limits::MEMBER_STEPS_MAX {
            let metrics = self.settled().await?;
            if metrics.current_leader != Some(self.me().0) {
                let leader = metrics.current_leader.map(NodeId);
                return Err(RaftError::NotLeading { leader });
            }
            match next_step(self.me().0, &current(&metrics), &voters, &all) {
                Step::Done => return Ok(()),
                Step::Change { change, retain } => self.change(change, retain).await?,
                Step::Promote(node) => {
                    self.wait_caught_up(node).await?;
                    self.change(ChangeMembers::AddVoterIds(BTreeSet::from([node])), true)
                        .await?;
                }
                Step::HandOver => {
                    let to = voters.iter().copied().find(|node| *node != self.me().0);
                    self.transfer_leadership(to.map(NodeId)).await?;
                }
            }
        }
        Err(RaftError::Membership {
            why: "too many steps at once".into(),
        })
    }

    /// What there is once no change of members is under way, its own or the one before.
    async fn settled(&self) -> Result<Metrics, RaftError> {
        let wait = self.raft().wait(Some(limits::OUTCOME_WAIT));
        // Whoever does not lead has nothing to wait for.
        let settled =
            |metrics: &Metrics| metrics.current_leader != Some(metrics.id) || is_settled(metrics);
        let settled = wait
            .metrics(settled, "no change of members under way")
            .await;
        settled.map_err(|_| RaftError::TimedOut("a change of members"))
    }

    async fn change(&self, change: Change, retain: bool) -> Result<(), RaftError> {
        tracing::info!(?change, "changing the members of the log");
        let changed = self.raft().change_membership(change, retain);
        let changed = tokio::time::timeout(limits::OUTCOME_WAIT, changed).await;
        match changed {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(Refused::APIError(ClientWriteError::ForwardToLeader(to)))) => {
                Err(RaftError::NotLeading {
                    leader: to.leader_id.map(NodeId),
                })
            }
            Ok(Err(error)) => Err(RaftError::Membership {
                why: error.to_string(),
            }),
            Err(_) => Err(RaftError::TimedOut("a change of members")),
        }
    }

    async fn wait_caught_up(&self, node: u64) -> Result<(), RaftError> {
        let near = move |metrics: &Metrics| {
            let matched = metrics
                .replication
                .as_ref()
                .and_then(|to| to.get(&node)?.as_ref());
            let last = metrics.last_log_index.unwrap_or(0);
            // Whoever stopped leading is found out by the next step.
            metrics.current_leader != Some(metrics.id)
                || matched.is_some_and(|at| at.index + limits::CATCH_UP_LAG >= last)
        };
        let wait = self
            .raft()
            .wait(Some(limits::CATCH_UP_WAIT))
            .metrics(near, "caught up")
            .await;
        wait.map(drop)
            .map_err(|_| RaftError::NotCaughtUp { node: NodeId(node) })
    }

    /// Lets another voter lead: `to`, or the one that is furthest. Does nothing if this head does
    /// not lead.
    ///
    /// # Errors
    /// [`RaftError::Membership`] if there is no such voter; [`RaftError::TimedOut`] if it did not
    /// take over: this head may go on leading.
    pub async fn transfer_leadership(&self, to: Option<NodeId>) -> Result<(), RaftError> {
        let metrics = self.metrics();
        let me = self.me().0;
        if metrics.current_leader != Some(me) || to == Some(self.me()) {
            return Ok(());
        }
        // Whoever has not been heard lately may be dead, however far it was.
        let heard = |node: &u64| {
            let heard = metrics.heartbeat.as_ref()?.get(node)?.as_ref()?;
            Some(heard.elapsed() <= self.election_max())
        };
        let matched = |node: &u64| {
            let replication = metrics.replication.as_ref()?;
            let at = replication.get(node)?.as_ref().map(|at| at.index);
            Some((heard(node)?, at))
        };
        let others = metrics
            .membership_config
            .voter_ids()
            .filter(|node| *node != me);
        let chosen = match to {
            Some(to) => others.into_iter().find(|node| *node == to.0),
            None => others.max_by_key(matched),
        };
        let Some(chosen) = chosen else {
            return Err(RaftError::Membership {
                why: "no other head votes".into(),
            });
        };
        self.raft()
            .trigger()
            .transfer_leader(chosen)
            .await
            .map_err(fatal)?;
        let moved = self.raft().wait(Some(limits::TRANSFER_WAIT));
        let other = move |m: &Metrics| m.current_leader.is_some_and(|leader| leader != me);
        let moved = moved.metrics(other, "another leader").await;
        moved
            .map(drop)
            .map_err(|_| RaftError::TimedOut("handing over leadership"))
    }
}

/// Whether the members in force are committed: the next change waits for that.
pub(crate) fn is_settled(metrics: &Metrics) -> bool {
    let (in_force, committed) = (
        &metrics.membership_config,
        &metrics.committed_membership_config,
    );
    in_force.log_id() == committed.log_id()
}

/// Members as they are.
struct Members {
    voters: BTreeSet<u64>,
    all: BTreeMap<u64, String>,
}

fn current(metrics: &openraft::RaftMetrics<TypeConfig>) -> Members {
    let members = &metrics.membership_config;
    Members {
        voters: members.voter_ids().collect(),
        all: members
            .nodes()
            .map(|(node, at)| (*node, at.addr.clone()))
            .collect(),
    }
}

/// First addresses and new learners, then new voters one by one, then removals one by one.
fn next_step(me: u64, now: &Members, voters: &BTreeSet<u64>, all: &BTreeMap<u64, String>) -> Step {
    let node = |addr: &String| BasicNode { addr: addr.clone() };
    let moved = all
        .iter()
        .find(|(id, addr)| now.all.get(id).is_some_and(|at| at != *addr));
    if let Some((id, addr)) = moved {
        let change = ChangeMembers::SetNodes(BTreeMap::from([(*id, node(addr))]));
        return Step::Change {
            change,
            retain: true,
        };
    }
    if let Some((id, addr)) = all.iter().find(|(id, _)| !now.all.contains_key(id)) {
        let change = ChangeMembers::AddNodes(BTreeMap::from([(*id, node(addr))]));
        return Step::Change {
            change,
            retain: true,
        };
    }
    if let Some(id) = voters.difference(&now.voters).next() {
        return Step::Promote(*id);
    }
    // Others first: whoever leads is removed by its successor.
    let mut leaving = now.voters.difference(voters);
    if let Some(id) = leaving.clone().find(|id| **id != me) {
        let change = ChangeMembers::RemoveVoters(BTreeSet::from([*id]));
        return Step::Change {
            change,
            retain: all.contains_key(id),
        };
    }
    if leaving.next().is_some() {
        return Step::HandOver;
    }
    if let Some(id) = now.all.keys().find(|id| !all.contains_key(id)) {
        let change = ChangeMembers::RemoveNodes(BTreeSet::from([*id]));
        return Step::Change {
            change,
            retain: false,
        };
    }
    Step::Done
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(ids: &[u64]) -> BTreeMap<u64, String> {
        ids.iter().map(|id| (*id, format!("head-{id}:1"))).collect()
    }

    fn members(voters: &[u64], all: &[u64]) -> Members {
        Members {
            voters: voters.iter().copied().collect(),
            all: named(all),
        }
    }

    fn step(now: &Members, voters: &[u64], all: &[u64]) -> Step {
        next_step(1, now, &voters.iter().copied().collect(), &named(all))
    }

    #[test]
    fn a_new_head_receives_before_it_votes() {
        let change = ChangeMembers::AddNodes(named_nodes(&[2]));
        let wanted = Step::Change {
            change,
            retain: true,
        };
        assert_eq!(step(&members(&[1], &[1]), &[1, 2], &[1, 2]), wanted);
        assert_eq!(
            step(&members(&[1], &[1, 2]), &[1, 2], &[1, 2]),
            Step::Promote(2)
        );
        assert_eq!(
            step(&members(&[1, 2], &[1, 2]), &[1, 2], &[1, 2]),
            Step::Done
        );
    }

    #[test]
    fn one_voter_leaves_at_a_time_and_the_leader_last() {
        let now = members(&[1, 2, 3], &[1, 2, 3]);
        let change = ChangeMembers::RemoveVoters(BTreeSet::from([2]));
        assert_eq!(
            step(&now, &[3], &[3]),
            Step::Change {
                change,
                retain: false
            }
        );
        assert_eq!(step(&members(&[1, 3], &[1, 3]), &[3], &[3]), Step::HandOver);
    }

    #[test]
    fn a_voter_that_becomes_a_learner_stays_known() {
        let change = ChangeMembers::RemoveVoters(BTreeSet::from([2]));
        let wanted = Step::Change {
            change,
            retain: true,
        };
        assert_eq!(step(&members(&[1, 2], &[1, 2]), &[1], &[1, 2]), wanted);
        let change = ChangeMembers::RemoveNodes(BTreeSet::from([2]));
        let wanted = Step::Change {
            change,
            retain: false,
        };
        assert_eq!(step(&members(&[1], &[1, 2]), &[1], &[1]), wanted);
    }

    fn named_nodes(ids: &[u64]) -> BTreeMap<u64, BasicNode> {
        named(ids)
            .into_iter()
            .map(|(id, addr)| (id, BasicNode { addr }))
            .collect()
    }
}
