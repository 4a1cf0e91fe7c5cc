//! How attempts end: codes, signals, memory, and being told to.

use std::time::{Duration, Instant};

use agent::runtime::{Runtime, Signal, Stage};
use model::job::Exit;
use tokio::time::timeout;

use crate::bench::{Bench, PATIENCE, argv, script};

fn code(code: i32) -> Exit {
    Exit {
        code: Some(code),
        signal: None,
        oom_killed: false,
    }
}

fn out_of_memory(code: i32) -> Exit {
    Exit {
        code: Some(code),
        signal: None,
        oom_killed: true,
    }
}

#[tokio::test]
async fn every_code_is_told_as_it_is() {
    let bench = Bench::new().await;
    for (job, wanted) in (1..).zip([0, 1, 3, 126, 127, 255]) {
        let place = bench.place(job, 10);
        assert_eq!(
            bench.run(&place, script(&format!("exit {wanted}"))).await,
            code(wanted)
        );
        assert_eq!(
            bench.runtime.wait(&place).await.unwrap(),
            code(wanted),
            "asked again"
        );
        let Some(Stage::Exited {
            exit,
            engine_failed,
            ..
        }) = bench.stage(&place).await
        else {
            panic!("it is not seen to have ended");
        };
        assert_eq!((exit, engine_failed), (code(wanted), false));
    }
}

#[tokio::test]
async fn a_signal_from_within_is_128_and_its_number() {
    let bench = Bench::new().await;
    for (job, (signal, wanted)) in (1..).zip([("KILL", 137), ("TERM", 143), ("SEGV", 139)]) {
        let place = bench.place(job, 10);
        let ended = bench
            .run(&place, script(&format!("kill -{signal} $$")))
            .await;
        assert_eq!(ended, code(wanted), "{signal}");
    }
}

#[tokio::test]
async fn the_memory_flag_is_exact_whatever_the_code() {
    let bench = Bench::new().await;
    let main = bench
        .run(&bench.place(1, 10), argv(&["tail", "/dev/zero"]))
        .await;
    assert_eq!(main, out_of_memory(137));
    let forgiving = bench
        .run(&bench.place(2, 10), script("tail /dev/zero\nexit 0"))
        .await;
    assert_eq!(forgiving, out_of_memory(0));
    let own_code = bench
        .run(&bench.place(3, 10), script("tail /dev/zero\nexit 7"))
        .await;
    assert_eq!(own_code, out_of_memory(7));
}

#[tokio::test]
async fn a_term_that_is_honoured_ends_it_by_its_own_code() {
    let bench = Bench::new().await;
    let place = bench.place(1, 10);
    let spec = script("trap 'echo bye; exit 9' TERM\necho up\nwhile true; do sleep 0.1; done");
    bench.launch(&place, spec).await.unwrap();
    until_up(&bench, &place).await;
    bench.runtime.signal(&place, Signal::Term).await.unwrap();
    let ended = timeout(PATIENCE, bench.runtime.wait(&place))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended, code(9));
    bench.runtime.capture(&place).await.unwrap();
    assert_eq!(crate::bench::text(&place.stdout()), "up\nbye\n");
}

#[tokio::test]
async fn a_term_without_a_handler_ends_it_too() {
    let bench = Bench::new().await;
    let place = bench.place(1, 10);
    bench.launch(&place, argv(&["sleep", "600"])).await.unwrap();
    let begun = Instant::now();
    bench.runtime.signal(&place, Signal::Term).await.unwrap();
    let ended = timeout(PATIENCE, bench.runtime.wait(&place))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended, code(143));
    assert!(
        begun.elapsed() < Duration::from_secs(20),
        "{:?}",
        begun.elapsed()
    );
}

#[tokio::test]
async fn a_kill_ends_what_ignores_term_and_signals_to_the_dead_are_well() {
    let bench = Bench::new().await;
    let place = bench.place(1, 10);
    let spec = script("trap '' TERM\necho up\nwhile true; do sleep 0.1; done");
    bench.launch(&place, spec).await.unwrap();
    until_up(&bench, &place).await;
    bench.runtime.signal(&place, Signal::Term).await.unwrap();
    let ended = timeout(Duration::from_secs(2), bench.runtime.wait(&place)).await;
    assert!(ended.is_err(), "it ignores TERM");
    bench.runtime.signal(&place, Signal::Kill).await.unwrap();
    let ended = timeout(PATIENCE, bench.runtime.wait(&place))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(ended, code(137));
    for signal in [Signal::Term, Signal::Kill] {
        bench.runtime.signal(&place, signal).await.unwrap();
        bench
            .runtime
            .signal(&bench.place(99, 10), signal)
            .await
            .unwrap();
    }
}

/// Waits until the job has written its first line: its handlers are in place.
async fn until_up(bench: &Bench, place: &agent::runtime::Place) {
    let capture = bench.runtime.capture(place);
    let up = async {
        while !std::fs::read(place.stdout()).is_ok_and(|text| text.starts_with(b"up\n")) {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        copied = capture => panic!("it ended before it was up: {copied:?}"),
        up = timeout(PATIENCE, up) => up.unwrap(),
    }
}
