//! How jobs end: exit codes, signals, limits, cancellation.

use anyhow::ensure;
use serde_json::{Value, json};

use tests::bench::{Bench, Case, Program};

/// A program, and what is to be known of it after its end.
struct End {
    program: Program<'static>,
    args: &'static [&'static str],
    state: &'static str,
    exit_code: Value,
    signal: Value,
    oom_killed: bool,
}

impl End {
    fn of(script: &'static str, state: &'static str, exit_code: i32) -> End {
        let (program, exit_code) = (Program::Script(script), json!(exit_code));
        End {
            program,
            args: &[],
            state,
            exit_code,
            signal: Value::Null,
            oom_killed: false,
        }
    }
}

/// Takes too much memory in a part of its own, and goes on. The kernel is told whom to end, and
/// only the eater asks for memory: at a second asker it would choose once more, and then the whole.
macro_rules! eats {
    ($then:literal) => {
        concat!(
            "(echo 1000 >/proc/self/oom_score_adj; \
             exec dd if=/dev/zero of=/dev/null bs=200M count=1); ",
            $then
        )
    };
}

fn ends() -> Vec<End> {
    let argv = |argv: &'static [&'static str], state, code| End {
        program: Program::Argv(argv),
        ..End::of("", state, code)
    };
    vec![
        End::of("true", "succeeded", 0),
        End::of("exit 1", "failed", 1),
        End::of("exit 42", "failed", 42),
        End::of("exit 255", "failed", 255),
        argv(&["/bin/sh", "-c", "exit \"$1\"", "sh", "7"], "failed", 7),
        argv(&["/nonexistent/program"], "cannot_start", 127),
        argv(&["/etc/passwd"], "cannot_start", 126),
        End {
            args: &["-e", "CODE=9"],
            ..End::of("exit $CODE", "failed", 9)
        },
        End {
            signal: json!(9),
            ..End::of("kill -KILL $$; sleep 60", "failed", 137)
        },
        End {
            args: &["--time", "1s"],
            signal: json!(9),
            ..End::of(
                "trap '' TERM; while :; do sleep 0.1; done",
                "timed_out",
                137,
            )
        },
        End {
            args: &["--time", "1s"],
            ..End::of(
                "trap 'exit 5' TERM; while :; do sleep 0.1; done",
                "timed_out",
                5,
            )
        },
        End {
            args: &["--mem", "16M"],
            oom_killed: true,
            ..End::of(eats!("exit 3"), "out_of_memory", 3)
        },
        End {
            args: &["--mem", "16M"],
            oom_killed: true,
            ..End::of(eats!("exit 0"), "succeeded", 0)
        },
    ]
}

fn all_ends(bench: &Bench) -> anyhow::Result<()> {
    let ends = ends();
    let mut ids = Vec::new();
    for end in &ends {
        ids.push(bench.submit(&Case {
            args: end.args,
            program: end.program,
        })?);
    }
    for (end, id) in ends.iter().zip(ids) {
        let job = bench.ended(id)?;
        let found = (&job["state"], &job["exit_code"], &job["oom_killed"]);
        let expected = (&json!(end.state), &end.exit_code, &json!(end.oom_killed));
        ensure!(
            found == expected,
            "job {id}: {found:?}, expected {expected:?}\n{job:#}"
        );
        // An engine tells the code only; the kernel's own runtime knows the signal.
        if bench.tells_signals() && !end.signal.is_null() {
            ensure!(job["signal"] == end.signal, "job {id}: {job:#}");
        }
    }
    Ok(())
}

/// TERM is ignored, so KILL follows after the grace; and a job that waits for nothing is
/// cancelled at once.
fn cancelled(bench: &Bench) -> anyhow::Result<()> {
    let program = Program::Script("trap '' TERM; echo ready; while :; do sleep 0.1; done");
    let id = bench.submit(&Case {
        args: &["--grace", "1s"],
        program,
    })?;
    bench.running(id)?;
    bench
        .cluster
        .goctl(&["cancel", &id.to_string(), "--reason", "wrong genome"])?;
    let job = bench.ended(id)?;
    ensure!(
        job["state"] == "cancelled" && job["exit_code"] == 137,
        "{job:#}"
    );
    ensure!(job["cancel"]["reason"] == "wrong genome", "{job:#}");

    // Who loses patience asks again, with less grace.
    let program = Program::Script("trap '' TERM; while :; do sleep 0.1; done");
    let args = &["--grace", "10m"];
    let id = bench.submit(&Case { args, program })?;
    bench.running(id)?;
    bench.cluster.goctl(&["cancel", &id.to_string()])?;
    bench
        .cluster
        .goctl(&["cancel", &id.to_string(), "--grace", "0s"])?;
    let job = bench.ended(id)?;
    ensure!(
        job["state"] == "cancelled" && job["exit_code"] == 137,
        "{job:#}"
    );

    let program = Program::Script("true");
    let id = bench.submit(&Case {
        args: &["--cpu", "64", "--mem", "8000M"],
        program,
    })?;
    let waiting = bench.submit(&Case {
        args: &["--cpu", "65"],
        program,
    })?;
    bench.cluster.goctl(&["cancel", &waiting.to_string()])?;
    let job = bench.ended(waiting)?;
    ensure!(
        job["state"] == "cancelled" && job["exit_code"].is_null(),
        "{job:#}"
    );
    ensure!(bench.ended(id)?["state"] == "succeeded");
    Ok(())
}

#[test]
fn docker_ends_are_exact() -> anyhow::Result<()> {
    let bench = Bench::docker()?;
    all_ends(&bench)?;
    cancelled(&bench)
}

#[test]
fn process_ends_are_exact() -> anyhow::Result<()> {
    let bench = Bench::process()?;
    all_ends(&bench)?;
    cancelled(&bench)
}
