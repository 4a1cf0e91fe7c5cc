//! The volumes of an attempt: found below the administrators' directories with the rights of the
//! job's user, and pinned, so that what the user renames afterwards changes nothing. What a runtime
//! is given are the pins. An attempt's secrets are pinned as well: files that exist in memory only,
//! until the container has them. None is kept over a restart of the agent.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use beneath::{Access, BeneathError, Ids, Pins, Tree, resolve};
use model::account::UnixIds;
use model::assignment::{Assignment, Mount};
use net::message::SecretFile;

use crate::runtime::{Place, RuntimeError};

/// Where a job finds its secrets.
pub const SECRETS_DIR: &str = "/run/secrets";

/// Pins of one node.
#[derive(Clone, Debug)]
pub struct Volumes {
    /// `None` where the agent is not root: it cannot mount, and takes no jobs with volumes.
    pins: Option<Arc<Pins>>,
}

impl Volumes {
    /// Volumes that are pinned below `dir`.
    ///
    /// # Errors
    /// If the directory is not ours alone.
    pub fn open(dir: &Path) -> Result<Volumes, BeneathError> {
        let root = nix::unistd::geteuid().is_root();
        let pins = root.then(|| Pins::new(dir).map(Arc::new));
        Ok(Volumes {
            pins: pins.transpose()?,
        })
    }

    /// No volumes at all.
    pub fn none() -> Volumes {
        Volumes { pins: None }
    }

    /// Takes away what attempts left that are not here any more.
    pub fn keep_only(&self, places: &[Place]) {
        let Some(pins) = &self.pins else { return };
        let mut keep = BTreeSet::new();
        for place in places {
            keep.extend((0..model::limits::JOB_VOLUMES_MAX).map(|at| name(place, at)));
        }
        match pins.clear_unknown(&keep) {
            Ok(cleared) if cleared.is_empty() => {}
            Ok(cleared) => tracing::info!(?cleared, "took away pins of attempts that are gone"),
            Err(error) => tracing::warn!(%error, "cannot take away pins of attempts that are gone"),
        }
    }

    /// The assignment with its volumes pinned. Blocks.
    ///
    /// # Errors
    /// [`RuntimeError::Refused`] if a directory is not there or the user may not enter it.
    pub fn pin(
        &self,
        place: &Place,
        assignment: &Assignment,
        ids: &UnixIds,
    ) -> Result<Assignment, RuntimeError> {
        if assignment.mounts.is_empty() {
            return Ok(assignment.clone());
        }
        let Some(pins) = &self.pins else {
            let why = "this node's agent is not root, and mounts no volumes".into();
            return Err(RuntimeError::Refused { why });
        };
        let ids = user(ids)?;
        let mounts = assignment.mounts.iter().enumerate();
        let mounts = mounts.map(|(at, mount)| {
            let path = pin_one(pins, &name(place, at), mount, &ids)?;
            Ok(Mount {
                host_path: path.to_string_lossy().into_owned(),
                sub_path: String::new(),
                ..mount.clone()
            })
        });
        Ok(Assignment {
            mounts: mounts.collect::<Result<_, RuntimeError>>()?,
            ..assignment.clone()
        })
    }

    /// Puts secrets where the runtime can mount them from: files in memory that only the job's user
    /// may read. What an earlier try has put there is replaced. Blocks.
    ///
    /// # Errors
    /// [`RuntimeError::Secret`] if this agent may not mount; [`RuntimeError::Engine`]: it can be
    /// tried again.
    pub fn lay(
        &self,
        place: &Place,
        files: &[SecretFile],
        owner: (u32, u32),
    ) -> Result<Mount, RuntimeError> {
        let Some(pins) = &self.pins else {
            let why = "this node's agent is not root, and hands out no secrets".into();
            return Err(RuntimeError::Secret { why });
        };
        let files: Vec<(&str, &[u8])> = files
            .iter()
            .map(|file| (file.name.as_str(), file.value.0.as_slice()))
            .collect();
        let name = secrets_name(place);
        let laid = pins
            .unpin(&name)
            .and_then(|()| pins.pin_files(&name, &files, owner));
        let path = laid.map_err(|error| engine(&error))?;
        Ok(Mount {
            host_path: path.to_string_lossy().into_owned(),
            sub_path: String::new(),
            mount_path: SECRETS_DIR.into(),
            writable: false,
        })
    }

    /// Takes the secrets of an attempt away: it has them, or will never run. Blocks.
    pub fn take_secrets_away(&self, place: &Place) {
        let Some(pins) = &self.pins else { return };
        if let Err(error) = pins.unpin(&secrets_name(place)) {
            tracing::warn!(attempt = %place.attempt, %error, "cannot take secrets away");
        }
    }

    /// Takes the pins of an attempt away that is gone. Blocks.
    pub fn unpin(&self, place: &Place, assignment: &Assignment) {
        let Some(pins) = &self.pins else { return };
        if !assignment.spec.secrets.is_empty() {
            self.take_secrets_away(place);
        }
        for at in 0..assignment.mounts.len() {
            if let Err(error) = pins.unpin(&name(place, at)) {
                tracing::warn!(attempt = %place.attempt, %error, "cannot take a pin away");
            }
        }
    }
}

fn secrets_name(place: &Place) -> String {
    format!("{}.secrets", place.name())
}

fn name(place: &Place, at: usize) -> String {
    format!("{}.{at}", place.name())
}

fn pin_one(pins: &Pins, name: &str, mount: &Mount, ids: &Ids) -> Result<PathBuf, RuntimeError> {
    let told = |error: &BeneathError| RuntimeError::Refused {
        why: format!("the volume at {}: {error}", mount.mount_path),
    };
    let root = Path::new(&mount.host_path);
    if !root.is_dir() {
        let why = format!(
            "the volume at {}: this node has no such directory",
            mount.mount_path
        );
        return Err(RuntimeError::Refused { why });
    }
    let found = resolve(root, &mount.sub_path, ids).map_err(|error| told(&error))?;
    let access = Access {
        writable: mount.writable,
        submounts: false,
    };
    // One that an earlier try has left may be of something else.
    pins.unpin(name)
        .and_then(|()| pins.pin(&found, name, access))
        .map_err(|error| engine(&error))
}

/// Gives what root in a container has made in the job's directory to the job's user. Blocks.
///
/// # Errors
/// [`RuntimeError::Engine`]: it can be tried again.
pub fn give_back(place: &Place, ids: &UnixIds) -> Result<(), RuntimeError> {
    let ids = user(ids)?;
    let given = Tree::open(&place.work(), ids.clone())
        .and_then(|tree| tree.give_to(&ids, &(0..=0)))
        .map_err(|error| engine(&error))?;
    tracing::debug!(attempt = %place.attempt, ?given, "gave the job's directory back");
    Ok(())
}

fn user(ids: &UnixIds) -> Result<Ids, RuntimeError> {
    let found = Ids::new(ids.uid, ids.gid, ids.groups.clone());
    found.map_err(|error| RuntimeError::Refused {
        why: error.to_string(),
    })
}

fn engine(error: &BeneathError) -> RuntimeError {
    RuntimeError::Engine {
        call: "the job's directories",
        why: told(error),
    }
}

/// The error with its cause.
fn told(error: &BeneathError) -> String {
    let cause = std::error::Error::source(error);
    cause.map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"))
}
