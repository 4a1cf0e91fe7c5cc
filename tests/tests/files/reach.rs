//! Any head shows, sends, packs and changes the files of a job, and names that want out lead
//! nowhere.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use tests::cluster::{Cluster, binary, until};

use crate::{names, one_node, process, run, submit};

#[test]
fn every_head_lists_and_sends_what_a_job_left() -> anyhow::Result<()> {
    let cluster = Cluster::start(&process())?;
    let script = "echo out; echo err >&2; mkdir -p d/e; seq 1 200000 > d/numbers; echo x > d/e/x";
    let id = run(&cluster, script)?.to_string();
    let here = tempfile::tempdir()?;
    let numbers: String = (1..=200_000).map(|number| format!("{number}\n")).collect();
    for head in cluster.heads() {
        let list = cluster.goctl_at(&head, &["files", "ls", &id, "-o", "json"])?;
        let listed = names(&serde_json::from_str(&list)?)?;
        ensure!(
            listed == ["god.err", "god.info", "god.log", "work"],
            "{listed:?}"
        );
        let output = cluster.goctl_at(&head, &["files", "get", &id, "god.log", "-"])?;
        ensure!(output == "out\n", "{output}");
        let got = cluster.goctl_at(&head, &["files", "get", &id, "work/d/numbers", "-"])?;
        ensure!(got == numbers, "{} bytes", got.len());
        let archive = here.path().join(format!("{head}.tar.gz"));
        let to = archive.to_str().context("a path")?;
        cluster.goctl_at(&head, &["files", "archive", &id, "--to", to])?;
        let listed = std::process::Command::new("tar")
            .args(["tzf", to])
            .output()?;
        let listed = String::from_utf8(listed.stdout)?;
        for name in ["god.log", "god.info", "work/d/numbers", "work/d/e/x"] {
            ensure!(listed.lines().any(|line| line == name), "{name}: {listed}");
        }
    }
    let info = cluster.goctl(&["files", "get", &id, "god.info", "-"])?;
    let info: Value = serde_json::from_str(&info)?;
    ensure!(
        info["outcome"] == "succeeded" && info["exit_code"] == 0,
        "{info}"
    );
    Ok(())
}

#[test]
fn no_name_and_no_link_leads_out() -> anyhow::Result<()> {
    let cluster = Cluster::start(&process())?;
    let script = "ln -s /etc/shadow shadow; ln -s / root; ln -s .. up; ln -s ../god.log log; \
        mkfifo pipe; ln -s loop loop; mkdir real; echo in > real/file; ln -s real dir; \
        printf x > \"$(printf 'new\\nline')\"";
    let id = run(&cluster, script)?.to_string();
    let evil = [
        "..",
        "../..",
        "/etc/shadow",
        "work/../god.log",
        "work/shadow",
        "work/root/etc/passwd",
        "work/up/god.log",
        "work/log",
        "work/pipe",
        "work/loop",
        "work/dir/file",
        "work//real",
        "./god.log",
        "",
        "work",
        "work/nothing",
        "work/\\x00",
        "work/\\q",
        "\\x2fetc\\x2fshadow",
        "work/\\x2e\\x2e/god.log",
    ];
    let long = "a".repeat(5_000);
    let deep = "a/".repeat(200) + "a";
    for name in evil.iter().copied().chain([long.as_str(), deep.as_str()]) {
        let out = cluster.goctl_output(&["files", "get", &id, "-o", "json", "--", name, "-"])?;
        ensure!(!out.status.success(), "{name}");
        ensure!(
            out.stdout.is_empty(),
            "{name} gave {} bytes",
            out.stdout.len()
        );
        let told = String::from_utf8_lossy(&out.stderr);
        ensure!(!told.contains("INTERNAL"), "{name}: {told}");
        ensure!(
            !told.contains("/attempts/"),
            "{name} tells where it lies: {told}"
        );
    }
    for name in ["..", "work/root", "work/up", "/", "work/dir", "work/pipe"] {
        let listed = cluster.goctl_output(&["files", "ls", &id, name])?;
        ensure!(!listed.status.success() || name == "/", "{name} is listed");
    }
    let list = cluster.goctl_json(&["files", "ls", &id, "work"])?;
    let links: Vec<_> = list.as_array().context("a list")?.iter().collect();
    let shadow = links
        .iter()
        .find(|file| file["name"] == "shadow")
        .context("shadow")?;
    ensure!(
        shadow["kind"] == "link" && shadow["target"] == "/etc/shadow",
        "{shadow}"
    );
    let got = cluster.goctl(&["files", "get", &id, "work/new\\x0aline", "-"])?;
    ensure!(got == "x", "{got}");
    // What lies behind links is in no archive.
    let here = tempfile::tempdir()?;
    let to = here.path().join("a.tar");
    let to = to.to_str().context("a path")?;
    cluster.goctl(&["files", "archive", &id, "work", "--to", to])?;
    let packed = fs::read(to)?;
    ensure!(packed.len() < 64 << 10, "{} bytes", packed.len());
    Ok(())
}

