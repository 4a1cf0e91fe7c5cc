//! What jobs cost and used, summed and one by one.

use serde_json::{Value, json};

use crate::played::{Answer, Asked, Head};
use crate::support::Home;

fn row(key: &str, attempts: u64, core_hours: f64, used: f64) -> Value {
    json!({"key": key, "attempts": attempts, "failed": 1, "core_hours": core_hours,
        "gib_hours": 2.5, "cpu_hours_used": used, "memory_peak_bytes": 1_u64 << 30,
        "io_read_bytes": 0, "io_written_bytes": 1024, "wait_hours": 0.25, "wall_hours": 3.0})
}

fn job() -> Value {
    json!({"id": 7, "name": "align", "owner": "ada", "state": "succeeded", "cpu": 4.0,
        "memory_bytes": 1_u64 << 30, "submitted_at": "2026-11-26T09:59:00Z",
        "usage": {"cpu_seconds": 100.0, "memory_bytes": 0, "memory_peak_bytes": 1_u64 << 28,
            "processes": 0, "processes_peak": 1, "io_read_bytes": 0, "io_written_bytes": 0},
        "attempts": [{"id": "7_0#1", "number": 1, "node": "n", "state": "succeeded",
            "placed_at": "2026-11-26T09:59:59Z", "started_at": "2026-11-26T10:00:00Z",
            "ended_at": "2026-11-26T10:01:40Z"}]})
}

fn cluster(_: usize, asked: &Asked) -> Answer {
    match asked.what().as_str() {
        "GET /usage" => Answer::json(
            200,
            &json!({"from": "2026-11-01T00:00:00Z", "to": "2026-11-26T00:00:00Z", "by": "project",
                "rows": [row("lab", 3, 10.0, 5.0), row("default", 1, 0.0, 0.0)],
                "total": row("total", 4, 10.0, 5.0)}),
        ),
        "GET /jobs/7" => Answer::json(200, &job()),
        _ => Answer::problem(404, "NOT_FOUND", "no such thing"),
    }
}

#[test]
fn a_report_is_a_table_with_a_total_and_csv_without() {
    let head = Head::new(cluster);
    let home = Home::with_heads(&[&head.url()]);
    let args = [
        "usage",
        "report",
        "--by",
        "project",
        "--from",
        "2026-11-01",
        "--project",
        "lab",
        "--utc",
    ];
    let table = home.run(&args).data().to_owned();
    let firsts: Vec<&str> = table
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .collect();
    assert_eq!(firsts, ["OF", "lab", "default", "total"], "{table}");
    assert!(table.contains("50%"), "{table}");
    let csv = home
        .run(&[&args[..], &["-o", "csv"]].concat())
        .data()
        .to_owned();
    assert_eq!(csv.lines().count(), 3, "{csv}");
    let asked = &head.asked()[0].path;
    assert_eq!(
        asked,
        "/usage?by=project&from=2026-11-01T00%3A00%3A00Z&project=lab"
    );
    let json = home.run(&[&args[..], &["-o", "json"]].concat());
    let json: Value = serde_json::from_str(json.data()).unwrap();
    assert_eq!(json[0]["core_hours"], 10.0);
}

#[test]
fn a_job_that_used_little_is_told_what_is_enough() {
    let head = Head::new(cluster);
    let home = Home::with_heads(&[&head.url()]);
    let said = home.run(&["eff", "7"]).data().to_owned();
    assert!(said.contains("--cpu 2 --mem 320M"), "{said}");
    let none = home.run(&["eff", "8"]);
    assert_eq!(none.code, 3, "{none:?}");
    let wrong = home.run(&["usage", "report", "--by", "colour"]);
    assert_eq!(wrong.code, 2, "{wrong:?}");
}
