//! What an agent is told of the secrets of an attempt: those that its job may have now, and only if
//! the attempt was given to that very node and is not over.

use model::account::UserName;
use model::job::Job;
use model::secret::{Secret, SecretKind};
use model::{NodeId, State};
use net::message::{Login, Plain, SecretAnswer, SecretCall, SecretFile, SecretWant};
use net::tls::Seal;

pub(super) fn answer(
    state: &State,
    seal: Option<&Seal>,
    node: NodeId,
    call: SecretCall,
) -> SecretAnswer {
    let Some(job) = state.job_held(node, call.held) else {
        return SecretAnswer::NotHere;
    };
    if !speaks(state, &job.owner) {
        return SecretAnswer::Refused(format!("the account {} is disabled", job.owner));
    }
    let answer = match call.want {
        SecretWant::Files => files(state, seal, job).map(SecretAnswer::Files),
        SecretWant::Login => login(state, seal, job).map(SecretAnswer::Login),
    };
    answer.unwrap_or_else(SecretAnswer::Refused)
}

fn speaks(state: &State, owner: &UserName) -> bool {
    state.user(&owner.0).is_some_and(|user| !user.disabled)
}

fn files(state: &State, seal: Option<&Seal>, job: &Job) -> Result<Vec<SecretFile>, String> {
    let mut files = Vec::new();
    for (wanted, secret) in state.secrets_for(job)? {
        files.push(SecretFile {
            name: wanted.file_name().into(),
            value: open(seal, secret)?,
        });
    }
    Ok(files)
}

fn login(state: &State, seal: Option<&Seal>, job: &Job) -> Result<Option<Login>, String> {
    let spec = &job.spec;
    let secret = state.registry_login(&job.owner, &spec.project, &spec.image);
    let Some((secret, SecretKind::Registry { host, login })) =
        secret.map(|secret| (secret, &secret.kind))
    else {
        return Ok(None);
    };
    Ok(Some(Login {
        host: host.clone(),
        login: login.clone(),
        password: open(seal, secret)?,
        mark: format!(
            "{} {}",
            Secret::place(&secret.owner, &secret.name),
            secret.changed_at.0
        ),
    }))
}

fn open(seal: Option<&Seal>, secret: &Secret) -> Result<Plain, String> {
    let place = Secret::place(&secret.owner, &secret.name);
    let opened = seal.and_then(|seal| seal.open_for(&place, &secret.sealed));
    let why = || format!("secret {} cannot be opened: set it again", secret.name);
    opened.map(Plain).ok_or_else(why)
}
