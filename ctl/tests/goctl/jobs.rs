//! A job from its submission to its end, as its user sees it.

use serde_json::{Value, json};

use crate::played::{Answer, Asked, Head};
use crate::support::{Home, ended, job};

fn output(attempt: u32, offset: usize, body: &str) -> Answer {
    let headers = vec![
        ("GoDocker-Log-Attempt", format!("7_0#{attempt}")),
        ("GoDocker-Log-Offset", offset.to_string()),
    ];
    Answer::text(headers, body)
}

/// The offset that a request for output asks for, from the end if it is negative.
fn offset(asked: &Asked, length: usize) -> usize {
    let (_, behind) = asked.path.split_once("offset=").unwrap();
    let offset: isize = behind.split('&').next().unwrap().parse().unwrap();
    if offset < 0 {
        length - offset.unsigned_abs()
    } else {
        offset.unsigned_abs()
    }
}

fn is_stdout(asked: &Asked) -> bool {
    asked.path.contains("stream=stdout")
}

/// A head with job 7, which has ended with this state and code.
fn with_job(state: &'static str, code: i32) -> Head {
    Head::new(move |_, asked| match asked.what().as_str() {
        "POST /jobs" => Answer::json(201, &json!({"id": 7, "name": "align", "replayed": false})),
        "GET /jobs/7/logs" if is_stdout(asked) => {
            let text = "hello\nno newline at the end";
            let from = offset(asked, text.len());
            output(1, from, &text[from..])
        }
        "GET /jobs/7/logs" => {
            let text = "warning\n";
            let from = offset(asked, text.len());
            output(1, from, &text[from..])
        }
        "GET /jobs/7/wait" | "GET /jobs/7" => Answer::json(200, &ended(7, state, code)),
        _ => Answer::problem(404, "NOT_FOUND", "no such thing"),
    })
}

#[test]
fn run_shows_the_output_and_ends_as_the_job_did() {
    let head = with_job("failed", 3);
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["run", "--image", "debian:12", "--", "sh", "-c", "exit 3"]);
    assert_eq!(
        (ran.code, ran.out.as_str()),
        (3, "hello\nno newline at the end")
    );
    assert!(
        ran.err.starts_with("job 7 \"align\" submitted\n"),
        "{}",
        ran.err
    );
    assert!(ran.err.contains("warning\n"), "{}", ran.err);
    assert!(ran.err.ends_with("on node-3: exit code 3\n"), "{}", ran.err);
    let quiet = home.run(&["run", "-q", "--", "true"]);
    assert_eq!((quiet.code, quiet.err.as_str()), (3, "warning\n"));
}

#[test]
fn submit_says_what_came_of_it_in_each_form() {
    let head = with_job("succeeded", 0);
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["submit", "--", "true"]);
    assert_eq!(ran.data(), "job 7 \"align\" submitted\n");
    assert_eq!(ran.err, "  follow it: goctl logs -f 7\n");
    let ran = home.run(&["submit", "-q", "--", "true"]);
    assert_eq!((ran.data(), ran.err.as_str()), ("7\n", ""));
    let json = home.run(&["submit", "-o", "jsonl", "--", "true"]);
    assert_eq!(
        json.data(),
        "{\"id\":7,\"name\":\"align\",\"replayed\":false}\n"
    );
    assert_eq!(json.err, "");
    let waited = home.run(&["submit", "--wait", "--", "true"]);
    assert!(
        waited.err.contains("succeeded after 03:10 on node-3"),
        "{waited:?}"
    );
    assert_eq!(waited.code, 0);
}

