//! What may be run without an engine, and the order that the supervisor is given.

use std::path::{Component, Path};

use model::AttemptId;
use model::account::UnixIds;
use model::assignment::{Assignment, Mount};
use model::policy::Network;
use model::spec::Program;

use super::records::{ORDER_VERSION, Order, StateDir};
use super::{ProcessConfig, blocking, disk, read_order};
use crate::runtime::docker::script;
use crate::runtime::{Place, RuntimeError};
use crate::volumes::SECRETS_DIR;

/// Where programs are looked for.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// Where the home volume appears by convention.
const HOME_MOUNT: &str = "/mnt/home";

/// Refuses what cannot be run here, however often it is tried.
pub(super) fn check(assignment: &Assignment) -> Result<(), RuntimeError> {
    if !nix::unistd::geteuid().is_root() {
        return refuse("the process runtime needs root: run goagent as root, or use Docker".into());
    }
    let image = &assignment.spec.image;
    if !image.is_empty() {
        let why = "and this node runs programs without images";
        return refuse(format!("the job asks for the image {image}, {why}"));
    }
    let root = |ids: &UnixIds| ids.uid == 0 || ids.gid == 0 || ids.groups.contains(&0);
    if assignment.spec.root || assignment.ids.as_ref().is_some_and(root) {
        return refuse("the process runtime runs nothing as root: give the account ids".into());
    }
    if let Program::Argv(argv) = &assignment.spec.program
        && argv.is_empty()
    {
        return refuse("there is no program, and no image to take one from".into());
    }
    let secrets = assignment
        .mounts
        .iter()
        .find(|mount| mount.mount_path == SECRETS_DIR);
    if secrets.is_some() {
        // An empty directory, over which each attempt has its own in its own namespace.
        let made = std::fs::create_dir_all(SECRETS_DIR);
        made.map_err(|error| disk(Path::new(SECRETS_DIR), error))?;
    }
    assignment.mounts.iter().try_for_each(check_mount)
}

fn check_mount(mount: &Mount) -> Result<(), RuntimeError> {
    let Mount {
        host_path,
        mount_path,
        ..
    } = mount;
    let (host, target) = (Path::new(host_path), Path::new(mount_path));
    if !host.exists() {
        return refuse(format!(
            "the volume's directory {host_path} is not on this node"
        ));
    }
    // Paths are compared by their parts: `/proc/`, `//` and `/./` hide nothing.
    let forbidden = ["/", "/proc", "/dev", "/sys"].map(Path::new);
    let upwards = target.components().any(|part| part == Component::ParentDir);
    if !target.is_absolute() || upwards || forbidden.contains(&target) {
        return refuse(format!(
            "a volume cannot be mounted at `{mount_path}` without an image"
        ));
    }
    if host.is_dir() != target.is_dir() || !target.exists() {
        let why = "without an image a volume is mounted over something of its kind on the node";
        return refuse(format!(
            "nothing fit to mount over is at {mount_path}: {why}"
        ));
    }
    Ok(())
}

fn refuse(why: String) -> Result<(), RuntimeError> {
    Err(RuntimeError::Refused { why })
}

/// Writes script and order, unless the order was given before.
pub(super) async fn give(
    config: &ProcessConfig,
    state: &StateDir,
    assignment: &Assignment,
    place: &Place,
) -> Result<(), RuntimeError> {
    let found = state.clone();
    if blocking("prepare", move || read_order(&found))
        .await?
        .is_some()
    {
        return Ok(());
    }
    let ids = assignment.runs_as(config.default_ids);
    script::lay_out(place, &assignment.spec.program, (ids.uid, ids.gid)).await?;
    let (config, state) = (config.clone(), state.clone());
    let (assignment, place) = (assignment.clone(), place.clone());
    blocking("prepare", move || {
        let write = || {
            let order = order(&config, &assignment, &place, &ids)?;
            state.write_order(&order)?;
            state.alive().map(|_| ())
        };
        write().map_err(|error| disk(&state.0, error))
    })
    .await
}

fn order(
    config: &ProcessConfig,
    assignment: &Assignment,
    place: &Place,
    ids: &UnixIds,
) -> std::io::Result<Order> {
    let work = place.work().canonicalize()?;
    let dir = place.dir.canonicalize()?;
    let name = format!("{}-{}", place.name(), place.fence);
    let data_dir = config.hidden.canonicalize()?;
    let shared = config.shared.as_ref();
    let shared = shared.and_then(|root| root.canonicalize().ok());
    let (hidden, closed) = match shared {
        Some(root) if dir.starts_with(&root) => (root, Some(data_dir)),
        other => (data_dir, other),
    };
    let output = |path: std::path::PathBuf| dir.join(path.file_name().unwrap_or_default());
    Ok(Order {
        version: ORDER_VERSION,
        attempt: place.attempt,
        fence: place.fence,
        hostname: place.name(),
        cgroup: format!("{}/{name}", config.cgroup),
        limits: assignment.spec.resources,
        processes: config.processes_max,
        argv: argv(&assignment.spec.program, &work),
        env: environment(assignment, &work),
        stdout: output(place.stdout()),
        stderr: output(place.stderr()),
        work,
        ids: (ids.uid, ids.gid),
        groups: ids.groups.clone(),
        mounts: assignment.mounts.clone(),
        hidden,
        closed,
        host_network: config.host_network && assignment.spec.network == Some(Network::Bridge),
    })
}

