//! Heads and agents as real processes, hurt while they work.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use anyhow::{Context, ensure};
use nix::sys::signal::Signal;
use serde_json::Value;
use tests::cluster::{Cluster, Layout, binary, until};

/// Three heads; agents that only pretend to run.
fn fake() -> Layout {
    Layout {
        heads: 3,
        agents: 2,
        runtime: "fake",
        further: vec!["--cpus".into(), "64".into()],
    }
}

/// Three heads; agents that run real processes.
fn process() -> Layout {
    Layout {
        heads: 3,
        agents: 2,
        runtime: "process",
        further: vec!["--cpus".into(), "8".into()],
    }
}

fn submit(cluster: &Cluster, head: &str, name: &str, argv: &[&str]) -> anyhow::Result<u64> {
    let mut args = vec![
        "submit", "-q", "--name", name, "--cpu", "0.1", "--mem", "16M", "--",
    ];
    args.extend_from_slice(argv);
    Ok(cluster.goctl_at(head, &args)?.trim().parse()?)
}

fn job(cluster: &Cluster, id: u64) -> anyhow::Result<Value> {
    cluster.goctl_json(&["show", &id.to_string()])
}

fn wait_state(cluster: &Cluster, id: u64, state: &str) -> anyhow::Result<Value> {
    until(&format!("job {id} is {state}"), || {
        let job = job(cluster, id)?;
        Ok((job["state"] == state).then_some(job))
    })
}

#[test]
fn jobs_submitted_to_each_head_run() -> anyhow::Result<()> {
    let cluster = Cluster::start(&fake())?;
    for (at, head) in cluster.heads().into_iter().enumerate() {
        let code = at.to_string();
        let id = submit(&cluster, &head, &format!("via-{head}"), &["exit", &code])?;
        let ended = if at == 0 { "succeeded" } else { "failed" };
        let job = wait_state(&cluster, id, ended)?;
        ensure!(job["exit_code"] == at, "job {id}: {job}");
    }
    Ok(())
}

#[test]
fn the_leader_killed_while_jobs_run_loses_nothing() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(&process())?;
    let leader = cluster.leader()?;
    let others: Vec<String> = cluster
        .heads()
        .into_iter()
        .filter(|h| *h != leader)
        .collect();
    let mut ids = Vec::new();
    for number in 0..8 {
        let head = &others[number % others.len()];
        let script = "for i in 1 2 3 4 5 6; do echo $i; sleep 0.5; done; exit 7";
        let id = submit(
            &cluster,
            head,
            &format!("run-{number}"),
            &["/bin/sh", "-c", script],
        )?;
        ids.push(id);
    }
    wait_state(&cluster, ids[0], "running")?;
    cluster.kill(&leader)?;
    // At once, and again and again: acknowledged means kept, whoever leads.
    for number in 0..8 {
        let head = &others[number % others.len()];
        ids.push(submit(
            &cluster,
            head,
            &format!("after-{number}"),
            &["/bin/sh", "-c", "exit 7"],
        )?);
    }
    for id in &ids {
        let job = wait_state(&cluster, *id, "failed")?;
        ensure!(job["exit_code"] == 7, "job {id}: {job}");
        let attempts = job["attempts"].as_array().context("attempts")?;
        ensure!(attempts.len() == 1, "job {id} ran {} times", attempts.len());
    }
    let next = cluster.leader()?;
    ensure!(next != leader, "{leader} is dead and leads");
    cluster.restart(&leader)?;
    until("the killed head has caught up", || {
        let status = cluster.goctl_json(&["admin", "raft", "status"])?;
        let members = status["members"].as_array().context("members")?;
        Ok(members
            .iter()
            .all(|m| m["lag"].as_u64().is_some_and(|lag| lag < 5))
            .then_some(()))
    })
}

