//! What administrators allow: rules, images, volumes; and what the audit log says of it.

use serde_json::{Value, json};

use crate::played::{Answer, Asked, Head};
use crate::support::Home;

fn settings() -> Value {
    json!({
        "timings": {"heartbeat_ms": 1, "suspect_after_ms": 2, "lease_ms": 3, "lease_margin_ms": 4},
        "rules": {
            "user_quota": {"running": 10, "core_hours": 100.0}, "window_days": 30,
            "over_quota": "wait", "network": "none",
            "bridge": {"everybody": false, "users": ["ada"], "projects": ["lab"]},
            "root": {"everybody": true}, "root_volumes": "read_only",
            "images": [{"allow": true, "pattern": "docker.io/*"}, {"allow": false, "pattern": "*"}],
            "output_max_bytes": 1_073_741_824, "disk_max_bytes": 10_737_418_240_u64,
            "publish": {"everybody": false, "projects": ["lab"]},
        },
    })
}

/// A head that answers with what is put, or with what there is.
fn cluster(_: usize, asked: &Asked) -> Answer {
    match asked.method.as_str() {
        "PUT" => Answer::json(200, &asked.json()),
        _ => Answer::json(200, &settings()),
    }
}

#[test]
fn rules_have_a_page() {
    let head = Head::new(cluster);
    let home = Home::with_heads(&[&head.url()]);
    let expected = "\
user bounds   10 running, 100 core-hours
window        30 days, today included
over-quota    wait: such a job waits
network       none
bridge        users ada; projects lab
root          everybody
root-volumes  read-only
images        2 rules: goctl admin rules images
output-max    1G
disk-max      10G
publish       projects lab
";
    assert_eq!(home.run(&["admin", "rules", "show"]).data(), expected);
}

#[test]
fn rules_change_only_where_something_is_named() {
    let head = Head::new(cluster);
    let home = Home::with_heads(&[&head.url()]);
    let line = "admin rules set --user-running none --user-mem 64G --window-days 7 \
        --over-quota end --network bridge --bridge-projects none --root-users ada \
        --root-volumes refused --output-max none --disk-max 1G --publish-users ada \
        --user-disk 5G";
    let args: Vec<&str> = line.split_whitespace().collect();
    home.run(&args).data();
    let mut expected = settings();
    expected.as_object_mut().unwrap().remove("timings");
    let rules = &mut expected["rules"];
    rules["user_quota"] = json!({"memory_bytes": 68_719_476_736_u64, "core_hours": 100.0,
        "disk_bytes": 5_368_709_120_u64});
    rules["disk_max_bytes"] = json!(1_073_741_824);
    rules["publish"] = json!({"everybody": false, "users": ["ada"], "projects": ["lab"]});
    rules["window_days"] = json!(7);
    rules["over_quota"] = json!("end");
    rules["network"] = json!("bridge");
    rules["bridge"] = json!({"everybody": false, "users": ["ada"]});
    rules["root"] = json!({"everybody": false, "users": ["ada"]});
    rules["root_volumes"] = json!("refused");
    rules.as_object_mut().unwrap().remove("output_max_bytes");
    assert_eq!(head.asked()[1].json(), expected);
    home.run(&["admin", "rules", "set", "--user-cpu", "4"])
        .data();
    let sent = head.asked()[3].json();
    let mut kept = settings()["rules"].clone();
    kept["user_quota"]["cpu"] = json!(4.0);
    assert_eq!(
        sent["rules"],
        json!({
            "user_quota": kept["user_quota"], "window_days": 30, "over_quota": "wait",
            "network": "none", "bridge": kept["bridge"], "root": kept["root"],
            "root_volumes": "read_only", "images": kept["images"],
            "output_max_bytes": 1_073_741_824, "disk_max_bytes": 10_737_418_240_u64,
            "publish": kept["publish"],
        })
    );
}

#[test]
fn rules_about_images_are_lines() {
    let head = Head::new(cluster);
    let home = Home::with_heads(&[&head.url()]);
    let shown = home.run(&["admin", "rules", "images"]);
    assert_eq!(shown.data(), "allow docker.io/*\ndeny *\n");
    home.write("images.txt", "# ours\nallow quay.io/bio/*\n\ndeny *\n");
    let set = home.run(&["admin", "rules", "images", "--file", "images.txt"]);
    assert_eq!(set.data(), "allow quay.io/bio/*\ndeny *\n");
    home.run_with(&["admin", "rules", "images", "--file", "-"], shown.data())
        .data();
    let clear = home.run(&["admin", "rules", "images", "--clear"]);
    assert_eq!(clear.data(), "");
    assert_eq!(clear.err, "no rules: every image may be used\n");
    let puts: Vec<Value> = head
        .asked()
        .iter()
        .filter(|asked| asked.method == "PUT")
        .map(|asked| asked.json()["rules"]["images"].clone())
        .collect();
    let ours =
        json!([{"allow": true, "pattern": "quay.io/bio/*"}, {"allow": false, "pattern": "*"}]);
    assert_eq!(
        puts,
        [ours, settings()["rules"]["images"].clone(), Value::Null]
    );
}

