//! Attempts of the process runtime on this machine's kernel: how they end, what limits them, what
//! they may do, and what is left of them.
#![allow(clippy::unwrap_used, reason = "tests")]
#![allow(missing_docs, unreachable_pub, reason = "tests")]

#[path = "process_live/desk.rs"]
mod desk;

use std::time::{Duration, Instant};

use agent::runtime::{Runtime, RuntimeError, Signal, Stage};
use desk::{Desk, argv, groups, says, script, with_spec};
use model::account::UnixIds;
use model::assignment::Mount;
use model::job::Exit;
use model::unit::{Bytes, MilliCpus};

fn code(code: i32) -> Exit {
    Exit {
        code: Some(code),
        signal: None,
        oom_killed: false,
    }
}

fn killed(signal: u8, oom_killed: bool) -> Exit {
    Exit {
        code: Some(128 + i32::from(signal)),
        signal: Some(signal),
        oom_killed,
    }
}

/// A shell that fills memory until the kernel ends it.
const HOG: &str = "head -c 400m /dev/zero | tail";

#[tokio::test]
async fn codes_and_signals_are_exact() {
    let desk = Desk::new();
    let cases = [
        ("exit 0", code(0)),
        ("exit 3", code(3)),
        ("exit 255", code(255)),
        // A code that looks like a signal's is a code all the same.
        ("exit 137", code(137)),
        ("kill -9 $$", killed(9, false)),
        ("kill -TERM $$", killed(15, false)),
        ("kill -SEGV $$", killed(11, false)),
        // What is left behind by the program ends with it.
        ("sleep 1000 & exit 4", code(4)),
    ];
    for (job, (text, expected)) in (1..).zip(cases) {
        assert_eq!(desk.run(&script(job, text)).await.0, expected, "{text}");
    }
}

#[tokio::test]
async fn programs_and_scripts_start_as_they_are_written() {
    let desk = Desk::new();
    let (exit, out, _) = desk
        .run(&argv(10, &["printf", "%s|", "a b", "", "$HOME"]))
        .await;
    assert_eq!((exit, out.as_str()), (code(0), "a b||$HOME|"));
    let (exit, out, _) = desk.run(&script(11, "#!/bin/cat\nit is me\n")).await;
    assert_eq!((exit, out.as_str()), (code(0), "#!/bin/cat\nit is me\n"));
    let text = "echo $GO_JOB_ID $GO_TASK_ID $GO_ATTEMPT $GO_CPUS $GO_MEMORY\n\
                test \"$GODOCKER_PWD\" = \"$(pwd)\" && test \"$GO_JOBDIR\" = \"$PWD\"\n\
                cat \"$GODOCKER_PWD/cmd.sh\" > copy && exec wc -l < copy";
    let (exit, out, err) = desk.run(&script(12, text)).await;
    assert_eq!(
        (exit, out.as_str()),
        (code(0), "12 0 1 1 134217728\n2\n"),
        "{err}"
    );
}

#[tokio::test]
async fn what_cannot_be_executed_says_so_and_again() {
    let desk = Desk::new();
    let cases = [
        (argv(20, &["no-such-program-anywhere"]), 127),
        (argv(21, &["/etc/passwd"]), 126),
        (argv(22, &["/"]), 126),
        (script(23, "#!/no/such/interpreter\n"), 127),
    ];
    for (assignment, expected) in cases {
        let place = desk.prepare(&assignment).await.unwrap();
        for _ in 0..2 {
            let error = desk.runtime.start(&place).await.unwrap_err();
            let RuntimeError::CannotStart { code, .. } = error else {
                panic!("{error}")
            };
            assert_eq!(code, expected, "{assignment:?}");
            assert_eq!(desk.stage(&place).await, Some(Stage::Created));
        }
        desk.leave_nothing(&place).await;
    }
}

