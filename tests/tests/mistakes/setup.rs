//! Nodes that are set up wrongly: each says what is wrong and what to do.

use std::fs;
use std::path::Path;

use anyhow::{Context, ensure};
use tests::cluster::{Cluster, Layout};

use crate::desk::Desk;

/// A mistake in the configuration or on the command line, and words that the answer must have.
struct Mistake {
    args: &'static [&'static str],
    config: &'static str,
    env: &'static [(&'static str, &'static str)],
    words: &'static [&'static str],
}

const fn run(config: &'static str, words: &'static [&'static str]) -> Mistake {
    Mistake {
        args: &["run"],
        config,
        env: &[],
        words,
    }
}

const MISTAKES: [Mistake; 17] = [
    run(
        "",
        &["data", "holds no node", "goagent init", "goagent join"],
    ),
    run("nmae = \"x\"\n", &["nmae", "unknown field", "data_dir"]),
    run(
        "[runtime]\nkind = \"podman\"\n",
        &["podman", "docker", "process"],
    ),
    run("[runtime]\ncpus = -1.0\n", &["runtime.cpus"]),
    run(
        "[runtime]\nmemory_mib = \"much\"\n",
        &["memory_mib", "much"],
    ),
    run(
        "[head]\nelection_min_ms = 60\n",
        &["head.election_min_ms", "twice"],
    ),
    run("[head]\nelection_max_ms = 100\n", &["head.election_max_ms"]),
    run("[runtim]\n", &["runtim", "unknown field"]),
    run("[runtime\n", &["goagent.toml"]),
    Mistake {
        env: &[("GODOCKER_NODE__NMAE", "x")],
        ..run("", &["GODOCKER_NODE__NMAE", "nmae"])
    },
    Mistake {
        env: &[("GODOCKER_RUNTIME__CPUS", "x")],
        ..run("", &["GODOCKER_RUNTIME__CPUS"])
    },
    Mistake {
        args: &["join", "hello"],
        ..run("", &["join token", "GOJ1-"])
    },
    Mistake {
        args: &["join", "GOJ1-AAAA"],
        ..run("", &["join token", "cut or mistyped"])
    },
    Mistake {
        args: &["join"],
        ..run("", &["TOKEN"])
    },
    Mistake {
        args: &["serve"],
        ..run("", &["serve", "--help"])
    },
    Mistake {
        args: &["dev", "--heads", "0"],
        ..run("", &["--heads", "1"])
    },
    Mistake {
        args: &["dev", "--runtime", "x"],
        ..run("", &["--runtime", "process"])
    },
];

#[test]
fn what_is_wrong_is_named_with_what_to_do() -> anyhow::Result<()> {
    for mistake in &MISTAKES {
        let desk = Desk::new()?;
        desk.configure(mistake.config)?;
        let said = desk.goagent(mistake.args, mistake.env)?;
        ensure!(
            !said.success,
            "{:?} {:?} succeeded",
            mistake.args,
            mistake.config
        );
        for word in mistake.words {
            ensure!(
                said.stderr.contains(word),
                "no `{word}` in: {}",
                said.stderr
            );
        }
        ensure!(!said.stderr.contains("panicked"), "{}", said.stderr);
        ensure!(
            !desk.data().join("node.json").exists(),
            "{:?} made a node",
            mistake.args
        );
    }
    Ok(())
}

#[test]
fn a_missing_configuration_that_was_asked_for_is_named() -> anyhow::Result<()> {
    let desk = Desk::new()?;
    fs::remove_file(desk.config())?;
    let said = desk.goagent(&["run"], &[])?;
    ensure!(
        !said.success && said.stderr.contains("goagent.toml"),
        "{said:?}"
    );
    Ok(())
}

#[test]
fn a_node_is_not_made_over_another() -> anyhow::Result<()> {
    let desk = Desk::initialised()?;
    let before = fs::read(desk.data().join("node.json"))?;
    for args in [&["init"] as &[&str], &["join", &some_token()]] {
        let said = desk.goagent(args, &[])?;
        ensure!(
            !said.success && said.stderr.contains("holds a node already"),
            "{said:?}"
        );
    }
    ensure!(fs::read(desk.data().join("node.json"))? == before);
    Ok(())
}

/// A well-formed token of a cluster that does not exist.
fn some_token() -> String {
    agent::token::JoinText {
        role: model::node::NodeRole::Agent,
        ca: [7; 32],
        id: "abc".into(),
        secret: "secret".into(),
        heads: vec!["127.0.0.1:1".into()],
    }
    .encode()
}

/// What is damaged in a node's directory, and words that the answer must have.
type Damage = (fn(&Path) -> std::io::Result<()>, &'static [&'static str]);

