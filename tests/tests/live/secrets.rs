//! Secrets: the job that names one reads it; nothing and nobody else does.

use std::collections::BTreeMap;
use std::io::ErrorKind;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, ensure};
use sha2::{Digest, Sha256};
use tests::bench::{Bench, Case, Program, shared_engine};
use tests::cluster::{binary, until};

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

/// A second user, with a configuration of their own.
struct Other {
    home: tempfile::TempDir,
    password: String,
}

impl Other {
    fn new(bench: &Bench) -> anyhow::Result<Other> {
        let made = [
            "admin", "user", "create", "bob", "--uid", "1002", "--gid", "1002",
        ];
        let once = bench.cluster.goctl(&made)?;
        let once = once.lines().next().context("a password")?.trim().to_owned();
        let other = Other {
            home: tempfile::tempdir()?,
            password: canary("password-"),
        };
        let head = bench.cluster.heads().pop().context("a head")?;
        let head = bench.cluster.node(&head)?;
        let url = head.api.clone().context("an address")?;
        let ca = head.data_dir.join("tls/ca.crt");
        let ca = ca.to_str().context("a path")?;
        let login = [
            "login",
            &url,
            "-u",
            "bob",
            "--ca-file",
            ca,
            "--password-stdin",
        ];
        let lines = format!("{once}\n{}\n", other.password);
        let output = fed(other.command(&login)?, &lines)?;
        ensure!(output.status.success(), "{output:?}");
        Ok(other)
    }

    fn command(&self, args: &[&str]) -> anyhow::Result<Command> {
        let mut command = Command::new(binary("goctl")?);
        command
            .args(args)
            .env("GOCTL_CONFIG", self.home.path().join("goctl.toml"));
        Ok(command)
    }

    fn token(&self) -> anyhow::Result<String> {
        let text = std::fs::read_to_string(self.home.path().join("credentials.toml"))?;
        let (_, rest) = text.split_once("god_").context("a token")?;
        let end = rest.find('"').context("its end")?;
        Ok(format!("god_{}", &rest[..end]))
    }
}

/// Every file below a directory that is no client's own, with its bytes.
fn files(dir: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) -> std::io::Result<()> {
    for entry in std::fs::read_dir(dir)? {
        match file(&entry?.path(), found) {
            // The cluster works on, and its databases remove what they have replaced.
            Err(error) if error.kind() == ErrorKind::NotFound => {}
            seen => seen?,
        }
    }
    Ok(())
}

fn file(path: &Path, found: &mut BTreeMap<PathBuf, Vec<u8>>) -> std::io::Result<()> {
    let kind = std::fs::symlink_metadata(path)?.file_type();
    if kind.is_dir() {
        return files(path, found);
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    if kind.is_file() && name != "credentials.toml" && name != "admin.token" {
        found.insert(path.to_owned(), std::fs::read(path)?);
    }
    Ok(())
}

fn holds(bytes: &[u8], word: &str) -> bool {
    bytes
        .windows(word.len())
        .any(|part| part == word.as_bytes())
}

/// What is known here is searched for in all that a cluster writes, while a job has the secret and
/// after it has ended: in no file of a head or agent, and nowhere in what the engine knows.
#[test]
fn known_secrets_are_in_no_file_of_the_cluster_and_not_in_the_engine() -> anyhow::Result<()> {
    let engine = shared_engine()?;
    let bench = Bench::on(&engine, 1)?;
    let other = Other::new(&bench)?;
    let (value, registry) = (canary("value-"), canary("registry-"));
    let name = canary("name-");
    keep(&bench, &[&name], &value)?;
    let hub = ["hub", "--registry", "registry.invalid", "--login", "ada"];
    keep(&bench, &hub, &registry)?;
    let join = bench
        .cluster
        .goctl(&["admin", "join-token", "create", "--role", "agent", "-q"])?;
    let join = agent::token::JoinText::decode(join.trim())?.secret;

    let id = bench.submit(&Case {
        args: &["--secret", &name],
        program: Program::Script("cat /run/secrets/* >/dev/null; sleep 600"),
    })?;
    bench.running(id)?;
    means_their_own(&other, &name)?;
    engine_knows_no(&bench, &engine, id, &value)?;
    bench
        .cluster
        .goctl(&["cancel", &id.to_string(), "--grace", "0s"])?;
    bench.ended(id)?;
    let mut found = BTreeMap::new();
    files(&bench.cluster.path(), &mut found)?;
    // The search sees what is there: the name is in the log.
    let seen = found.values().any(|bytes| holds(bytes, &name));
    ensure!(seen, "not even the secret's name was found");
    let token = other.token()?;
    // `god_ID_SECRET`, and the secret may have more of these in it.
    let half = token.splitn(3, '_').nth(2).unwrap_or_default();
    let known = [
        ("the secret", value.as_str()),
        ("the registry's password", &registry),
        ("the user's password", &other.password),
        ("the user's token", half),
        ("the join token", &join),
    ];
    for (what, word) in known {
        ensure!(word.len() >= 16, "{what} is too short to be searched for");
        for (path, bytes) in &found {
            ensure!(!holds(bytes, word), "{what} is in {}", path.display());
        }
    }
    Ok(())
}

/// Somebody else who names it means their own secrets, and has none.
fn means_their_own(other: &Other, name: &str) -> anyhow::Result<()> {
    let wish = [
        "submit",
        "--image",
        tests::bench::IMAGE,
        "--secret",
        name,
        "--",
        "true",
    ];
    let refused = other.command(&wish)?.output()?;
    ensure!(!refused.status.success(), "{refused:?}");
    let listed = other.command(&["secret", "ls"])?.output()?;
    ensure!(!String::from_utf8_lossy(&listed.stdout).contains(name));
    Ok(())
}

/// The engine has the files' place and not what is in them, and the node shows them to nobody.
fn engine_knows_no(bench: &Bench, engine: &str, id: u64, value: &str) -> anyhow::Result<()> {
    let container = until("the job's container is known", || {
        let job = bench.show(id)?;
        let container = job["attempts"][0]["container"].as_str();
        Ok(container.map(str::to_owned))
    })?;
    let docker = |args: &[&str]| -> anyhow::Result<String> {
        let output = Command::new("docker")
            .args(["-H", engine])
            .args(args)
            .output()?;
        ensure!(output.status.success(), "{output:?}");
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    };
    let inspected = docker(&["inspect", &container])?;
    ensure!(inspected.contains("/run/secrets"), "{inspected}");
    ensure!(!inspected.contains(value), "{inspected}");
    let ours = bench.cluster.path();
    // It lets go of them a moment after the job is seen to run.
    until("the node has the job's secrets no more", || {
        let mounts = std::fs::read_to_string("/proc/self/mountinfo")?;
        let mut ours = mounts
            .lines()
            .filter(|line| line.contains(&*ours.to_string_lossy()));
        Ok((!ours.any(|line| line.contains(".secrets "))).then_some(()))
    })
}