#[tokio::test]
async fn a_kill_for_memory_is_flagged_whatever_the_code() {
    let desk = Desk::new();
    let small = |assignment| with_spec(assignment, |spec| spec.resources.memory = Bytes::mebi(24));
    let flagged = |number: i32| Exit {
        oom_killed: true,
        ..code(number)
    };
    let cases = [
        (format!("{HOG}; exit 0"), flagged(0)),
        (format!("{HOG}; exit 7"), flagged(7)),
        ("exec tail /dev/zero".into(), killed(9, true)),
        ("exit 9".into(), code(9)),
    ];
    for (job, (text, expected)) in (30..).zip(cases) {
        assert_eq!(
            desk.run(&small(script(job, &text))).await.0,
            expected,
            "{text}"
        );
    }
}

#[tokio::test]
async fn term_is_honoured_or_caught_or_ignored_and_kill_is_not() {
    let desk = Desk::new();
    let caught = script(
        40,
        "trap 'echo bye; exit 5' TERM; echo up; while :; do sleep 0.05; done",
    );
    let place = desk.start(&caught).await;
    says(&place.stdout(), "up").await;
    desk.runtime.signal(&place, Signal::Term).await.unwrap();
    assert_eq!(desk.end(&place).await, code(5));
    says(&place.stdout(), "bye").await;
    desk.leave_nothing(&place).await;

    // Not process 1 itself, so the kernel's default action works.
    let place = desk.start(&argv(41, &["sleep", "1000"])).await;
    assert!(!desk.supervisors(&place).is_empty());
    desk.runtime.signal(&place, Signal::Term).await.unwrap();
    assert_eq!(desk.end(&place).await, killed(15, false));
    desk.leave_nothing(&place).await;

    let deaf = script(
        42,
        "trap '' TERM; sleep 1000 & echo up; wait; while :; do sleep 1; done",
    );
    let place = desk.start(&deaf).await;
    says(&place.stdout(), "up").await;
    desk.runtime.signal(&place, Signal::Term).await.unwrap();
    assert!(matches!(desk.stage(&place).await, Some(Stage::Running(_))));
    desk.runtime.signal(&place, Signal::Kill).await.unwrap();
    assert_eq!(desk.end(&place).await, killed(9, false));
    desk.runtime.signal(&place, Signal::Kill).await.unwrap();
    desk.leave_nothing(&place).await;
}

#[tokio::test]
async fn the_share_of_the_processors_is_a_limit() {
    let desk = Desk::new();
    let spin = with_spec(argv(50, &["sh", "-c", "while :; do :; done"]), |spec| {
        spec.resources.cpu = MilliCpus(200);
    });
    let place = desk.start(&spin).await;
    let first = desk.runtime.usage(&place).await.unwrap();
    let begun = Instant::now();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let second = desk.runtime.usage(&place).await.unwrap();
    let passed = u64::try_from(begun.elapsed().as_micros()).unwrap();
    let used = second.cpu_micros - first.cpu_micros;
    assert!(
        used * 100 < passed * 30,
        "{used} of {passed} us with a share of a fifth"
    );
    assert!(used > 0 && second.processes >= 1, "{second:?}");
    desk.runtime.signal(&place, Signal::Kill).await.unwrap();
    desk.end(&place).await;
    let last = desk.runtime.usage(&place).await.unwrap();
    assert!(
        last.cpu_micros >= second.cpu_micros,
        "usage stays known after the end: {last:?}"
    );
    desk.leave_nothing(&place).await;
}

