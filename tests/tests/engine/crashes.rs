//! The engine is killed, with what runs and what ends meanwhile.

use anyhow::{bail, ensure};
use tests::bench::Bench;
use tests::dockerd::{Dockerd, Setup};

use crate::desk::{COUNTS, attempts, copies, counted, ended_once, leave, left, number, submit};

const AGENT: &str = "agent-1";
/// Crashes with live-restore, unless `CRASHES` says otherwise.
const CRASHES: u64 = 2;
/// Ends as it is told by `$CODE` when it finds `go`: a number, or `KILL` by its own hand.
const ENDS: &str = "echo hello; while [ ! -e go ]; do sleep 0.02; done; echo bye; touch gone; \
    [ $CODE = KILL ] && kill -KILL $$; exit $CODE";

#[test]
fn an_engine_with_live_restore_loses_nothing_when_it_crashes() -> anyhow::Result<()> {
    let setup = Setup {
        live_restore: true,
        ..Setup::default()
    };
    let mut engine = Dockerd::start(setup)?;
    let bench = Bench::on(&engine.socket(), 1)?;
    let counts = submit(&bench, &["-e", "CODE=6"], COUNTS)?;
    bench.running(counts)?;
    for _ in 0..number("CRASHES", CRASHES)? {
        // What ends while the engine is down: by itself, by a signal, and without any fault.
        let ends = [
            ("7", "failed", 7),
            ("KILL", "failed", 137),
            ("0", "succeeded", 0),
        ];
        let mut jobs = Vec::new();
        for (code, _, _) in ends {
            jobs.push(submit(&bench, &["-e", &format!("CODE={code}")], ENDS)?);
        }
        for job in &jobs {
            bench.running(*job)?;
        }
        copies(&bench, AGENT, counts, 1)?;
        engine.kill()?;
        for job in &jobs {
            leave(&bench, AGENT, *job, "go")?;
            left(&bench, AGENT, *job, "gone")?;
        }
        let meanwhile = submit(&bench, &[], "echo meanwhile")?;
        engine.start_again()?;
        for (job, (_, state, code)) in jobs.into_iter().zip(ends) {
            ended_once(&bench, job, state, code)?;
            // What they wrote to a dead engine's pipes is gone with them; nothing else is.
            let found = bench.logs(job, &[])?;
            ensure!(
                b"hello\nbye\n".starts_with(&found),
                "the output of job {job}"
            );
            ensure!(found.starts_with(b"hello\n"), "the output of job {job}");
        }
        ended_once(&bench, meanwhile, "succeeded", 0)?;
        ensure!(bench.logs(meanwhile, &[])? == b"meanwhile\n");
        copies(&bench, AGENT, counts, 1)?;
    }
    leave(&bench, AGENT, counts, "stop")?;
    ended_once(&bench, counts, "failed", 6)?;
    let lines = counted(&bench, counts)?;
    println!("{lines} lines, each once");
    Ok(())
}

/// Such an engine ends what it finds running as it comes up: that is no job's fault.
#[test]
fn an_engine_without_live_restore_takes_the_blame_for_what_it_ends() -> anyhow::Result<()> {
    let mut engine = Dockerd::start(Setup::default())?;
    let bench = Bench::on(&engine.socket(), 1)?;
    let long = "[ $GO_ATTEMPT = 1 ] && sleep 600; echo attempt $GO_ATTEMPT; exit 3";
    let holds = submit(&bench, &[], long)?;
    let again = submit(&bench, &["--on-lost", "requeue"], long)?;
    let own = submit(&bench, &["-e", "CODE=5"], ENDS)?;
    for job in [holds, again, own] {
        bench.running(job)?;
    }
    engine.kill()?;
    leave(&bench, AGENT, own, "go")?;
    left(&bench, AGENT, own, "gone")?;
    engine.start_again()?;

    ended_once(&bench, own, "failed", 5)?;
    let held = bench.ended(holds)?;
    ensure!(held["state"] == "infrastructure", "{held:#}");
    let [only] = attempts(&held)? else {
        bail!("it may not be tried again: {held:#}");
    };
    let message = only["message"].as_str().unwrap_or_default();
    ensure!(message.contains("container engine failed"), "{held:#}");

    let tried = bench.ended(again)?;
    ensure!(
        tried["state"] == "failed" && tried["exit_code"] == 3,
        "{tried:#}"
    );
    let [first, second] = attempts(&tried)? else {
        bail!("not two attempts: {tried:#}");
    };
    ensure!(first["state"] == "infrastructure", "{tried:#}");
    ensure!(second["state"] == "failed", "{tried:#}");
    ensure!(bench.logs(again, &[])? == b"attempt 2\n");
    Ok(())
}
