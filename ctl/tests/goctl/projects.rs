//! Projects, queues and bounds: what is shown of them, and what changes when one part is named.

use serde_json::{Value, json};

use crate::played::{Answer, Asked, Head};
use crate::support::Home;

fn lab() -> Value {
    json!({"name": "lab", "description": "wet lab", "everybody": false, "members": ["ada", "bob"],
        "managers": ["eve"], "shared": true, "closed": false, "priority": 60,
        "quota": {"cpu": 16.0, "core_hours": 100.0}})
}

fn view(holder: &str, usual: bool) -> Value {
    json!({"holder": holder, "usual": usual, "window_days": 30,
        "quota": {"cpu": 16.0, "memory_bytes": 68_719_476_736_u64, "running": 10,
            "core_hours": 100.0, "disk_bytes": 107_374_182_400_u64},
        "taken": {"cpu": 4.5, "memory_bytes": 8_589_934_592_u64, "running": 2, "pending": 5,
            "core_hours": 12.25, "gib_hours": 25.5, "reserved_core_hours": 16.0,
            "reserved_gib_hours": 32.0, "disk_bytes": 6_442_450_944_u64,
            "reserved_disk_bytes": 2_147_483_648_u64}})
}

fn queue() -> Value {
    json!({"name": "short", "description": "an hour", "closed": false, "stopped": true,
        "who": {"everybody": false, "users": ["ada"], "projects": ["lab"]},
        "wall_max_seconds": 3_600, "wall_default_seconds": 600, "cpu_max": 8.0,
        "memory_max_bytes": 17_179_869_184_u64, "running_per_user": 4, "jobs": 3})
}

/// A cluster with a project, a queue and bounds; what is put is answered with what there is.
fn cluster(_: usize, asked: &Asked) -> Answer {
    match asked.what().as_str() {
        "GET /projects" => Answer::json(200, &json!({ "items": [lab()] })),
        "GET /projects/lab" | "PUT /projects/lab" => Answer::json(200, &lab()),
        "PUT /projects/new" => Answer::json(200, &lab()),
        "GET /projects/lab/quota" => Answer::json(200, &view("project lab", false)),
        "GET /whoami" => Answer::json(
            200,
            &json!({"user": {"name": "ada", "role": "user", "created_at": ""}, "token": "t",
                "expires_at": "", "cluster": "lab"}),
        ),
        "GET /users/ada/quota" | "PUT /users/ada/quota" => {
            Answer::json(200, &view("user ada", true))
        }
        "GET /queues" => Answer::json(200, &json!({ "items": [queue()] })),
        "GET /queues/short" | "PUT /queues/short" | "PUT /queues/new" => {
            Answer::json(200, &queue())
        }
        "GET /projects/new" | "GET /queues/new" => {
            Answer::problem(404, "NOT_FOUND", "there is no such thing")
        }
        _ => Answer::Whole {
            status: 204,
            headers: Vec::new(),
            body: Vec::new(),
        },
    }
}

#[test]
fn projects_are_listed_with_what_they_have_taken() {
    let head = Head::new(cluster);
    let home = Home::with_heads(&[&head.url()]);
    let expected = "\
PROJECT  DESCRIPTION  MEMBERS  RUNNING  QUOTA
lab      wet lab            3        2  4.5/16 cpu, 28.25/100 core-hours
";
    assert_eq!(home.run(&["projects"]).data(), expected);
    assert_eq!(head.calls(), ["GET /projects", "GET /projects/lab/quota"]);
    let json: Value = serde_json::from_str(home.run(&["projects", "-o", "json"]).data()).unwrap();
    assert_eq!(json[0]["members"], json!(["ada", "bob"]));
    assert_eq!(json[0]["taken"]["running"], 2);
    let page = "\
project      lab
description  wet lab
open to      its members
managers     eve
members      ada, bob
jobs         members see each other's
new jobs     taken
priority     60
running      2
waiting      5
quota        4.5/16 cpu, 28.25/100 core-hours
hours        summed over 30 days, today included
";
    assert_eq!(home.run(&["project", "show", "lab"]).data(), page);
    assert_eq!(home.run(&["project", "show", "new"]).code, 3);
}

#[test]
fn too_many_projects_are_not_asked_one_by_one() {
    let many: Vec<Value> = (0..201).map(|_| lab()).collect();
    let head = Head::new(move |_, _| Answer::json(200, &json!({ "items": many })));
    let home = Home::with_heads(&[&head.url()]);
    let ran = home.run(&["projects"]);
    assert_eq!(ran.data().lines().count(), 202);
    assert!(ran.err.contains("goctl project show NAME"), "{}", ran.err);
    assert_eq!(head.calls(), ["GET /projects"]);
}

#[test]
fn members_come_and_go() {
    let head = Head::new(cluster);
    let home = Home::with_heads(&[&head.url()]);
    let add = home.run(&["project", "members", "add", "lab", "bob"]);
    assert_eq!(add.data(), "bob is in project lab\n");
    let lead = home.run(&["project", "members", "add", "lab", "eve", "--manager"]);
    assert_eq!(lead.data(), "eve manages project lab\n");
    let gone = home.run(&["project", "members", "remove", "lab", "bob"]);
    assert_eq!(gone.data(), "bob is not in project lab any more\n");
    let calls = [
        "PUT /projects/lab/members/bob",
        "PUT /projects/lab/members/eve",
        "DELETE /projects/lab/members/bob",
    ];
    assert_eq!(head.calls(), calls);
    let bodies: Vec<Value> = head.asked()[..2].iter().map(Asked::json).collect();
    assert_eq!(
        bodies,
        [json!({"manager": false}), json!({"manager": true})]
    );
}

