//! What an end or a refused start means: the job's doing, or the engine's.
//!
//! Conservative: only an end that fits a restart of the engine in time and code is the engine's
//! fault; in doubt it is the job's.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use model::Timestamp;
use model::job::Exit;
use tokio::net::UnixStream;
use tokio::time::{sleep, timeout};

use crate::runtime::RuntimeError;

/// How long after its start an engine may be ending what it found running.
const SWEEP_AFTER: u64 = 30_000;
/// How long before its start its predecessor may have been ending what it ran.
const SWEEP_BEFORE: u64 = 30_000;
/// What the kernel counts process start times in: hundredths of a second, on every machine that
/// Docker knows.
const TICK_MS: u64 = 10;
/// How long connecting to the engine's socket may take.
const CONNECT: Duration = Duration::from_secs(1);
/// How often the init process is looked at.
const INIT_LOOK: Duration = Duration::from_millis(1);
/// The name of docker's init process.
const INIT: &str = "docker-init";

/// The end of a container, as the engine tells it.
#[derive(Clone, Copy, Debug)]
pub(super) struct End {
    /// When it started.
    pub(super) started: Timestamp,
    /// When it ended.
    pub(super) ended: Timestamp,
    /// How.
    pub(super) exit: Exit,
    /// The engine lets containers outlive it.
    pub(super) live_restore: bool,
}

/// Whether an engine that started at `engine` ended this container by its own restart.
///
/// An engine without live-restore ends what it finds running when it starts, and its predecessor
/// ends what it runs when it stops in order: by TERM (143), then by KILL (137). After a reboot of
/// the machine an engine of either kind gives up what it cannot find (255). A job that answers
/// TERM with a code of its own is taken at its word.
pub(super) fn engine_ended(end: &End, engine: Timestamp) -> bool {
    if end.started >= engine || !engine_may_have(end) {
        return false;
    }
    let after = end.ended >= engine && end.ended.0 - engine.0 <= SWEEP_AFTER;
    let before = end.ended < engine && engine.0 - end.ended.0 <= SWEEP_BEFORE;
    match end.exit.code {
        Some(255) => after,
        Some(137 | 143) => !end.live_restore && (after || before),
        Some(_) | None => false,
    }
}

/// Whether an end looks like one that an engine may have caused, whenever it started.
pub(super) fn engine_may_have(end: &End) -> bool {
    matches!(end.exit.code, Some(137 | 143 | 255)) && !end.exit.oom_killed
}

/// When the engine behind this socket started, by the start of the process that listens there;
/// `None` if that cannot be told, as when somebody else listens for it.
///
/// # Errors
/// [`RuntimeError`] if nobody listens there now.
pub(super) async fn engine_started(socket: &str) -> Result<Option<Timestamp>, RuntimeError> {
    let path = socket.trim_start_matches("unix://");
    let call = "connect";
    match timeout(CONNECT, UnixStream::connect(path)).await {
        Ok(Ok(stream)) => Ok(listener_started(&stream)),
        Ok(Err(error)) => Err(RuntimeError::Engine {
            call,
            why: error.to_string(),
        }),
        Err(_) => Err(RuntimeError::TimedOut {
            call,
            seconds: CONNECT.as_secs(),
        }),
    }
}

fn listener_started(stream: &UnixStream) -> Option<Timestamp> {
    let listener = stream.peer_cred().ok()?.pid()?;
    let named = || {
        std::fs::read_to_string("/run/docker.pid")
            .ok()?
            .trim()
            .parse()
            .ok()
    };
    let pid = if is_engine(listener) {
        listener
    } else {
        named().filter(|pid| is_engine(*pid))?
    };
    process_started(pid)
}

fn is_engine(pid: i32) -> bool {
    std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|comm| comm.trim() == "dockerd")
}

fn process_started(pid: i32) -> Option<Timestamp> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may hold anything; the start is the 20th word behind it.
    let ticks: u64 = stat
        .rsplit(')')
        .next()?
        .split_whitespace()
        .nth(19)?
        .parse()
        .ok()?;
    let uptime = std::fs::read_to_string("/proc/uptime").ok()?;
    let (seconds, hundredths) = uptime.split_whitespace().next()?.split_once('.')?;
    let up_ms = seconds.parse::<u64>().ok()? * 1000 + hundredths.parse::<u64>().ok()? * 10;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .ok()?
        .as_millis();
    let age = up_ms.saturating_sub(ticks * TICK_MS);
    Some(Timestamp(u64::try_from(now).ok()?.saturating_sub(age)))
}

/// Waits until the container's init has started the program in its child: true. False if the
/// child is gone already. The caller bounds the time.
pub(super) async fn init_has_gone_on(pid: u32) -> bool {
    let init = format!("/proc/{pid}");
    loop {
        let children = std::fs::read_to_string(format!("{init}/task/{pid}/children"));
        match children {
            // The init is gone, or lives on another machine than we do.
            Err(_) => return false,
            Ok(children) => {
                let child = children.split_whitespace().next().map(str::to_owned);
                let name = child
                    .and_then(|child| std::fs::read_to_string(format!("/proc/{child}/comm")).ok());
                if name.is_some_and(|name| name.trim() != INIT) {
                    return true;
                }
            }
        }
        sleep(INIT_LOOK).await;
    }
}