fn argv(program: &Program, work: &Path) -> Vec<String> {
    match program {
        Program::Argv(argv) => argv.clone(),
        Program::Script { text, args } => {
            let shell = (!text.starts_with("#!")).then(|| "/bin/sh".to_owned());
            let script = work.join("cmd.sh").to_string_lossy().into_owned();
            shell
                .into_iter()
                .chain([script])
                .chain(args.iter().cloned())
                .collect()
        }
    }
}

/// What programs expect, then the user's variables, then ours, which win.
fn environment(assignment: &Assignment, work: &Path) -> Vec<(String, String)> {
    let AttemptId { task, number } = assignment.attempt;
    let resources = assignment.spec.resources;
    let work = work.to_string_lossy().into_owned();
    let has_home = assignment
        .mounts
        .iter()
        .any(|mount| mount.mount_path == HOME_MOUNT);
    let home = if has_home {
        HOME_MOUNT.to_owned()
    } else {
        work.clone()
    };
    let usual = [
        ("PATH", PATH.to_owned()),
        ("HOME", home.clone()),
        ("LANG", "C.UTF-8".into()),
    ];
    let ours = [
        ("GODOCKER_JID", task.job.to_string()),
        ("GODOCKER_PWD", work.clone()),
        ("GODOCKER_HOME", home),
        ("GO_JOB_ID", task.job.to_string()),
        ("GO_TASK_ID", task.index.to_string()),
        ("GO_ATTEMPT", number.to_string()),
        ("GO_CPUS", resources.cpu.to_string()),
        ("GO_MEMORY", resources.memory.0.to_string()),
        ("GO_JOBDIR", work),
    ];
    let named = |(name, value): (&str, String)| (name.to_owned(), value);
    let users = assignment.spec.env.iter().cloned();
    usual
        .map(named)
        .into_iter()
        .chain(users)
        .chain(ours.map(named))
        .collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use model::account::UserName;
    use model::spec::JobSpec;
    use model::{Fence, JobId};

    use super::*;

    fn assignment(program: Program) -> Assignment {
        Assignment {
            attempt: JobId(3).task().attempt(2),
            fence: Fence(9),
            owner: UserName::default(),
            ids: None,
            spec: Arc::new(JobSpec {
                program,
                env: vec![
                    ("GO_JOB_ID".into(), "mine".into()),
                    ("A".into(), "b".into()),
                ],
                ..JobSpec::default()
            }),
            mounts: Vec::new(),
            exclusive: false,
        }
    }

    #[test]
    fn our_variables_win_over_the_users() {
        let given = environment(&assignment(Program::default()), Path::new("/w"));
        let last = |name: &str| {
            let found = given.iter().rev().find(|(given, _)| given == name);
            found.map(|(_, value)| value.clone()).unwrap()
        };
        assert_eq!(last("GO_JOB_ID"), "3");
        assert_eq!(last("GO_ATTEMPT"), "2");
        assert_eq!(last("A"), "b");
        assert_eq!(last("GODOCKER_PWD"), "/w");
    }

    #[test]
    fn a_script_without_an_interpreter_line_goes_to_the_shell() {
        let script = |text: &str| Program::Script {
            text: text.into(),
            args: vec!["x".into()],
        };
        let plain = argv(&script("echo"), Path::new("/w"));
        assert_eq!(plain, ["/bin/sh", "/w/cmd.sh", "x"]);
        assert_eq!(
            argv(&script("#!/bin/sh\n"), Path::new("/w")),
            ["/w/cmd.sh", "x"]
        );
    }

    #[test]
    fn what_cannot_run_here_is_refused_in_clear_words() {
        let mount = |host: &str, target: &str| Mount {
            host_path: host.into(),
            sub_path: String::new(),
            mount_path: target.into(),
            writable: true,
        };
        let cases = [
            (mount("/nonexistent-dir", "/mnt"), "is not on this node"),
            (mount("/tmp", "/nonexistent-dir"), "nothing fit"),
            (mount("/tmp", "/"), "cannot be mounted"),
            (mount("/tmp", "//"), "cannot be mounted"),
            (mount("/tmp", "/proc/"), "cannot be mounted"),
            (mount("/tmp", "/./proc"), "cannot be mounted"),
            (mount("/tmp", "/mnt/../proc"), "cannot be mounted"),
            (mount("/tmp", "mnt"), "cannot be mounted"),
            (mount("/tmp", "/etc/passwd"), "nothing fit"),
        ];
        for (mount, expected) in cases {
            let error = check_mount(&mount).unwrap_err().to_string();
            assert!(error.contains(expected), "{mount:?}: {error}");
        }
    }
}
