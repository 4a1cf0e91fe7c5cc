//! The nodes of a development cluster together, and the files by which others find them:
//! `cluster.json` for programs, `goctl.toml` for `goctl`.

use std::path::{Path, PathBuf};

use anyhow::Context;
use model::Command;
use model::account::TokenId;
use model::command::CreateJoinToken;
use model::node::NodeRole;
use model::policy::Timings;
use model::unit::{Millis, Timestamp};
use serde::Serialize;
use sha2::{Digest, Sha256};

use super::node::Node;
use super::{DevArgs, DevRuntime, SERVE_WITHIN, leftovers};
use crate::config::RuntimeChoice;
use crate::token::JoinText;
use crate::{birth, clock, identity};

/// How long the join tokens and the administrator's token of such a cluster are good.
const TOKENS_LAST: Millis = Millis::seconds(30 * 24 * 3600);

/// A development cluster.
pub(super) struct Cluster {
    args: DevArgs,
    dir: PathBuf,
    temporary: bool,
    nodes: Vec<Node>,
    token: String,
    ca: String,
}

/// What `cluster.json` says.
#[derive(Serialize)]
struct ClusterFile<'a> {
    /// Only the administrator's token opens anything; it lies in this file.
    admin_token_file: PathBuf,
    ca: PathBuf,
    ca_sha256: &'a str,
    context: &'static str,
    goctl_config: PathBuf,
    heads: Vec<NodeFile<'a>>,
    agents: Vec<NodeFile<'a>>,
}

#[derive(Serialize)]
struct NodeFile<'a> {
    name: &'a str,
    id: u64,
    pid: Option<u32>,
    config: PathBuf,
    data_dir: &'a Path,
    log: PathBuf,
    api: Option<String>,
    peer: Option<String>,
}

impl Cluster {
    /// Lays out the directory and the nodes; nothing runs yet.
    pub(super) async fn make(args: DevArgs) -> anyhow::Result<Cluster> {
        let temporary = args.dir.is_none();
        let dir = match &args.dir {
            Some(dir) => std::path::absolute(dir)?,
            None => std::env::temp_dir().join(format!("godocker-dev-{}", std::process::id())),
        };
        tokio::fs::create_dir_all(&dir)
            .await
            .with_context(|| dir.display().to_string())?;
        let mut nodes = Vec::new();
        for number in 1..=args.heads {
            nodes.push(Node::new(&dir, &format!("head-{number}"), true)?);
        }
        for number in 1..=args.agents {
            nodes.push(Node::new(&dir, &format!("agent-{number}"), false)?);
        }
        for node in &mut nodes {
            configure(node, &args);
        }
        let (token, ca) = (String::new(), String::new());
        Ok(Cluster {
            args,
            dir,
            temporary,
            nodes,
            token,
            ca,
        })
    }

    /// Starts every node, says where things are, and then tells of nodes that end, for ever.
    pub(super) async fn serve(&mut self) -> anyhow::Result<()> {
        let tokens = self.init().await?;
        self.nodes[0].start(SERVE_WITHIN).await?;
        self.say_started(0);
        for (at, token) in tokens.iter().enumerate() {
            let at = at + 1;
            birth::join(&self.nodes[at].config, token)
                .await
                .with_context(|| format!("join {}", self.nodes[at].name))?;
            self.nodes[at].start(SERVE_WITHIN).await?;
            self.say_started(at);
        }
        self.write_files()?;
        self.say_ready();
        loop {
            let ends = self.nodes.iter_mut().map(|node| Box::pin(node.ended()));
            let (ended, _, _) = futures_util::future::select_all(ends).await;
            say(&ended);
        }
    }

    /// Ends every node, takes away what ran on them, since nobody will come back for it, and the
    /// directory if it is a temporary one.
    pub(super) async fn end(&mut self) {
        for node in self.nodes.iter_mut().rev() {
            node.end().await;
        }
        for node in &self.nodes {
            if let Err(error) = leftovers::remove(&node.config).await {
                say(&format!("{}: {error}", node.name));
            }
        }
        if self.temporary
            && let Err(error) = tokio::fs::remove_dir_all(&self.dir).await
        {
            say(&format!("cannot remove {}: {error}", self.dir.display()));
        }
    }

    /// Makes the cluster with a token for its administrator and a join token for every other
    /// node; returns the texts of those.
    async fn init(&mut self) -> anyhow::Result<Vec<String>> {
        let ends = clock::wall().plus(TOKENS_LAST);
        let (secret, token) = api::secret::new_token("admin".into(), "goagent dev", ends);
        let mut further = vec![Command::CreateToken(token)];
        let mut secrets = Vec::new();
        for node in &self.nodes[1..] {
            let role = if node.head {
                NodeRole::Head
            } else {
                NodeRole::Agent
            };
            let (id, secret) = api::secret::join_secret();
            let hash = Sha256::digest(secret.as_bytes()).into();
            further.push(join_token(&id, hash, role, ends));
            secrets.push((role, id, secret));
        }
        let first = &self.nodes[0];
        let made = birth::init(&first.config, "dev".into(), timings(&self.args), further).await?;
        self.token = secret;
        self.ca = identity::hex(&made.ca);
        let heads = vec![first.config.node.peer_listen.to_string()];
        let text = |(role, id, secret)| {
            JoinText {
                role,
                ca: made.ca,
                id,
                secret,
                heads: heads.clone(),
            }
            .encode()
        };
        Ok(secrets.into_iter().map(text).collect())
    }

