//! The duties of the head that leads: place, dispatch, settle, watch over nodes; and, aside,
//! telling an InfluxDB of it.
//!
//! Each duty is a loop that is told only that the state has moved on; it reads it again and
//! decides again, with nothing carried over from the leader before. The loops run while this head
//! leads with a quorum behind it and end together.

mod dispatch;
mod heads;
mod influx;
mod place;
pub mod planning;
mod secrets;
pub mod settle;
pub mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use model::NodeId;
use model::assignment::Report;
use model::log::Log;
use model::unit::Millis;
use net::message::{HeadAddr, Lead, SecretAnswer, SecretCall};
use net::tls::Seal;
use tokio::sync::{Mutex, mpsc};
use tokio::task::JoinSet;

use crate::config::influx::InfluxConfig;
use crate::sessions::{Sessions, Standing};
use planning::Planning;

pub use heads::addresses as head_addresses;

/// How long a duty waits after the log refused it, before it looks again.
const PAUSE: Duration = Duration::from_millis(20);

/// A head's part in leading: runs the duties whenever it leads.
pub struct Leader {
    raft: raft::Handle,
    sessions: Arc<Sessions>,
    seal: Option<Seal>,
    influx: Arc<InfluxConfig>,
    reports: Mutex<mpsc::Receiver<(NodeId, Vec<Report>)>>,
    planning: Arc<Planning>,
    /// The term in which the duties run; 0 while they do not.
    term: AtomicU64,
}

/// What a duty works with in one term.
#[derive(Clone)]
struct Duty {
    raft: raft::Handle,
    sessions: Arc<Sessions>,
    planning: Arc<Planning>,
    term: u64,
}

impl Leader {
    /// Not leading yet.
    pub fn new(
        raft: raft::Handle,
        sessions: Arc<Sessions>,
        seal: Option<Seal>,
        influx: InfluxConfig,
        reports: mpsc::Receiver<(NodeId, Vec<Report>)>,
    ) -> Arc<Leader> {
        let (reports, term) = (Mutex::new(reports), AtomicU64::new(0));
        Arc::new(Leader {
            raft,
            sessions,
            seal,
            influx: Arc::new(influx),
            reports,
            planning: Arc::default(),
            term,
        })
    }

    /// What its placing has done.
    pub fn planning(&self) -> Arc<Planning> {
        self.planning.clone()
    }

    /// Follows the log's leadership for ever.
    pub async fn run(self: Arc<Self>) {
        let mut changes = self.raft.status_changes();
        loop {
            changes.borrow_and_update();
            let status = self.raft.status();
            if status.leader == Some(status.node) {
                self.lead(status.term).await;
                continue;
            }
            tokio::select! {
                // Reports that arrive while another head leads are repeated to that one.
                () = self.discard() => {}
                changed = changes.changed() => if changed.is_err() {
                    return;
                },
            }
        }
    }

    async fn discard(&self) {
        let mut reports = self.reports.lock().await;
        while reports.recv().await.is_some() {}
    }

    /// Runs the duties of one term until it is over.
    async fn lead(&self, term: u64) {
        // Everything that an earlier leader committed is applied here before anything is decided.
        if self.raft.barrier().await.is_err() || !self.still_leads(term) {
            tokio::time::sleep(PAUSE).await;
            return;
        }
        tracing::info!(term, "leading");
        self.sessions.bar(Vec::new());
        self.term.store(term, Ordering::Release);
        let duty = Duty {
            raft: self.raft.clone(),
            sessions: self.sessions.clone(),
            planning: self.planning.clone(),
            term,
        };
        let mut reports = self.reports.lock().await;
        let mut duties = JoinSet::new();
        duties.spawn(place::run(duty.clone()));
        duties.spawn(dispatch::run(duty.clone()));
        duties.spawn(watch::run(duty.clone()));
        duties.spawn(heads::run(duty.clone()));
        // No duty: however it ends, the leader leads on.
        let mut aside = JoinSet::new();
        if self.influx.is_wanted() {
            aside.spawn(influx::run(duty.clone(), self.influx.clone()));
        }
        tokio::select! {
            () = settle::run(&duty, &mut reports) => {}
            () = self.leadership_ends(term) => {}
            Some(ended) = duties.join_next() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a duty of the leader failed");
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        self.term.store(0, Ordering::Release);
        tracing::info!(term, "not leading any more");
    }

    fn still_leads(&self, term: u64) -> bool {
        let status = self.raft.status();
        status.leader == Some(status.node) && status.term == term
    }

    async fn leadership_ends(&self, term: u64) {
        let mut changes = self.raft.status_changes();
        while self.still_leads(term) && changes.changed().await.is_ok() {}
    }
}

impl Standing for Leader {
    fn lead(&self) -> Option<Lead> {
        let term = self.term.load(Ordering::Acquire);
        let leads = term != 0 && self.raft.term() == term && self.raft.is_leading();
        let lease_ms = self.raft.read().policy().timings.lease.0;
        leads.then_some(Lead { term, lease_ms })
    }

    fn heartbeat(&self) -> Millis {
        self.raft.read().policy().timings.heartbeat
    }

    fn heads(&self) -> Vec<HeadAddr> {
        heads::addresses(&self.raft.read())
    }

    fn secrets(&self, node: NodeId, call: SecretCall) -> SecretAnswer {
        secrets::answer(&self.raft.read(), self.seal.as_ref(), node, call)
    }
}

impl Duty {
    /// Proposes; on failure waits a moment. The caller looks at the state again either way.
    async fn propose(&self, command: model::Command) -> Option<model::Reply> {
        match self.raft.propose_leading(self.term, &command).await {
            Ok(applied) => Some(applied.reply),
            Err(error) => {
                tracing::debug!(%error, "a duty's command was not taken");
                tokio::time::sleep(PAUSE).await;
                None
            }
        }
    }
}
