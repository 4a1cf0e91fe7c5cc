//! What a container of ours looks like: its name, its labels, and the whole of what the engine is
//! asked to create. Pure: no engine is spoken to here.
//!
//! Nothing that a user writes widens what the container may do; the safe settings are constants.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, HostConfig, HostConfigCgroupnsModeEnum, HostConfigLogConfig, Mount,
    MountType, RestartPolicy, RestartPolicyNameEnum,
};
use model::account::UnixIds;
use model::assignment::Assignment;
use model::policy::Network;
use model::spec::{JobSpec, Program};
use model::{AttemptId, ClusterId, Fence, MilliCpus};

use super::{DockerConfig, Facts, JOB_DIR, ports};
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
/// What root in a container may: what package managers and services need to give files and
/// processes away inside it. Nothing about devices, the network, tracing or other containers.
const ROOT_CAPABILITIES: [&str; 8] = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "NET_BIND_SERVICE",
];
/// Where the script lies in the container.
const SCRIPT: &str = "/mnt/go-docker/cmd.sh";
/// Where the user's home appears, if a volume brings it.
const HOME_MOUNT: &str = "/mnt/home";

/// The first eight digits of the cluster's name.
pub(super) fn cluster_prefix(cluster: ClusterId) -> String {
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

/// What of the engine's machine decides how a container is asked for.
#[derive(Clone, Copy)]
pub(super) struct Machine<'a> {
    /// The parent of our control groups; `None`: the engine's own.
    pub(super) cgroup_root: Option<&'a str>,
    /// Its processors: the engine refuses a limit above them, which would be none.
    pub(super) cpus: MilliCpus,
}

/// All that the engine is asked to create.
pub(super) fn body(
    config: &DockerConfig,
    machine: Machine<'_>,
    assignment: &Assignment,
    place: &Place,
) -> ContainerCreateBody {
    let UnixIds { uid, gid, .. } = runs_as(config, assignment);
    let (entrypoint, cmd) = command(&assignment.spec);
    ContainerCreateBody {
        image: Some(assignment.spec.image.clone()),
        entrypoint,
        cmd,
        user: Some(format!("{uid}:{gid}")),
        working_dir: Some(JOB_DIR.into()),
        env: Some(environment(assignment)),
        labels: Some(labels(config, assignment)),
        exposed_ports: ports::exposed(&assignment.spec.ports),
        host_config: Some(host_config(config, machine, assignment, place)),
        ..ContainerCreateBody::default()
    }
}

/// What the container's program is: its user, or root where that was allowed.
fn runs_as(config: &DockerConfig, assignment: &Assignment) -> UnixIds {
    if assignment.spec.root {
        return UnixIds::default();
    }
    assignment.runs_as(config.default_ids)
}

/// Entry point and arguments. A script replaces the image's entry point; an argument vector is
/// what `docker run IMAGE ARGS` would be given, so the image's entry point is kept.
fn command(spec: &JobSpec) -> (Option<Vec<String>>, Option<Vec<String>>) {
    let own = spec.entrypoint.clone();
    match &spec.program {
        Program::Script { text, args } => {
            let mut start = Vec::new();
            if !text.starts_with("#!") {
                start.push("/bin/sh".to_owned());
            }
            start.push(SCRIPT.to_owned());
            (Some(start), Some(args.clone()))
        }
        Program::Argv(argv) if argv.is_empty() => (own, None),
        Program::Argv(argv) => (own, Some(argv.clone())),
    }
}