#[test]
fn what_is_submitted_is_what_the_script_and_the_words_say() {
    let head = with_job("succeeded", 0);
    let home = Home::with_heads(&[&head.url()]);
    let script = "#!/bin/sh\n#GO --cpu 2 --mem 2G -v genomes:ro\necho $1\n";
    home.write("align.sh", script);
    home.run(&["submit", "align.sh", "--cpu", "0.5", "x", "--", "-y"])
        .data();
    let expected = json!({
        "name": "align", "script": script, "args": ["x", "-y"], "cpu": 0.5,
        "memory_bytes": 2_147_483_648_u64,
        "volumes": [{"name": "genomes", "read_only": true}],
    });
    assert_eq!(head.asked()[0].json(), expected);
    home.run_with(&["submit", "-"], "#GO --tag t\ntrue\n")
        .data();
    assert_eq!(
        head.asked()[1].json(),
        json!({"tags": ["t"], "script": "#GO --tag t\ntrue\n"})
    );
}

/// What a job may ask for beyond resources, as a request.
fn place() -> Value {
    json!({
        "argv": ["a b"], "image": "debian:12", "project": "lab", "queue": "short",
        "network": "bridge", "root": true, "entrypoint": ["/bin/sh", "-c"],
        "output_max_bytes": 104_857_600, "disk_max_bytes": 10_737_418_240_u64, "ports": [8_888],
        "volumes": [{"name": "home", "read_only": true, "sub_path": "ada/run 1"}],
    })
}

#[test]
fn where_a_job_belongs_is_said_in_words_lines_and_files() {
    let head = with_job("succeeded", 0);
    let home = Home::with_heads(&[&head.url()]);
    let words = [
        &[
            "submit",
            "-i",
            "debian:12",
            "--project",
            "lab",
            "--queue",
            "short",
            "--root",
        ][..],
        &[
            "--network",
            "bridge",
            "--entrypoint",
            "/bin/sh -c",
            "--output-max",
            "100M",
            "--disk-max",
            "10G",
            "--publish",
            "8888",
        ],
        &["-v", "home/ada/run 1:ro", "--", "a b"],
    ];
    home.run(&words.concat()).data();
    assert_eq!(head.asked()[0].json(), place());
    home.write("job.json", &place().to_string());
    let yaml = home.run(&["submit", "--dry-run", "-f", "job.json"]);
    home.write("job.yaml", yaml.data());
    home.run(&["submit", "-f", "job.yaml"]).data();
    assert_eq!(head.asked()[1].json(), place());
    let toml = "argv = [\"a b\"]\nimage = \"debian:12\"\nproject = \"lab\"\nqueue = \"short\"\n\
        network = \"bridge\"\nroot = true\nentrypoint = [\"/bin/sh\", \"-c\"]\n\
        output_max_bytes = 104857600\ndisk_max_bytes = 10737418240\nports = [8888]\n\
        [[volumes]]\nname = \"home\"\nread_only = true\n\
        sub_path = \"ada/run 1\"\n";
    home.write("job.toml", toml);
    home.run(&["submit", "-f", "job.toml"]).data();
    assert_eq!(head.asked()[2].json(), place());
    let script = "#GO --project lab --queue short --network bridge --root --output-max 100M\n\
        #GO -v 'home/ada/run 1:ro' -i debian:12 --disk-max 10G -p 8888 -p 8888\ntrue\n";
    home.run_with(&["submit", "-", "--queue", "long"], script)
        .data();
    let mut expected = place();
    expected["queue"] = json!("long");
    expected["script"] = json!(script);
    for field in ["argv", "entrypoint"] {
        expected.as_object_mut().unwrap().remove(field);
    }
    assert_eq!(head.asked()[3].json(), expected);
}

#[test]
fn a_dry_run_prints_the_request_and_asks_nobody() {
    let home = Home::with_heads(&[&Head::dead()]);
    let args = [
        "submit",
        "--dry-run",
        "-i",
        "debian:12",
        "--time",
        "1h",
        "--",
        "sort",
        "-u",
    ];
    let expected = "image: debian:12\nargv:\n- sort\n- -u\nwall_limit_seconds: 3600\n";
    let ran = home.run(&args);
    assert_eq!(ran.data(), expected);
    home.write("again.yaml", ran.data());
    assert_eq!(
        home.run(&["submit", "--dry-run", "-f", "again.yaml"])
            .data(),
        expected
    );
    assert_eq!(
        home.run_with(&["submit", "--dry-run", "-f", "-"], expected)
            .data(),
        expected
    );
}

