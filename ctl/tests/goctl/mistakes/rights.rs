//! Mistakes about where a job belongs, what one may do, and how projects, queues, bounds and rules
//! are set.

use super::Mistake;

pub(super) const ARGUMENTS: [Mistake; 33] = [
    (
        &["submit", "--network", "host", "--", "true"],
        "--network",
        &["none, bridge"],
    ),
    (
        &["submit", "--entrypoint", "sh 'a", "--", "true"],
        "--entrypoint",
        &["a quote is not closed"],
    ),
    (
        &["submit", "--entrypoint", " ", "--", "true"],
        "--entrypoint",
        &["'/bin/sh -c'"],
    ),
    (
        &["submit", "--output-max", "much", "--", "true"],
        "--output-max",
        &["`much`", "512M"],
    ),
    (
        &["submit", "--project", "", "--", "true"],
        "--project",
        &["--project"],
    ),
    (
        &["submit", "-v", "data/../etc", "--", "true"],
        "--volume",
        &["`../etc`", "data/SUB/PATH"],
    ),
    (
        &["submit", "-v", "data/", "--", "true"],
        "--volume",
        &["data/SUB/PATH"],
    ),
    (
        &["submit", "--wrap", "true", "--entrypoint", "sh"],
        "--entrypoint",
        &["entry point's place", "behind --"],
    ),
    (&["can-i", "fly"], "VERB|METHOD", &["`fly`", "manage-users"]),
    (
        &["can-i", "PATCH", "/jobs"],
        "VERB|METHOD",
        &["`PATCH`", "GET, POST, PUT, DELETE"],
    ),
    (
        &["can-i", "GET", "jobs"],
        "VERB|METHOD",
        &["`jobs`", "write /jobs"],
    ),
    (
        &["token", "create", "--scope", "write"],
        "--scope",
        &["'write'", "read, jobs, account, admin"],
    ),
    (
        &["token", "rotate", "t1", "--ttl", "0"],
        "--ttl",
        &["more than 0"],
    ),
    (
        &["quota", "--user", "a", "--project", "b"],
        "--user",
        &["cannot be used with"],
    ),
    (
        &["admin", "project", "set", "lab", "--cpu", "many"],
        "--cpu",
        &["`many`", "none takes the bound away"],
    ),
    (
        &["admin", "project", "set", "lab", "--priority", "101"],
        "--priority",
        &["101", "0..=100"],
    ),
    (
        &["admin", "project", "set", "lab", "--shared=maybe"],
        "--shared",
        &["`maybe`", "yes nor no"],
    ),
    (
        &["admin", "project", "set", "lab", "--open", "--closed"],
        "--open",
        &["cannot be used with"],
    ),
    (
        &["admin", "queue", "set", "q", "--users", "a,,b"],
        "--users",
        &["`a,,b`", "ada,bob"],
    ),
    (
        &["admin", "queue", "set", "q", "--everybody", "--users", "a"],
        "--everybody",
        &["cannot be used with"],
    ),
    (
        &["admin", "queue", "set", "q", "--time-max", "0"],
        "--time-max",
        &["more than 0", "none takes the bound away"],
    ),
    (
        &["admin", "queue", "set", "q", "--running-per-user", "few"],
        "--running-per-user",
        &["`few`", "write 0, 10"],
    ),
    (
        &["admin", "quota", "set", "ada"],
        "--cpu",
        &["no bound is named", "--core-hours none"],
    ),
    (
        &["admin", "quota", "set", "ada", "--core-hours", "1h"],
        "--core-hours",
        &["`1h`", "100 or 0.5"],
    ),
    (
        &["admin", "rules", "set"],
        "--user-cpu",
        &["no rule is named", "--user-running 10"],
    ),
    (
        &["admin", "rules", "set", "--window-days", "0"],
        "--window-days",
        &["1..=366"],
    ),
    (
        &["admin", "rules", "set", "--over-quota", "cry"],
        "--over-quota",
        &["wait, end"],
    ),
    (
        &["admin", "rules", "set", "--root-volumes", "rw"],
        "--root-volumes",
        &["read-only, refused"],
    ),
    (
        &["admin", "rules", "images", "--clear", "--file", "x"],
        "--clear",
        &["cannot be used with"],
    ),
    (
        &["admin", "user", "set", "ada", "--groups", "wheel"],
        "--groups",
        &["`wheel`", "100,200"],
    ),
    (
        &["admin", "user", "set", "ada", "--home", "ada"],
        "--home",
        &["`ada`", "begins with /"],
    ),
    (
        &["admin", "user", "set", "ada", "--mail", "ada"],
        "--mail",
        &["`ada`", "ada@example.org"],
    ),
    (
        &["admin", "audit", "--limit", "0"],
        "--limit",
        &["1..=1000"],
    ),
];
