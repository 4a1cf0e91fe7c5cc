//! Disks that fill up, of one head and of all: whoever leads and has little room lets another one
//! lead; a head with none stands aside; when nobody has room, new jobs are refused in clear words;
//! with room again everything goes on by itself.

use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use tests::cluster::until;
use tests::power::grid::{Grid, Sizes, open};
use tests::weather::site::{Site, say, within};
use tests::weather::verdict::Allowed;

const SIZES: Sizes = Sizes {
    disk_mib: 768,
    reserve_mib: 192,
};
/// With room again, everybody is served within this.
const BACK_WITHIN: Duration = Duration::from_secs(10);
/// Between the least with which a head can start and the reserve.
const LITTLE: u64 = 128 << 20;

#[test]
fn full_disks_cost_no_job_and_heads_go_on_when_there_is_room() -> anyhow::Result<()> {
    let mut site = open(SIZES)?;
    site.before_fault()?;
    let head = one_has_little(&site).with_context(|| words(&site))?;
    let full = one_is_full(&mut site, &head);
    full.with_context(|| words(&site))?;
    let refused = nobody_has_room(&mut site);
    refused.with_context(|| words(&site))?;
    site.close(Allowed::default())
}

/// How every head stands, and what it said last.
fn words(site: &Site<Grid>) -> String {
    let words = site.cluster.heads().into_iter().map(|head| {
        let free = site.cluster.disk(&head).and_then(|disk| disk.free());
        format!(
            "{head}, {free:?} bytes free:\n{}",
            site.cluster.last_words(&head)
        )
    });
    format!(
        "{}\n{}",
        site.standing(),
        words.collect::<Vec<_>>().join("\n")
    )
}

/// The leader's disk has little room: somebody else leads, and jobs are taken.
fn one_has_little(site: &Site<Grid>) -> anyhow::Result<String> {
    let head = site.leader()?;
    site.cluster.disk(&head)?.fill(LITTLE)?;
    until("somebody with room leads", || {
        Ok((site.leader()? != head).then_some(()))
    })?;
    site.load.next_told(Instant::now())?;
    say("little room on the leader's disk -> another one leads");
    Ok(head)
}

/// Nothing is left on that head's disk: it stands aside, the others go on, and it is back when
/// there is room.
fn one_is_full(site: &mut Site<Grid>, head: &str) -> anyhow::Result<()> {
    let disk = site.cluster.disk(head)?;
    disk.make_room()?;
    disk.fill(0)?;
    let at = site.client().head(head)?;
    let answers = |site: &Site<Grid>| {
        let client = site.client().clone();
        site.ask(async move { client.raft(at).await }).is_ok()
    };
    until("the head stands aside", || {
        let said = site
            .cluster
            .cluster
            .log_of(head)
            .contains("there is no room left");
        Ok((said && !answers(site)).then_some(()))
    })?;
    say("no room on a head's disk -> it stands aside");
    site.before_fault()?;
    let pid = site.cluster.cluster.node(head)?.pid;
    site.cluster.disk(head)?.make_room()?;
    let freed = Instant::now();
    site.caught_up(head)?;
    let took = freed.elapsed();
    say(&format!(
        "room -> the head has caught up: {} ms",
        took.as_millis()
    ));
    within(
        "the return of a head that was full",
        took,
        BACK_WITHIN,
        &site.stalls,
    )?;
    let now = site.cluster.cluster.node(head)?.pid;
    ensure!(now == pid, "somebody started it again");
    Ok(())
}

/// No head has room: jobs are refused, in words, until there is.
fn nobody_has_room(site: &mut Site<Grid>) -> anyhow::Result<()> {
    site.before_fault()?;
    for head in site.cluster.heads() {
        site.cluster.disk(&head)?.fill(LITTLE)?;
    }
    let filled = Instant::now();
    let said = site.load.next_put_off(filled, "507")?;
    for word in ["DISK_FULL", "nearly full", "make room"] {
        ensure!(said.contains(word), "no `{word}` in: {said}");
    }
    for head in site.cluster.heads() {
        site.cluster.disk(&head)?.make_room()?;
    }
    let freed = Instant::now();
    let took = site.load.next_told(freed)?.duration_since(freed);
    say(&format!(
        "room -> next acknowledged submission: {} ms",
        took.as_millis()
    ));
    within("service with room again", took, BACK_WITHIN, &site.stalls)
}
