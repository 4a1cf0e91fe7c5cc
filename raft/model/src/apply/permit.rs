//! Whether somebody may submit a job: its project and queue, volumes, secrets, image, privileges,
//! and how many may wait. What the job leaves open is filled in here, so that it is fixed from then
//! on.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::string::String;

use super::{Writer, not_found};
use crate::account::UserName;
use crate::command::Rejection;
use crate::policy::{Network, RootVolumes};
use crate::project::{DEFAULT, Queue};
use crate::secret::SecretKind;
use crate::spec::JobSpec;
use crate::unit::Bytes;

/// How many jobs of one submission go where.
#[derive(Default)]
pub(super) struct Crowd {
    total: usize,
    projects: BTreeMap<String, usize>,
    queues: BTreeMap<String, usize>,
}

impl Crowd {
    pub(super) fn add(&mut self, spec: &JobSpec) {
        self.total += 1;
        count(&mut self.projects, &spec.project);
        count(&mut self.queues, &spec.queue);
    }
}

fn count(map: &mut BTreeMap<String, usize>, name: &String) {
    match map.get_mut(name) {
        Some(number) => *number += 1,
        None => {
            map.insert(name.clone(), 1);
        }
    }
}

impl Writer<'_> {
    /// Checks one job, and fills in what it leaves open.
    pub(super) fn permit(&self, by: &UserName, spec: &mut JobSpec) -> Result<(), Rejection> {
        for name in [&mut spec.project, &mut spec.queue] {
            if name.is_empty() {
                *name = DEFAULT.into();
            }
        }
        self.permit_project(by, spec)?;
        self.permit_queue(by, spec)?;
        self.permit_container(by, spec)?;
        self.permit_volumes(by, spec)?;
        self.permit_secrets(by, spec)
    }

    fn permit_project(&self, by: &UserName, spec: &JobSpec) -> Result<(), Rejection> {
        // Who is not in a project does not learn that it exists.
        let project = self.state.project(&spec.project);
        let project = project.filter(|project| project.has(by));
        let project = project.ok_or_else(|| not_found("project", &spec.project))?;
        if project.closed {
            return Err(forbidden(format!("project {} is closed", project.name)));
        }
        Ok(())
    }

    fn permit_queue(&self, by: &UserName, spec: &mut JobSpec) -> Result<(), Rejection> {
        let queue = self.state.queue(&spec.queue);
        let queue = queue.filter(|queue| queue.who.allows(by, &spec.project));
        let queue = queue.ok_or_else(|| not_found("queue", &spec.queue))?;
        if !queue.accepts {
            return Err(forbidden(format!("queue {} takes no new jobs", queue.name)));
        }
        spec.wall_limit = spec.wall_limit.or(queue.usual_limit());
        fits(queue, spec)
    }

    fn permit_container(&self, by: &UserName, spec: &mut JobSpec) -> Result<(), Rejection> {
        let rules = &self.state.policy.rules;
        if let Err(denied) = rules.permits(&spec.image) {
            let by = match denied {
                Some(rule) => format!("the rule `{}` denies it", rule.pattern),
                None => String::from("no rule allows it"),
            };
            return Err(forbidden(format!("image {}: {by}", spec.image)));
        }
        if !spec.ports.is_empty() && !rules.publish.allows(by, &spec.project) {
            let what = "published ports: only for those whom the administrators allow them";
            return Err(forbidden(what.into()));
        }
        // Who may publish ports has the network that they need.
        let usual = match spec.ports.is_empty() {
            true => rules.network,
            false => Network::Bridge,
        };
        let network = *spec.network.get_or_insert(usual);
        let usual = network == usual || network == Network::None;
        if !usual && !rules.bridge.allows(by, &spec.project) {
            let what = "network bridge: only for those whom the administrators allow it";
            return Err(forbidden(what.into()));
        }
        if spec.root && !rules.root.allows(by, &spec.project) {
            let what = "root in the container: only for those whom the administrators allow it";
            return Err(forbidden(what.into()));
        }
        if spec.root && !spec.volumes.is_empty() && rules.root_volumes == RootVolumes::Refused {
            let what = "root in the container: such jobs get no volumes here";
            return Err(forbidden(what.into()));
        }
        spec.output_max = least(spec.output_max, rules.output_max);
        spec.disk_max = least(spec.disk_max, rules.disk_max);
        Ok(())
    }

    fn permit_volumes(&self, by: &UserName, spec: &JobSpec) -> Result<(), Rejection> {
        let mut places = BTreeSet::new();
        for wanted in &spec.volumes {
            let volume = self.state.volume(&wanted.name);
            let volume = volume.filter(|volume| volume.who.allows(by, &spec.project));
            let volume = volume.ok_or_else(|| not_found("volume", &wanted.name))?;
            if !places.insert(&volume.mount_path) {
                let what = format!("volume {}: another one is at its place", volume.name);
                return Err(forbidden(what));
            }
            if volume
                .host_path_for(self.user(by)?, &spec.project)
                .is_none()
            {
                let what = format!("volume {}: {by} has no user id", volume.name);
                return Err(forbidden(what));
            }
        }
        Ok(())
    }

    fn permit_secrets(&self, by: &UserName, spec: &mut JobSpec) -> Result<(), Rejection> {
        let JobSpec {
            project, secrets, ..
        } = spec;
        for wanted in secrets {
            let secret = self.state.secret_meant(by, project, &wanted.name);
            let secret = secret.ok_or_else(|| not_found("secret", &wanted.name))?;
            if secret.kind != SecretKind::File {
                let what = format!("secret {}: it is for a registry, not for jobs", secret.name);
                return Err(forbidden(what));
            }
            wanted.owner = Some(secret.owner.clone());
        }
        Ok(())
    }

    /// Whether so many more may wait.
    pub(super) fn has_places(&self, by: &UserName, crowd: &Crowd) -> Result<(), Rejection> {
        let waiting = self.state.claim_of(by).pending;
        let most = self.state.quota_of(by).pending;
        bounded(&format!("pending jobs of {by}"), waiting, crowd.total, most)?;
        for (name, more) in &crowd.projects {
            let waiting = self.state.claim_on(name).pending;
            let most = self.state.project(name).and_then(|p| p.quota.pending);
            bounded(
                &format!("pending jobs of project {name}"),
                waiting,
                *more,
                most,
            )?;
        }
        for (name, more) in &crowd.queues {
            let waiting = self.state.claim_in(by, name).pending;
            let most = self.state.queue(name).and_then(|q| q.pending_per_user);
            bounded(
                &format!("pending jobs of {by} in queue {name}"),
                waiting,
                *more,
                most,
            )?;
        }
        Ok(())
    }
}

