//! Which jobs a selection names, as the cluster knows them now.

use std::io::Read;

use api_types::header;
use api_types::job::{Job, JobPage, JobState};
use api_types::query::JobQuery;

use crate::client::{Client, Request};
use crate::error::{Failure, Kind};
use crate::limits::{LAST_LOOK, PAGE_JOBS, SELECT_MAX};
use crate::parse::selector::{Selector, literal, matches};

/// One job of a selection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Chosen {
    /// Its number.
    pub id: u64,
    /// It was named by itself, so it is an error if it does not exist.
    pub by_number: bool,
}

/// The jobs that the selectors name, in their order, none twice.
///
/// # Errors
/// When they name too many, or a head refuses to list.
pub async fn jobs(client: &Client, selectors: &[Selector]) -> Result<Vec<Chosen>, Failure> {
    let mut chosen: Vec<Chosen> = Vec::new();
    for selector in selectors {
        let by_number = selector.one().is_some() || *selector == Selector::Stdin;
        for id in ids(client, selector).await? {
            if !chosen.iter().any(|known| known.id == id) {
                chosen.push(Chosen { id, by_number });
            }
        }
        if chosen.len() > SELECT_MAX {
            return Err(too_many());
        }
    }
    Ok(chosen)
}

/// The one job that a selector names.
///
/// # Errors
/// When it names none or several.
pub async fn one(client: &Client, selector: &Selector) -> Result<u64, Failure> {
    match ids(client, selector).await?[..] {
        [only] => Ok(only),
        _ => Err(Failure::usage("exactly one job must be named")),
    }
}

async fn ids(client: &Client, selector: &Selector) -> Result<Vec<u64>, Failure> {
    let mut query = JobQuery::default();
    match selector {
        Selector::Range(first, last) if last - first >= SELECT_MAX as u64 => {
            return Err(too_many());
        }
        Selector::Range(first, last) => return Ok((*first..=*last).collect()),
        Selector::Stdin => return numbers(&mut std::io::stdin().lock()),
        Selector::Last(count) => return newest(client, *count).await,
        Selector::Name(pattern) => {
            let part = literal(pattern);
            query.name = (!part.is_empty()).then(|| part.to_owned());
        }
        Selector::Tag(tag) => query.tag = Some(tag.clone()),
        Selector::All => {}
    }
    let listed = list(client, query, SELECT_MAX + 1).await?.jobs;
    let fits = |job: &&Job| match selector {
        Selector::Name(pattern) => matches(pattern, &job.name),
        Selector::Tag(_)
        | Selector::All
        | Selector::Range(..)
        | Selector::Last(_)
        | Selector::Stdin => true,
    };
    Ok(listed.iter().filter(fits).map(|job| job.id).collect())
}

fn too_many() -> Failure {
    Failure::usage(format!("more than {SELECT_MAX} jobs are named")).hint("name fewer at a time")
}

fn numbers(from: &mut dyn Read) -> Result<Vec<u64>, Failure> {
    let mut text = String::new();
    from.take(SELECT_MAX as u64 * 24)
        .read_to_string(&mut text)?;
    let number = |word: &str| crate::parse::selector::job_number(word).map_err(Failure::usage);
    text.split_whitespace().map(number).collect()
}

/// The user's newest jobs by number, among those that live and the latest that ended.
async fn newest(client: &Client, count: usize) -> Result<Vec<u64>, Failure> {
    let mut jobs = list(client, JobQuery::default(), count).await?.jobs;
    let ended = JobState::ALL.into_iter().filter(|state| state.is_ended());
    let states: Vec<&str> = ended.map(JobState::word).collect();
    let query = JobQuery {
        state: Some(states.join(",")),
        ..JobQuery::default()
    };
    let looked = count.max(LAST_LOOK as usize);
    jobs.extend(list(client, query, looked).await?.jobs);
    let mut ids: Vec<u64> = jobs.iter().map(|job| job.id).collect();
    ids.sort_unstable_by(|a, b| b.cmp(a));
    ids.dedup();
    ids.truncate(count);
    match ids.is_empty() {
        true => Err(Failure::new(Kind::NotFound, "you have no jobs").hint("goctl submit …")),
        false => Ok(ids),
    }
}

/// A list of jobs, and how it was cut.
pub struct Listed {
    /// The jobs, as the server orders them.
    pub jobs: Vec<Job>,
    /// There are more than were asked for.
    pub more: bool,
    /// How many live jobs match, where that is known.
    pub live_total: Option<u64>,
}

/// At most `most` jobs that match, page by page.
///
/// # Errors
/// When a head refuses to list.
pub async fn list(client: &Client, mut query: JobQuery, most: usize) -> Result<Listed, Failure> {
    let mut listed = Listed {
        jobs: Vec::new(),
        more: false,
        live_total: None,
    };
    loop {
        let left = most.saturating_sub(listed.jobs.len());
        let page_size = u32::try_from(left).unwrap_or(PAGE_JOBS).clamp(1, PAGE_JOBS);
        query.limit = Some(page_size);
        let page: JobPage = client.ask(&Request::get("/jobs").query(&query)?).await?;
        listed.live_total = listed.live_total.or(page.live_total);
        listed.jobs.extend(page.items);
        listed.more = page.next.is_some();
        match page.next {
            Some(next) if listed.jobs.len() < most => query.cursor = Some(next),
            Some(_) | None => break,
        }
    }
    listed.more |= listed.jobs.len() > most;
    listed.jobs.truncate(most);
    Ok(listed)
}

/// One job, whole.
///
/// # Errors
/// When there is none of that number.
pub async fn job(client: &Client, id: u64) -> Result<Job, Failure> {
    client.ask(&Request::get(format!("/jobs/{id}"))).await
}

/// The index of the log that the answering head has applied.
///
/// # Errors
/// When no head answers.
pub async fn applied(client: &Client) -> Result<u64, Failure> {
    let query = JobQuery {
        limit: Some(1),
        ..JobQuery::default()
    };
    let response = client.send(&Request::get("/jobs").query(&query)?).await?;
    let index = response
        .headers()
        .get(header::INDEX)
        .and_then(|value| value.to_str().ok());
    Ok(index.and_then(|text| text.parse().ok()).unwrap_or(0))
}
