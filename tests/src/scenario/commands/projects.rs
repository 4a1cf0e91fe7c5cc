//! Projects, queues, bounds and rules, as scripts write them. What a line leaves out is unbounded.

use anyhow::{Result, bail};
use model::account::UserName;
use model::command::{Membership, PutMember, RemoveSecret, SetQuota};
use model::policy::{ImageRule, OverQuota, Rules};
use model::project::{Grant, Project, Queue};
use model::quota::{Holder, Quota};
use model::secret::{Secret, SecretKind};
use model::{Command, Millis, Timestamp};

use super::super::words::Words;
use super::user;

/// The command of that name; `None` if there is none.
pub(super) fn parse(name: &str, words: &mut Words) -> Result<Option<Command>> {
    Ok(Some(match name {
        "project" => Command::PutProject(project(words)?),
        "remove-project" => Command::RemoveProject(words.next("a project")?),
        "member" => Command::PutMember(PutMember {
            project: words.next("a project")?,
            user: UserName(words.next("a user")?),
            membership: match words.option_or("as", "member").as_str() {
                "none" => Membership::None,
                "member" => Membership::Member,
                "manager" => Membership::Manager,
                other => bail!("`{other}` is nothing in a project"),
            },
            by: user(words, "by", "root"),
        }),
        "queue" => Command::PutQueue(queue(words)?),
        "remove-queue" => Command::RemoveQueue(words.next("a queue")?),
        "quota" => Command::SetQuota(SetQuota {
            user: UserName(words.next("a user")?),
            quota: match words.option("usual") {
                Some(_) => None,
                None => Some(quota(words)?),
            },
        }),
        "secret" => Command::PutSecret(secret(words)?),
        "remove-secret" => {
            let (owner, name) = owned(words)?;
            let by = user(words, "by", "root");
            Command::RemoveSecret(RemoveSecret { owner, name, by })
        }
        "reset" => Command::ResetSpent(Holder::Project(words.next("a project")?)),
        "rules" => Command::SetRules(Rules {
            over_quota: match words.option_or("over", "wait").as_str() {
                "wait" => OverQuota::Wait,
                "end" => OverQuota::End,
                other => bail!("`{other}` is neither wait nor end"),
            },
            window_days: words.number("days")?.unwrap_or(30),
            root: grant(words.option("root")),
            images: images(words),
            user_quota: quota(words)?,
            publish: grant(words.option("publish")),
            disk_max: words.size("disk_max")?,
            ..Rules::default()
        }),
        _ => return Ok(None),
    }))
}

/// `alice/db` is a user's, `lab:db` a project's.
fn owned(words: &mut Words) -> Result<(Holder, String)> {
    let word = words.next("a secret")?;
    match (word.split_once('/'), word.split_once(':')) {
        (Some((user, name)), None) => Ok((Holder::User(user.into()), name.into())),
        (None, Some((project, name))) => Ok((Holder::Project(project.into()), name.into())),
        (Some(_), Some(_)) | (None, None) => bail!("`{word}` is nobody's secret"),
    }
}

fn secret(words: &mut Words) -> Result<Secret> {
    let (owner, name) = owned(words)?;
    let bytes = words.number("bytes")?.unwrap_or(8);
    Ok(Secret {
        owner,
        name,
        kind: match words.option("registry") {
            None => SecretKind::File,
            Some(host) => SecretKind::Registry {
                host,
                login: words.option_or("login", "me"),
            },
        },
        sealed: vec![1; bytes],
        created_at: Timestamp(0),
        changed_at: Timestamp(0),
        changed_by: user(words, "by", "root"),
    })
}

fn project(words: &mut Words) -> Result<Project> {
    let name = words.next("a name")?;
    Ok(Project {
        everybody: words.option("everybody").is_some(),
        members: names(words.option("members")).map(UserName).collect(),
        managers: names(words.option("managers")).map(UserName).collect(),
        shared: words.option("shared").is_some(),
        closed: words.option("closed").is_some(),
        priority: words.number("priority")?.unwrap_or(50),
        quota: quota(words)?,
        name,
        ..Project::fallback()
    })
}

fn queue(words: &mut Words) -> Result<Queue> {
    Ok(Queue {
        name: words.next("a name")?,
        who: match words.option("who") {
            None => Grant::to_all(),
            some => grant(some),
        },
        accepts: words.option("closed").is_none(),
        starts: words.option("stopped").is_none(),
        wall_max: words.length("wall")?,
        wall_default: words.length("usual")?,
        running_per_user: words.number("running")?,
        pending_per_user: words.number("pending")?,
        ..Queue::default()
    })
}

/// `cpu= mem= running= pending= core_time= disk=`; times are core-lengths: `2h` are two core-hours.
fn quota(words: &mut Words) -> Result<Quota> {
    let asked = words.option("cpu").map(|cpu| (cpu, words.option("mem")));
    let amount = match asked {
        None => None,
        Some((cpu, mem)) => {
            let mut line = Words::parse(&format!("cpu={cpu} mem={}", mem.unwrap_or("1T".into())))?;
            Some(line.resources("1", "1G")?)
        }
    };
    Ok(Quota {
        cpu: amount.map(|amount| amount.cpu),
        memory: amount.map(|amount| amount.memory),
        running: words.number("running")?,
        pending: words.number("pending")?,
        cpu_time: words.length("core_time")?.map(|Millis(length)| length),
        memory_time: None,
        disk: words.size("disk")?,
    })
}

fn images(words: &mut Words) -> Vec<ImageRule> {
    let rules = names(words.option("images")).map(|rule| match rule.strip_prefix('!') {
        Some(pattern) => (false, pattern.to_owned()),
        None => (true, rule),
    });
    let rules = rules.map(|(allow, pattern)| ImageRule { allow, pattern });
    rules.collect()
}

/// `ada,bob`: these users; `lab/`: jobs of this project.
fn grant(text: Option<String>) -> Grant {
    let mut grant = Grant::default();
    for name in names(text) {
        match name.strip_suffix('/') {
            Some(project) => grant.projects.insert(project.into()),
            None => grant.users.insert(UserName(name)),
        };
    }
    grant
}

fn names(text: Option<String>) -> impl Iterator<Item = String> {
    let text = text.unwrap_or_default();
    let names: Vec<String> = text.split(',').map(str::to_owned).collect();
    names.into_iter().filter(|name| !name.is_empty())
}