/// What holds of what was asked for and what is allowed at most.
fn least(asked: Option<Bytes>, most: Option<Bytes>) -> Option<Bytes> {
    match (asked, most) {
        (Some(asked), Some(most)) => Some(asked.min(most)),
        (asked, most) => asked.or(most),
    }
}

fn bounded(name: &str, waiting: u32, more: usize, most: Option<u32>) -> Result<(), Rejection> {
    match most {
        Some(most) if waiting as usize + more > most as usize => Err(Rejection::Limit {
            name: name.into(),
            limit: u64::from(most),
        }),
        Some(_) | None => Ok(()),
    }
}

/// Whether the job is within what its queue takes.
fn fits(queue: &Queue, spec: &JobSpec) -> Result<(), Rejection> {
    let beyond = |field: &str, asked: String, most: String| {
        let name = &queue.name;
        Err(Rejection::Invalid {
            field: field.into(),
            message: format!("{asked} is more than queue {name} takes: at most {most}"),
        })
    };
    if let Some((asked, most)) = spec.wall_limit.zip(queue.wall_max)
        && asked > most
    {
        let seconds = |length: crate::Millis| format!("{} s", length.0.div_ceil(1000));
        return beyond("wall_limit", seconds(asked), seconds(most));
    }
    let asked = spec.resources;
    if let Some(most) = queue.cpu_max.filter(|most| asked.cpu > *most) {
        return beyond("resources.cpu", format!("{}", asked.cpu), format!("{most}"));
    }
    if let Some(most) = queue.memory_max.filter(|most| asked.memory > *most) {
        return beyond(
            "resources.memory",
            format!("{}", asked.memory),
            format!("{most}"),
        );
    }
    Ok(())
}

fn forbidden(what: String) -> Rejection {
    Rejection::Forbidden { what }
}
