//! The description of a job: from what a user sends to what the log keeps, and back.

use api_types::job_request as asked;
use api_types::job_request::{
    DEFAULT_CPU, DEFAULT_GRACE_SECONDS, DEFAULT_MEMORY_BYTES, JobRequest,
};
use api_types::problem::FieldProblem;
use model::limits::{self, NAME_BYTES_MAX};
use model::policy::Network;
use model::project::DEFAULT;
use model::spec::{JobSpec, OnLost, Program, PullPolicy, SecretUse, VolumeUse};
use model::{Bytes, MilliCpus, Millis, Resources};

/// What the log shall keep, or everything that is wrong with the request. Fields are named with
/// `prefix` in front, which is empty or like `jobs[3].`.
pub(crate) fn spec(request: JobRequest, prefix: &str) -> Result<JobSpec, Vec<FieldProblem>> {
    let mut problems = too_many(&request, prefix);
    if !problems.is_empty() {
        // What else is wrong would take long to find out and longer to tell.
        return Err(problems);
    }
    problems.extend(mixed(&request, prefix));
    let cpu = request.cpu.unwrap_or(DEFAULT_CPU);
    let millis = milli_cpus(cpu);
    if millis.is_none() {
        let message = format!("{cpu} is no share of a processor");
        let remedy = "ask for more than 0 processors, in steps of 0.001";
        problems.push(problem(prefix, "cpu", &message, remedy));
    }
    let name = request.name.clone().unwrap_or_else(|| made_name(&request));
    let spec = JobSpec {
        name,
        tags: request.tags,
        image: request.image.unwrap_or_default(),
        pull: pull(request.pull.unwrap_or_default()),
        program: match request.script {
            Some(text) => Program::Script {
                text,
                args: request.args,
            },
            None => Program::Argv(request.argv),
        },
        env: request.env.into_iter().collect(),
        resources: Resources {
            cpu: millis.unwrap_or(limits::CPU_MIN),
            memory: Bytes(request.memory_bytes.unwrap_or(DEFAULT_MEMORY_BYTES)),
        },
        wall_limit: request.wall_limit_seconds.map(Millis::seconds),
        grace: Millis::seconds(request.grace_seconds.unwrap_or(DEFAULT_GRACE_SECONDS)),
        on_lost: on_lost(request.on_lost.unwrap_or_default()),
        volumes: request.volumes.into_iter().map(volume).collect(),
        project: request.project.unwrap_or_else(|| DEFAULT.into()),
        queue: request.queue.unwrap_or_else(|| DEFAULT.into()),
        entrypoint: request.entrypoint,
        network: request.network.map(asked_network),
        root: request.root,
        output_max: request.output_max_bytes.map(Bytes),
        secrets: request.secrets.into_iter().map(secret).collect(),
        ports: request.ports,
        disk_max: request.disk_max_bytes.map(Bytes),
    };
    let wrong = spec.validate();
    problems.extend(
        wrong
            .iter()
            .map(|wrong| problem(prefix, &field(&wrong.field), &wrong.message, &wrong.remedy)),
    );
    if problems.is_empty() {
        Ok(spec)
    } else {
        Err(problems)
    }
}

/// What belongs to a script beside what belongs to a command.
fn mixed(request: &JobRequest, prefix: &str) -> Vec<FieldProblem> {
    let mut found = Vec::new();
    if request.script.is_some() && !request.argv.is_empty() {
        let message = "script and argv are both given";
        found.push(problem(
            prefix,
            "argv",
            message,
            "give either script or argv",
        ));
    }
    if request.script.is_none() && !request.args.is_empty() {
        let message = "args are the arguments of a script, and there is none";
        found.push(problem(
            prefix,
            "args",
            message,
            "write them behind the program in argv",
        ));
    }
    found
}

