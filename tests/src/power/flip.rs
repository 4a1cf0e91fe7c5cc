//! Single bits that turn over in files, and where in a directory they hurt.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, ensure};

/// A bit that turned over, and can be turned back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flip {
    /// The file.
    pub file: PathBuf,
    byte: u64,
}

impl Flip {
    /// Turns one bit over.
    ///
    /// # Errors
    /// If the file has no such byte.
    pub fn make(file: PathBuf, byte: u64) -> anyhow::Result<Flip> {
        let flip = Flip { file, byte };
        flip.turn()?;
        Ok(flip)
    }

    /// Turns it back.
    ///
    /// # Errors
    /// If the file is gone.
    pub fn undo(self) -> anyhow::Result<()> {
        self.turn()
    }

    fn turn(&self) -> anyhow::Result<()> {
        let open = File::options().read(true).write(true).open(&self.file);
        let file = open.with_context(|| self.file.display().to_string())?;
        let mut byte = [0];
        file.read_exact_at(&mut byte, self.byte)?;
        byte[0] ^= 0x10;
        file.write_all_at(&byte, self.byte)?;
        Ok(file.sync_all()?)
    }

    /// The name of the file.
    pub fn name(&self) -> String {
        let name = self.file.file_name().unwrap_or_default();
        name.to_string_lossy().into_owned()
    }
}

/// The files of a directory with this ending, the largest first; at least one.
///
/// # Errors
/// If there is none.
pub fn files(dir: &Path, ending: &str) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.extension().is_some_and(|own| own == ending) {
            found.push((fs::metadata(&path)?.len(), path));
        }
    }
    found.sort();
    ensure!(!found.is_empty(), "no .{ending} in {}", dir.display());
    Ok(found.into_iter().rev().map(|(_, path)| path).collect())
}

/// Where these bytes are in a file.
///
/// # Errors
/// If it cannot be read.
pub fn find(file: &Path, bytes: &[u8]) -> anyhow::Result<Option<u64>> {
    let text = fs::read(file).with_context(|| file.display().to_string())?;
    let found = text.windows(bytes.len()).position(|window| window == bytes);
    Ok(found.map(|at| at as u64))
}