#[test]
fn the_description_of_a_job_can_be_submitted_again() {
    let mut spec = place();
    spec["name"] = json!("align");
    spec["cpu"] = json!(0.5);
    let shown = job(7, "running", &json!({ "spec": spec }));
    let head = Head::new(move |_, asked| match asked.what().as_str() {
        "POST /jobs" => Answer::json(201, &json!({"id": 8, "name": "align", "replayed": false})),
        _ => Answer::json(200, &shown),
    });
    let home = Home::with_heads(&[&head.url()]);
    let text = home.run(&["show", "7", "--spec", "-o", "json"]);
    home.write("job.json", text.data());
    home.run(&["submit", "-f", "job.json"]).data();
    assert_eq!(head.asked()[1].json(), spec);
    home.write("job.yaml", home.run(&["show", "7", "--spec"]).data());
    home.run(&["submit", "-f", "job.yaml"]).data();
    assert_eq!(head.asked()[3].json(), spec);
}

#[test]
fn logs_go_on_behind_the_byte_where_they_broke_on_another_head() {
    let torn = Head::new(|before, asked| match before {
        0 => {
            assert_eq!(offset(asked, 0), 0);
            let headers = vec![
                ("GoDocker-Log-Attempt", "7_0#1".to_owned()),
                ("GoDocker-Log-Offset", "0".to_owned()),
            ];
            Answer::Torn {
                headers,
                body: b"hello".to_vec(),
            }
        }
        _ => Answer::Nothing,
    });
    let live = with_job("succeeded", 0);
    let home = Home::with_heads(&[&torn.url(), &live.url()]);
    let ran = home.run(&["logs", "-f", "--stdout", "7"]);
    assert_eq!(ran.data(), "hello\nno newline at the end");
    let logs: Vec<Asked> = live
        .asked()
        .into_iter()
        .filter(|asked| asked.what() == "GET /jobs/7/logs")
        .collect();
    assert_eq!(offset(&logs[0], 0), 5);
    assert!(logs[0].path.contains("attempt=1"), "{:?}", logs[0]);
}

#[test]
fn logs_follow_a_job_onto_its_next_attempt() {
    let attempts = |second: bool| {
        let attempt = |number: u32, state: &str| {
            json!({"id": format!("7_0#{number}"), "number": number, "state": state,
                "node": format!("node-{number}"), "placed_at": "2026-11-01T10:00:05Z"})
        };
        match second {
            false => job(
                7,
                "pending",
                &json!({"attempts": [attempt(1, "node_lost")]}),
            ),
            true => job(
                7,
                "succeeded",
                &json!({
                "attempts": [attempt(1, "node_lost"), attempt(2, "succeeded")]}),
            ),
        }
    };
    let head = Head::new(move |before, asked| match asked.what().as_str() {
        "GET /jobs/7/logs" => {
            let (number, text) = match asked.path.contains("attempt=2") {
                true => (2, "whole"),
                false => (1, "half"),
            };
            let from = offset(asked, text.len());
            output(number, from, &text[from..])
        }
        _ => Answer::json(200, &attempts(before > 5)),
    });
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["logs", "-f", "--stdout", "7"]);
    assert_eq!(ran.data(), "halfwhole");
    assert_eq!(ran.err, "job 7 is tried again on node-2\n");
    let only = home.run(&["logs", "-f", "--stdout", "--attempt", "1", "7"]);
    assert_eq!(only.data(), "half");
}

#[test]
fn an_attempt_that_its_node_does_not_know_yet_has_written_nothing_yet() {
    let starting = json!({"attempts": [{"id": "7_0#1", "number": 1, "state": "starting",
        "node": "node-3", "placed_at": "2026-11-01T10:00:05Z"}]});
    let head = Head::new(move |before, asked| match asked.what().as_str() {
        "GET /jobs/7/logs" if before < 4 => Answer::problem(404, "NOT_FOUND", "not here"),
        "GET /jobs/7/logs" => {
            let from = offset(asked, 5);
            output(1, from, &"hello"[from..])
        }
        _ if before < 6 => Answer::json(200, &job(7, "starting", &starting)),
        _ => Answer::json(200, &ended(7, "succeeded", 0)),
    });
    let home = Home::with_heads(&[&head.url()]);
    assert_eq!(home.run(&["logs", "--stdout", "7"]).data(), "");
    assert_eq!(home.run(&["logs", "--stdout", "-f", "7"]).data(), "hello");
}