#[test]
fn a_killed_agent_adopts_its_jobs_and_loses_no_line() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(&Layout {
        heads: 1,
        agents: 1,
        ..process()
    })?;
    let script = "i=0; while [ $i -lt 400 ]; do echo line $i; i=$((i+1)); sleep 0.01; done; exit 5";
    let id = submit(&cluster, "head-1", "counting", &["/bin/sh", "-c", script])?;
    for _ in 0..3 {
        wait_state(&cluster, id, "running")?;
        cluster.kill("agent-1")?;
        cluster.restart("agent-1")?;
        until("the agent is back", || {
            Ok(cluster
                .nodes_up()?
                .contains(&"agent-1".to_string())
                .then_some(()))
        })?;
    }
    let job = wait_state(&cluster, id, "failed")?;
    ensure!(job["exit_code"] == 5, "{job}");
    ensure!(
        job["attempts"].as_array().context("attempts")?.len() == 1,
        "{job}"
    );
    let log = cluster.goctl(&["logs", &id.to_string()])?;
    let expected: String = (0..400).map(|i| format!("line {i}\n")).collect();
    ensure!(
        log == expected,
        "{} bytes of output, {} expected",
        log.len(),
        expected.len()
    );
    Ok(())
}

#[test]
fn a_job_that_ends_while_its_agent_is_dead_keeps_its_exit_code() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(&Layout {
        heads: 1,
        agents: 1,
        ..process()
    })?;
    let id = submit(
        &cluster,
        "head-1",
        "short",
        &["/bin/sh", "-c", "sleep 1; echo bye; exit 9"],
    )?;
    wait_state(&cluster, id, "running")?;
    cluster.kill("agent-1")?;
    let exit_record = cluster
        .node("agent-1")?
        .data_dir
        .join(format!("attempts/{id}-0-1/god.log"));
    until("the job has written its last line", || {
        Ok(std::fs::read_to_string(&exit_record)?
            .contains("bye")
            .then_some(()))
    })?;
    cluster.restart("agent-1")?;
    let job = wait_state(&cluster, id, "failed")?;
    ensure!(job["exit_code"] == 9, "{job}");
    Ok(())
}

#[test]
fn a_head_is_replaced_under_load() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(&fake())?;
    let leader = cluster.leader()?;
    let leaving = cluster
        .heads()
        .into_iter()
        .find(|head| *head != leader)
        .context("a head")?;
    let leaving_id = cluster.node(&leaving)?.id;
    let mut ids = Vec::new();
    let load = |cluster: &Cluster, ids: &mut Vec<u64>| -> anyhow::Result<()> {
        for _ in 0..5 {
            let id = submit(cluster, &leader, "load", &["sleep", "0.05"])?;
            ids.push(id);
        }
        Ok(())
    };
    load(&cluster, &mut ids)?;
    cluster.goctl(&["admin", "head", "remove", &leaving, "--yes"])?;
    load(&cluster, &mut ids)?;
    until("the head has left the quorum", || {
        Ok((!cluster.voters()?.contains(&leaving_id)).then_some(()))
    })?;
    let token = cluster.goctl(&["admin", "join-token", "create", "--role", "head", "-q"])?;
    let new = cluster.path().join("head-new.toml");
    let data = cluster.path().join("head-new");
    let text = format!(
        "[node]\nname = \"head-new\"\ndata_dir = {data:?}\nadvertise = \"127.0.0.1\"\n\
         peer_listen = \"127.0.0.1:{}\"\napi_listen = \"127.0.0.1:{}\"\n\
         [runtime]\nkind = \"none\"\n",
        free_port(true)?,
        free_port(false)?
    );
    std::fs::write(&new, text)?;
    let joined = std::process::Command::new(binary("goagent")?)
        .arg("--config")
        .arg(&new)
        .args(["join", token.trim()])
        .output()?;
    ensure!(
        joined.status.success(),
        "{}",
        String::from_utf8_lossy(&joined.stderr)
    );
    let file: Value = serde_json::from_str(&std::fs::read_to_string(data.join("node.json"))?)?;
    let id = file["node"].as_u64().context("node")?;
    load(&cluster, &mut ids)?;
    cluster.add("head-new", id, &new, true)?;
    load(&cluster, &mut ids)?;
    until("the new head votes", || {
        Ok(cluster.voters()?.contains(&id).then_some(()))
    })?;
    load(&cluster, &mut ids)?;
    for id in ids {
        wait_state(&cluster, id, "succeeded")?;
    }
    Ok(())
}

