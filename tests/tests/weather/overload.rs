//! Five times what the heads can take, while readers hold streams open and read nothing.
//! `OVERLOAD_SECONDS` is how long.

use std::time::{Duration, Instant};

use anyhow::ensure;
use tests::cluster::until;
use tests::weather::count;
use tests::weather::flood::{self, Flooded};
use tests::weather::memory::Memory;
use tests::weather::verdict::Allowed;

use crate::readers::Readers;
use crate::site::{Setting, Site, say};
use crate::town::HEADS;

const OVERLOAD_SECONDS: usize = 8;
/// How many times what is taken is offered.
const TIMES: usize = 5;
/// On two cores the clients could not offer enough if they had no more than their share.
const LEISURE: u8 = 4;
/// How long the capacity, and the latency before, is measured.
const MEASURED: Duration = Duration::from_secs(2);
/// So soon after the flood a second is as good as before.
const BACK_WITHIN: usize = 5;
/// As good as before: the p99 of a second, at most so many times that of before, or so much.
const GOOD_TIMES: u32 = 2;
const GOOD: Duration = Duration::from_millis(60);
/// How long answers count as taking in a second in which none came.
const BUSY: Duration = Duration::from_secs(60);
/// A head grows by so much at the most, streams included.
const GROWTH_MAX: u64 = 256 << 20;
/// More jobs than the load has under way by itself.
const USUAL_LIVE: u64 = 500;

#[test]
fn overload_is_refused_in_bounded_memory_and_passes() -> anyhow::Result<()> {
    let setting = Setting {
        leisure: LEISURE,
        ..Setting::default()
    };
    let mut site = setting.open()?;
    site.before_fault()?;
    let readers = Readers::open(&site)?;
    let from = Instant::now();
    // The measurement takes this long.
    std::thread::sleep(MEASURED);
    let before = site.load.took(from, Instant::now()).percentile(99);
    let client = site.client();
    let steady = site.ask(async move { flood::steady(client, "steady", MEASURED).await })?;
    let rate = steady.taken_per_second() * TIMES;
    let pids = HEADS.map(|head| site.cluster.pid(head));
    let pids: Vec<u32> = pids.into_iter().collect::<anyhow::Result<_>>()?;
    let memory = Memory::watch(&pids)?;
    let term = site.term()?;
    let length = Duration::from_secs(count("OVERLOAD_SECONDS", OVERLOAD_SECONDS)? as u64);
    let client = site.client();
    let flooded = site.ask(async move { flood::flood(client, "flood", rate, length).await })?;
    let good = (before * GOOD_TIMES).max(GOOD);
    let back = back(&site, good)?;
    let growth = memory.growth();
    let elections = site.term()? - term;
    say(&format!(
        "overload: {} a second taken of waiting clients; {} a second offered for {:?}: {} taken, \
         {} refused, {} not sent for want of a connection, {} unanswered; {elections} elections; \
         heads grew by {} MiB at most; p99 before {before:?}, of each second after {:?}",
        steady.taken_per_second(),
        flooded.offered_per_second(),
        flooded.lasted,
        flooded.taken.len(),
        flooded.refused,
        flooded.unsent,
        flooded.unanswered.len(),
        growth >> 20,
        back.took
    ));
    polite(&flooded)?;
    ensure!(
        elections == 0 || !site.stalls.calm(),
        "{elections} elections: heartbeats waited behind requests"
    );
    ensure!(growth <= GROWTH_MAX, "a head grew by {} MiB", growth >> 20);
    until("the flood is worked off", || {
        let client = site.client();
        let live = site.ask(async move { client.live(0).await })?;
        Ok((live <= USUAL_LIVE).then_some(()))
    })?;
    ensure!(
        back.is_soon() || !site.stalls.calm(),
        "not as good as before ({good:?}) soon after: {:?}",
        back.took
    );
    if !back.is_soon() {
        // What was taken is worked off on the cores that the answers need; not any longer.
        let back = self::back(&site, good)?;
        ensure!(back.is_soon(), "it stays slow: {:?}", back.took);
    }
    let mut others = steady.and(flooded);
    others.taken.push(readers.writer.clone());
    readers.resume(&site)?;
    site.judge_with(Allowed::default(), others)
}

/// Whoever was turned away was told when to come back; and it was a flood.
fn polite(flooded: &Flooded) -> anyhow::Result<()> {
    let away = flooded.refused + flooded.unsent;
    ensure!(away > 0, "nobody was turned away: no overload");
    ensure!(
        flooded.rude == 0,
        "{} refusals without Retry-After",
        flooded.rude
    );
    // Whoever has no answer does not know; whoever found no connection does.
    let nothing = flooded.unanswered.len();
    ensure!(
        nothing * 100 <= flooded.offered,
        "{nothing} of {} requests had no answer, the first: {:?}",
        flooded.offered,
        flooded.first_nothing
    );
    Ok(())
}

/// How it is after the flood.
struct Back {
    /// The p99 of each second, up to the first that is as good as before.
    took: Vec<Duration>,
    good: Duration,
}

impl Back {
    fn is_soon(&self) -> bool {
        self.took.last().is_some_and(|p99| *p99 <= self.good)
    }
}

/// Looks until a second is as good as before, for as long as that may take.
fn back(site: &Site, good: Duration) -> anyhow::Result<Back> {
    let second = Duration::from_secs(1);
    let mut back = Back {
        took: Vec::new(),
        good,
    };
    let mut begin = Instant::now();
    while back.took.len() < BACK_WITHIN && !back.is_soon() {
        let end = begin + second;
        std::thread::sleep(end.saturating_duration_since(Instant::now()));
        // Those that are not answered yet would be missed: the next answer is waited for.
        site.load.next_told(end)?;
        let took = site.load.took(begin, end);
        let none = took.count() == 0;
        back.took
            .push(if none { BUSY } else { took.percentile(99) });
        begin = end;
    }
    Ok(back)
}
