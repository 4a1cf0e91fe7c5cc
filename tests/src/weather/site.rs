//! Where the weather happens: a cluster, the load over it, and what is asked of both in between.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::ensure;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use crate::client::Client;
use crate::cluster::until;
use crate::weather::Times;
use crate::weather::flood::Flooded;
use crate::weather::load::{Account, Load};
use crate::weather::stalls::Stalls;
use crate::weather::verdict::{self, Allowed, Verdict};

/// What is waited for on a busy machine instead of a bound in time.
const BUSY: Duration = Duration::from_secs(30);

/// A cluster of some kind, and a load.
pub struct Site<C> {
    /// What is hurt.
    pub cluster: C,
    /// What clients do meanwhile.
    pub load: Load,
    /// How late this machine is by itself.
    pub stalls: Stalls,
    /// Faults that came while a busy machine took fewer than 50 submissions a second.
    slow: usize,
    client: Client,
    runtime: Arc<Runtime>,
    ledger: PathBuf,
    /// Where the ledger lies.
    _dir: TempDir,
}

impl<C> Site<C> {
    /// Puts a cluster under load.
    pub fn begin(
        cluster: C,
        client: Client,
        runtime: Arc<Runtime>,
        dir: TempDir,
        ledger: PathBuf,
    ) -> Site<C> {
        Site {
            cluster,
            load: Load::start(runtime.clone(), client.clone()),
            stalls: Stalls::watch(),
            slow: 0,
            client,
            runtime,
            ledger,
            _dir: dir,
        }
    }

    /// Waits until a fault means something.
    ///
    /// # Errors
    /// If clients submit too slowly on a machine that has no excuse: the run is void.
    pub fn before_fault(&mut self) -> anyhow::Result<()> {
        if !self.load.brisk() {
            self.slow += 1;
            ensure!(
                !self.stalls.calm(),
                "fewer than 50 submissions a second before a fault: the run is void"
            );
        }
        Ok(())
    }

    /// The name of the head that leads.
    ///
    /// # Errors
    /// If nobody does in time.
    pub fn leader(&self) -> anyhow::Result<String> {
        let leads = until("somebody leads", || {
            let client = self.client.clone();
            self.ask(async move { client.leader().await }).map(Some)
        })?;
        Ok(self.client.heads()[leads].name.clone())
    }

    /// Waits until a head that was away has applied what the leader has applied by now.
    ///
    /// # Errors
    /// If it has not in time.
    pub fn caught_up(&self, head: &str) -> anyhow::Result<()> {
        let raft = |head: usize| {
            let client = self.client.clone();
            self.ask(async move { client.raft(head).await })
        };
        let goal = until("the leader answers", || {
            Ok(Some(raft(self.client.head(&self.leader()?)?)?.applied))
        })?;
        let head = self.client.head(head)?;
        until("the head has caught up", || {
            Ok((raft(head)?.applied >= goal).then_some(()))
        })
    }

    /// How each head says that it stands.
    pub fn standing(&self) -> String {
        let heads = 0..self.client.heads().len();
        let asked = heads.map(|head| {
            let client = self.client.clone();
            match self.ask(async move { client.raft(head).await }) {
                Ok(status) => format!(
                    "{} is {} of term {}, follows {:?}, applied {} of {}",
                    status.name,
                    status.role,
                    status.term,
                    status.leader,
                    status.applied,
                    status.last_log
                ),
                Err(error) => format!("head {head}: {error:#}"),
            }
        });
        asked.collect::<Vec<_>>().join("; ")
    }

    /// Waits until agents have begun and ended so much more, together.
    ///
    /// # Errors
    /// If they have not in time.
    pub fn worked(&self, lines: usize) -> anyhow::Result<()> {
        let count = || anyhow::Ok(std::fs::read_to_string(&self.ledger)?.lines().count());
        let goal = count().unwrap_or(0) + lines;
        until("agents work", || Ok((count()? >= goal).then_some(())))
    }

