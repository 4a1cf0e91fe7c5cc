//! What a container of ours looks like: its name, its labels, and the whole of what the engine is
//! asked to create. Pure: no engine is spoken to here.
//!
//! Nothing that a user writes widens what the container may do; the safe settings are constants.

use std::collections::HashMap;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount,
    MountType, RestartPolicy, RestartPolicyNameEnum,
};
use model::assignment::Assignment;
use model::spec::Program;
use model::{AttemptId, ClusterId, Fence};

use super::{DockerConfig, Facts, JOB_DIR};
use crate::runtime::Place;

/// The cluster that a container belongs to.
pub(super) const LABEL_CLUSTER: &str = "godocker.cluster";
/// The node that it belongs to.
pub(super) const LABEL_NODE: &str = "godocker.node";
/// The attempt that it is, `12_0#1`.
pub(super) const LABEL_ATTEMPT: &str = "godocker.attempt";
/// The fence of the assignment that it was made for.
pub(super) const LABEL_FENCE: &str = "godocker.fence";
/// Whose job it is.
pub(super) const LABEL_OWNER: &str = "godocker.owner";
/// Where the script lies in the container.
const SCRIPT: &str = "/mnt/go-docker/cmd.sh";
/// Where the user's home appears, if a volume brings it.
const HOME_MOUNT: &str = "/mnt/home";

