//! Nothing happens: nobody stands for election while there is a leader, and a change of leader by
//! itself makes no node suspect. `QUIET_SECONDS` is how long there is load and no fault.

use std::time::{Duration, Instant};

use anyhow::ensure;
use api_types::event::{Event, kind};
use tests::cluster::until;
use tests::weather::count;
use tests::weather::verdict::Allowed;

use crate::site::{Site, open, say};
use crate::town::{HEADS, SUSPECT_MS, name};

const QUIET_SECONDS: usize = 10;
const CHANGES: usize = 20;
/// Every so many changes the new leader leads for longer than a node may be silent.
const LONG_EVERY: usize = 5;
/// Between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// A change of leader is asked for again after so long.
const ASK_AGAIN: Duration = Duration::from_secs(5);

#[test]
fn without_a_fault_nobody_is_elected_and_idle_changes_make_no_node_suspect() -> anyhow::Result<()> {
    let mut site = open()?;
    quiet(&mut site)?;
    site.judge(Allowed::default())?;
    let before = site.raft(site.leader()?)?.applied;
    for number in 1..=count("CHANGES", CHANGES)? {
        change(&site)?;
        if number.is_multiple_of(LONG_EVERY) {
            // The new leader has to lead for so long: that is the time in question.
            std::thread::sleep(Duration::from_millis(SUSPECT_MS + 300));
        }
    }
    let noted = health(&site, before)?;
    ensure!(
        noted.is_empty(),
        "changes of leader changed nodes: {noted:?}"
    );
    say("idle changes of leader: 0 nodes marked suspect");
    Ok(())
}

/// A while of load without a fault, in which the term must not change.
fn quiet(site: &mut Site) -> anyhow::Result<()> {
    site.before_fault()?;
    let length = Duration::from_secs(count("QUIET_SECONDS", QUIET_SECONDS)? as u64);
    let (began, term) = (Instant::now(), site.term()?);
    while began.elapsed() < length {
        std::thread::sleep(LOOK_EVERY);
        let now = site.term()?;
        ensure!(
            now == term || !site.stalls.calm(),
            "an election without a fault after {:?}: term {now} after {term}",
            began.elapsed()
        );
    }
    let now = site.term()?;
    say(&format!(
        "{} elections without a fault in {length:?} under load",
        now - term
    ));
    Ok(())
}

/// The leader hands over to the next head. Where votes come too late, somebody else may be elected
/// instead, who is then asked for the same.
fn change(site: &Site) -> anyhow::Result<()> {
    let next = HEADS[usize::from(site.leader()?) % HEADS.len()];
    let mut asked: Option<Instant> = None;
    until("the next head leads", || {
        let leader = site.leader()?;
        if leader == next {
            return Ok(Some(()));
        }
        if asked.is_none_or(|asked| asked.elapsed() > ASK_AGAIN) {
            asked = Some(Instant::now());
            hand_over(site, leader, next)?;
        }
        Ok(None)
    })
}

/// Asks a head that leads to let another one lead.
fn hand_over(site: &Site, from: u8, to: u8) -> anyhow::Result<()> {
    let asked = site.client();
    let at = asked.head(&name(from))?;
    let body = serde_json::json!({ "to": name(to) });
    site.ask(async move {
        asked
            .post::<serde_json::Value>(at, "/raft/transfer", &body)
            .await
    })?;
    Ok(())
}

/// What was noted of nodes behind an entry.
fn health(site: &Site, after: u64) -> anyhow::Result<Vec<Event>> {
    let client = site.client();
    let path = format!(
        "/events?after={after}&type={}&follow=false",
        kind::NODE_HEALTH
    );
    site.ask(async move { client.news(0, &path).await })
}
