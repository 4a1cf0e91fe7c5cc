//! More than a cluster can take: submissions over many connections at a pace that cares for no
//! answer and repeats nothing. What was acknowledged is kept for the verdict.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use api_types::job_request::JobRequest;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::client::{Client, Offered};
use crate::ledger::{Submission, Told};

/// Pools of connections; each bears 128 requests at a time for each head.
const POOLS: usize = 24;
/// Requests that may be under way at the same time.
const UNDER_WAY_MAX: usize = 6_000;
/// Requests under way while the capacity is measured.
const STEADY: usize = 96;
/// Between two bursts.
const BURST_EVERY: Duration = Duration::from_millis(5);

/// What a flood led to.
#[derive(Debug, Default)]
pub struct Flooded {
    /// Requests sent.
    pub offered: usize,
    /// Those acknowledged.
    pub taken: Vec<Submission>,
    /// Answers 429 and 503.
    pub refused: usize,
    /// Of those, without a usable `Retry-After`.
    pub rude: usize,
    /// Requests for which there was no connection.
    pub unsent: usize,
    /// Keys of requests that had no such answer.
    pub unanswered: BTreeSet<String>,
    /// The first such answer.
    pub first_nothing: Option<String>,
    /// How long it lasted.
    pub lasted: Duration,
}

impl Flooded {
    fn note(&mut self, key: String, invoked: Instant, offered: Offered) {
        self.offered += 1;
        match offered {
            Offered::Taken(answer) => self.taken.push(Submission {
                key,
                exit_code: 0,
                cancelled: false,
                invoked,
                tries: 1,
                told: Some(Told {
                    id: answer.id,
                    asked: invoked,
                    at: Instant::now(),
                    replayed: answer.replayed,
                }),
            }),
            Offered::Later(_, after) => {
                self.refused += 1;
                self.rude += usize::from(after.is_none_or(|seconds| seconds == 0));
                // Refused: nothing was done. The verdict finds the job if that is not so.
            }
            Offered::Unsent => self.unsent += 1,
            Offered::Nothing(why) => {
                self.unanswered.insert(key);
                self.first_nothing.get_or_insert(why);
            }
        }
    }

    /// Both together.
    #[must_use]
    pub fn and(mut self, other: Flooded) -> Flooded {
        self.offered += other.offered;
        self.taken.extend(other.taken);
        self.refused += other.refused;
        self.rude += other.rude;
        self.unsent += other.unsent;
        self.unanswered.extend(other.unanswered);
        self.first_nothing = self.first_nothing.or(other.first_nothing);
        self.lasted += other.lasted;
        self
    }

    /// Acknowledgements a second.
    pub fn taken_per_second(&self) -> usize {
        per_second(self.taken.len(), self.lasted)
    }

    /// Requests a second.
    pub fn offered_per_second(&self) -> usize {
        per_second(self.offered, self.lasted)
    }
}

fn per_second(count: usize, over: Duration) -> usize {
    count * 1_000 / usize::try_from(over.as_millis().max(1)).unwrap_or(usize::MAX)
}

struct Shared {
    pools: Vec<Client>,
    prefix: String,
    flooded: Mutex<Flooded>,
}

impl Shared {
    /// With all connections open: the flood is of requests, not of handshakes.
    async fn new(client: &Client, prefix: &str) -> anyhow::Result<Arc<Shared>> {
        let pools = (0..POOLS).map(|_| client.apart());
        let pools: Vec<Client> = pools.collect::<anyhow::Result<_>>()?;
        for pool in &pools {
            for head in 0..pool.heads().len() {
                pool.raft(head).await?;
            }
        }
        Ok(Arc::new(Shared {
            pools,
            prefix: prefix.into(),
            flooded: Mutex::default(),
        }))
    }

    async fn offer(&self, number: usize) {
        let key = format!("{}-{number}", self.prefix);
        let pool = &self.pools[number % self.pools.len()];
        let head = number % pool.heads().len();
        let invoked = Instant::now();
        let offered = pool.offer(head, &key, &job(&key)).await;
        let mut flooded = self.flooded.lock().unwrap_or_else(PoisonError::into_inner);
        flooded.note(key, invoked, offered);
    }

    fn told(&self, lasted: Duration) -> Flooded {
        let mut flooded = self.flooded.lock().unwrap_or_else(PoisonError::into_inner);
        Flooded {
            lasted,
            ..std::mem::take(&mut *flooded)
        }
    }
}

/// What the cluster takes of clients that wait for their answers.
///
/// # Errors
/// If there can be no such clients.
pub async fn steady(client: Client, prefix: &str, length: Duration) -> anyhow::Result<Flooded> {
    let shared = Shared::new(&client, prefix).await?;
    let began = Instant::now();
    let mut clients = JoinSet::new();
    for first in 0..STEADY {
        let shared = shared.clone();
        clients.spawn(async move {
            for number in (first..).step_by(STEADY) {
                if began.elapsed() > length {
                    return;
                }
                shared.offer(number).await;
            }
        });
    }
    clients.join_all().await;
    Ok(shared.told(began.elapsed()))
}

/// So many requests a second, as far as this machine can send them, whatever is answered.
///
/// # Errors
/// If there can be no such clients.
pub async fn flood(
    client: Client,
    prefix: &str,
    rate: usize,
    length: Duration,
) -> anyhow::Result<Flooded> {
    let shared = Shared::new(&client, prefix).await?;
    let places = Arc::new(Semaphore::new(UNDER_WAY_MAX));
    let began = Instant::now();
    let mut requests = JoinSet::new();
    let mut pace = tokio::time::interval(BURST_EVERY);
    let mut sent = 0;
    while began.elapsed() < length {
        pace.tick().await;
        let millis = usize::try_from(began.elapsed().as_millis())?;
        let due = (rate * millis / 1_000).saturating_sub(sent);
        for _ in 0..due {
            let Ok(place) = places.clone().try_acquire_owned() else {
                break;
            };
            let (shared, number) = (shared.clone(), sent);
            requests.spawn(async move {
                shared.offer(number).await;
                drop(place);
            });
            sent += 1;
        }
        while requests.try_join_next().is_some() {}
    }
    let lasted = began.elapsed();
    requests.join_all().await;
    Ok(shared.told(lasted))
}

fn job(key: &str) -> JobRequest {
    JobRequest {
        name: Some(key.into()),
        image: Some("none:1".into()),
        script: Some("exit 0\n".into()),
        cpu: Some(0.1),
        memory_bytes: Some(8 << 20),
        ..JobRequest::default()
    }
}
