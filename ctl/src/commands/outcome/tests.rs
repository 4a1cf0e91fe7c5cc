//! What a job's end becomes, state by state.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use super::*;

fn job(state: JobState, code: Option<i32>, signal: Option<u8>) -> Job {
    let text = r#"{"id":12,"name":"align","owner":"ada","state":"pending","cpu":1.0,
        "memory_bytes":1,"submitted_at":"2026-11-01T10:00:00Z","node":"node-3",
        "started_at":"2026-11-01T10:00:10Z","ended_at":"2026-11-01T10:03:20Z"}"#;
    let base: Job = serde_json::from_str(text).unwrap();
    Job {
        state,
        exit_code: code,
        signal,
        ..base
    }
}

#[test]
fn only_success_is_zero() {
    for state in JobState::ALL {
        for code in [None, Some(0), Some(3), Some(256), Some(-1)] {
            let ends = exit_code(&job(state, code, None));
            assert_eq!(
                ends == 0,
                state == JobState::Succeeded,
                "{state:?} {code:?}: {ends}"
            );
        }
    }
}

#[test]
fn the_jobs_own_code_goes_first() {
    let cases = [
        (JobState::Failed, Some(3), None, 3),
        (JobState::Failed, None, Some(9), 137),
        (JobState::Failed, None, None, 1),
        (JobState::OutOfMemory, Some(1), None, 1),
        (JobState::OutOfMemory, None, None, 137),
        (JobState::TimedOut, Some(0), None, 124),
        (JobState::TimedOut, None, Some(15), 124),
        (JobState::CannotStart, Some(127), None, 127),
        (JobState::CannotStart, None, None, 126),
        (JobState::Cancelled, None, None, 125),
        (JobState::ImageUnavailable, None, None, 125),
        (JobState::NodeLost, Some(0), None, 125),
        (JobState::Infrastructure, Some(4), None, 125),
        (JobState::OverQuota, None, None, 125),
        (JobState::OutputLimit, None, None, 153),
        (JobState::OutputLimit, Some(0), None, 153),
        (JobState::DiskLimit, None, None, 153),
        (JobState::OutputLimit, None, Some(15), 143),
    ];
    for (state, code, signal, expected) in cases {
        assert_eq!(
            exit_code(&job(state, code, signal)),
            expected,
            "{state:?} {code:?} {signal:?}"
        );
    }
}

#[test]
fn a_line_says_what_how_long_and_where() {
    let mut failed = job(JobState::Failed, Some(3), None);
    assert_eq!(
        line(&failed),
        "job 12 \"align\" failed after 03:10 on node-3: exit code 3"
    );
    failed.message = Some("disk\u{1b}[2J full".into());
    assert!(
        line(&failed).ends_with(": exit code 3, disk [2J full"),
        "{}",
        line(&failed)
    );
    let mut over = job(JobState::OverQuota, None, None);
    (over.node, over.started_at) = (None, None);
    over.message = Some("quota of user ada reached: 10 running".into());
    let expected = "job 12 \"align\" was over its quota: quota of user ada reached: 10 running";
    assert_eq!(line(&over), expected);
    let loud = job(JobState::OutputLimit, None, Some(15));
    let expected = "job 12 \"align\" wrote too much output after 03:10 on node-3: signal 15";
    assert_eq!(line(&loud), expected);
    let plain = job(JobState::Succeeded, Some(0), None);
    assert_eq!(
        line(&plain),
        "job 12 \"align\" succeeded after 03:10 on node-3"
    );
}
