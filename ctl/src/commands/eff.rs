//! `eff`: what ended jobs used of what they asked for, and what to ask for next time.

use api_types::job::{Job, JobState};
use jiff::Timestamp;
use serde::Serialize;

use crate::args::look::Eff;
use crate::error::{Failure, Kind};
use crate::output::cells;
use crate::output::table::{Column, Rank};
use crate::select;
use crate::session::Session;

/// Below this share of what was asked for there is something to gain.
const LITTLE: f64 = 0.5;
/// What to ask for beyond what was used.
const SPARE: f64 = 1.25;
/// Runs shorter than this say little.
const SECONDS_MIN: f64 = 10.0;
/// Memory is advised in steps of this.
const MEMORY_STEP: f64 = 67_108_864.0;

/// What one job used.
#[derive(Serialize)]
struct Efficiency {
    job: u64,
    name: String,
    state: JobState,
    wall_seconds: f64,
    cpu: f64,
    /// Of the processors asked for, 0 to 1 and a little above.
    cpu_share: f64,
    memory_bytes: u64,
    /// The most memory that was used, of what was asked for.
    memory_share: f64,
    advice: Vec<String>,
}

/// `goctl eff`.
///
/// # Errors
/// When there is no such job, or it has not ended.
pub async fn eff(session: &Session, args: &Eff) -> Result<(), Failure> {
    let client = session.client()?;
    let mut rows = Vec::new();
    for chosen in select::jobs(client, &args.jobs).await? {
        match select::job(client, chosen.id).await {
            Ok(job) => match of(&job) {
                Some(row) => rows.push(row),
                None if chosen.by_number => {
                    let message = format!("job {} has not run to an end", job.id);
                    return Err(
                        Failure::failed(message).hint("goctl show tells what a running job uses")
                    );
                }
                None => {}
            },
            Err(failure) if failure.kind == Kind::NotFound && !chosen.by_number => {}
            Err(failure) => return Err(failure),
        }
    }
    session.output.list(&rows, &columns())
}

/// What a job used; `None` if it never ran or still does.
fn of(job: &Job) -> Option<Efficiency> {
    let usage = job.usage.as_ref().filter(|_| job.state.is_ended())?;
    let attempt = job.attempts.last()?;
    let moment = |text: &Option<String>| text.as_ref()?.parse::<Timestamp>().ok();
    let (from, to) = (moment(&attempt.started_at)?, moment(&attempt.ended_at)?);
    let wall_seconds = to.duration_since(from).as_secs_f64();
    let asked = job.cpu * wall_seconds;
    let share = |used: f64, asked: f64| if asked > 0.0 { used / asked } else { 0.0 };
    let mut row = Efficiency {
        job: job.id,
        name: job.name.clone(),
        state: job.state,
        wall_seconds,
        cpu: job.cpu,
        cpu_share: share(usage.cpu_seconds, asked),
        memory_bytes: job.memory_bytes,
        memory_share: share(number(usage.memory_peak_bytes), number(job.memory_bytes)),
        advice: Vec::new(),
    };
    row.advice = advice(job, &row);
    Some(row)
}

fn advice(job: &Job, row: &Efficiency) -> Vec<String> {
    let mut advice = Vec::new();
    if row.wall_seconds >= SECONDS_MIN && row.cpu > 1.0 && row.cpu_share < LITTLE {
        let enough = (row.cpu * row.cpu_share * SPARE).ceil().max(1.0);
        advice.push(format!("--cpu {enough}"));
    }
    if job.oom_killed {
        advice.push(format!("--mem {}", memory(number(job.memory_bytes) * 2.0)));
    } else if row.memory_share < LITTLE && number(job.memory_bytes) > MEMORY_STEP * 2.0 {
        let peak = row.memory_share * number(job.memory_bytes);
        advice.push(format!("--mem {}", memory(peak * SPARE)));
    }
    match job.wall_limit_seconds {
        Some(limit) if job.state == JobState::TimedOut => {
            advice.push(format!("--time {}s", limit.saturating_mul(2)));
        }
        Some(_) | None => {}
    }
    advice
}

