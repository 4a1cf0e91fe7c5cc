//! The command `goagent`: the daemon of every node, and what makes and checks one.

use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use agent::config::{self, Config};
use agent::identity::DataDir;
use agent::peer::room;
use agent::{AgentError, birth, check, dev, files, identity, kernel, peer, shim, telemetry};
use anyhow::Context;
use clap::{Args, Parser, Subcommand};
use model::policy::Timings;
use model::unit::Millis;

/// How long what still runs may take when the process starts anew.
const LEAVE_WITHIN: Duration = Duration::from_secs(2);

/// How a command ended that did not fail.
enum Ended {
    With(ExitCode),
    /// It ran out of room, and there is room again: start from the beginning.
    Anew,
}

/// A head makes and drops very many small things on several threads, which this does faster than
/// the C library. Without huge pages: they would double what an idle head takes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// One daemon a node: runs jobs in containers, and on heads holds the cluster's log.
#[derive(Parser)]
#[command(name = "goagent", version, propagate_version = true)]
struct Cli {
    /// The configuration file.
    #[arg(
        long,
        short,
        global = true,
        env = "GODOCKER_CONFIG",
        value_name = "FILE"
    )]
    config: Option<PathBuf>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make a new cluster with this node as its first head
    Init(InitArgs),
    /// Join a cluster with a token from `goctl admin join-token create`
    Join {
        /// The token, beginning with GOJ1-
        token: String,
    },
    /// Serve: run jobs, and on heads the log and the REST API
    Run {
        /// Write this file once the node serves
        #[arg(long, value_name = "FILE")]
        ready_file: Option<PathBuf>,
    },
    /// Run a whole cluster on this machine, for trying and testing
    Dev(dev::DevArgs),
    /// Say whether this host can serve, with what to do where it cannot
    Check,
    /// Make the directory `files.shared` this cluster's storage: once, on one of its nodes
    MarkStorage,
    #[command(hide = true)]
    Shim { dir: PathBuf },
}

#[derive(Args)]
struct InitArgs {
    /// The cluster's name, for people
    #[arg(long, default_value = "godocker")]
    name: String,
    /// How often agents say that they are there, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = Timings::default().heartbeat.0)]
    heartbeat_ms: u64,
    /// Silence after which nothing new is placed on a node, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = Timings::default().suspect_after.0)]
    suspect_ms: u64,
    /// How long a cut-off agent keeps attempts that may be requeued, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = Timings::default().lease.0)]
    lease_ms: u64,
    /// What the leader waits beyond the lease, in milliseconds
    #[arg(long, value_name = "MS", default_value_t = Timings::default().lease_margin.0)]
    lease_margin_ms: u64,
}

fn main() -> ExitCode {
    agent::allocator::tune();
    let cli = Cli::parse();
    match &cli.command {
        // Before any thread exists: the shim forks and changes namespaces.
        Command::Shim { dir } => return shim::main(dir),
        Command::Init(_) | Command::Join { .. } | Command::Run { .. } => {}
        Command::Dev(_) | Command::Check | Command::MarkStorage => {}
    }
    match serve(cli) {
        Ok(code) => code,
        Err(error) => {
            #[allow(clippy::print_stderr, reason = "the last words of a command line tool")]
            {
                eprintln!("goagent: {error:#}");
            }
            // What ends in order would wait for threads that a failed disk holds.
            kernel::exit(1)
        }
    }
}

fn serve(cli: Cli) -> anyhow::Result<ExitCode> {
    let asked_for = cli.config.is_some();
    let path = cli
        .config
        .unwrap_or_else(|| PathBuf::from(config::DEFAULT_PATH));
    let variables = std::env::vars().filter(|(name, _)| name != "GODOCKER_CONFIG");
    let config = Config::read(&path, asked_for, variables)?;
    telemetry::start(&config.log);
    net::tls::install_crypto();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let ended = runtime.block_on(async {
        let code = match cli.command {
            Command::Init(args) => init(&config, args).await,
            Command::Join { token } => join(&config, &token).await,
            Command::Run { ready_file } => return run(config, ready_file).await,
            Command::Dev(args) => dev::run(args).await.map(|()| ExitCode::SUCCESS),
            Command::Check => check_host(&config).await,
            Command::MarkStorage => mark_storage(&config),
            Command::Shim { .. } => Ok(ExitCode::FAILURE),
        };
        code.map(Ended::With)
    });
    match ended {
        Ok(Ended::With(code)) => Ok(code),
        Err(error) => {
            runtime.shutdown_background();
            Err(error)
        }
        Ok(Ended::Anew) => {
            runtime.shutdown_timeout(LEAVE_WITHIN);
            let mut again = std::process::Command::new(std::env::current_exe()?);
            // It only returns when it fails.
            Err(again.args(std::env::args_os().skip(1)).exec()).context("start anew")
        }
    }
}