/// What the engine's refusal to start a container means. A file that is missing is the job's doing
/// only where the engine speaks of the container's own process: it may be the engine's runtime.
pub(super) fn start_refused(status: u16, why: String) -> RuntimeError {
    let of_the_job = why.contains("container process");
    let says = |words: &[&str]| of_the_job && words.iter().any(|word| why.contains(word));
    if says(&[
        "executable file not found",
        "no such file or directory: unknown",
    ]) {
        return RuntimeError::CannotStart { why, code: 127 };
    }
    if says(&[
        "exec format error",
        "permission denied: unknown",
        "is a directory: unknown",
    ]) {
        return RuntimeError::CannotStart { why, code: 126 };
    }
    // Where its runtime fails, 20.10 speaks of a bad request.
    if status < 500 && (of_the_job || status != 400) {
        return RuntimeError::Refused { why };
    }
    RuntimeError::Engine { call: "start", why }
}

/// A moment in the engine's form, `2026-11-24T14:43:57.449676448Z`; zero for its year 1, which
/// means never. `None` if it is written otherwise.
pub(super) fn parse_time(text: &str) -> Option<Timestamp> {
    let (date, time) = text.strip_suffix('Z')?.split_once('T')?;
    let mut date = date.splitn(3, '-').map(str::parse::<u64>);
    let (year, month, day) = (date.next()?.ok()?, date.next()?.ok()?, date.next()?.ok()?);
    let (clock, fraction) = time.split_once('.').unwrap_or((time, ""));
    let mut clock = clock.splitn(3, ':').map(str::parse::<u64>);
    let (hour, minute, second) = (
        clock.next()?.ok()?,
        clock.next()?.ok()?,
        clock.next()?.ok()?,
    );
    if year < 1970 {
        return Some(Timestamp(0));
    }
    let in_range = (1..=12).contains(&month) && (1..=31).contains(&day) && year < 10_000;
    if !in_range || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let millis: String = fraction.chars().chain("000".chars()).take(3).collect();
    let seconds = ((days_since_1970(year, month, day) * 24 + hour) * 60 + minute) * 60 + second;
    Some(Timestamp(seconds * 1000 + millis.parse::<u64>().ok()?))
}

/// Days from 1970-01-01 in the Gregorian calendar, counting years from March so that the leap
/// day comes last.
fn days_since_1970(year: u64, month: u64, day: u64) -> u64 {
    let (year, month) = if month > 2 {
        (year, month - 3)
    } else {
        (year - 1, month + 9)
    };
    let of_years = year * 365 + year / 4 - year / 100 + year / 400;
    let of_months = (month * 153 + 2) / 5;
    of_years + of_months + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    #[test]
    fn moments_are_read_as_the_engine_writes_them() {
        for (text, expected) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2000-02-29T12:00:00.5Z", Some(951_825_600_500)),
            ("2026-11-24T14:43:57.449676448Z", Some(1_795_531_437_449)),
            ("2024-03-01T00:00:00Z", Some(1_709_251_200_000)),
            ("0001-01-01T00:00:00Z", Some(0)),
            ("2026-11-24T14:43:57+01:00", None),
            ("2026-13-24T14:43:57Z", None),
            ("", None),
        ] {
            assert_eq!(parse_time(text), expected.map(Timestamp), "{text}");
        }
    }

    #[test]
    fn only_an_end_that_fits_the_engines_restart_is_its_fault() {
        let engine = Timestamp(1_000_000);
        let judged = |ended: u64, code: i32, oom_killed: bool, live_restore: bool| {
            let exit = Exit {
                code: Some(code),
                signal: None,
                oom_killed,
            };
            let end = End {
                started: Timestamp(1),
                ended: Timestamp(ended),
                exit,
                live_restore,
            };
            engine_ended(&end, engine)
        };
        assert!(
            judged(1_000_500, 137, false, false),
            "killed as the engine came up"
        );
        assert!(
            judged(1_000_500, 143, false, false),
            "told to end as the engine came up"
        );
        assert!(
            judged(995_000, 143, false, false),
            "told to end as the engine went down"
        );
        assert!(
            judged(995_000, 137, false, false),
            "killed as the engine went down"
        );
        assert!(judged(1_000_900, 255, false, true), "lost in a reboot");
        assert!(!judged(1_000_500, 137, true, false), "out of memory");
        assert!(
            !judged(1_000_500, 137, false, true),
            "it would have outlived the engine"
        );
        assert!(!judged(1_000_500, 1, false, false), "its own code");
        assert!(!judged(900_000, 137, false, false), "long before");
        assert!(!judged(1_100_000, 137, false, false), "long after");
        let exit = Exit {
            code: Some(137),
            ..Exit::default()
        };
        let (started, ended) = (Timestamp(1_000_001), Timestamp(1_000_500));
        let end = End {
            started,
            ended,
            exit,
            live_restore: false,
        };
        assert!(!engine_ended(&end, engine), "started under this engine");
    }

    #[test]
    fn a_missing_runtime_is_not_a_missing_program() {
        let own = "OCI runtime create failed: runc create failed: unable to start container \
                   process: exec: \"/nothing\": ";
        let engines = "OCI runtime create failed: unable to retrieve OCI runtime error (open \
                       /run/log.json: no such file or directory): fork/exec /usr/sbin/runc: ";
        for (why, code) in [
            ("stat /nothing: no such file or directory: unknown", 127),
            ("permission denied: unknown", 126),
        ] {
            let refused = start_refused(400, format!("{own}{why}"));
            assert!(
                matches!(refused, RuntimeError::CannotStart { code: said, .. } if said == code),
                "{refused:?}"
            );
            let refused = start_refused(400, format!("{engines}{why}"));
            assert!(
                matches!(refused, RuntimeError::Engine { .. }),
                "{refused:?}"
            );
        }
    }

    #[test]
    fn a_process_start_is_found() {
        let me = i32::try_from(std::process::id()).unwrap();
        let started = process_started(me).unwrap();
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap()
            .as_millis();
        let age = u64::try_from(now).unwrap() - started.0;
        assert!(age < 3_600_000, "{age}");
    }
}
