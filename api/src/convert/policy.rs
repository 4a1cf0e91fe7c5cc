//! The settings of the whole cluster, the volumes, and who may use what.

use api_types::project as lists;
use api_types::settings::{self as seen, Settings};
use api_types::volume as volumes;
use model::account::UserName;
use model::policy::{self, ImageRule, OverQuota, Policy, RootVolumes, Rules};
use model::project::Grant;
use model::{Bytes, Millis};

use super::project::{asked_quota, quota};
use super::request::{asked_network, network};
use crate::problem::Refused;

pub(crate) fn settings(policy: &Policy) -> Settings {
    let timings = &policy.timings;
    Settings {
        timings: Some(seen::Timings {
            heartbeat_ms: timings.heartbeat.0,
            suspect_after_ms: timings.suspect_after.0,
            lease_ms: timings.lease.0,
            lease_margin_ms: timings.lease_margin.0,
        }),
        rules: Some(rules(&policy.rules)),
    }
}

pub(crate) fn asked_timings(timings: &seen::Timings) -> policy::Timings {
    policy::Timings {
        heartbeat: Millis(timings.heartbeat_ms),
        suspect_after: Millis(timings.suspect_after_ms),
        lease: Millis(timings.lease_ms),
        lease_margin: Millis(timings.lease_margin_ms),
    }
}

fn rules(rules: &Rules) -> seen::Rules {
    seen::Rules {
        user_quota: quota(&rules.user_quota),
        window_days: Some(rules.window_days),
        over_quota: match rules.over_quota {
            OverQuota::Wait => seen::OverQuota::Wait,
            OverQuota::End => seen::OverQuota::End,
        },
        network: network(rules.network),
        bridge: grant(&rules.bridge),
        root: grant(&rules.root),
        root_volumes: match rules.root_volumes {
            RootVolumes::ReadOnly => seen::RootVolumes::ReadOnly,
            RootVolumes::Refused => seen::RootVolumes::Refused,
        },
        images: rules
            .images
            .iter()
            .map(|rule| seen::ImageRule {
                allow: rule.allow,
                pattern: rule.pattern.clone(),
            })
            .collect(),
        output_max_bytes: rules.output_max.map(|most| most.0),
        disk_max_bytes: rules.disk_max.map(|most| most.0),
        publish: grant(&rules.publish),
    }
}

pub(crate) fn asked_rules(asked: seen::Rules) -> Result<Rules, Refused> {
    let images = asked.images.into_iter().map(|rule| ImageRule {
        allow: rule.allow,
        pattern: rule.pattern,
    });
    let usual = Rules::default();
    Ok(Rules {
        user_quota: asked_quota(&asked.user_quota, "rules.user_quota.")?,
        window_days: asked.window_days.unwrap_or(usual.window_days),
        over_quota: match asked.over_quota {
            seen::OverQuota::Wait => OverQuota::Wait,
            seen::OverQuota::End => OverQuota::End,
        },
        network: asked_network(asked.network),
        bridge: asked_grant(asked.bridge),
        root: asked_grant(asked.root),
        root_volumes: match asked.root_volumes {
            seen::RootVolumes::ReadOnly => RootVolumes::ReadOnly,
            seen::RootVolumes::Refused => RootVolumes::Refused,
        },
        images: images.collect(),
        output_max: asked.output_max_bytes.map(Bytes),
        disk_max: asked.disk_max_bytes.map(Bytes),
        publish: asked_grant(asked.publish),
    })
}

/// A volume; where it lies on the hosts, and who may have it, is for administrators.
pub(crate) fn volume(volume: &policy::Volume, whole: bool) -> volumes::Volume {
    volumes::Volume {
        name: volume.name.clone(),
        host_path: whole.then(|| volume.host_path.clone()),
        who: whole.then(|| grant(&volume.who)),
        mount_path: volume.mount_path.clone(),
        writable: volume.writable,
    }
}

pub(crate) fn grant(grant: &Grant) -> lists::Grant {
    lists::Grant {
        everybody: grant.everybody,
        users: grant.users.iter().map(|user| user.0.clone()).collect(),
        projects: grant.projects.iter().cloned().collect(),
    }
}

pub(crate) fn asked_grant(grant: lists::Grant) -> Grant {
    Grant {
        everybody: grant.everybody,
        users: grant.users.into_iter().map(UserName).collect(),
        projects: grant.projects.into_iter().collect(),
    }
}
