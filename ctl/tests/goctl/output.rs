//! What lists and pages look like, in every form.

use serde_json::{Value, json};

use crate::played::{Answer, Head};
use crate::support::{Home, ended, job};

fn jobs() -> Head {
    let reason = "needs 9 cpus; the largest machine has 4";
    let items = json!([
        job(
            12,
            "pending",
            &json!({"reason": reason, "name": "a, \"b\"\u{1b}[2J"})
        ),
        job(
            11,
            "running",
            &json!({"node": "node-3", "started_at": "2026-11-01T10:00:10Z"})
        ),
        ended(10, "failed", 3),
        ended(9, "succeeded", 0),
    ]);
    Head::new(move |_, _| Answer::json(200, &json!({"items": items, "live_total": 2})))
}

#[test]
fn a_list_of_jobs_for_people() {
    let head = jobs();
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["ps", "--columns", "job,name,state,cpu,mem,where"]);
    let expected = "\
JOB  NAME        STATE      CPU  MEM  WHERE
 12  a, \"b\" [2J  PENDING    0.5   2G  (needs 9 cpus; the largest machine has 4)
 11  align       RUNNING    0.5   2G  node-3
 10  align       FAILED 3   0.5   2G  node-3
  9  align       SUCCEEDED  0.5   2G  node-3
";
    assert_eq!(ran.data(), expected);
    let plain = home.run(&["ps", "--no-headers", "--columns", "job,time"]);
    let last = plain.data().lines().last().unwrap();
    assert_eq!(last.split_whitespace().collect::<Vec<_>>(), ["9", "03:10"]);
}

#[test]
fn a_list_of_jobs_for_programs() {
    let head = jobs();
    let home = Home::with_heads(&[&head.url()]);
    let form = |form: &str| home.run(&["ps", "--columns", "job,name", "-o", form]);
    assert_eq!(form("name").data(), "12\n11\n10\n9\n");
    assert_eq!(
        form("csv").data(),
        "job,name\n12,\"a, \"\"b\"\" [2J\"\n11,align\n10,align\n9,align\n"
    );
    let json: Value = serde_json::from_str(form("json").data()).unwrap();
    assert_eq!(
        (json[0]["name"].as_str(), json.as_array().unwrap().len()),
        (Some("a, \"b\"\u{1b}[2J"), 4)
    );
    assert_eq!(form("jsonl").data().lines().count(), 4);
    assert!(form("yaml").data().starts_with("- id: 12\n"));
}

#[test]
fn filters_are_sent_and_pages_fetched_until_the_limit() {
    let head = Head::new(|before, _| {
        let id = 100 - u64::try_from(before).unwrap();
        let next = (before < 5).then(|| format!("cursor-{before}"));
        let items = json!([job(id, "pending", &json!({}))]);
        Answer::json(200, &json!({"items": items, "next": next, "live_total": 6}))
    });
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&[
        "ps",
        "-A",
        "-s",
        "pending,running",
        "--tag",
        "t&u",
        "--grep",
        "al",
        "--node",
        "n1",
        "--since",
        "2026-11-01",
        "--utc",
        "-n",
        "3",
        "-o",
        "name",
    ]);
    assert_eq!(ran.data(), "100\n99\n98\n");
    assert_eq!(
        ran.err,
        "showing 3 of 6; all: goctl ps -n 0, or choose by --since\n"
    );
    let asked = head.asked();
    for part in [
        "state=pending%2Crunning",
        "all=true",
        "tag=t%26u",
        "name=al",
        "node=n1",
        "since=2026-11-01T00%3A00%3A00Z",
        "limit=3",
    ] {
        assert!(asked[0].path.contains(part), "{part}: {}", asked[0].path);
    }
    assert!(
        asked[1].path.contains("cursor=cursor-0"),
        "{}",
        asked[1].path
    );
    assert!(asked[2].path.contains("limit=1"), "{}", asked[2].path);
}

