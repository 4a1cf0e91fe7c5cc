//! The container engine.

use model::{ClusterId, NodeId};

use super::Finding;
use crate::config::{Config, RuntimeChoice};
use crate::runtime::docker::{DockerConfig, DockerRuntime, Facts};

const ABOUT: &str = "docker";
/// The oldest release with which everything here was tried.
const OLDEST: u32 = 20;

pub(super) async fn look(config: &Config, cluster: ClusterId, node: NodeId) -> Vec<Finding> {
    let socket = config.runtime.docker_socket.clone();
    match DockerRuntime::connect(DockerConfig::new(socket.clone(), cluster, node)).await {
        Ok(docker) => judge(docker.facts()),
        Err(error) => vec![absent(config, &socket, &error.to_string())],
    }
}

fn absent(config: &Config, socket: &str, why: &str) -> Finding {
    let seen = format!("no engine answers on {socket}: {why}");
    let start = "install docker.io and start it, or name its socket in runtime.docker_socket";
    match config.runtime.kind {
        RuntimeChoice::Docker => Finding::missing(ABOUT, seen, start),
        RuntimeChoice::Auto
        | RuntimeChoice::Process
        | RuntimeChoice::Fake
        | RuntimeChoice::None => {
            let remedy = format!("{start}; without one jobs run as processes, without images");
            Finding::doubtful(ABOUT, seen, remedy)
        }
    }
}

fn judge(facts: &Facts) -> Vec<Finding> {
    let seen = format!(
        "{} (API {}), data in {}",
        facts.version, facts.api, facts.root_dir
    );
    let major = facts
        .version
        .split('.')
        .next()
        .and_then(|text| text.parse::<u32>().ok());
    let version = match major {
        Some(major) if major < OLDEST => {
            Finding::doubtful(ABOUT, seen, format!("upgrade to Docker {OLDEST} or later"))
        }
        Some(_) | None => Finding::fine(ABOUT, seen),
    };
    let about = "live restore";
    let restore = if facts.live_restore {
        Finding::fine(about, "containers outlive a restart of the engine")
    } else {
        let seen = "containers end with the engine";
        Finding::doubtful(
            about,
            seen,
            "set \"live-restore\": true in /etc/docker/daemon.json",
        )
    };
    vec![version, restore]
}