#[test]
fn a_stopped_leader_hands_over_and_agents_stay_up() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(&fake())?;
    let leader = cluster.leader()?;
    let id = submit(&cluster, &leader, "long", &["sleep", "3"])?;
    wait_state(&cluster, id, "running")?;
    cluster.signal(&leader, Signal::SIGTERM)?;
    let next = until("another head leads", || {
        let next = cluster.leader()?;
        Ok((next != leader).then_some(next))
    })?;
    ensure!(next != leader);
    wait_state(&cluster, id, "succeeded")?;
    let events = cluster.goctl(&["events", "--after", "0", "-o", "jsonl"])?;
    // The head that was told to end is silent indeed; nobody else may be called so.
    let wrong = events.lines().find(|line| {
        let bad = ["suspect", "lost"]
            .iter()
            .any(|bad| line.contains(&format!("\"{bad}\"")));
        bad && !line.contains(&format!("\"{leader}\""))
    });
    ensure!(wrong.is_none(), "called silent for nothing: {wrong:?}");
    cluster.kill(&next)?;
    Ok(())
}

#[test]
fn a_cut_off_agents_requeueable_job_runs_elsewhere_after_the_lease() -> anyhow::Result<()> {
    let mut layout = process();
    layout.further.extend(["--lease-ms".into(), "3000".into()]);
    let cluster = Cluster::start(&layout)?;
    let args = [
        "submit",
        "-q",
        "--name",
        "movable",
        "--cpu",
        "0.1",
        "--mem",
        "16M",
        "--on-lost",
        "requeue",
        "--",
        "/bin/sh",
        "-c",
        "echo $GO_ATTEMPT; sleep 600",
    ];
    let id: u64 = cluster.goctl(&args)?.trim().parse()?;
    let first = wait_state(&cluster, id, "running")?;
    let node = first["node"].as_str().context("node")?.to_owned();
    // The agent cannot renew its lease, nor stop anything: it sleeps.
    cluster.signal(&node, Signal::SIGSTOP)?;
    let second = until("it runs elsewhere", || {
        let job = job(&cluster, id)?;
        let moved = job["node"].as_str().is_some_and(|now| now != node);
        Ok((moved && job["state"] == "running").then_some(job))
    })?;
    ensure!(
        second["attempts"].as_array().context("attempts")?.len() == 2,
        "{second}"
    );
    // Awake again, it finds its lease gone and stops what it had.
    cluster.signal(&node, Signal::SIGCONT)?;
    until("the old attempt is gone", || {
        let nodes = cluster.goctl_json(&["nodes"])?;
        let text = nodes.to_string();
        let still = processes_of(&cluster, &node, id)?;
        Ok((still == 0 && !text.is_empty()).then_some(()))
    })?;
    cluster.goctl(&["cancel", &id.to_string(), "--grace", "1s"])?;
    wait_state(&cluster, id, "cancelled")?;
    Ok(())
}

/// How many processes work in the directory of the job's first attempt on that node.
fn processes_of(cluster: &Cluster, node: &str, job: u64) -> anyhow::Result<usize> {
    let dir = cluster
        .node(node)?
        .data_dir
        .join(format!("attempts/{job}-0-1/work"));
    let mut count = 0;
    for entry in std::fs::read_dir("/proc")? {
        let cwd = std::fs::read_link(entry?.path().join("cwd"));
        count += usize::from(cwd.is_ok_and(|cwd| cwd == dir));
    }
    Ok(count)
}

fn free_port(udp: bool) -> anyhow::Result<u16> {
    Ok(if udp {
        std::net::UdpSocket::bind("127.0.0.1:0")?
            .local_addr()?
            .port()
    } else {
        std::net::TcpListener::bind("127.0.0.1:0")?
            .local_addr()?
            .port()
    })
}