#[test]
fn one_job_has_a_page() {
    let mut shown = ended(10, "out_of_memory", 137);
    shown["oom_killed"] = json!(true);
    shown["tags"] = json!(["x", "y"]);
    shown["wall_limit_seconds"] = json!(7_200);
    shown["usage"] = json!({"cpu_seconds": 12.34, "memory_bytes": 0,
        "memory_peak_bytes": 2_147_483_648_u64, "processes": 0, "processes_peak": 4,
        "io_read_bytes": 1_048_576, "io_written_bytes": 10});
    shown["project"] = json!("lab");
    shown["queue"] = json!("short");
    shown["spec"] = json!({"argv": ["sort", "a b"], "entrypoint": ["nice"], "root": true,
        "network": "bridge", "output_max_bytes": 1_048_576, "disk_max_bytes": 2_097_152,
        "ports": [80, 90], "secrets": [{"name": "db"}, {"name": "key", "file": "id"}],
        "volumes": [{"name": "d", "read_only": true}, {"name": "e", "sub_path": "x/y"}]});
    let head = Head::new(move |_, _| Answer::json(200, &shown));
    let home = Home::with_heads(&[&head.url()]);
    let expected = "\
job        10  align
state      OUT_OF_MEMORY, 03:10 on node-3
exit       exit code 137, out of memory
owner      ada
project    lab
queue      short
tags       x, y
image      debian:12
runs       nice sort 'a b'
container  root, network bridge, at most 1M of output, at most 2M in its directory
needs      0.5 cpu, 2G memory, at most 2:00:00
volumes    d:ro, e/x/y
secrets    db, key as id
ports      80, 90
submitted  2026-11-01T10:00:00Z
started    2026-11-01T10:00:10Z
ended      2026-11-01T10:03:20Z
used       12.3 s of cpu, 2G memory at most, 4 processes at most, 1M read, 10 written
";
    assert_eq!(home.run(&["show", "10", "--utc"]).data(), expected);
}

#[test]
fn machines_are_listed_with_what_is_held_and_what_is_there() {
    let node = |id: u64, name: &str, further: Value| {
        let mut node = json!({
            "id": id, "name": name, "role": "head", "health": "up", "jobs": 1, "accepts": true,
            "health_since": "2026-11-01T10:00:00Z", "intent": "voter", "runtime": "docker",
            "held": {"cpu": 0.5, "memory_bytes": 1_073_741_824}, "version": "0.1.0",
            "joined_at": "2026-11-01T10:00:00Z",
            "capacity": {"cpu": 4.0, "memory_bytes": 8_589_934_592_u64},
        });
        for (key, value) in further.as_object().unwrap() {
            node[key] = value.clone();
        }
        node
    };
    let items = json!([
        node(1, "head-1", json!({"leader": true, "capacity": null})),
        node(
            2,
            "head-2",
            json!({"intent": "learner", "health": "suspect"})
        ),
        node(
            3,
            "node-3",
            json!({"role": "agent", "intent": "none", "drain": "new fans"})
        ),
        node(
            4,
            "node-4",
            json!({"role": "agent", "intent": "none", "health": "unwell", "trouble": "no runc"})
        ),
    ]);
    let head = Head::new(move |_, _| Answer::json(200, &json!({ "items": items })));
    let home = Home::with_heads(&[&head.url()]);
    let expected = "\
NODE    STATE    ROLE           CPU    MEM  JOBS  RUNTIME  TROUBLE  DRAINED
head-1  UP       head*            -      -     1  -
head-2  SUSPECT  head (learns)  0.5/4  1G/8G     1  docker
node-3  DRAINED  agent          0.5/4  1G/8G     1  docker            new fans
node-4  UNWELL   agent          0.5/4  1G/8G     1  docker   no runc
";
    let words = |text: &str| {
        text.lines()
            .map(|l| l.split_whitespace().map(str::to_owned).collect())
            .collect::<Vec<Vec<_>>>()
    };
    let table = home.run(&["nodes"]);
    assert_eq!(words(table.data()), words(expected));
    assert!(
        table.data().lines().all(|line| line == line.trim_end()),
        "{table:?}"
    );
}

#[test]
fn colour_is_a_choice_and_never_the_only_sign() {
    let head = jobs();
    let home = Home::with_heads(&[&head.url()]);
    let coloured = home.run(&["ps", "--color", "always"]);
    assert!(
        coloured.data().contains("\u{1b}[31mFAILED 3\u{1b}[0m"),
        "{coloured:?}"
    );
    assert!(!home.run(&["ps"]).data().contains('\u{1b}'));
    let mut forced = home.command(&["ps"]);
    forced.env("CLICOLOR_FORCE", "1");
    assert!(crate::support::finish(forced, "").data().contains('\u{1b}'));
    let mut both = home.command(&["ps"]);
    both.env("CLICOLOR_FORCE", "1").env("NO_COLOR", "1");
    assert!(!crate::support::finish(both, "").data().contains('\u{1b}'));
}