/// The lists that are longer than a job may have.
fn too_many(request: &JobRequest, prefix: &str) -> Vec<FieldProblem> {
    let lists = [
        (
            "tags",
            request.tags.len(),
            limits::TAGS_MAX,
            "use fewer tags",
        ),
        (
            "args",
            request.args.len(),
            limits::ARGV_MAX,
            "pass long lists in a file",
        ),
        (
            "argv",
            request.argv.len(),
            limits::ARGV_MAX,
            "pass long lists in a file",
        ),
        (
            "env",
            request.env.len(),
            limits::ENV_MAX,
            "pass long lists in a file",
        ),
        (
            "volumes",
            request.volumes.len(),
            limits::JOB_VOLUMES_MAX,
            "ask for fewer volumes",
        ),
        (
            "secrets",
            request.secrets.len(),
            limits::JOB_SECRETS_MAX,
            "ask for fewer secrets",
        ),
    ];
    let over = lists.into_iter().filter(|(_, count, most, _)| count > most);
    let told = over.map(|(field, count, most, remedy)| {
        problem(
            prefix,
            field,
            &format!("{count} of them, at most {most}"),
            remedy,
        )
    });
    told.collect()
}

/// A request that would make the same job again.
pub(crate) fn request(spec: &JobSpec) -> JobRequest {
    let (script, args, argv) = match &spec.program {
        Program::Script { text, args } => (Some(text.clone()), args.clone(), Vec::new()),
        Program::Argv(argv) => (None, Vec::new(), argv.clone()),
    };
    JobRequest {
        name: Some(spec.name.clone()),
        tags: spec.tags.clone(),
        image: (!spec.image.is_empty()).then(|| spec.image.clone()),
        pull: Some(match spec.pull {
            PullPolicy::Missing => asked::PullPolicy::Missing,
            PullPolicy::Always => asked::PullPolicy::Always,
            PullPolicy::Never => asked::PullPolicy::Never,
        }),
        script,
        args,
        argv,
        env: spec.env.iter().cloned().collect(),
        cpu: Some(cpu(spec.resources.cpu)),
        memory_bytes: Some(spec.resources.memory.0),
        wall_limit_seconds: spec.wall_limit.map(|limit| limit.0.div_ceil(1000)),
        grace_seconds: Some(spec.grace.0.div_ceil(1000)),
        on_lost: Some(match spec.on_lost {
            OnLost::Hold => asked::OnLost::Hold,
            OnLost::Requeue => asked::OnLost::Requeue,
        }),
        volumes: spec
            .volumes
            .iter()
            .map(|v| asked::VolumeUse {
                name: v.name.clone(),
                read_only: v.read_only,
                sub_path: v.sub_path.clone(),
            })
            .collect(),
        project: Some(spec.project.clone()),
        queue: Some(spec.queue.clone()),
        entrypoint: spec.entrypoint.clone(),
        network: spec.network.map(network),
        root: spec.root,
        output_max_bytes: spec.output_max.map(|most| most.0),
        ports: spec.ports.clone(),
        disk_max_bytes: spec.disk_max.map(|most| most.0),
        secrets: spec
            .secrets
            .iter()
            .map(|secret| asked::SecretUse {
                name: secret.name.clone(),
                file: secret.file.clone(),
            })
            .collect(),
    }
}

/// Processors as users write them.
pub(crate) fn cpu(cpu: MilliCpus) -> f64 {
    #[allow(
        clippy::cast_precision_loss,
        reason = "at most a million, which f64 holds exactly"
    )]
    let thousandths = cpu.0 as f64;
    thousandths / 1000.0
}

/// Thousandths of a processor, rounded; `None` for what is no positive number or far too large.
pub(crate) fn milli_cpus(cpu: f64) -> Option<MilliCpus> {
    let thousandths = (cpu * 1000.0).round();
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to be within the range"
    )]
    let whole = thousandths as u64;
    (0.0..1e15)
        .contains(&thousandths)
        .then_some(MilliCpus(whole))
}

/// A name for a job that has none: its program, or its image.
fn made_name(request: &JobRequest) -> String {
    let script = request.script.as_deref().unwrap_or_default();
    let line = script
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty() && !line.starts_with('#'));
    let word = line.and_then(|line| line.split_whitespace().next());
    let word = word.or(request.argv.first().map(String::as_str));
    let word = word.or(request.image.as_deref()).unwrap_or("job");
    let base = word
        .rsplit('/')
        .find(|part| !part.is_empty())
        .unwrap_or("job");
    let mut name: String = base.chars().filter(|c| !c.is_control()).collect();
    while name.len() > NAME_BYTES_MAX {
        name.pop();
    }
    let name = name.trim();
    if name.is_empty() {
        "job".into()
    } else {
        name.into()
    }
}

