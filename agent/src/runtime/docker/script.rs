//! The job's script on disk, and the attempt's empty output files.
//!
//! The job owns its directory and may put anything there, so nothing in it is followed: the script
//! is made as a new file, under a name that nothing else has.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, fchown};
use std::path::Path;

use model::spec::Program;

use crate::runtime::{Place, RuntimeError};

/// The script's name in the job's directory.
const FILE: &str = "cmd.sh";

/// Writes the script, if the program is one, and takes away output of an earlier container.
pub(in crate::runtime) async fn lay_out(
    place: &Place,
    program: &Program,
    ids: (u32, u32),
) -> Result<(), RuntimeError> {
    let text = match program {
        Program::Script { text, .. } => Some(text.clone()),
        Program::Argv(_) => None,
    };
    let place = place.clone();
    let written = tokio::task::spawn_blocking(move || {
        let disk = |path: &Path, source| RuntimeError::Disk {
            path: path.to_owned(),
            source,
        };
        let work = place.work();
        // What leads to it is there; where it is not, the storage is away.
        match fs::create_dir(&work) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(disk(&work, error));
            }
            Err(_) | Ok(()) => {}
        }
        for output in [place.stdout(), place.stderr()] {
            absent(&output).map_err(|error| disk(&output, error))?;
        }
        if let Some(text) = text {
            let path = work.join(FILE);
            write_new(&path, &text, ids).map_err(|error| disk(&path, error))?;
        }
        Ok(())
    });
    written.await.unwrap_or_else(|joined| {
        let source = io::Error::other(joined);
        Err(RuntimeError::Disk {
            path: FILE.into(),
            source,
        })
    })
}

fn absent(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Err(_) | Ok(()) => Ok(()),
    }
}

fn write_new(path: &Path, text: &str, (uid, gid): (u32, u32)) -> io::Result<()> {
    absent(path)?;
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o700)
        .open(path)?;
    file.write_all(text.as_bytes())?;
    file.set_permissions(fs::Permissions::from_mode(0o755))?;
    // Only root may give files away; an agent that is not root runs jobs as itself.
    if nix::unistd::geteuid().is_root() {
        fchown(&file, Some(uid), Some(gid))?;
    }
    Ok(())
}