    fn write_files(&self) -> anyhow::Result<()> {
        let ca = self.nodes[0].config.node.data_dir.join("tls/ca.crt");
        let token_file = self.dir.join("admin.token");
        identity::write(&token_file, self.token.as_bytes(), 0o600)?;
        let apis: Vec<String> = self.nodes.iter().filter(|n| n.head).map(api_url).collect();
        let goctl = format!(
            "current = \"dev\"\n\n[context.dev]\nheads = {apis:?}\nca_file = {ca:?}\n\
             ca_sha256 = {:?}\nuser = \"admin\"\n",
            self.ca
        );
        let goctl_config = self.dir.join("goctl.toml");
        identity::write(&goctl_config, goctl.as_bytes(), 0o600)?;
        let credentials = format!("[dev]\ntoken = {:?}\n", self.token);
        identity::write(
            &self.dir.join("credentials.toml"),
            credentials.as_bytes(),
            0o600,
        )?;
        let of = |head: bool| {
            let nodes = self.nodes.iter().filter(move |node| node.head == head);
            nodes.map(describe).collect::<anyhow::Result<Vec<_>>>()
        };
        let file = ClusterFile {
            admin_token_file: token_file,
            ca,
            ca_sha256: &self.ca,
            context: "dev",
            goctl_config,
            heads: of(true)?,
            agents: of(false)?,
        };
        let text = serde_json::to_string_pretty(&file)?;
        identity::write(&self.dir.join("cluster.json"), text.as_bytes(), 0o644)?;
        Ok(())
    }

    fn say_started(&self, at: usize) {
        let node = &self.nodes[at];
        let pid = node.pid().unwrap_or(0);
        let place = if node.head {
            api_url(node)
        } else {
            "runs jobs".into()
        };
        say(&format!(
            "{:<9} pid {pid:<7} {place:<25} log {}",
            node.name,
            node.log_path().display()
        ));
    }

    fn say_ready(&self) {
        say("");
        say("ready; use it from another terminal with");
        say(&format!(
            "  export GOCTL_CONFIG={}",
            self.dir.join("goctl.toml").display()
        ));
        say("  goctl nodes");
        say("Ctrl-C ends it.");
    }
}

fn configure(node: &mut Node, args: &DevArgs) {
    let runs_jobs = !node.head || args.agents == 0;
    let config = &mut node.config;
    config.log.filter = args.log.clone();
    config.runtime.docker_socket = args.docker_socket.clone();
    config.runtime.fake_ledger = args.fake_ledger.clone();
    config.runtime.cpus = args.cpus;
    config.runtime.memory_mib = args.memory_mib;
    if args.memory_mib == 0 {
        let sharing = if args.agents == 0 {
            args.heads
        } else {
            args.agents
        };
        let share = crate::peer::machine_memory() / 10 * 8 / u64::from(sharing);
        config.runtime.memory_mib = share >> 20;
    }
    config.runtime.sample_ms = 250;
    if runs_jobs {
        config.runtime.kind = match args.runtime {
            DevRuntime::Auto => RuntimeChoice::Auto,
            DevRuntime::Docker => RuntimeChoice::Docker,
            DevRuntime::Process => RuntimeChoice::Process,
            DevRuntime::Fake => RuntimeChoice::Fake,
        };
    }
}

fn timings(args: &DevArgs) -> Timings {
    Timings {
        heartbeat: Millis(args.heartbeat_ms),
        suspect_after: Millis(args.heartbeat_ms.saturating_mul(8)),
        lease: Millis(args.lease_ms),
        lease_margin: Millis(args.lease_ms / 4),
    }
}

fn join_token(id: &str, hash: [u8; 32], role: NodeRole, expires_at: Timestamp) -> Command {
    Command::CreateJoinToken(CreateJoinToken {
        id: TokenId(id.into()),
        hash,
        role,
        by: "admin".into(),
        expires_at,
    })
}

fn api_url(node: &Node) -> String {
    format!("https://{}", node.config.node.api_listen)
}

fn describe(node: &Node) -> anyhow::Result<NodeFile<'_>> {
    let data_dir = &node.config.node.data_dir;
    let known = identity::DataDir(data_dir.clone()).load()?;
    Ok(NodeFile {
        name: &node.name,
        id: known.node,
        pid: node.pid(),
        config: node.config_path(),
        data_dir,
        log: node.log_path(),
        api: node.head.then(|| api_url(node)),
        peer: node.head.then(|| node.config.node.peer_listen.to_string()),
    })
}

#[allow(clippy::print_stdout, reason = "this command tells what it does")]
fn say(line: &str) {
    println!("{line}");
}
