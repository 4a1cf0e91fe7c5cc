//! What scripts may propose: the words of each command.

mod jobs;
mod projects;

use anyhow::{Context, Result, bail};
use model::account::{Role, Scope, Token, TokenId, UnixIds, UserName};
use model::command::{
    CreateJoinToken, DrainNode, MarkNodes, NoteStored, NoteTrouble, PutUser, RedeemJoinToken,
    RegisterNode, RemoveNode, RevokeToken, SetHeadIntent, SetPassword,
};
use model::node::{HeadIntent, NodeFacts, NodeHealth, RuntimeKind};
use model::policy::{Timings, Volume};
use model::project::Grant;
use model::quota::Holder;
use model::stored::Stored;
use model::{Command, Millis, Timestamp};

pub(super) use jobs::spec;

use super::words::{Words, expand, length, size};
use super::world::{World, first_entry, node_role};

/// The command of that name; `None` if there is none.
pub(super) fn parse(world: &World, name: &str, words: &mut Words) -> Result<Option<Command>> {
    if let Some(command) = jobs::parse(world, name, words)? {
        return Ok(Some(command));
    }
    if let Some(command) = node(world, name, words)? {
        return Ok(Some(command));
    }
    if let Some(command) = projects::parse(name, words)? {
        return Ok(Some(command));
    }
    account(world, name, words)
}

fn node(world: &World, name: &str, words: &mut Words) -> Result<Option<Command>> {
    Ok(Some(match name {
        "init" => first_entry(timings(Timings::default(), words)?),
        "join-token" => Command::CreateJoinToken(CreateJoinToken {
            id: TokenId(expand(&words.next("its id")?)),
            hash: digest(&words.option_or("secret", "secret")),
            role: node_role(&words.option_or("role", "agent"))?,
            by: user(words, "by", "root"),
            expires_at: expiry(world, words)?,
        }),
        "revoke-join-token" => Command::RevokeJoinToken(TokenId(words.next("its id")?)),
        "redeem" => {
            let name = expand(&words.next("the name")?);
            Command::RedeemJoinToken(RedeemJoinToken {
                id: TokenId(words.option_or("token", "t")),
                hash: digest(&words.option_or("secret", "secret")),
                key_hash: digest(&words.option_or("key", &name)),
                name,
                facts: facts(words)?,
            })
        }
        "register" => {
            let node = world.node(&words.next("a node")?)?;
            Command::RegisterNode(RegisterNode {
                node,
                facts: facts(words)?,
            })
        }
        "mark" => Command::MarkNodes(MarkNodes {
            nodes: marks(world, words)?,
        }),
        "unwell" => Command::NoteTrouble(NoteTrouble {
            node: world.node(&words.next("a node")?)?,
            trouble: Some(expand(&words.next("what keeps it")?)),
        }),
        "well" => {
            let (node, trouble) = (world.node(&words.next("a node")?)?, None);
            Command::NoteTrouble(NoteTrouble { node, trouble })
        }
        "keeps" => Command::NoteStored(NoteStored {
            node: world.node(&words.next("a node")?)?,
            stored: stored(words)?,
        }),
        "drain" => Command::DrainNode(DrainNode {
            node: world.node(&words.next("a node")?)?,
            reason: Some(expand(&words.next("a reason")?)),
        }),
        "resume" => {
            let node = world.node(&words.next("a node")?)?;
            Command::DrainNode(DrainNode { node, reason: None })
        }
        "head" => Command::SetHeadIntent(SetHeadIntent {
            node: world.node(&words.next("a node")?)?,
            intent: intent(&words.next("none, learner or voter")?)?,
        }),
        "remove" => Command::RemoveNode(RemoveNode {
            node: world.node(&words.next("a node")?)?,
        }),
        "timings" => {
            let before = world.replica.state.policy().timings;
            Command::SetTimings(timings(before, words)?)
        }
        _ => return Ok(None),
    }))
}

/// `of=ada:5G,lab/:7G`: what is kept of users and, with a slash, of projects.
fn stored(words: &mut Words) -> Result<Stored> {
    let text = words.option("of").unwrap_or_default();
    let mut stored = Stored::default();
    for one in text.split(',').filter(|one| !one.is_empty()) {
        let (name, bytes) = one.split_once(':').context("name:size")?;
        let holder = match name.strip_suffix('/') {
            Some(project) => Holder::Project(project.into()),
            None => Holder::User(name.into()),
        };
        stored.holders.insert(holder, size(bytes)?);
    }
    Ok(stored)
}