#[test]
fn output_that_is_no_longer_kept_is_told() {
    let head = Head::new(|_, asked| match asked.what().as_str() {
        "GET /jobs/7/logs" => Answer::problem(404, "NOT_FOUND", "the node has dropped it"),
        _ => Answer::json(200, &ended(7, "succeeded", 0)),
    });
    let home = Home::with_heads(&[&head.url()]);
    for args in [&["logs", "7"][..], &["logs", "-f", "7"]] {
        let ran = home.run(args);
        assert_eq!(ran.code, 3, "{args:?}: {ran:?}");
        assert!(ran.err.contains("has dropped it"), "{ran:?}");
    }
}

#[test]
fn each_stream_can_be_had_alone_and_from_an_offset() {
    let head = with_job("succeeded", 0);
    let home = Home::with_heads(&[&head.url()]);
    let both = home.run(&["logs", "7"]);
    assert_eq!(
        (both.data(), both.err.as_str()),
        ("hello\nno newline at the end", "warning\n")
    );
    let err = home.run(&["logs", "--err", "7_0#1"]);
    assert_eq!((err.data(), err.err.as_str()), ("warning\n", ""));
    assert_eq!(
        home.run(&["logs", "--out", "--offset", "6", "7"]).data(),
        "no newline at the end"
    );
    assert_eq!(
        home.run(&["logs", "--out", "--offset", "-3", "7"]).data(),
        "end"
    );
}

#[test]
fn wait_ends_as_the_job_or_says_that_not_all_succeeded() {
    let head = Head::new(|_, asked| match asked.what().as_str() {
        "GET /jobs/7/wait" => Answer::json(200, &ended(7, "succeeded", 0)),
        "GET /jobs/8/wait" => Answer::json(200, &ended(8, "failed", 4)),
        "GET /jobs/9/wait" => Answer::problem(404, "NOT_FOUND", "no job 9"),
        _ => Answer::json(200, &json!({"items": [ended(8, "failed", 4)]})),
    });
    let home = Home::with_heads(&[&head.url()]);
    assert_eq!(home.run(&["wait", "7"]).code, 0);
    assert_eq!(home.run(&["wait", "8"]).code, 4);
    assert_eq!(home.run(&["wait", "last"]).code, 4);
    assert_eq!(home.run(&["wait", "7", "8"]).code, 10);
    assert_eq!(home.run(&["wait", "7-9"]).code, 10);
    assert_eq!(home.run(&["wait", "9"]).code, 125);
    let jsonl = home.run(&["wait", "7", "-o", "jsonl"]);
    let value: Value = serde_json::from_str(&jsonl.out).unwrap();
    assert_eq!((value["id"].as_u64(), jsonl.err.as_str()), (Some(7), ""));
}

#[test]
fn wait_asks_again_until_the_job_has_ended() {
    let head = Head::new(|before, _| match before {
        0 | 1 => Answer::json(200, &job(7, "running", &json!({}))),
        _ => Answer::json(200, &ended(7, "succeeded", 0)),
    });
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["wait", "7"]);
    assert_eq!((ran.code, head.calls().len()), (0, 3), "{ran:?}");
}

#[test]
fn wait_gives_up_after_the_timeout() {
    let head = Head::new(|_, _| {
        std::thread::sleep(std::time::Duration::from_millis(50));
        Answer::json(200, &job(7, "running", &json!({})))
    });
    let home = Home::with_heads(&[&head.url()]);
    assert_eq!(home.run(&["wait", "7", "--timeout", "400ms"]).code, 8);
}