/// Rounded up, as `--mem` takes it.
fn memory(bytes: f64) -> String {
    let steps = (bytes / MEMORY_STEP).ceil().max(1.0);
    format!("{}M", steps * MEMORY_STEP / 1_048_576.0)
}

#[allow(
    clippy::cast_precision_loss,
    reason = "an amount of memory, told to two digits"
)]
fn number(bytes: u64) -> f64 {
    bytes as f64
}

fn columns() -> [Column<Efficiency>; 8] {
    [
        Column::right("job", Rank::Always, |row, _| row.job.to_string()),
        Column::left("name", Rank::Useful, |row, _| cells::safe(&row.name)),
        Column::left("state", Rank::Useful, |row, view| {
            cells::state(row.state, "", view)
        }),
        Column::right("cpu", Rank::Useful, |row, _| cells::cpus(row.cpu)),
        Column::right("used", Rank::Always, |row, _| percent(row.cpu_share)),
        Column::right("mem", Rank::Useful, |row, _| cells::size(row.memory_bytes)),
        Column::right("peak", Rank::Always, |row, _| percent(row.memory_share)),
        Column::left("ask for", Rank::Always, |row, _| row.advice.join(" ")),
    ]
}

fn percent(share: f64) -> String {
    format!("{:.0}%", share * 100.0)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use serde_json::json;

    use super::*;

    fn job(cpu: f64, used: f64, peak: u64, more: &serde_json::Value) -> Job {
        let usage = json!({"cpu_seconds": used, "memory_bytes": 0, "memory_peak_bytes": peak,
            "processes": 0, "processes_peak": 1, "io_read_bytes": 0, "io_written_bytes": 0});
        let attempt = json!({"id": "7_0#1", "number": 1, "node": "n", "state": "succeeded",
            "placed_at": "", "started_at": "2026-11-26T10:00:00Z",
            "ended_at": "2026-11-26T10:01:40Z"});
        let mut job = json!({"id": 7, "name": "a", "owner": "ada", "state": "succeeded",
            "cpu": cpu, "memory_bytes": 1_u64 << 30, "submitted_at": "", "usage": usage,
            "attempts": [attempt]});
        let all = job.as_object_mut().unwrap();
        all.extend(more.as_object().unwrap().clone());
        serde_json::from_value(job).unwrap()
    }

    fn advised(job: &Job) -> Vec<String> {
        of(job).unwrap().advice
    }

    #[test]
    fn who_uses_little_is_told_what_is_enough() {
        let none = json!({});
        assert_eq!(
            advised(&job(4.0, 100.0, 1 << 28, &none)),
            ["--cpu 2", "--mem 320M"]
        );
        assert_eq!(advised(&job(4.0, 300.0, 900 << 20, &none)), [""; 0]);
        assert_eq!(
            advised(&job(1.0, 1.0, 900 << 20, &none)),
            [""; 0],
            "one is the least"
        );
    }

    #[test]
    fn who_ran_out_is_told_to_ask_for_more() {
        let out = json!({"state": "out_of_memory", "oom_killed": true});
        assert_eq!(advised(&job(1.0, 90.0, 1 << 30, &out)), ["--mem 2048M"]);
        let late = json!({"state": "timed_out", "wall_limit_seconds": 100});
        assert_eq!(advised(&job(1.0, 90.0, 900 << 20, &late)), ["--time 200s"]);
    }

    #[test]
    fn what_runs_or_never_ran_has_none() {
        assert!(of(&job(1.0, 1.0, 1, &json!({"state": "running"}))).is_none());
        assert!(of(&job(1.0, 1.0, 1, &json!({"attempts": []}))).is_none());
    }
}