fn account(world: &World, name: &str, words: &mut Words) -> Result<Option<Command>> {
    Ok(Some(match name {
        "user" => Command::PutUser(PutUser {
            name: UserName(expand(&words.next("a name")?)),
            role: role(&words.option_or("role", "user"))?,
            ids: words.number("uid")?.map(|id| UnixIds {
                uid: id,
                gid: id,
                groups: Vec::new(),
            }),
            disabled: words.option("disabled").is_some(),
            ..PutUser::default()
        }),
        "password" => Command::SetPassword(SetPassword {
            user: UserName(words.next("whose")?),
            password: words.next("the new one")?,
            one_time: words.option("one_time").is_some(),
            replaces: words.option("replaces"),
        }),
        "token" => Command::CreateToken(Token {
            id: TokenId(expand(&words.next("its id")?)),
            hash: digest("secret"),
            user: user(words, "user", "ada"),
            label: words.option_or("label", ""),
            created_at: Timestamp(0),
            expires_at: expiry(world, words)?,
            scopes: Scope::ALL.into(),
        }),
        "revoke" => Command::RevokeToken(RevokeToken {
            id: TokenId(words.next("its id")?),
            user: words.option("user").map(UserName),
        }),
        "volume" => {
            let name = expand(&words.next("a name")?);
            Command::PutVolume(Volume {
                host_path: words.option_or("host", &format!("/srv/{name}")),
                mount_path: words.option_or("mount", &format!("/mnt/{name}")),
                writable: words.option("rw").is_some(),
                who: Grant::to_all(),
                name,
            })
        }
        "remove-volume" => Command::RemoveVolume(words.next("a name")?),
        "expire" => Command::Expire,
        _ => return Ok(None),
    }))
}

/// `cpu= mem=` and the rest of what a node says; `cpu=none` for a node that runs no jobs.
pub(super) fn facts(words: &mut Words) -> Result<NodeFacts> {
    let none = words.option("jobs").is_some_and(|text| text == "none");
    let capacity = if none {
        None
    } else {
        Some(words.resources("4", "8G")?)
    };
    let runtime = match words.option_or("runtime", "docker").as_str() {
        "docker" => RuntimeKind::Docker,
        "process" => RuntimeKind::Process,
        "fake" => RuntimeKind::Fake,
        other => bail!("there is no runtime `{other}`"),
    };
    let version = words.option_or("version", "0.1.0");
    let (peer_addr, api_addr) = (words.option_or("peer", ""), words.option_or("api", ""));
    Ok(NodeFacts {
        capacity,
        runtime,
        version,
        peer_addr,
        api_addr,
    })
}

/// `n1:suspect 9:lost`.
fn marks(world: &World, words: &mut Words) -> Result<Vec<(model::NodeId, NodeHealth)>> {
    let mut marks = Vec::new();
    for word in words.rest() {
        let (node, health) = word.split_once(':').unwrap_or((&word, ""));
        let health = match health {
            "joined" => NodeHealth::Joined,
            "up" => NodeHealth::Up,
            "suspect" => NodeHealth::Suspect,
            "lost" => NodeHealth::Lost,
            "unwell" => NodeHealth::Unwell,
            other => bail!("{word}: `{other}` is no health"),
        };
        marks.push((world.node(node)?, health));
    }
    Ok(marks)
}

fn timings(before: Timings, words: &mut Words) -> Result<Timings> {
    let mut one =
        |key: &str, before: Millis| -> Result<Millis> { Ok(words.length(key)?.unwrap_or(before)) };
    Ok(Timings {
        heartbeat: one("heartbeat", before.heartbeat)?,
        suspect_after: one("suspect", before.suspect_after)?,
        lease: one("lease", before.lease)?,
        lease_margin: one("margin", before.lease_margin)?,
    })
}

fn expiry(world: &World, words: &mut Words) -> Result<Timestamp> {
    let life = length(&words.option_or("life", "1h"))?;
    Ok(world.now().plus(life))
}

fn user(words: &mut Words, key: &str, default: &str) -> UserName {
    UserName(words.option_or(key, default))
}

fn role(text: &str) -> Result<Role> {
    match text {
        "user" => Ok(Role::User),
        "operator" => Ok(Role::Operator),
        "admin" => Ok(Role::Admin),
        other => bail!("there is no role `{other}`"),
    }
}

fn intent(text: &str) -> Result<HeadIntent> {
    match text {
        "none" => Ok(HeadIntent::None),
        "learner" => Ok(HeadIntent::Learner),
        "voter" => Ok(HeadIntent::Voter),
        other => bail!("`{other}` is no part in the quorum"),
    }
}

/// A stand-in for a digest: the text itself, cut or filled up.
pub(super) fn digest(text: &str) -> [u8; 32] {
    let mut digest = [0; 32];
    for (to, from) in digest.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    digest
}
