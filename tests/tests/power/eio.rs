//! A disk that answers EIO from one moment on, under a head that lives: the head ends, at once,
//! and what it acknowledged until then is kept. Mounted again, the disk has what was synced.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use serde_json::{Value, json};
use tests::client::Client;
use tests::power::grid::{Grid, Sizes, open};
use tests::weather::site::{Site, say, within};
use tests::weather::verdict::Allowed;

/// A head whose disk fails has ended within this.
const ENDS_WITHIN: Duration = Duration::from_secs(1);

#[test]
fn a_head_whose_disk_fails_ends_at_once_and_comes_back() -> anyhow::Result<()> {
    let mut site = open(Sizes::default())?;
    let mut made = 0;
    for leads in [true, false] {
        site.before_fault()?;
        let leader = site.leader()?;
        let mut heads = site.cluster.heads();
        heads.retain(|head| (*head == leader) == leads);
        let head = heads.first().context("a head")?.clone();
        made += fail(&mut site, &head, if leads { "leads" } else { "follows" })?;
    }
    ensure!(
        made > 0,
        "no account was made before a disk failed: it proves nothing"
    );
    site.close(Allowed::default())
}

/// Fails one head's disk; how many accounts it had made for us until then.
fn fail(site: &mut Site<Grid>, head: &str, kind: &str) -> anyhow::Result<usize> {
    let stop = Arc::new(AtomicBool::new(false));
    let at = site.client().head(head)?;
    let asking = {
        let (client, stop) = (site.client().clone(), stop.clone());
        let (prefix, runtime) = (format!("{kind}-"), tokio::runtime::Runtime::new()?);
        std::thread::spawn(move || runtime.block_on(make_accounts(client, at, prefix, stop)))
    };
    // Accounts are made now, one after the other.
    let told = site
        .load
        .next_told(Instant::now() + Duration::from_millis(200))?;
    ensure!(
        told.elapsed() < Duration::from_secs(5),
        "the load stands still"
    );
    let struck = Instant::now();
    site.cluster.disk(head)?.cut()?;
    site.cluster.cluster.ended(head)?;
    let took = struck.elapsed();
    stop.store(true, Ordering::Release);
    let made = asking
        .join()
        .map_err(|_| anyhow::anyhow!("asking panicked"))?;
    let words = site.cluster.last_words(head);
    let late = made.iter().filter(|(_, asked)| *asked > struck).count();
    let (millis, before) = (took.as_millis(), made.len() - late);
    say(&format!(
        "the disk of the head that {kind} failed -> it ended: {millis} ms; \
         {before} accounts before, {late} after"
    ));
    within(
        "the end of a head whose disk fails",
        took,
        ENDS_WITHIN,
        &site.stalls,
    )
    .with_context(|| format!("it was late, and wrote:\n{words}"))?;
    ensure!(
        words.contains("goagent: the log: "),
        "it does not say why it ended: {words}"
    );
    site.load.next_told(Instant::now())?;
    site.cluster.restore(&[head.to_owned()])?;
    site.caught_up(head)?;
    for (name, _) in &made {
        let client = site.client().clone();
        let path = format!("/users/{name}");
        let found = site.ask(async move { client.get::<Value>(at, &path).await });
        found.with_context(|| format!("account {name} was acknowledged"))?;
    }
    Ok(made.len())
}

/// Makes accounts at one head, one after the other, until told to stop; those that the head said
/// were made, with the moment at which each was asked for.
async fn make_accounts(
    client: Client,
    head: usize,
    prefix: String,
    stop: Arc<AtomicBool>,
) -> Vec<(String, Instant)> {
    let mut made = Vec::new();
    for number in 0.. {
        if stop.load(Ordering::Acquire) {
            break;
        }
        let (name, asked) = (format!("{prefix}{number}"), Instant::now());
        let put = client
            .put::<Value>(head, &format!("/users/{name}"), &json!({}))
            .await;
        if put.is_ok() {
            made.push((name, asked));
        }
    }
    made
}