fn pull(pull: asked::PullPolicy) -> PullPolicy {
    match pull {
        asked::PullPolicy::Missing => PullPolicy::Missing,
        asked::PullPolicy::Always => PullPolicy::Always,
        asked::PullPolicy::Never => PullPolicy::Never,
    }
}

fn on_lost(on_lost: asked::OnLost) -> OnLost {
    match on_lost {
        asked::OnLost::Hold => OnLost::Hold,
        asked::OnLost::Requeue => OnLost::Requeue,
    }
}

fn volume(volume: asked::VolumeUse) -> VolumeUse {
    VolumeUse {
        name: volume.name,
        read_only: volume.read_only,
        sub_path: volume.sub_path,
    }
}

/// Whose it is, is decided when the job is admitted.
fn secret(secret: asked::SecretUse) -> SecretUse {
    SecretUse {
        name: secret.name,
        file: secret.file,
        owner: None,
    }
}

pub(crate) fn asked_network(network: asked::Network) -> Network {
    match network {
        asked::Network::None => Network::None,
        asked::Network::Bridge => Network::Bridge,
    }
}

pub(crate) fn network(network: Network) -> asked::Network {
    match network {
        Network::None => asked::Network::None,
        Network::Bridge => asked::Network::Bridge,
    }
}

/// The user's name of a field of the kept description.
pub(crate) fn field(kept: &str) -> String {
    match kept {
        "resources.cpu" => "cpu".into(),
        "resources.memory" => "memory_bytes".into(),
        "wall_limit" => "wall_limit_seconds".into(),
        "grace" => "grace_seconds".into(),
        "output_max" => "output_max_bytes".into(),
        "disk_max" => "disk_max_bytes".into(),
        "idempotency_key" => api_types::header::IDEMPOTENCY_KEY.into(),
        same => same.into(),
    }
}

fn problem(prefix: &str, field: &str, message: &str, remedy: &str) -> FieldProblem {
    FieldProblem {
        field: format!("{prefix}{field}"),
        message: message.into(),
        remedy: remedy.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(request: JobRequest) -> String {
        spec(request, "").map(|spec| spec.name).unwrap_or_default()
    }

    #[test]
    fn a_job_without_a_name_gets_one_from_its_program() {
        let script = Some("#!/bin/bash\n#GO --cpu 2\n\n  /usr/bin/bwa mem x\n".into());
        assert_eq!(
            named(JobRequest {
                script,
                ..JobRequest::default()
            }),
            "bwa"
        );
        let argv = vec!["/bin/sleep".into(), "1".into()];
        assert_eq!(
            named(JobRequest {
                argv,
                ..JobRequest::default()
            }),
            "sleep"
        );
        let image = Some("registry.lab/tools/samtools:1.2".into());
        assert_eq!(
            named(JobRequest {
                image,
                ..JobRequest::default()
            }),
            "samtools:1.2"
        );
        let argv = vec!["é".repeat(200)];
        assert!(
            named(JobRequest {
                argv,
                ..JobRequest::default()
            })
            .len()
                <= NAME_BYTES_MAX
        );
    }

    #[test]
    fn what_is_kept_becomes_a_request_for_the_same() {
        let request_in = JobRequest {
            image: Some("debian:12".into()),
            script: Some("#!/bin/sh\ntrue\n".into()),
            args: vec!["a b".into()],
            env: [("A".into(), "1".into())].into(),
            cpu: Some(0.25),
            wall_limit_seconds: Some(60),
            ..JobRequest::default()
        };
        let kept = spec(request_in, "").unwrap();
        assert_eq!(kept.resources.cpu, MilliCpus(250));
        assert_eq!(spec(request(&kept), ""), Ok(kept));
    }

    #[test]
    fn shares_of_a_processor_are_rounded_to_thousandths() {
        assert_eq!(milli_cpus(1.5), Some(MilliCpus(1500)));
        assert_eq!(milli_cpus(0.1), Some(MilliCpus(100)));
        assert_eq!(milli_cpus(-0.1), None);
        assert_eq!(milli_cpus(f64::NAN), None);
        assert_eq!(milli_cpus(f64::INFINITY), None);
    }
}
