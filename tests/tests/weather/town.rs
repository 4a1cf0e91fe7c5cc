//! Three heads and four agents, each on a machine of its own: a network namespace with an address,
//! set up as an administrator would, with `init`, join tokens and `join`. Nothing is hurt here by
//! itself; processes are ended and stopped by their id.
//!
//! Machines 1 to 3 are the heads, 4 to 7 the agents.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, ensure};
use api_types::join_token::JoinTokenCreated;
use api_types::login::LoginAnswer;
use api_types::node::{Node, NodeHealth, NodeList};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tests::client::{Client, Head};
use tests::cluster::{binary, until};
use tests::netns::{Net, address};
use tests::wind::{self, Wind};
use tokio::runtime::Runtime;

/// The heads' machines.
pub(crate) const HEADS: [u8; 3] = [1, 2, 3];
/// The agents' machines.
pub(crate) const AGENTS: [u8; 4] = [4, 5, 6, 7];
/// A node that is silent for so long is suspect, in milliseconds.
pub(crate) const SUSPECT_MS: u64 = 1_500;
const PASSWORD: &str = "only in this test";

/// The machines and what runs on them.
pub(crate) struct Town {
    /// First, so that they end before their namespaces go.
    children: BTreeMap<u8, Child>,
    /// Between the machines, in a town where it blows.
    pub(crate) wind: Option<Wind>,
    pub(crate) net: Net,
    dir: PathBuf,
    /// What each machine runs, where it is not the program under test.
    programs: BTreeMap<u8, PathBuf>,
    /// How far the machines stand back behind whoever asks something of them, as nice(1) says.
    leisure: u8,
}

impl Drop for Town {
    #[allow(
        clippy::print_stderr,
        reason = "said to whoever looks at a failed test"
    )]
    fn drop(&mut self) {
        for child in self.children.values_mut() {
            // One that stands still does not end otherwise.
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            let kept = self.dir.with_extension("failed");
            if std::fs::rename(&self.dir, &kept).is_ok() {
                eprintln!("the town's files are kept in {}", kept.display());
            }
        }
    }
}

impl Town {
    /// A town without anybody in it, with its files in `dir`; between the machines the wind can
    /// blow if asked for. Every machine runs the program in `program`, or the one under test.
    pub(crate) fn lay(
        dir: &Path,
        windy: Option<u64>,
        program: Option<PathBuf>,
        leisure: u8,
    ) -> anyhow::Result<Town> {
        let net = Net::lay(7)?;
        let wind = windy.map(|seed| Wind::over(&net, &HEADS, seed));
        let machines = HEADS.into_iter().chain(AGENTS);
        let programs = program.map(|program| machines.map(|m| (m, program.clone())).collect());
        Ok(Town {
            children: BTreeMap::new(),
            wind: wind.transpose()?,
            net,
            dir: dir.into(),
            programs: programs.unwrap_or_default(),
            leisure,
        })
    }

    /// What all agents write begins and ends to.
    pub(crate) fn ledger(&self) -> PathBuf {
        self.dir.join("ledger")
    }

    /// Makes the cluster; its administrator's client. Returns once all heads vote and all agents
    /// are there.
    pub(crate) fn found(&mut self, runtime: &Runtime) -> anyhow::Result<Client> {
        let suspect = SUSPECT_MS.to_string();
        let words = ["--heartbeat-ms", "250", "--suspect-ms", &suspect];
        let further = ["--lease-ms", "10000", "--lease-margin-ms", "2500"];
        let said = self.goagent(1, &[&["init"], &words[..], &further[..]].concat())?;
        let line = said
            .lines()
            .find_map(|line| line.trim().strip_prefix("one-time password"));
        let password = line.and_then(|rest| rest.split_whitespace().next());
        let password = password.with_context(|| format!("a password in {said}"))?;
        self.start(HEADS[0])?;
        let ca = std::fs::read(self.dir.join(name(1)).join("tls/ca.crt"))?;
        let heads = HEADS.map(|machine| Head {
            name: name(machine),
            url: format!("https://{}:8443", address(machine)),
        });
        let login = json!({"user": "admin", "password": password, "new_password": PASSWORD});
        let stranger = Client::new(&ca, "", heads.to_vec())?;
        let answer: LoginAnswer = post(runtime, &stranger, "/login", &login)?;
        let client = Client::new(&ca, &answer.token, heads.to_vec())?;
        let mut words = Vec::new();
        for machine in [&HEADS[1..], &AGENTS[..]].concat() {
            let body = json!({ "role": role(machine) });
            let made: JoinTokenCreated = post(runtime, &client, "/join-tokens", &body)?;
            words.push((machine, made.token));
        }
        let town = &*self;
        std::thread::scope(|scope| {
            let join = |(machine, token): &(u8, String)| {
                let (machine, token) = (*machine, token.clone());
                scope.spawn(move || town.goagent(machine, &["join", &token]))
            };
            let joining: Vec<_> = words.iter().map(join).collect();
            let mut joined = joining.into_iter().map(|join| join.join());
            joined.try_for_each(|joined| {
                let joined = joined.map_err(|_| anyhow::anyhow!("joining panicked"))?;
                joined.map(drop)
            })
        })?;
        for (machine, _) in &words {
            self.start(*machine)?;
        }
        self.wait_whole(runtime, &client)?;
        Ok(client)
    }

