//! One job's client: submits until it is told, now and then submits once more what it was told,
//! and now and then asks for the end of its job.

use std::time::{Duration, Instant};

use api_types::job_request::JobRequest;

use super::Shared;
use crate::client::Tried;
use crate::ledger::{Submission, Told};
use crate::weather::history::{Operation, Saw};

/// Every so many jobs is one that would never end by itself, and is cancelled.
const CANCEL_EVERY: usize = 20;
/// Every so many submissions is repeated although it was answered.
const REPEAT_EVERY: usize = 10;
/// The first pause before the next try; it grows with each.
const PAUSE: Duration = Duration::from_millis(20);
const PAUSE_TRIES_MAX: u32 = 10;
/// After so long without an answer a client gives up, which is a failure.
const GIVE_UP: Duration = Duration::from_secs(90);

/// Lives through the job of that number.
pub(super) async fn live(shared: &Shared, number: usize) {
    let cancelled = number % CANCEL_EVERY == CANCEL_EVERY - 1;
    let exit_code = i32::try_from(number % 7).unwrap_or(0);
    let key = format!("weather-{number}");
    let job = request(&key, number, exit_code, cancelled);
    let invoked = Instant::now();
    let Some((told, tries)) = submit(shared, number, &key, &job).await else {
        return;
    };
    let operation = Operation {
        invoked,
        returned: told.at,
        saw: Saw::submitted(),
    };
    shared.note(|account| {
        account.operations.push((told.id, operation));
        account.submissions.push(Submission {
            key: key.clone(),
            exit_code,
            cancelled,
            invoked,
            tries,
            told: Some(told),
        });
    });
    if number.is_multiple_of(REPEAT_EVERY) {
        repeat(shared, number + 1, &key, &job, told.id).await;
    }
    if cancelled {
        cancel(shared, number, told.id).await;
    }
}

fn request(key: &str, number: usize, exit_code: i32, endless: bool) -> JobRequest {
    // Some are short, some outlast a failover.
    let seconds = match (endless, number % 5) {
        (true, _) => "3600".into(),
        (false, 0) => "1.5".into(),
        (false, short) => format!("0.0{short}"),
    };
    JobRequest {
        name: Some(key.into()),
        image: Some("none:1".into()),
        script: Some(format!("sleep {seconds}\nexit {exit_code}\n")),
        cpu: Some(0.1),
        memory_bytes: Some(8 << 20),
        ..JobRequest::default()
    }
}

/// Until it is told, or time is up.
async fn submit(shared: &Shared, first: usize, key: &str, job: &JobRequest) -> Option<(Told, u32)> {
    let began = Instant::now();
    let mut tries = 0;
    loop {
        let head = at(shared, first, tries);
        let asked = Instant::now();
        tries += 1;
        let why = match shared.client.submit(head, key, job).await {
            Tried::Answered(answer) => {
                let told = Told {
                    id: answer.id,
                    asked,
                    at: Instant::now(),
                    replayed: answer.replayed,
                };
                return Some((told, tries));
            }
            Tried::Again(why) if began.elapsed() < GIVE_UP => why,
            Tried::Again(why) | Tried::Refused(why) => {
                shared.fail(format!("{key}: after {tries} tries: {why}"));
                return None;
            }
        };
        shared.note(|account| account.put_off = Some((Instant::now(), why)));
        tokio::time::sleep(PAUSE * tries.min(PAUSE_TRIES_MAX)).await;
    }
}

/// The same key once more must be the same job.
async fn repeat(shared: &Shared, first: usize, key: &str, job: &JobRequest, id: u64) {
    if let Some((again, _)) = submit(shared, first, key, job).await
        && (again.id != id || !again.replayed)
    {
        shared.fail(format!("{key} was job {id}, and is {again:?}"));
    }
}

async fn cancel(shared: &Shared, first: usize, id: u64) {
    let invoked = Instant::now();
    for tries in 0.. {
        match shared.client.cancel(at(shared, first, tries), id).await {
            Tried::Answered(result) => {
                let operation = Operation {
                    invoked,
                    returned: Instant::now(),
                    saw: Saw::cancelled(result),
                };
                return shared.note(|account| account.operations.push((id, operation)));
            }
            Tried::Again(_) if invoked.elapsed() < GIVE_UP => {}
            Tried::Again(why) | Tried::Refused(why) => {
                return shared.fail(format!("cancel job {id}: {why}"));
            }
        }
        tokio::time::sleep(PAUSE * tries.clamp(1, PAUSE_TRIES_MAX)).await;
    }
}

/// The head to ask in that try: another one each time.
fn at(shared: &Shared, first: usize, tries: u32) -> usize {
    (first + usize::try_from(tries).unwrap_or(0)) % shared.client.heads().len()
}