#[test]
fn files_are_put_into_running_and_ended_jobs_and_go_no_further() -> anyhow::Result<()> {
    let cluster = Cluster::start(&process())?;
    let script = "until test -e go; do sleep 0.1; done; cat go";
    let id = submit(&cluster, script)?;
    until("the job runs", || {
        let job = cluster.goctl_json(&["show", &id.to_string()])?;
        Ok((job["state"] == "running").then_some(()))
    })?;
    let id = id.to_string();
    let here = tempfile::tempdir()?;
    let file = here.path().join("go");
    fs::write(&file, "gone\n")?;
    let file = file.to_str().context("a path")?;
    for path in ["god.log", "new", "../x", "/tmp/x", "work/../x", "work"] {
        let out = cluster.goctl_output(&["files", "put", &id, file, path])?;
        ensure!(!out.status.success(), "{path} was written");
    }
    cluster.goctl(&["files", "put", &id, file])?;
    cluster.goctl(&["wait", &id])?;
    let output = cluster.goctl(&["files", "get", &id, "god.log", "-"])?;
    ensure!(output == "gone\n", "{output}");
    let large = here.path().join("large");
    let bytes: Vec<u8> = (0..3 << 20).map(|at: u32| at.to_le_bytes()[1]).collect();
    fs::write(&large, &bytes)?;
    let large = large.to_str().context("a path")?;
    cluster.goctl(&["files", "put", &id, large, "work/deep/er/large"])?;
    let back = here.path().join("back");
    let to = back.to_str().context("a path")?;
    cluster.goctl(&["files", "get", &id, "work/deep/er/large", to])?;
    ensure!(fs::read(&back)? == bytes, "the file came back changed");
    cluster.goctl(&["files", "rm", &id, "work/deep"])?;
    let gone = cluster.goctl_output(&["files", "ls", &id, "work/deep"])?;
    ensure!(gone.status.code() == Some(3), "{gone:?}");
    Ok(())
}

#[test]
fn a_node_that_is_gone_is_named() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(&process())?;
    let id = run(&cluster, "true")?.to_string();
    let job = cluster.goctl_json(&["show", &id])?;
    let node = job["attempts"][0]["node"]
        .as_str()
        .context("a node")?
        .to_owned();
    cluster.kill(&node)?;
    until("the files are out of reach", || {
        let out = cluster.goctl_output(&["files", "get", &id, "god.log", "-"])?;
        let told = String::from_utf8_lossy(&out.stderr);
        Ok((!out.status.success() && told.contains(&node)).then_some(()))
    })?;
    cluster.restart(&node)?;
    until("the files are back", || {
        let out = cluster.goctl_output(&["files", "ls", &id])?;
        Ok(out.status.success().then_some(()))
    })
}

/// The health of a node, and what it says of itself.
fn health(cluster: &Cluster, name: &str) -> anyhow::Result<(String, String)> {
    let nodes = cluster.goctl_json(&["nodes"])?;
    let nodes = nodes.as_array().context("nodes")?.iter();
    let node = nodes.clone().find(|node| node["name"] == name);
    let node = node.context("the node")?;
    let word = |key: &str| node[key].as_str().unwrap_or_default().to_owned();
    Ok((word("health"), word("trouble")))
}

#[test]
fn directories_lie_on_shared_storage_once_it_is_marked() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(&one_node())?;
    let before = run(&cluster, "echo before")?.to_string();
    let storage = tempfile::tempdir()?;
    fs::set_permissions(storage.path(), fs::Permissions::from_mode(0o755))?;
    let root = storage.path().to_str().context("a path")?;
    let shared = [("GODOCKER_FILES__SHARED", root)];
    cluster.end("agent-1", Signal::SIGTERM)?;
    cluster.restart_with("agent-1", &shared)?;
    until("the node says what it lacks", || {
        let (health, trouble) = health(&cluster, "agent-1")?;
        Ok((health == "unwell" && trouble.starts_with("files.shared: ")).then_some(()))
    })?;
    let config = cluster.node("agent-1")?.config.clone();
    let goagent = |word: &str| {
        let mut command = Command::new(binary("goagent")?);
        let command = command.arg("--config").arg(&config).arg(word).envs(shared);
        let said = command.output().context("goagent")?;
        Ok::<_, anyhow::Error>(String::from_utf8(said.stdout)?)
    };
    let checked = goagent("check")?;
    ensure!(checked.contains("× shared storage"), "{checked}");
    let marked = goagent("mark-storage")?;
    ensure!(marked.contains("is now the shared storage"), "{marked}");
    let checked = goagent("check")?;
    ensure!(checked.contains("√ shared storage"), "{checked}");

    // It finds out by itself, and takes jobs again.
    let id = run(&cluster, "echo out; echo x > file")?;
    let digits = id.to_string();
    let pairs = digits.as_bytes().chunks(2).map(String::from_utf8_lossy);
    let dir = pairs.fold(storage.path().to_owned(), |dir, pair| dir.join(&*pair));
    let dir = dir.join("job/0/1");
    let id = digits.as_str();
    ensure!(fs::read_to_string(dir.join("work/file"))? == "x\n");
    let listed = names(&cluster.goctl_json(&["files", "ls", id])?)?;
    ensure!(
        listed == ["god.err", "god.info", "god.log", "work"],
        "{listed:?}"
    );
    let log = cluster.goctl(&["logs", id])?;
    ensure!(log == fs::read_to_string(dir.join("god.log"))?, "{log}");
    let got = cluster.goctl(&["files", "get", id, "work/file", "-"])?;
    ensure!(got == "x\n", "{got}");
    let got = cluster.goctl(&["files", "get", &before, "god.log", "-"])?;
    ensure!(
        got == "before\n",
        "what was there before stays where it is: {got}"
    );

    // What other jobs have there is not to be seen.
    let look = format!(
        "ls -A {root}; cat {} 2>&1; true",
        dir.join("god.log").display()
    );
    let id = run(&cluster, &look)?.to_string();
    let seen = cluster.goctl(&["logs", &id])?;
    ensure!(
        seen.contains("No such file") && !seen.contains("out"),
        "{seen}"
    );
    Ok(())
}
