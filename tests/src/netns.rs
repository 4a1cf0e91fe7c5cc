//! Network namespaces for tests: one for each machine, joined by a bridge in one of its own, with
//! addresses that exist nowhere else. Cutting is done by the packet filter inside a machine's
//! namespace, so the host's own network is never touched.
//!
//! Dropping a net takes all its namespaces away, also when a test fails. Needs root, `ip` and
//! `iptables`.

use std::fs::File;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::{Context, ensure};
use nix::sched::{CloneFlags, setns};
use tokio::runtime::Runtime;

/// Nets of this process, for names of their own.
static NETS: AtomicU32 = AtomicU32::new(0);
/// The address of whoever speaks from the bridge.
const OUTSIDE: u8 = 254;

/// Some machines and the switch between them.
pub struct Net {
    prefix: String,
    machines: u8,
}

/// Which way is cut.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cut {
    /// The machine hears the others no more.
    Deaf,
    /// The others hear the machine no more.
    Mute,
    /// Both.
    Apart,
}

impl Net {
    /// A net of machines 1 to `machines`.
    ///
    /// # Errors
    /// If this host cannot make it.
    pub fn lay(machines: u8) -> anyhow::Result<Net> {
        let number = NETS.fetch_add(1, Ordering::Relaxed);
        let net = Net {
            prefix: format!("gd{}x{number}", std::process::id()),
            machines,
        };
        let switch = net.switch();
        run(&["ip", "netns", "add", &switch])?;
        run(&["ip", "-n", &switch, "link", "add", "br0", "type", "bridge"])?;
        let outside = format!("{}/24", address(OUTSIDE));
        run(&["ip", "-n", &switch, "addr", "add", &outside, "dev", "br0"])?;
        run(&["ip", "-n", &switch, "link", "set", "br0", "up"])?;
        run(&["ip", "-n", &switch, "link", "set", "lo", "up"])?;
        for machine in 1..=machines {
            net.plug_in(machine)?;
        }
        Ok(net)
    }

    fn plug_in(&self, machine: u8) -> anyhow::Result<()> {
        let (space, switch) = (self.space(machine), self.switch());
        let (port, own) = (format!("p{machine}"), format!("{}/24", address(machine)));
        run(&["ip", "netns", "add", &space])?;
        run(&[
            "ip", "-n", &switch, "link", "add", &port, "type", "veth", "peer", "name", "eth0",
            "netns", &space,
        ])?;
        run(&[
            "ip", "-n", &switch, "link", "set", &port, "master", "br0", "up",
        ])?;
        run(&["ip", "-n", &space, "addr", "add", &own, "dev", "eth0"])?;
        run(&["ip", "-n", &space, "link", "set", "eth0", "up"])?;
        run(&["ip", "-n", &space, "link", "set", "lo", "up"])
    }

    /// Gives the switch one more address, for whoever listens there.
    ///
    /// # Errors
    /// If it does not take it.
    pub fn also(&self, addr: &str) -> anyhow::Result<()> {
        let (switch, addr) = (self.switch(), format!("{addr}/32"));
        run(&["ip", "-n", &switch, "addr", "add", &addr, "dev", "br0"])
    }

    fn space(&self, machine: u8) -> String {
        format!("{}n{machine}", self.prefix)
    }

    fn switch(&self) -> String {
        format!("{}sw", self.prefix)
    }

    /// A program on that machine; its process id is the program's own.
    pub fn command(&self, machine: u8, program: &std::path::Path) -> Command {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.space(machine)]);
        command.arg(program);
        command
    }

    /// A runtime whose threads all speak from the switch, as users outside would.
    ///
    /// # Errors
    /// If it cannot be made.
    pub fn outside(&self) -> anyhow::Result<Runtime> {
        let space = File::open(format!("/run/netns/{}", self.switch()))?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .on_thread_start(move || {
                let moved = setns(&space, CloneFlags::CLONE_NEWNET);
                assert!(moved.is_ok(), "into the switch's namespace: {moved:?}");
            })
            .build()?;
        Ok(runtime)
    }

    /// Cuts a machine off from some others. Who is outside still reaches it.
    ///
    /// # Errors
    /// If the filter does not take the rule.
    pub fn cut(&self, machine: u8, others: &[u8], cut: Cut) -> anyhow::Result<()> {
        let chains: &[(&str, &str)] = match cut {
            Cut::Deaf => &[("INPUT", "-s")],
            Cut::Mute => &[("OUTPUT", "-d")],
            Cut::Apart => &[("INPUT", "-s"), ("OUTPUT", "-d")],
        };
        for other in others {
            for (chain, side) in chains {
                let rule = ["-A", chain, side, &address(*other), "-j", "DROP"];
                self.filter(machine, &rule)?;
            }
        }
        Ok(())
    }

    /// Takes all cuts of a machine back.
    ///
    /// # Errors
    /// If the filter does not.
    pub fn heal(&self, machine: u8) -> anyhow::Result<()> {
        self.filter(machine, &["-F"])
    }

    fn filter(&self, machine: u8, rule: &[&str]) -> anyhow::Result<()> {
        let space = self.space(machine);
        let mut words = vec!["ip", "netns", "exec", &space, "iptables", "-w"];
        words.extend_from_slice(rule);
        run(&words)
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        let spaces = (1..=self.machines).map(|machine| self.space(machine));
        for space in spaces.chain([self.switch()]) {
            let _ = run(&["ip", "netns", "del", &space]);
        }
    }
}

/// The address of a machine of any net.
pub fn address(machine: u8) -> String {
    format!("10.77.0.{machine}")
}

fn run(words: &[&str]) -> anyhow::Result<()> {
    let (program, args) = words.split_first().context("a program")?;
    let output = Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("start {program}: see packaging/setup.sh"))?;
    ensure!(
        output.status.success(),
        "{words:?}: {}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}
