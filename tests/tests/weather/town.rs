//! Three heads and two agents, each on a machine of its own: a network namespace with an address,
//! set up as an administrator would, with `init`, join tokens and `join`.
//!
//! Machines 1 to 3 are the heads, 4 and 5 the agents.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::sync::Arc;

use anyhow::{Context, ensure};
use api_types::join_token::JoinTokenCreated;
use api_types::login::LoginAnswer;
use serde_json::{Value, json};
use tests::client::{Client, Head};
use tests::cluster::{binary, until};
use tests::netns::{Net, address};
use tokio::runtime::Runtime;

use crate::site::Site;

/// The heads' machines.
pub(crate) const HEADS: [u8; 3] = [1, 2, 3];
/// The agents' machines.
pub(crate) const AGENTS: [u8; 2] = [4, 5];
const PASSWORD: &str = "only in this test";

/// The machines and what runs on them.
pub(crate) struct Town {
    /// First, so that it goes last but one: processes end before their namespaces.
    children: Vec<Child>,
    pub(crate) net: Net,
    dir: PathBuf,
}

impl Drop for Town {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// A town under load.
pub(crate) fn open() -> anyhow::Result<Site<Town>> {
    let dir = tempfile::Builder::new()
        .prefix("godocker-town-")
        .tempdir()?;
    let mut town = Town {
        children: Vec::new(),
        net: Net::lay(5)?,
        dir: dir.path().into(),
    };
    let runtime = Arc::new(town.net.outside()?);
    let client = town.found(&runtime)?;
    let ledger = town.ledger();
    Ok(Site::begin(town, client, runtime, dir, ledger))
}

impl Town {
    fn ledger(&self) -> PathBuf {
        self.dir.join("ledger")
    }

    /// The machine of the head with that name.
    pub(crate) fn machine_of(&self, head: &str) -> anyhow::Result<u8> {
        let found = HEADS.into_iter().find(|machine| name(*machine) == head);
        found.with_context(|| format!("no machine of {head}"))
    }

    /// Makes the cluster; its administrator's client.
    fn found(&mut self, runtime: &Runtime) -> anyhow::Result<Client> {
        let words = ["--heartbeat-ms", "250", "--suspect-ms", "2000"];
        let further = ["--lease-ms", "10000", "--lease-margin-ms", "2500"];
        let said = self.goagent(1, &[&["init"], &words[..], &further[..]].concat())?;
        let line = said
            .lines()
            .find_map(|line| line.trim().strip_prefix("one-time password"));
        let password = line.and_then(|rest| rest.split_whitespace().next());
        let password = password.with_context(|| format!("a password in {said}"))?;
        self.run(1)?;
        let ca = std::fs::read(self.dir.join(name(1)).join("tls/ca.crt"))?;
        let heads = HEADS.map(|machine| Head {
            name: name(machine),
            url: format!("https://{}:8443", address(machine)),
        });
        let login = json!({"user": "admin", "password": password, "new_password": PASSWORD});
        let stranger = Client::new(&ca, "", heads.to_vec())?;
        let answer: LoginAnswer = post(runtime, &stranger, "/login", &login)?;
        let client = Client::new(&ca, &answer.token, heads.to_vec())?;
        for machine in [&HEADS[1..], &AGENTS[..]].concat() {
            let role = if HEADS.contains(&machine) {
                "head"
            } else {
                "agent"
            };
            let made: JoinTokenCreated =
                post(runtime, &client, "/join-tokens", &json!({ "role": role }))?;
            self.goagent(machine, &["join", &made.token])?;
            self.run(machine)?;
        }
        until("three heads vote", || {
            let asked = client.clone();
            let status = runtime.spawn(async move { asked.raft(0).await });
            let status = runtime.block_on(status)??;
            let voters = status.members.iter().filter(|member| member.voter);
            Ok((voters.count() == HEADS.len()).then_some(()))
        })?;
        Ok(client)
    }

    fn config(&self, machine: u8) -> anyhow::Result<PathBuf> {
        let (own, name) = (address(machine), name(machine));
        let (data, ledger) = (self.dir.join(&name), self.ledger());
        let kind = if HEADS.contains(&machine) {
            "none"
        } else {
            "fake"
        };
        let text = format!(
            "[node]\nname = {name:?}\ndata_dir = {data:?}\nadvertise = {own:?}\n\
             peer_listen = \"{own}:8443\"\napi_listen = \"{own}:8443\"\n\
             [runtime]\nkind = {kind:?}\ncpus = 64.0\nmemory_mib = 65536\n\
             fake_ledger = {ledger:?}\n[log]\nfilter = \"warn\"\n"
        );
        let path = self.dir.join(format!("{name}.toml"));
        std::fs::write(&path, text)?;
        Ok(path)
    }

    fn goagent(&self, machine: u8, words: &[&str]) -> anyhow::Result<String> {
        let mut command = self.net.command(machine, &binary("goagent")?);
        let command = command.arg("--config").arg(self.config(machine)?);
        let output = command.args(words).stdin(Stdio::null()).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "goagent {words:?}: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }

    fn run(&mut self, machine: u8) -> anyhow::Result<()> {
        let ready = self.dir.join(format!("{}.ready", name(machine)));
        let log = File::create(self.dir.join(format!("{}.log", name(machine))))?;
        let mut command = self.net.command(machine, &binary("goagent")?);
        command.arg("--config").arg(self.config(machine)?);
        command.args(["run", "--ready-file"]).arg(&ready);
        let streams = command.stdin(Stdio::null()).stdout(Stdio::null());
        self.children.push(streams.stderr(log).spawn()?);
        until("the node serves", || Ok(Path::exists(&ready).then_some(())))
    }
}

fn name(machine: u8) -> String {
    format!("machine-{machine}")
}

fn post<T: serde::de::DeserializeOwned + Send + 'static>(
    runtime: &Runtime,
    client: &Client,
    path: &'static str,
    body: &Value,
) -> anyhow::Result<T> {
    until(path, || {
        let (client, body) = (client.clone(), body.clone());
        let asked = runtime.spawn(async move { client.post(0, path, &body).await });
        runtime.block_on(asked)?.map(Some)
    })
}