    fn wait_whole(&self, runtime: &Runtime, client: &Client) -> anyhow::Result<()> {
        until("all heads vote and all agents are there", || {
            let asked = client.clone();
            let found = runtime.spawn(async move {
                let status = asked.raft(0).await?;
                anyhow::Ok((status, asked.get::<NodeList>(0, "/nodes").await?))
            });
            let (status, nodes) = runtime.block_on(found)??;
            let voters = status.members.iter().filter(|member| member.voter);
            let works = |node: &&Node| node.health == NodeHealth::Up && node.capacity.is_some();
            let workers = nodes.items.iter().filter(works);
            let whole = voters.count() == HEADS.len() && workers.count() == AGENTS.len();
            Ok(whole.then_some(()))
        })
    }

    /// The machine of that name.
    pub(crate) fn machine_of(&self, node: &str) -> anyhow::Result<u8> {
        let mut machines = HEADS.into_iter().chain(AGENTS);
        let found = machines.find(|machine| name(*machine) == node);
        found.with_context(|| format!("no machine {node}"))
    }

    /// From now on that machine runs another program.
    pub(crate) fn install(&mut self, machine: u8, program: &Path) {
        self.programs.insert(machine, program.into());
    }

    fn command(&self, machine: u8) -> anyhow::Result<Command> {
        let program = match self.programs.get(&machine) {
            Some(program) => program.clone(),
            None => binary("goagent")?,
        };
        let mut command = match self.leisure {
            0 => self.net.command(machine, &program),
            nice => {
                let mut command = self.net.command(machine, Path::new("nice"));
                command.args(["-n", &nice.to_string()]).arg(&program);
                command
            }
        };
        command.arg("--config").arg(self.config(machine)?);
        command.stdin(Stdio::null());
        Ok(command)
    }

    fn config(&self, machine: u8) -> anyhow::Result<PathBuf> {
        let (own, name) = (address(machine), name(machine));
        let windy = self.wind.is_some() && HEADS.contains(&machine);
        let known = if windy {
            wind::door(machine)
        } else {
            own.clone()
        };
        let (data, ledger) = (self.dir.join(&name), self.ledger());
        let kind = if HEADS.contains(&machine) {
            "none"
        } else {
            "fake"
        };
        let text = format!(
            "[node]\nname = {name:?}\ndata_dir = {data:?}\nadvertise = {known:?}\n\
             names = [{own:?}]\npeer_listen = \"{own}:8443\"\napi_listen = \"{own}:8443\"\n\
             [runtime]\nkind = {kind:?}\ncpus = 64.0\nmemory_mib = 65536\n\
             fake_ledger = {ledger:?}\n[log]\nfilter = {:?}\n",
            std::env::var("WEATHER_LOG").unwrap_or_else(|_| "warn".into())
        );
        let path = self.dir.join(format!("{name}.toml"));
        std::fs::write(&path, text)?;
        Ok(path)
    }

    fn goagent(&self, machine: u8, words: &[&str]) -> anyhow::Result<String> {
        let output = self.command(machine)?.args(words).output()?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "goagent {words:?}: {said}");
        Ok(String::from_utf8(output.stdout)?)
    }

    /// Starts what runs on a machine, and waits until it serves.
    pub(crate) fn start(&mut self, machine: u8) -> anyhow::Result<()> {
        let ready = self.dir.join(format!("{}.ready", name(machine)));
        if ready.exists() {
            std::fs::remove_file(&ready)?;
        }
        let path = self.dir.join(format!("{}.log", name(machine)));
        let log = File::options().create(true).append(true).open(path)?;
        let mut command = self.command(machine)?;
        command.args(["run", "--ready-file"]).arg(&ready);
        let mut child = command.stdout(Stdio::null()).stderr(log).spawn()?;
        let ended = until("the node serves", || {
            let ended = child.try_wait()?;
            Ok((ended.is_some() || ready.exists()).then_some(ended))
        })?;
        ensure!(ended.is_none(), "{} ended: {ended:?}", name(machine));
        self.children.insert(machine, child);
        Ok(())
    }

    /// The process of a machine.
    pub(crate) fn pid(&self, machine: u8) -> anyhow::Result<u32> {
        let child = self.children.get(&machine).context("a process")?;
        Ok(child.id())
    }

    /// Sends a machine's process a signal.
    pub(crate) fn signal(&self, machine: u8, signal: Signal) -> anyhow::Result<()> {
        let pid = Pid::from_raw(i32::try_from(self.pid(machine)?)?);
        kill(pid, signal).with_context(|| format!("{signal} to {}", name(machine)))
    }

    /// Sends a signal that ends a machine's process, and waits until it has gone.
    pub(crate) fn end(&mut self, machine: u8, signal: Signal) -> anyhow::Result<()> {
        self.signal(machine, signal)?;
        let mut child = self.children.remove(&machine).context("a process")?;
        let status = child.wait()?;
        let asked = signal == Signal::SIGKILL || status.success();
        ensure!(asked, "{} ended with {status}", name(machine));
        Ok(())
    }
}

fn role(machine: u8) -> &'static str {
    if HEADS.contains(&machine) {
        "head"
    } else {
        "agent"
    }
}

/// The name of a machine's node.
pub(crate) fn name(machine: u8) -> String {
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
