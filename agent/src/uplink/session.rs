//! One session with one head, from the agent's side.

use std::sync::Arc;
use std::time::Duration;

use model::NodeId;
use model::assignment::Assignment;
use model::unit::Millis;
use net::message::{Alive, Hello, Opening, Order, ToAgent, ToHead};
use net::{Channel, Connection, FrameReceiver, FrameSender, NetError};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::talk::Talk;
use super::{Uplink, answers};
use crate::clock;
use crate::journal::JournalError;

/// Reports in one message.
const REPORTS_IN_MESSAGE: usize = 512;
/// How long an unacknowledged report waits before it is sent again.
const REPEAT_AFTER: Duration = Duration::from_secs(5);

/// Why a session is over.
pub(super) enum Ended {
    /// The connection, or what was said on it.
    Net(NetError),
    /// The agent cannot go on.
    Journal(JournalError),
}

impl From<NetError> for Ended {
    fn from(error: NetError) -> Self {
        Ended::Net(error)
    }
}

impl From<JournalError> for Ended {
    fn from(error: JournalError) -> Self {
        Ended::Journal(error)
    }
}

struct Session<'a> {
    uplink: &'a Arc<Uplink>,
    sender: FrameSender,
    talk: Talk,
}

/// Opens a session and keeps it until something fails.
pub(super) async fn run(uplink: &Arc<Uplink>, node: NodeId, addr: &str) -> Result<(), Ended> {
    let connection = uplink
        .endpoint
        .connect(addr, Some(node), Channel::Agent)
        .await?;
    let stream = connection.open().await?;
    let (mut sender, mut receiver) = (stream.sender, stream.receiver);
    sender
        .send(&Opening::Session(Hello {
            facts: uplink.facts.clone(),
        }))
        .await?;
    tracing::debug!(head = %node, addr, "session open");
    let _can_be_asked = uplink.asking.enter(node, connection.clone());
    let session = Session {
        uplink,
        sender,
        talk: Talk::default(),
    };
    session.run(&connection, &mut receiver).await
}

impl Session<'_> {
    async fn run(
        mut self,
        connection: &Connection,
        receiver: &mut FrameReceiver,
    ) -> Result<(), Ended> {
        let mut lengths = self.uplink.heartbeat.subscribe();
        let mut beat = ticker(Duration::from_millis(lengths.borrow_and_update().0));
        let mut repeat = ticker(REPEAT_AFTER);
        let mut outbox = self.uplink.runner.outbox_changes();
        let mut trouble = self.uplink.runner.trouble();
        // Before the head hears what is here, and would take the node for well.
        let words = trouble.borrow_and_update().clone();
        if words.is_some() {
            self.sender.send(&ToHead::Trouble(words)).await?;
        }
        let mut stored = self.uplink.runner.stored();
        stored.mark_changed();
        let mut answering = JoinSet::new();
        loop {
            tokio::select! {
                _ = trouble.changed() => {
                    let words = trouble.borrow_and_update().clone();
                    self.sender.send(&ToHead::Trouble(words)).await?;
                }
                _ = stored.changed() => {
                    let known = stored.borrow_and_update().clone();
                    if let Some(known) = known {
                        self.sender.send(&ToHead::Stored(known)).await?;
                    }
                }
                _ = beat.tick() => self.beat().await?,
                _ = lengths.changed() => {
                    beat = ticker(Duration::from_millis(lengths.borrow_and_update().0));
                }
                word = receiver.hear::<ToAgent>() => match word? {
                    Some(word) => self.hear(word).await?,
                    None => return Ok(()),
                },
                _ = outbox.changed(), if self.talk.leads() => {
                    outbox.borrow_and_update();
                    self.report().await?;
                }
                _ = repeat.tick(), if self.talk.leads() => {
                    self.talk.repeat();
                    self.report().await?;
                }
                asked = connection.accept() => {
                    answering.spawn(answers::answer(self.uplink.clone(), asked?));
                }
                Some(_) = answering.join_next() => {}
            }
        }
    }

    async fn beat(&mut self) -> Result<(), Ended> {
        let Some(number) = self.talk.beat(clock::since_boot()) else {
            return Err(Ended::Net(NetError::Closed(
                "heartbeats are not answered".into(),
            )));
        };
        self.sender.send(&ToHead::Heartbeat(number)).await?;
        Ok(())
    }

    async fn hear(&mut self, word: ToAgent) -> Result<(), Ended> {
        match word {
            ToAgent::Alive(alive) => self.hear_alive(alive).await,
            ToAgent::Order { term, order } => {
                if !self.uplink.accepts_term(term).await? {
                    tracing::warn!(term, "refused an order of a deposed leader");
                    return Ok(());
                }
                self.obey(order).await
            }
        }
    }

    async fn hear_alive(&mut self, alive: Alive) -> Result<(), Ended> {
        let sent_at = self.talk.answered(alive.number);
        self.uplink.heartbeat.send_if_modified(|known| {
            let new = Millis(alive.heartbeat_ms.max(10));
            std::mem::replace(known, new) != new
        });
        self.uplink.learn_heads(&alive.heads);
        let Some(lead) = alive.lead else {
            self.talk.follows();
            return Ok(());
        };
        if !self.uplink.accepts_term(lead.term).await? {
            return Ok(());
        }
        if let Some(sent) = sent_at {
            let length = Millis(lead.lease_ms);
            self.uplink
                .lease
                .renew(sent, length, &self.uplink.journal)
                .await?;
        }
        if self.talk.begins(lead.term) {
            let held = self.uplink.runner.held();
            self.sender
                .send(&ToHead::Held {
                    term: lead.term,
                    held,
                })
                .await?;
            self.report().await?;
        }
        Ok(())
    }

    async fn obey(&mut self, order: Order) -> Result<(), Ended> {
        let runner = &self.uplink.runner;
        match order {
            Order::Assign(older) => {
                let assignments = older.into_iter().map(Into::into).collect();
                self.take(assignments).await?;
            }
            Order::Run(older) => {
                let assignments = older.into_iter().map(Into::into).collect();
                self.take(assignments).await?;
            }
            Order::Start(older) => {
                let assignments = older.into_iter().map(Into::into).collect();
                self.take(assignments).await?;
            }
            Order::Launch(assignments) => self.take(assignments).await?,
            Order::Stop(stops) => runner.stop(&stops),
            Order::NotedRunning(held) => runner.noted_running(&held),
            Order::Forget(held) => runner.forget(&held),
        }
        Ok(())
    }

    async fn take(&self, assignments: Vec<Assignment>) -> Result<(), Ended> {
        let holds = || self.uplink.lease.holds();
        self.uplink.runner.assign(assignments, holds).await?;
        Ok(())
    }

    /// Sends what is in the outbox and was not sent in this session.
    async fn report(&mut self) -> Result<(), Ended> {
        let reports = self.uplink.runner.untold(&mut self.talk);
        for chunk in reports.chunks(REPORTS_IN_MESSAGE) {
            self.sender.send(&ToHead::Reports(chunk.to_vec())).await?;
        }
        Ok(())
    }
}

fn ticker(every: Duration) -> tokio::time::Interval {
    let mut ticker = interval(every.max(Duration::from_millis(10)));
    ticker.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticker
}