#[test]
fn goctl_gives_up_in_time_when_nobody_answers() -> anyhow::Result<()> {
    let began = std::time::Instant::now();
    let output = std::process::Command::new(binary("goctl")?)
        .args(["ps", "--timeout", "2s"])
        .env(
            "GOCTL_SERVER",
            format!("https://127.0.0.1:{}", free_port(false)?),
        )
        .env("GOCTL_TOKEN", "god_x_y")
        .env("GOCTL_CONFIG", "/nonexistent/goctl.toml")
        .output()?;
    ensure!(output.status.code() == Some(7), "{output:?}");
    ensure!(
        began.elapsed() < Duration::from_secs(10),
        "took {:?}",
        began.elapsed()
    );
    Ok(())
}

/// What a head says to a token: nothing wrong, or what.
fn opens(cluster: &Cluster, head: &str, token: &str) -> anyhow::Result<bool> {
    let api = cluster.node(head)?.api.clone().context("not a head")?;
    let asked = cluster
        .goctl_command(&["whoami", "-o", "name"])?
        .env("GOCTL_SERVER", api)
        .env("GOCTL_TOKEN", token)
        .output()?;
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    let refused = said.contains("the token is not valid");
    ensure!(asked.status.success() != refused, "{head} says {said}");
    Ok(!refused)
}

/// On a machine that is busy besides, processes alone take a while to start.
#[test]
fn a_revoked_token_opens_no_head_a_second_later_whoever_leads() -> anyhow::Result<()> {
    let mut cluster = Cluster::start(&fake())?;
    for round in 0..6 {
        let made = cluster.goctl_json(&["token", "create", "--label", "robot"])?;
        let (token, id) = (made["token"].as_str(), made["id"].as_str());
        let (token, id) = token.zip(id).context("a token")?;
        for head in cluster.heads() {
            ensure!(opens(&cluster, &head, token)?, "{head} refuses a new token");
        }
        let leader = cluster.leader()?;
        let others = cluster.heads().into_iter().filter(|head| *head != leader);
        let others: Vec<String> = others.collect();
        // Through the head that leads, and through one that follows.
        let through = if round % 2 == 0 { &leader } else { &others[0] };
        cluster.goctl_at(through, &["token", "revoke", id])?;
        let revoked = std::time::Instant::now();
        if round >= 3 {
            cluster.kill(&leader)?;
        }
        for head in &others {
            while opens(&cluster, head, token)? {
                let passed = revoked.elapsed();
                ensure!(
                    passed < Duration::from_secs(1),
                    "{head} opens after {passed:?}"
                );
            }
        }
        if round >= 3 {
            cluster.restart(&leader)?;
            until("the killed head refuses the token too", || {
                let opens = opens(&cluster, &leader, token);
                Ok(opens.is_ok_and(|opens| !opens).then_some(()))
            })?;
        }
    }
    Ok(())
}

/// What a scanner of others finds at a head's port.
#[test]
fn users_are_served_by_nothing_older_than_tls_1_3() -> anyhow::Result<()> {
    let cluster = Cluster::start(&Layout {
        heads: 1,
        agents: 0,
        ..fake()
    })?;
    let head = cluster.heads().into_iter().next().context("a head")?;
    let url = cluster.node(&head)?.api.clone().context("an address")?;
    let address = url.strip_prefix("https://").context("https only")?;
    let scan = std::process::Command::new("sslscan")
        .args(["--no-colour", "--xml=-", address])
        .output()
        .context("sslscan: is it installed?")?;
    ensure!(scan.status.success(), "{scan:?}");
    let found = String::from_utf8(scan.stdout)?;
    let enabled = found.matches("enabled=\"1\"").count();
    let newest = "<protocol type=\"tls\" version=\"1.3\" enabled=\"1\" />";
    ensure!(enabled == 1 && found.contains(newest), "{found}");
    let ciphers = found.lines().filter(|line| line.contains("<cipher "));
    let (newer, older): (Vec<_>, Vec<_>) = ciphers.partition(|line| line.contains("TLSv1.3"));
    ensure!(!newer.is_empty() && older.is_empty(), "{found}");
    ensure!(!found.contains("vulnerable=\"1\""), "{found}");

    let plain = std::process::Command::new("curl")
        .args(["-s", &format!("http://{address}/api/v1/cluster")])
        .output()?;
    ensure!(!plain.status.success(), "plain HTTP is answered: {plain:?}");
    Ok(())
}
