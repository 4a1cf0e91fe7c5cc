//! The news: as it was, as it comes, over broken streams.

use serde_json::json;

use crate::played::{Answer, Head};
use crate::support::Home;

fn message(index: u64, part: u32, last: bool) -> String {
    let event = json!({
        "index": index, "part": part, "at": "2026-11-01T10:00:00Z", "type": "job.ended",
        "job": index * 10 + u64::from(part), "owner": "ada", "state": "succeeded",
    });
    let id = if last {
        format!("id: {index}\n")
    } else {
        String::new()
    };
    format!("event: job.ended\n{id}data: {event}\n\n")
}

fn stream(messages: &[String]) -> Answer {
    Answer::text(
        vec![("Content-Type", "text/event-stream".into())],
        &messages.concat(),
    )
}

#[test]
fn a_broken_stream_goes_on_behind_the_last_whole_entry_and_tells_nothing_twice() {
    let head = Head::new(|before, asked| match before {
        0 => Answer::json(200, &json!({"items": []})).with("GoDocker-Index", "4"),
        1 => {
            assert!(asked.path.contains("after=4"), "{asked:?}");
            // Entry 6 has three events; the stream breaks before the last.
            let first = [
                message(5, 0, true),
                message(6, 0, false),
                message(6, 1, false),
            ]
            .concat();
            Answer::Torn {
                headers: Vec::new(),
                body: first.into_bytes(),
            }
        }
        2 => {
            assert!(asked.path.contains("after=5"), "{asked:?}");
            let quiet = ": nothing for you\nid: 9\n\n".to_owned();
            stream(&[
                message(6, 0, false),
                message(6, 1, false),
                message(6, 2, true),
                quiet,
            ])
        }
        _ => {
            assert!(asked.path.contains("after=9"), "{asked:?}");
            let problem = json!({"status": 410, "code": "EVENTS_GONE", "detail": "gone"});
            stream(&[format!("event: error\ndata: {problem}\n\n")])
        }
    });
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["events", "-f", "--columns", "index,what", "-o", "csv"]);
    let expected = "index,what\n5,50 succeeded\n6,60 succeeded\n\
        6,61 succeeded\n6,62 succeeded\n";
    assert_eq!((ran.code, ran.out.as_str()), (1, expected), "{ran:?}");
    assert!(ran.err.contains("gone"), "{ran:?}");
}

#[test]
fn what_was_is_told_in_each_form() {
    let head = Head::new(|_, asked| {
        assert!(
            asked.path.contains("after=0") && asked.path.contains("follow=false"),
            "{asked:?}"
        );
        assert!(asked.path.contains("type=job%2Cnode"), "{asked:?}");
        stream(&[message(5, 0, true)])
    });
    let home = Home::with_heads(&[&head.url()]);
    let ask = |form: &str| {
        home.run(&[
            "events", "--after", "0", "--type", "job,node", "--utc", "-o", form,
        ])
    };
    let table = "  INDEX  AT                         TYPE             USER      WHAT\n      \
        5  2026-11-01T10:00:00Z       job.ended        ada       50 succeeded\n";
    let ran = ask("table");
    let words = |text: &str| {
        text.split_whitespace()
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(words(ran.data()), words(table));
    assert_eq!(ask("name").data(), "5\n");
    let json: serde_json::Value = serde_json::from_str(ask("json").data()).unwrap();
    assert_eq!(json[0]["job"], 50);
    assert_eq!(ask("jsonl").data().lines().count(), 1);
}

#[test]
fn the_look_back_is_shortened_to_what_is_kept() {
    let head = Head::new(|before, asked| match before {
        0 => Answer::json(200, &json!({"items": []})).with("GoDocker-Index", "5000"),
        1 => {
            assert!(asked.path.contains("after=4000"), "{asked:?}");
            Answer::problem(410, "EVENTS_GONE", "no longer kept")
        }
        _ => {
            assert!(asked.path.contains("after=4900"), "{asked:?}");
            stream(&[message(4901, 0, true)])
        }
    });
    let home = Home::with_heads(&[&head.url()]);
    assert_eq!(
        home.run(&["events", "-o", "jsonl"]).data().lines().count(),
        1
    );
}
