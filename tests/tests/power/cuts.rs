//! The power of one head or of all fails under load, again and again, at any moment and just when
//! a head is about to write or has just synced: nothing acknowledged is lost.

use std::time::Instant;

use anyhow::Context;
use tests::power::cut::{self, Cut};
use tests::power::grid::{Grid, Sizes, open};
use tests::weather::Times;
use tests::weather::site::{Site, say, say_times};
use tests::weather::verdict::Allowed;

const CUTS: usize = 5;
/// Few cuts of this seed are of many kinds: of entries, of a vote, of a snapshot's installation.
const SEED: u64 = 1_696;

#[test]
fn power_cuts_lose_nothing_that_was_acknowledged() -> anyhow::Result<()> {
    let variable = |name: &str| match std::env::var(name) {
        Ok(text) => text.parse::<u64>().map(Some).context(name.to_owned()),
        Err(_) => Ok(None),
    };
    let count = variable("CUTS")?.map_or(CUTS, |count| usize::try_from(count).unwrap_or(CUTS));
    let seed: u64 = variable("SEED")?.unwrap_or(SEED);
    weather(seed, count).with_context(|| {
        format!("again with: SEED={seed} CUTS={count} cargo nextest run -p tests --test power cuts")
    })
}

fn weather(seed: u64, count: usize) -> anyhow::Result<()> {
    let mut site = open(Sizes::default())?;
    let mut back = Times::default();
    for (number, cut) in cut::deal(seed, count).into_iter().enumerate() {
        let head = site.cluster.heads()[cut.head].clone();
        let what = format!("cut {} of {count}: {}", number + 1, cut.say(&head));
        one(&mut site, cut, &head, &mut back).with_context(|| {
            let grid = &site.cluster;
            let words = grid.heads().into_iter().map(|head| grid.last_words(&head));
            format!(
                "{what}\n{}\n{}",
                site.standing(),
                words.collect::<Vec<_>>().join("\n--\n")
            )
        })?;
        say(&what);
    }
    say_times("the power is back -> next acknowledged submission", &back);
    if count > CUTS {
        site.cluster.check_disks()?;
    }
    site.close(Allowed::default())
}

fn one(site: &mut Site<Grid>, cut: Cut, head: &str, back: &mut Times) -> anyhow::Result<()> {
    cut::bring(site, head, cut.moment)?;
    let heads = if cut.everyone {
        site.cluster.heads()
    } else {
        vec![head.to_owned()]
    };
    site.cluster.fail(&heads)?;
    let restored = Instant::now();
    site.cluster.restore(&heads)?;
    back.push(site.load.next_told(restored)?.duration_since(restored));
    for head in &heads {
        site.caught_up(head)?;
    }
    Ok(())
}