#[test]
fn a_file_without_rules_does_not_allow_every_image() {
    let home = Home::with_heads(&[&Head::dead()]);
    home.write("wrong.txt", "allow *\npermit x\n");
    let cases = [
        ("", "--clear"),
        ("# nothing\n", "no rule in it"),
        ("allow *\npermit x\n", "rules.txt:2: `permit x`"),
        ("allow\n", "allow PATTERN"),
    ];
    for (text, told) in cases {
        home.write("rules.txt", text);
        let ran = home.run(&["admin", "rules", "images", "--file", "rules.txt"]);
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{text:?}: {ran:?}");
        assert!(ran.err.contains(told), "{text:?}: {ran:?}");
    }
}

#[test]
fn rules_that_are_not_told_are_not_set() {
    let head = Head::new(|_, _| Answer::json(200, &json!({})));
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["admin", "rules", "set", "--user-cpu", "4"]);
    assert_eq!((ran.code, head.calls().len()), (1, 1), "{ran:?}");
}

fn volumes(_: usize, asked: &Asked) -> Answer {
    match asked.what().as_str() {
        "GET /volumes/data" => Answer::json(
            200,
            &json!({"name": "data", "host_path": "/srv/data", "mount_path": "/data",
                "writable": true, "who": {"everybody": false, "users": ["ada"]}}),
        ),
        "GET /volumes/new" => Answer::problem(404, "NOT_FOUND", "no volume new"),
        _ => {
            let mut volume = asked.json();
            volume["name"] = json!("data");
            Answer::json(200, &volume)
        }
    }
}

#[test]
fn a_volume_changes_only_where_something_is_named() {
    let head = Head::new(volumes);
    let home = Home::with_heads(&[&head.url()]);
    let set = |line: &str| {
        let args = format!("admin volume set {line}");
        home.run(&args.split(' ').collect::<Vec<_>>())
    };
    let said = "jobs of users ada; projects lab may read and write data at /data\n";
    assert_eq!(set("data --projects lab").data(), said);
    assert_eq!(
        set("data --ro --everybody").data(),
        "jobs may read data at /data\n"
    );
    assert_eq!(
        set("new --path /srv/$USER --mount /u").data(),
        "jobs may read data at /u\n"
    );
    let puts: Vec<Value> = head
        .asked()
        .iter()
        .filter(|asked| asked.method == "PUT")
        .map(Asked::json)
        .collect();
    let expected = [
        json!({"host_path": "/srv/data", "mount_path": "/data", "writable": true,
            "who": {"everybody": false, "users": ["ada"], "projects": ["lab"]}}),
        json!({"host_path": "/srv/data", "mount_path": "/data", "writable": false,
            "who": {"everybody": true}}),
        json!({"host_path": "/srv/$USER", "mount_path": "/u", "writable": false,
            "who": {"everybody": true}}),
    ];
    assert_eq!(puts, expected);
    for (line, told) in [
        ("new", "--path is needed"),
        ("new --path /a", "--mount is needed"),
    ] {
        let ran = set(line);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.err.contains(told), "{ran:?}");
    }
}

#[test]
fn the_audit_log_is_read_page_by_page() {
    let head = Head::new(|_, _| {
        let lines = json!([
            {"index": 9, "at": "2026-11-01T10:00:00Z", "user": "ada", "token": "t1",
                "from": "10.0.0.1", "what": "PUT /users/bob", "verdict": "done"},
            {"index": 8, "at": "2026-11-01T09:00:00Z", "user": "", "from": "10.0.0.2",
                "what": "POST /login", "verdict": "refused", "why": "wrong password", "times": 3},
        ]);
        Answer::json(200, &json!({"items": lines, "next": 8}))
    });
    let home = Home::with_heads(&[&head.url()]);
    let expected = "\
ENTRY  AT                    USER  FROM      VERDICT  TIMES  WHAT            WHY
    9  2026-11-01T10:00:00Z  ada   10.0.0.1  done         -  PUT /users/bob
    8  2026-11-01T09:00:00Z  -     10.0.0.2  refused      3  POST /login     wrong password
";
    let ran = home.run(&["admin", "audit", "--utc"]);
    assert_eq!(ran.data(), expected);
    assert_eq!(ran.err, "older ones: goctl admin audit --before 8\n");
    let args = [
        "admin", "audit", "--user", "ada", "--limit", "5", "--before", "7", "-o", "jsonl",
    ];
    assert_eq!(home.run(&args).data().lines().count(), 2);
    assert_eq!(head.asked()[0].path, "/audit");
    let asked = &head.asked()[1].path;
    for part in ["user=ada", "limit=5", "before=7"] {
        assert!(asked.contains(part), "{part}: {asked}");
    }
}
