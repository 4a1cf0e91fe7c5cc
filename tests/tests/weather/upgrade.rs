//! Every program is replaced, one machine after the other, under load, and replaced back.
//!
//! `FROM_BIN_DIR` holds the older goagent. Without it each machine gets the program that it had: a
//! rolling restart. `BACK=0` leaves out the way back, for a version that stores what the older one
//! cannot read.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::sys::signal::Signal;
use tests::cluster::binary;
use tests::weather::verdict::Allowed;
use tests::weather::{Times, count};

use crate::site::{Setting, Site, say_times};
use crate::town::{AGENTS, HEADS, name};

/// After a machine was told to end, the silence is looked for so long.
const AFTERWARDS: Duration = Duration::from_millis(300);

#[test]
fn a_rolling_upgrade_and_the_way_back_lose_nothing() -> anyhow::Result<()> {
    let new = binary("goagent")?;
    let old = std::env::var_os("FROM_BIN_DIR").map(|dir| PathBuf::from(dir).join("goagent"));
    let old = old.unwrap_or_else(|| new.clone());
    let setting = Setting {
        program: Some(old.clone()),
        ..Setting::default()
    };
    let mut site = setting.open()?;
    let mut silences = Times::default();
    // As the administrators' guide says: a leader writes what older heads may not read.
    for machine in AGENTS {
        silences.push(replace(&mut site, machine, &new)?);
    }
    for machine in followers_first(&site)? {
        silences.push(replace(&mut site, machine, &new)?);
    }
    let mut ends = AGENTS.len();
    if count("BACK", 1)? == 1 {
        for machine in followers_first(&site)? {
            silences.push(replace(&mut site, machine, &old)?);
        }
        for machine in AGENTS {
            silences.push(replace(&mut site, machine, &old)?);
        }
        ends += AGENTS.len();
    }
    say_times("a machine's program replaced -> longest silence", &silences);
    site.within("a replacement", silences.percentile(99), 1_500)?;
    site.judge(Allowed { unnoted: ends })
}

/// The heads, the one that leads last.
fn followers_first(site: &Site) -> anyhow::Result<Vec<u8>> {
    let leader = site.leader()?;
    let followers = HEADS.into_iter().filter(|head| *head != leader);
    Ok(followers.chain([leader]).collect())
}

/// Ends a machine's program in order and starts another; the longest silence meanwhile.
fn replace(site: &mut Site, machine: u8, program: &Path) -> anyhow::Result<Duration> {
    site.before_fault()?;
    let told = Instant::now();
    site.end(machine, Signal::SIGTERM)?;
    site.cluster.install(machine, program);
    site.cluster.start(machine)?;
    if HEADS.contains(&machine) {
        site.caught_up(machine)?;
    } else {
        site.worked(2).with_context(|| name(machine))?;
    }
    site.load.next_told(Instant::now() + AFTERWARDS)?;
    Ok(site.load.longest_silence(told, Instant::now()))
}
