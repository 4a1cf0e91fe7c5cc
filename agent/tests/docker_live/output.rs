//! Every byte that a job writes arrives, once, whatever it is and whoever is restarted.

use std::path::Path;
use std::time::{Duration, Instant};

use agent::runtime::{Place, Runtime};
use tokio::time::timeout;

use crate::bench::{Bench, PATIENCE, script, text};

/// A length just below, at and above the engine's buffer.
const BUFFER: usize = 16 << 10;

/// Bytes that look like chance and are the same each time.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut bytes = vec![0; length];
    for chunk in bytes.chunks_mut(8) {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        chunk.copy_from_slice(&state.to_le_bytes()[..chunk.len()]);
    }
    bytes
}

/// Compares without printing megabytes.
fn assert_same(path: &Path, expected: &[u8], what: &str) {
    let found = std::fs::read(path).unwrap();
    if found != expected {
        let differ = found.iter().zip(expected).position(|(a, b)| a != b);
        let (found, expected) = (found.len(), expected.len());
        panic!("{what}: {found} bytes, expected {expected}, first difference at {differ:?}");
    }
}

/// Puts the bytes where the job finds them as `name`.
fn put(place: &Place, name: &str, bytes: &[u8]) {
    std::fs::write(place.work().join(name), bytes).unwrap();
}

#[tokio::test]
async fn ends_of_lines_are_neither_made_nor_lost() {
    let bench = Bench::new().await;
    let long = "y".repeat(BUFFER);
    let cases = [
        String::new(),
        "x".into(),
        "x\n".into(),
        "\n\nx".into(),
        long[1..].to_owned(),
        format!("{}\n", &long[1..]),
        long.clone(),
        format!("{long}\n"),
        format!("{long}\nx"),
        format!("{long}\n\nx\n"),
        format!("{long}x"),
        format!("{long}x\n"),
        format!("{long}x\nz"),
        format!("{long}{long}\n{long}x\n\n{long}"),
        format!("{long}{long}{long}x\n"),
    ];
    for (job, case) in (1..).zip(&cases) {
        let place = bench.place(job, 10);
        put(&place, "out", case.as_bytes());
        bench.run(&place, script("cat out\ncat out >&2")).await;
        assert_same(
            &place.stdout(),
            case.as_bytes(),
            &format!("stdout of case {job}"),
        );
        assert_same(
            &place.stderr(),
            case.as_bytes(),
            &format!("stderr of case {job}"),
        );
        bench.runtime.remove(&place).await.unwrap();
    }
}

#[tokio::test]
async fn every_byte_value_survives() {
    let bench = Bench::new().await;
    let mut bytes: Vec<u8> = (0..=255).collect();
    bytes.extend((0..=255).rev());
    bytes.extend_from_slice(&noise(300_000));
    let place = bench.place(1, 10);
    put(&place, "out", &bytes);
    bench.run(&place, script("cat out; cat out >&2")).await;
    assert_same(&place.stdout(), &bytes, "stdout");
    assert_same(&place.stderr(), &bytes, "stderr");
}

#[tokio::test]
async fn a_line_of_a_megabyte_stays_one_line() {
    let bench = Bench::new().await;
    let mut line = vec![b'x'; 1 << 20];
    line.extend_from_slice(b"\nnext\n");
    let place = bench.place(1, 10);
    put(&place, "out", &line);
    bench.run(&place, script("cat out")).await;
    assert_same(&place.stdout(), &line, "stdout");
}

#[tokio::test]
async fn a_hundred_megabytes_arrive_in_reasonable_time() {
    let bench = Bench::new().await;
    let bytes = noise(100 << 20);
    let place = bench.place(1, 10);
    put(&place, "out", &bytes);
    bench.launch(&place, script("cat out")).await.unwrap();
    let begun = Instant::now();
    timeout(Duration::from_secs(240), bench.runtime.capture(&place))
        .await
        .unwrap()
        .unwrap();
    println!("100 MiB of noise in {:?}", begun.elapsed());
    assert_same(&place.stdout(), &bytes, "stdout");
}

#[tokio::test]
async fn output_is_there_while_the_job_runs() {
    let bench = Bench::new().await;
    let place = bench.place(1, 10);
    bench
        .launch(&place, script("echo first\nsleep 600"))
        .await
        .unwrap();
    let seen = async {
        while !std::fs::read(place.stdout()).is_ok_and(|text| text == b"first\n") {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        copied = bench.runtime.capture(&place) => panic!("it ended: {copied:?}"),
        seen = timeout(PATIENCE, seen) => seen.unwrap(),
    }
}

/// An agent that is restarted again and again, at odd moments, while the job writes.
#[tokio::test]
async fn a_copy_that_is_broken_off_goes_on_where_it_was() {
    let mut bench = Bench::new().await;
    let place = bench.place(1, 10);
    let part = noise(200_000);
    put(&place, "part", &part);
    let spec =
        script("i=0; while [ $i -lt 30 ]; do cat part; cat part >&2; sleep 0.1; i=$((i+1)); done");
    bench.launch(&place, spec).await.unwrap();
    let mut broken_off = 0;
    for millis in [30, 310, 120, 770, 50, 490, 260] {
        let copied = timeout(Duration::from_millis(millis), bench.runtime.capture(&place)).await;
        broken_off += usize::from(copied.is_err());
        bench.restart().await;
    }
    assert!(
        broken_off >= 5,
        "only {broken_off} copies were broken off: the job was too short"
    );
    timeout(PATIENCE, bench.runtime.capture(&place))
        .await
        .unwrap()
        .unwrap();
    let whole = part.repeat(30);
    assert_same(&place.stdout(), &whole, "stdout");
    assert_same(&place.stderr(), &whole, "stderr");
}

#[tokio::test]
async fn a_new_container_begins_with_empty_files() {
    let bench = Bench::new().await;
    let place = bench.place(1, 10);
    std::fs::write(place.stdout(), "left by an older container\n").unwrap();
    bench.run(&place, script("echo new")).await;
    assert_eq!(text(&place.stdout()), "new\n");
}