#[test]
fn bounds_are_told_with_what_is_left() {
    let head = Head::new(cluster);
    let home = Home::with_heads(&[&head.url()]);
    let expected = "\
BOUND       LIMIT  TAKEN  RESERVED   LEFT  OVER     SET FOR
cpu            16    4.5         -   11.5  -        everybody
mem           64G     8G         -    56G  -        everybody
running        10      2         -      8  -        everybody
pending         -      5         -      -  -        -
core-hours    100  12.25        16  71.75  30 days  everybody
gib-hours       -   25.5        32      -  30 days  -
disk         100G     6G        2G    92G  -        everybody
";
    let ran = home.run(&["quota"]);
    assert_eq!(ran.data(), expected);
    let said = "user ada: the bounds that everybody has; hours are summed over 30 days, today \
        included\n";
    assert_eq!(ran.err, said);
    let project = home.run(&["quota", "--project", "lab"]);
    assert!(project.data().contains("this one") && project.err.starts_with("project lab: "));
    let json: Value =
        serde_json::from_str(home.run(&["quota", "--user", "ada", "-o", "json"]).data()).unwrap();
    assert_eq!(json["taken"]["reserved_core_hours"], 16.0);
    assert_eq!(home.run(&["quota", "-o", "name"]).data().lines().count(), 7);
}

#[test]
fn queues_are_listed_with_their_rules() {
    let head = Head::new(cluster);
    let home = Home::with_heads(&[&head.url()]);
    let expected = "\
QUEUE  STATE    JOBS     TIME  CPU  MEM  RUNNING  PENDING  DESCRIPTION
short  stopped     3  1:00:00    8  16G        4        -  an hour
";
    assert_eq!(home.run(&["queues"]).data(), expected);
    let page = "\
queue        short
description  an hour
state        stopped: takes new jobs, starts none
jobs         3
open to      users ada; projects lab
time         at most 1:00:00 for one job, 10:00 for one without --time
cpu          at most 8 for one job
mem          at most 16G for one job
running      at most 4 for one user
";
    assert_eq!(home.run(&["queue", "show", "short"]).data(), page);
}

/// What was put by a command line.
#[track_caller]
fn put(args: &str) -> Value {
    let head = Head::new(cluster);
    let home = Home::with_heads(&[&head.url()]);
    let args: Vec<&str> = args.split(' ').collect();
    home.run(&args).data();
    let asked = head.asked();
    let put = asked.iter().find(|asked| asked.method == "PUT").unwrap();
    put.json()
}

#[test]
fn a_project_changes_only_where_something_is_named() {
    let known = json!({"description": "wet lab", "everybody": false, "shared": true,
        "closed": false, "priority": 60, "quota": {"cpu": 16.0, "core_hours": 100.0}});
    assert_eq!(put("admin project set lab"), known);
    let changed = json!({"description": "dry", "everybody": true, "shared": false, "closed": true,
        "priority": 7, "quota": {"memory_bytes": 1_073_741_824, "core_hours": 0.5}});
    let line = "admin project set lab --description dry --everybody --shared=no --closed \
        --priority 7 --cpu none --mem 1G --core-hours 0.5";
    assert_eq!(put(line), changed);
    let new = json!({"everybody": false, "shared": false, "closed": false, "quota": {}});
    assert_eq!(put("admin project set new"), new);
}

#[test]
fn a_queue_changes_only_where_something_is_named() {
    let mut known = queue();
    let fields = known.as_object_mut().unwrap();
    fields.remove("name");
    fields.remove("jobs");
    assert_eq!(put("admin queue set short"), known);
    let line = "admin queue set short --start --close --users bob,eve --time-max none \
        --time-default 5m --cpu-max 2 --mem-max none --running-per-user none --pending-per-user 9";
    let changed = json!({"description": "an hour", "closed": true, "stopped": false,
        "who": {"everybody": false, "users": ["bob", "eve"], "projects": ["lab"]},
        "wall_default_seconds": 300, "cpu_max": 2.0, "pending_per_user": 9});
    assert_eq!(put(line), changed);
    let everybody = json!({"everybody": true});
    assert_eq!(put("admin queue set short --everybody")["who"], everybody);
    let new = json!({"who": everybody, "closed": false, "stopped": false});
    assert_eq!(put("admin queue set new"), new);
}

#[test]
fn bounds_of_a_user_are_set_reset_and_cleared() {
    let set = json!({"cpu": 16.0, "memory_bytes": 68_719_476_736_u64, "running": 0,
        "gib_hours": 7.0});
    let line = "admin quota set ada --running 0 --core-hours none --gib-hours 7 --disk none";
    assert_eq!(put(line), set);
    let head = Head::new(cluster);
    let home = Home::with_heads(&[&head.url()]);
    let table = home.run(&["admin", "quota", "clear", "ada"]);
    assert!(table.data().starts_with("BOUND"), "{table:?}");
    assert_eq!(
        head.asked()[0].body,
        "",
        "without a body: what everybody has"
    );
    home.run(&["admin", "quota", "reset", "ada"]).data();
    home.run(&["admin", "project", "reset", "lab"]).data();
    home.run(&["admin", "project", "remove", "lab"]).data();
    home.run(&["admin", "queue", "remove", "short"]).data();
    let calls = [
        "PUT /users/ada/quota",
        "DELETE /users/ada/quota/spent",
        "DELETE /projects/lab/quota/spent",
        "DELETE /projects/lab",
        "DELETE /queues/short",
    ];
    assert_eq!(head.calls(), calls);
}