#[allow(clippy::print_stdout, reason = "the command's answer")]
async fn init(config: &Config, args: InitArgs) -> anyhow::Result<ExitCode> {
    let timings = Timings {
        heartbeat: Millis(args.heartbeat_ms),
        suspect_after: Millis(args.suspect_ms),
        lease: Millis(args.lease_ms),
        lease_margin: Millis(args.lease_margin_ms),
    };
    let made = birth::init(config, args.name, timings, Vec::new()).await?;
    let api = birth::facts_of(config, model::node::NodeRole::Head).api_addr;
    let fingerprint = identity::hex(&made.ca);
    println!(
        "Cluster {} with one head, in {}.",
        made.cluster,
        config.node.data_dir.display()
    );
    println!();
    println!("  administrator      {}", made.admin);
    println!(
        "  one-time password  {}   (said once; the first login asks for a new one)",
        made.password
    );
    println!("  CA sha256          {fingerprint}");
    println!();
    println!("Next:");
    println!("  goagent run");
    println!("  goctl login https://{api} --ca-sha256 {fingerprint}");
    println!(
        "  goctl admin join-token create --role agent   # then `goagent join TOKEN` elsewhere"
    );
    Ok(ExitCode::SUCCESS)
}

#[allow(clippy::print_stdout, reason = "the command's answer")]
async fn join(config: &Config, token: &str) -> anyhow::Result<ExitCode> {
    let node = birth::join(config, token).await?;
    let role = if node.head { "head" } else { "agent" };
    println!(
        "Joined as node {} ({}), {role} of cluster {}.",
        node.node, node.name, node.cluster
    );
    println!("Next:  goagent run");
    Ok(ExitCode::SUCCESS)
}

async fn run(config: Config, ready_file: Option<PathBuf>) -> anyhow::Result<Ended> {
    let dir = config.node.data_dir.clone();
    let ready = move || {
        if let Some(path) = ready_file
            && let Err(error) = std::fs::write(&path, "ready\n")
        {
            tracing::warn!(%error, path = %path.display(), "cannot write the ready file");
        }
    };
    match peer::run(config, ready, stop_signal()?).await {
        Ok(()) => Ok(Ended::With(ExitCode::SUCCESS)),
        Err(error @ AgentError::NoRoom { .. }) => {
            tracing::error!(error = format!("{:#}", anyhow::Error::from(error)), "ended");
            tokio::select! {
                () = room::wait(&dir) => Ok(Ended::Anew),
                () = stop_signal()? => Ok(Ended::With(ExitCode::SUCCESS)),
            }
        }
        Err(error) => Err(error.into()),
    }
}

/// Resolves at SIGTERM or SIGINT.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut term = signal(SignalKind::terminate()).context("listen for SIGTERM")?;
    let mut int = signal(SignalKind::interrupt()).context("listen for SIGINT")?;
    Ok(async move {
        tokio::select! {
            _ = term.recv() => {}
            _ = int.recv() => {}
        }
    })
}

#[allow(clippy::print_stdout, reason = "the command's answer")]
fn mark_storage(config: &Config) -> anyhow::Result<ExitCode> {
    let root = config.files.shared();
    let root = root.context("files.shared is empty: name the directory in goagent.toml")?;
    let cluster = DataDir(config.node.data_dir.clone()).cluster()?;
    let new = files::shared::mark(&root, cluster)?;
    let since = if new { "now" } else { "already" };
    println!(
        "{} is {since} the shared storage of cluster {cluster}.",
        root.display()
    );
    Ok(ExitCode::SUCCESS)
}

#[allow(clippy::print_stdout, reason = "the command's answer")]
async fn check_host(config: &Config) -> anyhow::Result<ExitCode> {
    let findings = check::run(config).await;
    let mut text = Vec::new();
    check::print(&findings, &mut text)?;
    print!("{}", String::from_utf8_lossy(&text));
    let fine = check::can_serve(&findings);
    Ok(if fine {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