    /// Waits for an answer on the runtime's own threads, which may speak from elsewhere.
    ///
    /// # Errors
    /// What the answer says.
    pub fn ask<T: Send + 'static>(
        &self,
        question: impl Future<Output = anyhow::Result<T>> + Send + 'static,
    ) -> anyhow::Result<T> {
        let asked = self.runtime.spawn(question);
        self.runtime.block_on(asked)?
    }

    /// The client with which the load speaks to the heads.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Ends the load and judges what it was told.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub fn close(self, allowed: Allowed) -> anyhow::Result<()> {
        let (_cluster, judge) = self.calm()?;
        judge.judge(allowed)
    }

    /// Ends the load and judges what it and others were told; the cluster goes on.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub fn judge_with(&mut self, allowed: Allowed, others: Flooded) -> anyhow::Result<()> {
        let mut account = self.load.stop()?;
        account.submissions.extend(others.taken);
        account.unanswered.extend(others.unanswered);
        let (runtime, client, stalls) = (&self.runtime, &self.client, &self.stalls);
        let verdict = verdict::judge(runtime, client, &account, &self.ledger, stalls, allowed)?;
        say_verdict(&verdict, stalls, self.slow);
        Ok(())
    }

    /// Ends the load; the cluster is judged later.
    ///
    /// # Errors
    /// If a part of the load failed.
    pub fn calm(mut self) -> anyhow::Result<(C, Judge)> {
        let judge = Judge {
            account: self.load.stop()?,
            stalls: self.stalls,
            slow: self.slow,
            client: self.client,
            runtime: self.runtime,
            ledger: self.ledger,
            _dir: self._dir,
        };
        Ok((self.cluster, judge))
    }
}

/// What a load was told, to be held against what there is.
pub struct Judge {
    account: Account,
    stalls: Stalls,
    slow: usize,
    client: Client,
    runtime: Arc<Runtime>,
    ledger: PathBuf,
    _dir: TempDir,
}

impl Judge {
    /// The client with which the load spoke to the heads.
    pub fn client(&self) -> &Client {
        &self.client
    }

    /// Waits for an answer.
    ///
    /// # Errors
    /// What the answer says.
    pub fn ask<T: Send + 'static>(
        &self,
        question: impl Future<Output = anyhow::Result<T>> + Send + 'static,
    ) -> anyhow::Result<T> {
        let asked = self.runtime.spawn(question);
        self.runtime.block_on(asked)?
    }

    /// Judges.
    ///
    /// # Errors
    /// The first promise that was broken.
    pub fn judge(&self, allowed: Allowed) -> anyhow::Result<()> {
        let verdict = verdict::judge(
            &self.runtime,
            &self.client,
            &self.account,
            &self.ledger,
            &self.stalls,
            allowed,
        )?;
        say_verdict(&verdict, &self.stalls, self.slow);
        Ok(())
    }
}

fn say_verdict(verdict: &Verdict, stalls: &Stalls, slow: usize) {
    say(&format!("{verdict:?}"));
    say(&format!(
        "{}; {slow} faults under less than 50 submissions a second",
        stalls.say()
    ));
}

/// A bound in time, asked of a calm machine; a busy one only has to come to an end.
///
/// # Errors
/// If it took longer.
pub fn within(what: &str, took: Duration, calm: Duration, stalls: &Stalls) -> anyhow::Result<()> {
    let bound = if stalls.calm() { calm } else { BUSY };
    ensure!(
        took <= bound,
        "{what} took {took:?}, {bound:?} allowed on {}",
        stalls.say()
    );
    Ok(())
}

/// Says how long something took, again and again.
pub fn say_times(what: &str, times: &Times) {
    say(&format!("{what}: {}", times.say()));
}

/// Says a line; `packaging/soak.sh` gathers them.
#[allow(clippy::print_stderr, reason = "figures for whoever runs the ring")]
pub fn say(line: &str) {
    eprintln!("weather: {line}");
}

/// How long since then, up to the load's next acknowledgement of a later try.
///
/// # Errors
/// If none comes.
pub fn back_after(load: &Load, struck: Instant) -> anyhow::Result<Duration> {
    // What the old leader had received when it was struck does not count.
    let sent = struck + Duration::from_millis(5);
    Ok(load.next_told(sent)?.duration_since(struck))
}