#[tokio::test]
async fn memory_and_processes_are_limited_and_counted() {
    let mut config = Desk::new().config;
    config.processes_max = 12;
    let mut desk = Desk::new();
    config.state.clone_from(&desk.config.state);
    config.hidden.clone_from(&desk.config.hidden);
    desk.runtime = agent::runtime::process::ProcessRuntime::new(config.clone()).unwrap();
    desk.config = config;
    let text =
        "for i in $(seq 40); do sleep 5 & done 2>/dev/null; jobs -p | wc -l; kill $(jobs -p)";
    let (_, out, err) = desk.run(&script(60, text)).await;
    let started: u32 = out.trim().parse().unwrap_or(0);
    assert!(started < 12, "{out} {err}");

    let text = "head -c 60m /dev/zero | tail -c 60m > /dev/null; sleep 1000";
    let place = desk.start(&script(61, text)).await;
    let begun = Instant::now();
    let peak = loop {
        let usage = desk.runtime.usage(&place).await.unwrap();
        if usage.memory_peak > Bytes::mebi(50) {
            break usage.memory_peak;
        }
        assert!(begun.elapsed() < desk::PATIENCE, "{usage:?}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert!(peak <= Bytes::mebi(128), "{peak}");
    desk.leave_nothing(&place).await;
}

#[tokio::test]
async fn output_is_kept_byte_for_byte() {
    let desk = Desk::new();
    let (_, out, err) = desk
        .run(&argv(
            70,
            &["sh", "-c", "printf 'no\\000newline'; printf e >&2"],
        ))
        .await;
    assert_eq!((out.as_str(), err.as_str()), ("no\0newline", "e"));
    // Opened by name, the streams are added to, not emptied.
    let text = "echo one; echo two > /dev/stdout; echo a >&2; echo b > /dev/stderr; echo three";
    let (_, out, err) = desk.run(&script(71, text)).await;
    assert_eq!(
        (out.as_str(), err.as_str()),
        ("one\ntwo\nthree\n", "a\nb\n")
    );

    let place = desk
        .start(&argv(72, &["sh", "-c", "seq 14000000 | head -c 104857600"]))
        .await;
    assert_eq!(desk.end(&place).await, code(0));
    desk.runtime.capture(&place).await.unwrap();
    let written = std::fs::read(place.stdout()).unwrap();
    assert_eq!(written.len(), 104_857_600);
    let mut expected = Vec::with_capacity(written.len() + 16);
    for number in 1..=14_000_000 {
        use std::io::Write;
        writeln!(expected, "{number}").unwrap();
        if expected.len() > written.len() {
            break;
        }
    }
    expected.truncate(written.len());
    assert!(
        written == expected,
        "the 100 MiB differ from what was written"
    );
    desk.leave_nothing(&place).await;
}

#[tokio::test]
async fn a_restarted_agent_adopts_what_runs_and_what_ended() {
    let desk = Desk::new();
    let text = "echo up; while [ ! -e go ]; do sleep 0.02; done; echo done; exit 42";
    let running = desk.start(&script(80, text)).await;
    let ended = desk.start(&script(81, "exit 6")).await;
    desk.end(&ended).await;
    let created = desk.prepare(&script(82, "exit 0")).await.unwrap();
    let before = desk.runtime.list().await.unwrap();

    let again = desk.restarted();
    let mut after = again.list().await.unwrap();
    let mut sorted = before.clone();
    sorted.sort_by_key(|seen| seen.attempt);
    after.sort_by_key(|seen| seen.attempt);
    assert_eq!(after, sorted);
    assert_eq!(after.len(), 3);
    assert!(matches!(after[0].stage, Stage::Running(_)), "{after:?}");
    let Stage::Exited {
        exit,
        engine_failed: false,
        ..
    } = &after[1].stage
    else {
        panic!("{after:?}");
    };
    assert_eq!(*exit, code(6));
    assert_eq!(after[2].stage, Stage::Created);

    let started = again.start(&running).await.unwrap();
    assert!(
        after[0].stage == Stage::Running(started),
        "a second start changes nothing"
    );
    std::fs::write(running.work().join("go"), "").unwrap();
    assert_eq!(again.wait(&running).await.unwrap(), code(42));
    again.capture(&running).await.unwrap();
    assert_eq!(
        std::fs::read_to_string(running.stdout()).unwrap(),
        "up\ndone\n"
    );
    for place in [&running, &ended, &created] {
        desk.leave_nothing(place).await;
    }
    assert_eq!(again.list().await.unwrap(), Vec::new());
}

#[tokio::test]
async fn a_dead_supervisor_is_the_engines_failure_and_takes_everything_along() {
    let desk = Desk::new();
    let place = desk
        .start(&script(90, "sleep 1000 & echo up; sleep 1000"))
        .await;
    says(&place.stdout(), "up").await;
    let supervisor = supervisor_of(&desk, &place);
    nix::sys::signal::kill(supervisor, nix::sys::signal::Signal::SIGKILL).unwrap();
    assert_eq!(desk.end(&place).await, Exit::default());
    let stage = desk.stage(&place).await;
    assert!(
        matches!(
            stage,
            Some(Stage::Exited {
                engine_failed: true,
                ..
            })
        ),
        "{stage:?}"
    );
    assert_eq!(
        groups(&desk.config.cgroup, &place),
        Vec::<std::path::PathBuf>::new()
    );
    // It has begun, so it is never begun again.
    desk.runtime.start(&place).await.unwrap();
    assert_eq!(desk.stage(&place).await, stage);
    desk.leave_nothing(&place).await;
}

/// The process that holds the attempt's lock.
fn supervisor_of(desk: &Desk, place: &agent::runtime::Place) -> nix::unistd::Pid {
    let name = format!("{}-{}", place.name(), place.fence);
    let alive = desk
        .config
        .state
        .join(name)
        .join("alive")
        .canonicalize()
        .unwrap();
    for entry in std::fs::read_dir("/proc").unwrap() {
        let entry = entry.unwrap();
        let Ok(pid) = entry.file_name().to_string_lossy().parse::<i32>() else {
            continue;
        };
        let own = i32::try_from(std::process::id()).unwrap();
        let Ok(open) = std::fs::read_dir(entry.path().join("fd")) else {
            continue;
        };
        let holds = |fd: std::io::Result<std::fs::DirEntry>| {
            fd.ok().and_then(|fd| std::fs::read_link(fd.path()).ok()) == Some(alive.clone())
        };
        if pid != own && open.into_iter().any(holds) {
            return nix::unistd::Pid::from_raw(pid);
        }
    }
    panic!("nobody holds {}", alive.display())
}

#[tokio::test]
async fn inside_there_are_no_privileges_and_nobody_else() {
    let desk = Desk::new();
    let text = "id -u; id -g; id -G; grep -E '^(Cap|NoNewPrivs)' /proc/self/status | \
                tr -d '\\t '; ls /proc | grep -c '^[0-9]'; hostname; \
                cat /proc/net/dev | grep -c :; ulimit -c";
    let mut plain = script(100, text);
    plain.ids = Some(ids(12_345, 23_456));
    let (exit, out, err) = desk.run(&plain).await;
    let zero = "0000000000000000";
    let caps = format!("CapInh:{zero}\nCapPrm:{zero}\nCapEff:{zero}\nCapBnd:{zero}\nCapAmb:{zero}");
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(exit, code(0), "{out} {err}");
    assert_eq!(lines[..3], ["12345", "23456", "23456 34567"]);
    assert_eq!(lines[3..9].join("\n"), format!("{caps}\nNoNewPrivs:1"));
    assert!(
        lines[9].parse::<u32>().unwrap() <= 5,
        "it sees only its own processes: {out}"
    );
    assert_eq!(lines[10..], ["100-0-1", "1", "0"]);

    let by_default = desk.run(&script(101, "id -u; id -g")).await.1;
    assert_eq!(by_default, "65534\n65534\n");
    let mut root = script(102, "id");
    root.ids = Some(ids(0, 0));
    let refused = desk.prepare(&root).await.unwrap_err().to_string();
    assert!(refused.contains("as root"), "{refused}");
}

#[tokio::test]
async fn the_agents_directory_is_hidden_and_volumes_are_where_they_belong() {
    let desk = Desk::new();
    std::fs::write(desk.dir.path().join("secret"), "key").unwrap();
    let data = tempfile::tempdir().unwrap();
    std::os::unix::fs::chown(data.path(), Some(65_534), Some(65_534)).unwrap();
    std::fs::write(data.path().join("file"), "content\n").unwrap();
    let top = desk.dir.path().display();
    let text = format!(
        "ls {top} 2>&1; cat {top}/secret; ls -A {top}/attempts; cat /mnt/file; \
         echo x > /mnt/new && echo written; \
         cat /srv/file; echo x > /srv/new || echo read-only; mount | grep -c {top}/attempts"
    );
    let mut job = script(110, &text);
    let mount = |mount_path: &str, writable| Mount {
        host_path: data.path().to_string_lossy().into_owned(),
        sub_path: String::new(),
        mount_path: mount_path.into(),
        writable,
    };
    job.mounts = vec![mount("/mnt", true), mount("/srv", false)];
    let (exit, out, err) = desk.run(&job).await;
    let out = out
        .lines()
        .skip(1)
        .map(|line| format!("{line}\n"))
        .collect::<String>();
    assert!(err.contains("secret: No such file"), "{err}");
    let expected = "110-0-1\ncontent\nwritten\ncontent\nread-only\n1\n";
    assert_eq!((exit, out.as_str()), (code(0), expected), "{err}");
    assert_eq!(
        std::fs::read_to_string(data.path().join("new")).unwrap(),
        "x\n"
    );
    assert!(
        !std::path::Path::new("/mnt/file").exists(),
        "nothing is mounted on the machine"
    );
    job.mounts = vec![mount("/no/such/place", true)];
    job.fence = model::Fence(999);
    let refused = desk.prepare(&job).await.unwrap_err();
    assert!(matches!(refused, RuntimeError::Refused { .. }), "{refused}");
}

#[tokio::test]
async fn a_later_fence_replaces_an_earlier_attempt_and_not_the_other_way_round() {
    let desk = Desk::new();
    let old = script(120, "echo up; sleep 1000");
    let first = desk.start(&old).await;
    says(&first.stdout(), "up").await;
    desk.prepare(&old).await.unwrap();
    let mut new = script(120, "exit 8");
    new.fence = model::Fence(old.fence.0 + 1);
    let second = desk.start(&new).await;
    assert_eq!(desk.stage(&first).await, None, "the older one is gone");
    assert_eq!(desk.end(&second).await, code(8));
    let refused = desk.prepare(&old).await.unwrap_err();
    assert!(matches!(refused, RuntimeError::Refused { .. }), "{refused}");
    assert!(matches!(
        desk.runtime.wait(&first).await,
        Err(RuntimeError::Gone)
    ));
    desk.leave_nothing(&second).await;
}

#[tokio::test]
async fn removing_a_running_attempt_ends_it() {
    let desk = Desk::new();
    let place = desk
        .start(&script(
            130,
            "trap '' TERM; while :; do sleep 0.01 & wait; done",
        ))
        .await;
    desk.leave_nothing(&place).await;
}

#[tokio::test]
async fn starts_that_race_run_the_program_once() {
    let desk = Desk::new();
    let place = desk.prepare(&script(140, "echo ran")).await.unwrap();
    let others = [desk.restarted(), desk.restarted(), desk.restarted()];
    let starts = others.iter().map(|runtime| runtime.start(&place));
    for started in futures_util::future::join_all(starts).await {
        started.unwrap();
    }
    assert_eq!(desk.end(&place).await, code(0));
    desk.runtime.capture(&place).await.unwrap();
    assert_eq!(std::fs::read_to_string(place.stdout()).unwrap(), "ran\n");
    desk.leave_nothing(&place).await;
}

fn ids(uid: u32, gid: u32) -> UnixIds {
    UnixIds {
        uid,
        gid,
        groups: vec![34_567],
    }
}