/// The first eight digits of the cluster's name.
fn cluster_prefix(cluster: ClusterId) -> String {
    cluster.0[..4]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// The container's name.
pub(super) fn name(cluster: ClusterId, place: &Place) -> String {
    format!("gd-{}-{}", cluster_prefix(cluster), place.name())
}

/// The control group below which every attempt has its own. It outlives the container, so that
/// what an attempt used can be read after its end. `None` where the engine lets systemd own them.
pub(super) fn cgroup_root(config: &DockerConfig, facts: &Facts) -> Option<String> {
    let ours = facts.cgroup_driver == "cgroupfs";
    ours.then(|| format!("godocker-{}", cluster_prefix(config.cluster)))
}

/// The labels by which this node's containers are found.
pub(super) fn own_labels(config: &DockerConfig) -> Vec<String> {
    vec![
        format!("{LABEL_CLUSTER}={}", config.cluster),
        format!("{LABEL_NODE}={}", config.node),
    ]
}

/// What the labels of a container say: which attempt it is, and its fence.
pub(super) fn identity(
    cluster: ClusterId,
    labels: &HashMap<String, String>,
) -> Option<(AttemptId, Fence)> {
    if labels.get(LABEL_CLUSTER)? != &cluster.to_string() {
        return None;
    }
    let attempt = labels.get(LABEL_ATTEMPT)?.parse().ok()?;
    let fence = labels.get(LABEL_FENCE)?.parse().ok()?;
    Some((attempt, Fence(fence)))
}

/// All that the engine is asked to create.
pub(super) fn body(
    config: &DockerConfig,
    cgroup_root: Option<&str>,
    assignment: &Assignment,
    place: &Place,
) -> ContainerCreateBody {
    let (uid, gid) = assignment.unix_ids.unwrap_or(config.default_ids);
    let (entrypoint, cmd) = command(&assignment.spec.program);
    ContainerCreateBody {
        image: Some(assignment.spec.image.clone()),
        entrypoint,
        cmd,
        user: Some(format!("{uid}:{gid}")),
        working_dir: Some(JOB_DIR.into()),
        env: Some(environment(assignment)),
        labels: Some(labels(config, assignment)),
        host_config: Some(host_config(config, cgroup_root, assignment, place)),
        ..ContainerCreateBody::default()
    }
}

/// Entry point and arguments. A script replaces the image's entry point; an argument vector is
/// what `docker run IMAGE ARGS` would be given, so the image's entry point is kept.
fn command(program: &Program) -> (Option<Vec<String>>, Option<Vec<String>>) {
    match program {
        Program::Script { text, args } => {
            let mut start = Vec::new();
            if !text.starts_with("#!") {
                start.push("/bin/sh".to_owned());
            }
            start.push(SCRIPT.to_owned());
            (Some(start), Some(args.clone()))
        }
        Program::Argv(argv) if argv.is_empty() => (None, None),
        Program::Argv(argv) => (None, Some(argv.clone())),
    }
}

/// The user's variables, then ours, which win.
fn environment(assignment: &Assignment) -> Vec<String> {
    let AttemptId { task, number } = assignment.attempt;
    let resources = assignment.spec.resources;
    let has_home = assignment
        .mounts
        .iter()
        .any(|mount| mount.mount_path == HOME_MOUNT);
    let home = if has_home { HOME_MOUNT } else { JOB_DIR };
    let ours = [
        ("GODOCKER_JID", task.job.to_string()),
        ("GODOCKER_PWD", JOB_DIR.into()),
        ("GODOCKER_HOME", home.into()),
        ("GO_JOB_ID", task.job.to_string()),
        ("GO_TASK_ID", task.index.to_string()),
        ("GO_ATTEMPT", number.to_string()),
        ("GO_CPUS", resources.cpu.to_string()),
        ("GO_MEMORY", resources.memory.0.to_string()),
        ("GO_JOBDIR", JOB_DIR.into()),
    ];
    let users = assignment
        .spec
        .env
        .iter()
        .map(|(name, value)| format!("{name}={value}"));
    users
        .chain(
            ours.into_iter()
                .map(|(name, value)| format!("{name}={value}")),
        )
        .collect()
}

fn labels(config: &DockerConfig, assignment: &Assignment) -> HashMap<String, String> {
    HashMap::from([
        (LABEL_CLUSTER.into(), config.cluster.to_string()),
        (LABEL_NODE.into(), config.node.to_string()),
        (LABEL_ATTEMPT.into(), assignment.attempt.to_string()),
        (LABEL_FENCE.into(), assignment.fence.to_string()),
        (LABEL_OWNER.into(), assignment.owner.to_string()),
    ])
}

fn host_config(
    config: &DockerConfig,
    cgroup_root: Option<&str>,
    assignment: &Assignment,
    place: &Place,
) -> HostConfig {
    let resources = assignment.spec.resources;
    let memory = i64::try_from(resources.memory.0).unwrap_or(i64::MAX);
    let nano_cpus = resources.cpu.0.saturating_mul(1_000_000);
    HostConfig {
        memory: Some(memory),
        // Equal to the memory: no swap.
        memory_swap: Some(memory),
        nano_cpus: Some(i64::try_from(nano_cpus).unwrap_or(i64::MAX)),
        pids_limit: Some(i64::from(config.processes_max)),
        cgroup_parent: cgroup_root.map(|root| format!("/{root}/{}", place.name())),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        mounts: Some(mounts(assignment, place)),
        network_mode: Some(config.network.clone()),
        ipc_mode: Some("private".into()),
        cap_drop: Some(vec!["ALL".into()]),
        security_opt: Some(vec!["no-new-privileges".into()]),
        privileged: Some(false),
        init: Some(true),
        log_config: Some(log_config(config)),
        restart_policy: Some(RestartPolicy {
            name: Some(RestartPolicyNameEnum::NO),
            maximum_retry_count: None,
        }),
        auto_remove: Some(false),
        ..HostConfig::default()
    }
}

/// The `local` driver keeps every byte (`json-file` replaces what is not UTF-8); one file that is
/// never rotated keeps all of them. See `mender` for what it does to long lines.
fn log_config(config: &DockerConfig) -> HostConfigLogConfig {
    let options = HashMap::from([
        ("max-size".to_owned(), format!("{}b", config.log_max.0)),
        ("max-file".to_owned(), "1".to_owned()),
        ("compress".to_owned(), "false".to_owned()),
    ]);
    HostConfigLogConfig {
        typ: Some("local".into()),
        config: Some(options),
    }
}

/// The job's directory and its volumes. Of type `bind`, so that a missing source is an error and
/// not a directory made by the engine.
fn mounts(assignment: &Assignment, place: &Place) -> Vec<Mount> {
    let bind = |source: String, target: String, read_only: bool| Mount {
        typ: Some(MountType::BIND),
        source: Some(source),
        target: Some(target),
        read_only: Some(read_only),
        ..Mount::default()
    };
    let own = bind(
        place.work().to_string_lossy().into_owned(),
        JOB_DIR.into(),
        false,
    );
    let volumes = assignment.mounts.iter().map(|mount| {
        bind(
            mount.host_path.clone(),
            mount.mount_path.clone(),
            !mount.writable,
        )
    });
    std::iter::once(own).chain(volumes).collect()
}