const DAMAGES: [Damage; 6] = [
    (
        |data| fs::write(data.join("node.json"), "{"),
        &["node.json"],
    ),
    (
        |data| fs::write(data.join("tls/node.key"), ""),
        &["certificate"],
    ),
    (
        |data| fs::remove_file(data.join("tls/node.crt")),
        &["node.crt"],
    ),
    (
        |data| fs::write(data.join("tls/ca.crt"), "x"),
        &["certificate"],
    ),
    (|data| fs::remove_file(data.join("tls/ca.key")), &["ca.key"]),
    (
        |data| fs::write(data.join("journal.redb"), "not a journal"),
        &["journal.redb"],
    ),
];

#[test]
fn a_damaged_directory_is_refused_by_name() -> anyhow::Result<()> {
    for (at, (damage, words)) in DAMAGES.iter().enumerate() {
        let desk = Desk::initialised()?;
        damage(&desk.data())?;
        let said = desk.goagent(&["run"], &[])?;
        ensure!(!said.success, "damage {at} was not noticed");
        for word in *words {
            ensure!(
                said.stderr.contains(word),
                "damage {at}: no `{word}` in: {}",
                said.stderr
            );
        }
        ensure!(
            !said.stderr.contains("panicked"),
            "damage {at}: {}",
            said.stderr
        );
    }
    Ok(())
}

#[test]
fn what_is_taken_is_named() -> anyhow::Result<()> {
    let desk = Desk::initialised()?;
    let serving = desk.serve()?;
    let said = desk.goagent(&["run"], &[])?;
    ensure!(!said.success && said.stderr.contains("in use"), "{said:?}");

    // The same directory on other ports: the first one keeps it.
    let other = desk.dir.path().join("other.toml");
    fs::copy(desk.config(), &other)?;
    desk.configure("")?;
    let said = desk.goagent(&["run"], &[])?;
    ensure!(!said.success, "two nodes in one directory: {said:?}");
    ensure!(!said.stderr.contains("panicked"), "{said:?}");
    ensure!(!serving.log().contains("ending"), "{}", serving.log());
    Ok(())
}

#[test]
fn no_engine_is_said_with_the_socket() -> anyhow::Result<()> {
    let desk = Desk::initialised()?;
    desk.configure("[runtime]\nkind = \"docker\"\ndocker_socket = \"unix:///nonexistent/sock\"\n")?;
    let said = desk.goagent(&["run"], &[])?;
    for word in ["/nonexistent/sock", "goagent check"] {
        ensure!(
            !said.success && said.stderr.contains(word),
            "no `{word}`: {said:?}"
        );
    }
    let said = desk.goagent(&["check"], &[])?;
    ensure!(!said.success, "{said:?}");
    for word in ["× docker", "runtime.docker_socket", "cannot serve yet"] {
        ensure!(said.stdout.contains(word), "no `{word}`: {}", said.stdout);
    }
    Ok(())
}

#[test]
fn a_join_token_admits_one_machine_into_the_cluster_that_it_names() -> anyhow::Result<()> {
    let layout = Layout {
        heads: 1,
        agents: 1,
        runtime: "fake",
        further: Vec::new(),
    };
    let cluster = Cluster::start(&layout)?;
    let token = cluster.goctl(&["admin", "join-token", "create", "--role", "agent", "-q"])?;
    let token = token.trim();

    // Of another authority: the machine says nothing, the secret least of all.
    let mut forged = agent::token::JoinText::decode(token)?;
    forged.ca = [9; 32];
    let desk = Desk::new()?;
    let said = desk.goagent(&["join", &forged.encode()], &[])?;
    ensure!(!said.success && said.stderr.contains("network"), "{said:?}");
    ensure!(!desk.data().join("node.json").exists(), "it joined");

    // The right authority, the wrong secret.
    let mut forged = agent::token::JoinText::decode(token)?;
    forged.secret = "guessed".into();
    let said = desk.goagent(&["join", &forged.encode()], &[])?;
    ensure!(
        !said.success && said.stderr.contains("expired, was used, or is not"),
        "{said:?}"
    );

    let said = desk.goagent(&["join", token], &[])?;
    ensure!(said.success, "{said:?}");
    let second = Desk::new()?;
    let said = second.goagent(&["join", token], &[])?;
    ensure!(
        !said.success && said.stderr.contains("expired, was used, or is not"),
        "{said:?}"
    );
    ensure!(!second.data().join("node.json").exists(), "it joined");

    let nodes = cluster.goctl_json(&["nodes"])?;
    let count = nodes
        .as_array()
        .or_else(|| nodes["items"].as_array())
        .context("nodes")?
        .len();
    ensure!(count == 3, "{count} nodes: {nodes}");
    Ok(())
}
