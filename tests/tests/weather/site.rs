//! Where the weather happens: a town, the load over it, and what is asked of both in between.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use tempfile::TempDir;
use tests::client::Client;
use tests::cluster::until;
use tests::weather::flood::Flooded;
use tests::weather::load::Load;
pub(crate) use tests::weather::site::{say, say_times};
use tests::weather::stalls::Stalls;
use tests::weather::verdict::{self, Allowed};
use tokio::runtime::Runtime;

use crate::town::{HEADS, Town, name};

/// What is waited for on a busy machine instead of a bound in time.
const BUSY: Duration = Duration::from_secs(30);

/// A town, and a load.
pub(crate) struct Site {
    pub(crate) town: Town,
    pub(crate) load: Load,
    pub(crate) stalls: Stalls,
    /// Faults that came while a busy machine took fewer than 50 submissions a second.
    slow: usize,
    client: Client,
    runtime: Arc<Runtime>,
    /// Where the town's files lie; goes last.
    _dir: TempDir,
}

/// How a town begins.
#[derive(Default)]
pub(crate) struct Setting {
    /// There is a wind between the machines, with this seed.
    pub(crate) wind: Option<u64>,
    /// What all machines run; the program under test if none is named.
    pub(crate) program: Option<PathBuf>,
}

/// A town under load.
pub(crate) fn open() -> anyhow::Result<Site> {
    Setting::default().open()
}

impl Setting {
    /// A town of this kind, under load.
    pub(crate) fn open(self) -> anyhow::Result<Site> {
        let began = Instant::now();
        let dir = tempfile::Builder::new()
            .prefix("godocker-town-")
            .tempdir()?;
        let mut town = Town::lay(dir.path(), self.wind, self.program)?;
        let runtime = Arc::new(town.net.outside()?);
        let client = town.found(&runtime)?;
        say(&format!("the town was there after {:?}", began.elapsed()));
        Ok(Site {
            town,
            load: Load::start(runtime.clone(), client.clone()),
            stalls: Stalls::watch(),
            slow: 0,
            client,
            runtime,
            _dir: dir,
        })
    }
}

impl Site {
    /// Waits until a fault means something.
    ///
    /// # Errors
    /// If clients submit too slowly on a machine that has no excuse: the run is void.
    pub(crate) fn before_fault(&mut self) -> anyhow::Result<()> {
        if !self.load.brisk() {
            self.slow += 1;
            ensure!(
                !self.stalls.calm(),
                "fewer than 50 submissions a second before a fault: the run is void"
            );
        }
        Ok(())
    }

    /// The machine of the head that leads.
    pub(crate) fn leader(&self) -> anyhow::Result<u8> {
        let leads = until("somebody leads", || {
            let client = self.client.clone();
            self.ask(async move { client.leader().await }).map(Some)
        })?;
        self.town.machine_of(&self.client.heads()[leads].name)
    }

    /// How the log stands, as one head says.
    pub(crate) fn raft(&self, machine: u8) -> anyhow::Result<api_types::raft::RaftStatus> {
        let head = self.client.head(&name(machine))?;
        let client = self.client.clone();
        self.ask(async move { client.raft(head).await })
    }

    /// The highest term of any head.
    pub(crate) fn term(&self) -> anyhow::Result<u64> {
        let terms = HEADS.map(|head| self.raft(head).map(|status| status.term));
        let terms: Vec<u64> = terms.into_iter().collect::<anyhow::Result<_>>()?;
        terms.into_iter().max().context("a head")
    }

    /// Waits until a head that was away has applied what the leader has applied by now.
    pub(crate) fn caught_up(&self, machine: u8) -> anyhow::Result<()> {
        let goal = until("the leader answers", || {
            Ok(Some(self.raft(self.leader()?)?.applied))
        })?;
        until("the head has caught up", || {
            Ok((self.raft(machine)?.applied >= goal).then_some(()))
        })
    }

    /// How each head says that it stands.
    pub(crate) fn standing(&self) -> String {
        let asked = HEADS.map(|head| match self.raft(head) {
            Ok(status) => format!(
                "{} is {} of term {}, follows {:?}, applied {} of {}",
                status.name,
                status.role,
                status.term,
                status.leader,
                status.applied,
                status.last_log
            ),
            Err(error) => format!("{}: {error:#}", name(head)),
        });
        asked.join("; ")
    }

    /// Ends a machine's process by a signal.
    pub(crate) fn end(&mut self, machine: u8, signal: Signal) -> anyhow::Result<()> {
        self.town.end(machine, signal)
    }

    /// How long since then, up to the load's next acknowledgement of a later try.
    pub(crate) fn back_after(&self, struck: Instant) -> anyhow::Result<Duration> {
        // What the old leader had received when it was struck does not count.
        let sent = struck + Duration::from_millis(5);
        let told = self.load.next_told(sent);
        let told = told.with_context(|| self.standing())?;
        Ok(told.duration_since(struck))
    }

    /// Waits until agents have begun and ended so much more, together.
    pub(crate) fn worked(&self, lines: usize) -> anyhow::Result<()> {
        let ledger = self.town.ledger();
        let count = || anyhow::Ok(std::fs::read_to_string(&ledger)?.lines().count());
        let goal = count().unwrap_or(0) + lines;
        until("agents work", || Ok((count()? >= goal).then_some(())))
    }

    /// The administrator's client.
    pub(crate) fn client(&self) -> Client {
        self.client.clone()
    }

    /// Waits for an answer on threads that speak from the switch.
    pub(crate) fn ask<T: Send + 'static>(
        &self,
        question: impl Future<Output = anyhow::Result<T>> + Send + 'static,
    ) -> anyhow::Result<T> {
        let asked = self.runtime.spawn(question);
        self.runtime.block_on(asked)?
    }

    /// Ends the load and judges what it was told; the town goes on without one.
    pub(crate) fn judge(&mut self, allowed: Allowed) -> anyhow::Result<()> {
        self.judge_with(allowed, Flooded::default())
    }

    /// The same where others submitted as well.
    pub(crate) fn judge_with(&mut self, allowed: Allowed, others: Flooded) -> anyhow::Result<()> {
        let mut account = self.load.stop()?;
        account.submissions.extend(others.taken);
        account.unanswered.extend(others.unanswered);
        let ledger = self.town.ledger();
        let (runtime, client, stalls) = (&self.runtime, &self.client, &self.stalls);
        let verdict = verdict::judge(runtime, client, &account, &ledger, stalls, allowed)?;
        say(&format!("{verdict:?}"));
        say(&format!(
            "{}; {} faults under less than 50 submissions a second",
            self.stalls.say(),
            self.slow
        ));
        Ok(())
    }

    /// A bound in time, asked of a calm machine; a busy one only has to come to an end.
    pub(crate) fn within(&self, what: &str, took: Duration, calm: u64) -> anyhow::Result<()> {
        let calm = Duration::from_millis(calm);
        let bound = if self.stalls.calm() { calm } else { BUSY };
        ensure!(
            took <= bound,
            "{what} took {took:?}, {bound:?} allowed on {}",
            self.stalls.say()
        );
        Ok(())
    }
}
