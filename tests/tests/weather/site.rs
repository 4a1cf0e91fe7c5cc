//! Where the weather happens: a town, the load over it, and what is asked of both in between.

use std::ops::{Deref, DerefMut};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use api_types::raft::RaftStatus;
use nix::sys::signal::Signal;
use tests::client::Client;
use tests::weather::flood::Flooded;
use tests::weather::site;
pub(crate) use tests::weather::site::{say, say_times};
use tests::weather::verdict::Allowed;

use crate::town::{HEADS, Town, name};

/// A town, and a load. What any cluster under load is asked is asked of what it derefs to.
pub(crate) struct Site(site::Site<Town>);

impl Deref for Site {
    type Target = site::Site<Town>;

    fn deref(&self) -> &site::Site<Town> {
        &self.0
    }
}

impl DerefMut for Site {
    fn deref_mut(&mut self) -> &mut site::Site<Town> {
        &mut self.0
    }
}

/// How a town begins.
#[derive(Default)]
pub(crate) struct Setting {
    /// There is a wind between the machines, with this seed.
    pub(crate) wind: Option<u64>,
    /// What all machines run; the program under test if none is named.
    pub(crate) program: Option<PathBuf>,
    /// See [`Town`].
    pub(crate) leisure: u8,
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
        let mut town = Town::lay(dir.path(), self.wind, self.program, self.leisure)?;
        let runtime = Arc::new(town.net.outside()?);
        let client = town.found(&runtime)?;
        say(&format!("the town was there after {:?}", began.elapsed()));
        let ledger = town.ledger();
        let site = site::Site::begin(town, client, runtime, dir, ledger);
        Ok(Site(site))
    }
}

impl Site {
    /// The machine of the head that leads.
    pub(crate) fn leader(&self) -> anyhow::Result<u8> {
        self.cluster.machine_of(&self.0.leader()?)
    }

    /// How the log stands, as one head says.
    pub(crate) fn raft(&self, machine: u8) -> anyhow::Result<RaftStatus> {
        let client = self.client();
        let head = client.head(&name(machine))?;
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
        self.0.caught_up(&name(machine))
    }

    /// Ends a machine's process by a signal.
    pub(crate) fn end(&mut self, machine: u8, signal: Signal) -> anyhow::Result<()> {
        self.cluster.end(machine, signal)
    }

    /// How long since then, up to the load's next acknowledgement of a later try.
    pub(crate) fn back_after(&self, struck: Instant) -> anyhow::Result<Duration> {
        site::back_after(&self.load, struck).with_context(|| self.standing())
    }

    /// The administrator's client.
    pub(crate) fn client(&self) -> Client {
        self.0.client().clone()
    }

    /// Ends the load and judges what it was told; the town goes on without one.
    pub(crate) fn judge(&mut self, allowed: Allowed) -> anyhow::Result<()> {
        self.judge_with(allowed, Flooded::default())
    }

    /// A bound in milliseconds, asked of a calm machine; a busy one only has to come to an end.
    pub(crate) fn within(&self, what: &str, took: Duration, calm: u64) -> anyhow::Result<()> {
        site::within(what, took, Duration::from_millis(calm), &self.stalls)
    }
}
