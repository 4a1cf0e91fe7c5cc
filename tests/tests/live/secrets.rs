//! Secrets: the job that names one reads it. That nothing and nobody else does, `nowhere` looks
//! for.

use std::io::Write;
use std::process::{Command, Output, Stdio};

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};
use tests::bench::{Bench, Case, Program};

/// What a job finds out about its secret without printing it.
const LOOK: &str = r#"
sha256sum </run/secrets/db | cut -d' ' -f1
stat -c '%a %u' /run/secrets/db
stat -c '%a %u' /run/secrets/other
ls /run/secrets
grep ' /run/secrets tmpfs ' /proc/self/mounts | cut -d' ' -f4 | tr ',' '\n' | grep '^no\|^r' | sort
touch /run/secrets/new 2>/dev/null && echo writable
v=$(cat /run/secrets/db)
env | grep -c -F "$v"
tr '\0' '\n' </proc/1/environ 2>/dev/null | grep -c -F "$v"
"#;

/// A word that occurs nowhere else.
pub(crate) fn canary(what: &str) -> String {
    let name = tempfile::Builder::new()
        .rand_bytes(24)
        .prefix(what)
        .tempdir();
    let path = name.map(|dir| dir.path().to_path_buf()).unwrap();
    let word = path.file_name().unwrap().to_str().unwrap();
    word.to_owned()
}

/// Keeps a secret, as a user types it.
pub(crate) fn keep(bench: &Bench, args: &[&str], value: &str) -> anyhow::Result<()> {
    let args: Vec<&str> = ["secret", "set"].iter().chain(args).copied().collect();
    let output = fed(bench.cluster.goctl_command(&args)?, value)?;
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "goctl {args:?}: {said}");
    ensure!(!String::from_utf8_lossy(&output.stdout).contains(value));
    Ok(())
}

fn fed(mut command: Command, input: &str) -> anyhow::Result<Output> {
    command.stdin(Stdio::piped());
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn()?;
    let mut stdin = child.stdin.take().context("standard input")?;
    stdin.write_all(input.as_bytes())?;
    drop(stdin);
    Ok(child.wait_with_output()?)
}

fn reads_it(bench: &Bench) -> anyhow::Result<()> {
    let value = canary("db-");
    keep(bench, &["db"], &value)?;
    keep(bench, &["token"], "another")?;
    let id = bench.submit(&Case {
        args: &["--secret", "db", "--secret", "token=other"],
        program: Program::Script(LOOK),
    })?;
    let job = bench.ended(id)?;
    let hash = Sha256::digest(value.as_bytes());
    let hash: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    let expected =
        format!("{hash}\n400 65534\n400 65534\ndb\nother\nnodev\nnoexec\nnosuid\nro\n0\n0\n");
    let found = String::from_utf8(bench.logs(id, &[])?)?;
    let found: Vec<&str> = found
        .lines()
        .filter(|line| !line.starts_with("nr_") && *line != "noswap" && *line != "relatime")
        .collect();
    ensure!(
        found == expected.lines().collect::<Vec<_>>(),
        "{found:#?}\n{job:#}"
    );

    let shown = bench.cluster.goctl(&["secret", "ls", "-o", "json"])?;
    ensure!(
        shown.contains("\"db\"") && !shown.contains(&value),
        "{shown}"
    );
    Ok(())
}

#[test]
fn a_job_in_a_container_reads_its_secret_from_memory() -> anyhow::Result<()> {
    reads_it(&Bench::docker()?)
}

#[test]
fn a_job_without_a_container_reads_its_secret_from_memory() -> anyhow::Result<()> {
    reads_it(&Bench::process()?)
}

/// Another value is for attempts that start later; a secret that is gone ends what wants it.
#[test]
fn a_secret_can_be_replaced_and_taken_back() -> anyhow::Result<()> {
    let bench = Bench::process()?;
    let program = Program::Script("sha256sum </run/secrets/db; wc -c </run/secrets/db");
    let case = Case {
        args: &["--secret", "db"],
        program,
    };
    let refused = bench
        .cluster
        .goctl_output(&["submit", "--secret", "db", "--", "true"])?;
    let said = String::from_utf8_lossy(&refused.stderr);
    ensure!(
        !refused.status.success() && said.contains("no secret db"),
        "{said}"
    );
    keep(&bench, &["db"], "first")?;
    let first = bench.submit(&case)?;
    bench.ended(first)?;
    keep(&bench, &["db"], "the second")?;
    let second = bench.submit(&case)?;
    bench.ended(second)?;
    ensure!(bench.logs(first, &[])?.ends_with(b"\n5\n"));
    ensure!(bench.logs(second, &[])?.ends_with(b"\n10\n"));

    // While a node takes nothing, the job waits; then there is nothing to give it.
    let node = bench.cluster.nodes_up()?.pop().context("a node")?;
    bench
        .cluster
        .goctl(&["admin", "node", "drain", &node, "--reason", "test"])?;
    let third = bench.submit(&case)?;
    bench.cluster.goctl(&["secret", "rm", "db"])?;
    bench.cluster.goctl(&["admin", "node", "undrain", &node])?;
    let job = bench.ended(third)?;
    ensure!(job["state"] == "cannot_start", "{job:#}");
    let message = job["message"].as_str().unwrap_or_default();
    ensure!(message.contains("there is no secret db"), "{job:#}");
    Ok(())
}