/// The user's variables and ours, each name once: a later one wins, and ours win over all.
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
    let users = assignment.spec.env.iter().cloned();
    let ours = ours.map(|(name, value)| (name.to_owned(), value));
    let all: BTreeMap<String, String> = users.chain(ours).collect();
    all.into_iter()
        .map(|(name, value)| format!("{name}={value}"))
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
    machine: Machine<'_>,
    assignment: &Assignment,
    place: &Place,
) -> HostConfig {
    let (spec, ids) = (&assignment.spec, runs_as(config, assignment));
    let groups: Vec<String> = ids.groups.iter().map(u32::to_string).collect();
    let resources = spec.resources;
    let memory = i64::try_from(resources.memory.0).unwrap_or(i64::MAX);
    let nano_cpus = resources.cpu.min(machine.cpus).0.saturating_mul(1_000_000);
    HostConfig {
        memory: Some(memory),
        // Equal to the memory: no swap.
        memory_swap: Some(memory),
        nano_cpus: Some(i64::try_from(nano_cpus).unwrap_or(i64::MAX)),
        pids_limit: Some(i64::from(config.processes_max)),
        cgroup_parent: machine
            .cgroup_root
            .map(|root| format!("/{root}/{}", place.name())),
        cgroupns_mode: Some(HostConfigCgroupnsModeEnum::PRIVATE),
        mounts: Some(mounts(config, assignment, place)),
        network_mode: Some(network(config, assignment)),
        port_bindings: ports::bindings(&config.ports, &spec.ports),
        ipc_mode: Some("private".into()),
        cap_drop: Some(vec!["ALL".into()]),
        cap_add: spec.root.then(|| ROOT_CAPABILITIES.map(Into::into).into()),
        group_add: (!groups.is_empty()).then_some(groups),
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

/// The engine's name of what the job sees of the network.
fn network(config: &DockerConfig, assignment: &Assignment) -> String {
    match assignment.spec.network.unwrap_or_default() {
        Network::None => "none".into(),
        Network::Bridge => config.network.clone(),
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
fn mounts(config: &DockerConfig, assignment: &Assignment, place: &Place) -> Vec<Mount> {
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
        // A pin that may not be written says so itself. If the engine were told too, it would mount
        // it anew, and lose that nothing of it is a device or has set-id bits.
        let pinned = Path::new(&mount.host_path).starts_with(&config.pins);
        bind(
            mount.host_path.clone(),
            mount.mount_path.clone(),
            !mount.writable && !pinned,
        )
    });
    std::iter::once(own).chain(volumes).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::path::PathBuf;
    use std::sync::Arc;

    use model::assignment::Mount;
    use model::{Bytes, JobId, MilliCpus, NodeId, Resources};

    use super::*;

    fn place() -> Place {
        let attempt = JobId(12).task().attempt(2);
        Place {
            attempt,
            fence: Fence(77),
            dir: PathBuf::from("/var/lib/attempts/12-0-2"),
        }
    }

    fn config() -> DockerConfig {
        let cluster = ClusterId(*b"\xab\xcd\xef\x01 and more...");
        DockerConfig::new("unix:///run/docker.sock".into(), cluster, NodeId(3))
    }

    fn asked(assignment: &Assignment) -> serde_json::Value {
        let machine = Machine {
            cgroup_root: Some("godocker-abcdef01"),
            cpus: MilliCpus(2_000),
        };
        let body = body(&config(), machine, assignment, &place());
        serde_json::to_value(body).unwrap()
    }

    fn assignment(program: Program) -> Assignment {
        let resources = Resources {
            cpu: MilliCpus(1500),
            memory: Bytes::mebi(64),
        };
        let env = vec![
            ("GO_JOB_ID".into(), "forged".into()),
            ("A".into(), "b".into()),
        ];
        Assignment {
            attempt: place().attempt,
            fence: place().fence,
            owner: serde_json::from_str("\"ada\"").unwrap(),
            ids: Some(UnixIds {
                uid: 1000,
                gid: 1001,
                groups: vec![2000, 2001],
            }),
            spec: Arc::new(JobSpec {
                program,
                resources,
                env,
                ..JobSpec::default()
            }),
            mounts: vec![Mount {
                host_path: "/srv/data".into(),
                sub_path: String::new(),
                mount_path: "/data".into(),
                writable: false,
            }],
            exclusive: false,
        }
    }

    /// A setting that is not on this list must be put here on purpose.
    #[test]
    fn the_engine_is_asked_for_these_settings_and_no_others() {
        let mut asked = asked(&assignment(Program::default()));
        let host = asked["HostConfig"].take();
        let expected = serde_json::json!({
            "AutoRemove": false,
            "CapDrop": ["ALL"],
            "CgroupParent": "/godocker-abcdef01/12-0-2",
            "CgroupnsMode": "private",
            "GroupAdd": ["2000", "2001"],
            "Init": true,
            "IpcMode": "private",
            "LogConfig": {"Type": "local", "Config": {
                "compress": "false", "max-file": "1", "max-size": "1099511627776b",
            }},
            "Memory": 67_108_864,
            "MemorySwap": 67_108_864,
            "Mounts": [
                {"Type": "bind", "Source": "/var/lib/attempts/12-0-2/work",
                    "Target": "/mnt/go-docker", "ReadOnly": false},
                {"Type": "bind", "Source": "/srv/data", "Target": "/data", "ReadOnly": true},
            ],
            "NanoCpus": 1_500_000_000,
            "NetworkMode": "none",
            "PidsLimit": 4096,
            "Privileged": false,
            "RestartPolicy": {"Name": "no"},
            "SecurityOpt": ["no-new-privileges"],
        });
        assert_eq!(host, expected);
        assert_eq!(asked["User"], "1000:1001");
        let mut keys: Vec<_> = asked.as_object().unwrap().keys().cloned().collect();
        keys.sort();
        assert_eq!(
            keys,
            ["Env", "HostConfig", "Image", "Labels", "User", "WorkingDir"]
        );
    }

    #[test]
    fn root_is_root_in_the_container_with_few_capabilities_and_no_groups() {
        let mut order = assignment(Program::default());
        let spec = Arc::make_mut(&mut order.spec);
        (spec.root, spec.network) = (true, Some(Network::Bridge));
        let mut asked = asked(&order);
        assert_eq!(asked["User"], "0:0");
        let host = asked["HostConfig"].take();
        assert_eq!(host["CapDrop"], serde_json::json!(["ALL"]));
        assert_eq!(host["CapAdd"], serde_json::json!(ROOT_CAPABILITIES));
        assert_eq!(host.get("GroupAdd"), None);
        assert_eq!(host["NetworkMode"], "bridge");
        assert_eq!(
            host["SecurityOpt"],
            serde_json::json!(["no-new-privileges"])
        );
    }

    #[test]
    fn no_more_processors_are_asked_for_than_there_are() {
        let mut assignment = assignment(Program::default());
        Arc::make_mut(&mut assignment.spec).resources.cpu = MilliCpus(64_000);
        assert_eq!(
            asked(&assignment)["HostConfig"]["NanoCpus"],
            2_000_000_000u64
        );
    }

    #[test]
    fn a_script_takes_the_entry_point_and_a_vector_leaves_it() {
        let script = |text: &str| Program::Script {
            text: text.into(),
            args: vec!["x".into()],
        };
        let said = asked(&assignment(script("#!/usr/bin/env bash\n")));
        assert_eq!(
            said["Entrypoint"],
            serde_json::json!(["/mnt/go-docker/cmd.sh"])
        );
        assert_eq!(said["Cmd"], serde_json::json!(["x"]));
        let said = asked(&assignment(script("echo")));
        assert_eq!(
            said["Entrypoint"],
            serde_json::json!(["/bin/sh", "/mnt/go-docker/cmd.sh"])
        );
        let said = asked(&assignment(Program::Argv(vec!["a".into(), "b c".into()])));
        assert_eq!(said.get("Entrypoint"), None);
        assert_eq!(said["Cmd"], serde_json::json!(["a", "b c"]));
        let mut order = assignment(Program::Argv(vec!["a".into()]));
        Arc::make_mut(&mut order.spec).entrypoint = Some(vec!["/bin/x".into(), "y".into()]);
        let said = asked(&order);
        assert_eq!(said["Entrypoint"], serde_json::json!(["/bin/x", "y"]));
        assert_eq!(said["Cmd"], serde_json::json!(["a"]));
    }

    #[test]
    fn each_variable_is_there_once_and_ours_win() {
        let mut order = assignment(Program::default());
        Arc::make_mut(&mut order.spec)
            .env
            .push(("A".into(), "later".into()));
        let said = asked(&order);
        let env = said["Env"].as_array().unwrap();
        let of = |name: &str| -> Vec<&str> {
            let all = env.iter().map(|one| one.as_str().unwrap());
            all.filter(|one| one.starts_with(name)).collect()
        };
        assert_eq!(of("A="), ["A=later"]);
        assert_eq!(of("GO_JOB_ID="), ["GO_JOB_ID=12"]);
    }

    #[test]
    fn a_container_is_known_by_its_labels_in_its_own_cluster_only() {
        let labels = labels(&config(), &assignment(Program::default()));
        let known = identity(config().cluster, &labels);
        assert_eq!(known, Some((place().attempt, place().fence)));
        assert_eq!(identity(ClusterId::default(), &labels), None);
        assert_eq!(identity(config().cluster, &HashMap::new()), None);
        assert_eq!(name(config().cluster, &place()), "gd-abcdef01-12-0-2");
    }
}
