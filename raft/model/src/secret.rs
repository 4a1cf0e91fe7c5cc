//! Secrets of users and projects, as the log has them: sealed by the head that took them, with a
//! key that only heads have. Nothing here can read one.
//!
//! What is in the clear is what lists show: whose it is, its name, what it is for, and when it was
//! changed.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use serde::{Deserialize, Serialize};

use crate::account::UserName;
use crate::assignment::Held;
use crate::id::NodeId;
use crate::image;
use crate::job::Job;
use crate::quota::Holder;
use crate::spec::SecretUse;
use crate::state::State;
use crate::unit::Timestamp;

/// A secret under a name.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Secret {
    /// Whose it is.
    pub owner: Holder,
    /// Its name, unique for its owner.
    pub name: String,
    /// What it is for.
    pub kind: SecretKind,
    /// The value, as only heads can read it.
    pub sealed: Vec<u8>,
    /// When it was made; set by `apply`.
    pub created_at: Timestamp,
    /// When it got this value; set by `apply`.
    pub changed_at: Timestamp,
    /// Who gave it this value.
    pub changed_by: UserName,
}

/// Without the value, sealed as it is.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Secret")
            .field("owner", &self.owner)
            .field("name", &self.name)
            .field("kind", &self.kind)
            .finish_non_exhaustive()
    }
}

/// What a secret is for.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum SecretKind {
    /// Jobs that ask for it get it as a file.
    #[default]
    File,
    /// The password for a registry of images. No job gets it; nodes log in with it when they fetch
    /// an image for a job of the owner.
    Registry {
        /// The registry, as images name it: `docker.io`, `registry.lab:5000`.
        host: String,
        /// The user's name there.
        login: String,
    },
}

impl Secret {
    /// What the value is sealed for: opened under another name it is no secret.
    pub fn place(owner: &Holder, name: &str) -> String {
        format!("{owner}/{name}")
    }
}

/// Reading.
impl State {
    /// A secret.
    pub fn secret(&self, owner: &Holder, name: &str) -> Option<&Secret> {
        self.secrets.get(&(owner.clone(), String::from(name)))
    }

    /// All secrets of one owner, by name.
    pub fn secrets_of(&self, owner: &Holder) -> impl Iterator<Item = &Secret> + use<'_> {
        let owner = owner.clone();
        (self.secrets.range((owner.clone(), String::new())..))
            .map(|(_, secret)| secret)
            .take_while(move |secret| secret.owner == owner)
    }

    /// The secret that a job of this user in this project means by a name: their own, or else the
    /// project's.
    pub fn secret_meant(&self, by: &UserName, project: &str, name: &str) -> Option<&Secret> {
        let own = self.secret(&Holder::User(by.clone()), name);
        own.or_else(|| self.secret(&Holder::Project(project.into()), name))
    }

    /// The login at the registry of an image for a job of this user in this project: their own, or
    /// else the project's.
    pub fn registry_login(&self, by: &UserName, project: &str, image: &str) -> Option<&Secret> {
        let wanted = image::registry(image);
        let fits = |secret: &&Secret| match &secret.kind {
            SecretKind::Registry { host, .. } => *host == wanted,
            SecretKind::File => false,
        };
        let own = self.secrets_of(&Holder::User(by.clone())).find(fits);
        own.or_else(|| self.secrets_of(&Holder::Project(project.into())).find(fits))
    }

    /// The job of an attempt that was given to this node and is not over; a node learns nothing of
    /// others.
    pub fn job_held(&self, node: NodeId, held: Held) -> Option<&Job> {
        let job = self.job(held.attempt.task.job)?;
        let attempt = job.attempt()?;
        let same = attempt.node == node
            && attempt.fence == held.fence
            && attempt.number == held.attempt.number;
        same.then_some(job)
    }

    /// The secrets that a job asks for, as they are now.
    ///
    /// # Errors
    /// In words: which of them there is not, any more, for whoever owns the job.
    pub fn secrets_for<'a>(
        &'a self,
        job: &'a Job,
    ) -> Result<Vec<(&'a SecretUse, &'a Secret)>, String> {
        let mut found = Vec::new();
        for wanted in &job.spec.secrets {
            let secret = self.secret_given(job, wanted);
            let secret = secret.ok_or_else(|| format!("there is no secret {}", wanted.name))?;
            found.push((wanted, secret));
        }
        Ok(found)
    }

    fn secret_given(&self, job: &Job, wanted: &SecretUse) -> Option<&Secret> {
        let owner = wanted.owner.as_ref()?;
        let theirs = match owner {
            Holder::User(name) => *name == job.owner,
            // Whoever was put out of a project gets no secret of it any more.
            Holder::Project(name) => {
                let project = self.project(name);
                *name == job.spec.project && project.is_some_and(|project| project.has(&job.owner))
            }
        };
        let secret = self.secret(owner, &wanted.name).filter(|_| theirs)?;
        (secret.kind == SecretKind::File).then_some(secret)
    }
}
