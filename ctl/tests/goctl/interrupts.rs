//! Ctrl-C: the job goes on, and the user is told how to come back; twice, and the job ends.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command};

use serde_json::json;

use crate::played::{Answer, Head};
use crate::support::{Home, job};

/// A head whose job 7 runs for ever and has written one line.
fn head() -> Head {
    Head::new(|_, asked| match asked.what().as_str() {
        "POST /jobs" => Answer::json(201, &json!({"id": 7, "name": "x", "replayed": false})),
        "POST /jobs/7/cancel" => {
            Answer::json(200, &json!({"items": [{"id": 7, "result": "stopping"}]}))
        }
        "GET /jobs/7/logs" if asked.path.contains("offset=0") => {
            let headers = vec![
                ("GoDocker-Log-Attempt", "7_0#1".to_owned()),
                ("GoDocker-Log-Offset", "0".to_owned()),
            ];
            Answer::text(headers, "ready\n")
        }
        "GET /jobs/7/logs" => Answer::Silence,
        _ => Answer::json(200, &job(7, "running", &json!({}))),
    })
}

fn interrupt(child: &Child) {
    let pid = child.id().to_string();
    assert!(
        Command::new("kill")
            .args(["-INT", &pid])
            .status()
            .unwrap()
            .success()
    );
}

/// Starts `goctl` and waits until the job's first line is shown.
fn start(home: &Home, args: &[&str]) -> Child {
    let mut child = home.command(args).spawn().unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.as_mut().unwrap())
        .read_line(&mut line)
        .unwrap();
    assert_eq!(line, "ready\n");
    child
}

#[test]
fn whoever_follows_a_log_leaves_the_job_alone() {
    let head = head();
    let home = Home::with_heads(&[&head.url()]);
    let child = start(&home, &["logs", "-f", "7"]);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    let told = String::from_utf8(output.stderr).unwrap();
    assert!(told.contains("detached; job 7 goes on"), "{told}");
    assert!(told.contains("goctl logs -f 7"), "{told}");
    assert!(!head.calls().contains(&"POST /jobs/7/cancel".to_owned()));
}

#[test]
fn run_leaves_the_job_alone_after_one_interrupt() {
    let head = head();
    let home = Home::with_heads(&[&head.url()]);
    let child = start(&home, &["run", "-q", "--", "sleep", "9"]);
    interrupt(&child);
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert!(!head.calls().contains(&"POST /jobs/7/cancel".to_owned()));
}

#[test]
fn run_ends_the_job_after_a_second_interrupt() {
    let head = head();
    let home = Home::with_heads(&[&head.url()]);
    let mut child = start(&home, &["run", "-q", "--", "sleep", "9"]);
    interrupt(&child);
    let mut talk = BufReader::new(child.stderr.take().unwrap());
    let mut asked = String::new();
    while !asked.contains("Ctrl-C again") {
        assert_ne!(talk.read_line(&mut asked).unwrap(), 0, "{asked}");
    }
    interrupt(&child);
    assert_eq!(child.wait().unwrap().code(), Some(130));
    let mut told = String::new();
    talk.read_to_string(&mut told).unwrap();
    assert!(told.contains("job 7 is being stopped"), "{told}");
    assert!(head.calls().contains(&"POST /jobs/7/cancel".to_owned()));
}
