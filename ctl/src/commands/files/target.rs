//! Where a download goes.

use std::path::PathBuf;

use crate::error::Failure;

/// Where a download goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Target {
    /// Standard output.
    Out,
    /// This file.
    File(PathBuf),
}

impl Target {
    /// What was typed, or a file of this name; never over a file that is there, unless asked to.
    pub(super) fn choose(
        typed: Option<PathBuf>,
        name: &str,
        force: bool,
    ) -> Result<Target, Failure> {
        let file = match typed {
            Some(dash) if dash.as_os_str() == "-" => return Ok(Target::Out),
            Some(dir) if dir.is_dir() => dir.join(name),
            Some(file) => file,
            None => PathBuf::from(name),
        };
        if file.is_dir() || file.file_name().is_none() {
            return Err(Failure::usage(format!("{} is no file", file.display())));
        }
        if !force && file.exists() {
            let message = format!("{} is there already", file.display());
            return Err(Failure::failed(message).hint("--force replaces it"));
        }
        Ok(Target::File(file))
    }

    /// The kind of archive that the name promises.
    pub(super) fn format(&self) -> Result<&'static str, Failure> {
        let Target::File(file) = self else {
            return Ok("tar.gz");
        };
        let name = file.to_string_lossy().to_lowercase();
        let ends = |endings: &[&str]| endings.iter().any(|ending| name.ends_with(ending));
        match () {
            () if ends(&[".tar.gz", ".tgz"]) => Ok("tar.gz"),
            () if ends(&[".tar"]) => Ok("tar"),
            () if ends(&[".zip"]) => Ok("zip"),
            () => {
                let message = format!("{}: which kind of archive?", file.display());
                Err(Failure::usage(message).hint("end the name in .tar.gz, .tar or .zip"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_goes_where_it_is_told_and_over_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let there = dir.path().join("there");
        std::fs::write(&there, "").unwrap();
        let choose =
            |typed: &std::path::Path, force| Target::choose(Some(typed.into()), "n", force);
        assert_eq!(choose("-".as_ref(), false).unwrap(), Target::Out);
        let inside = Target::File(dir.path().join("n"));
        assert_eq!(choose(dir.path(), false).unwrap(), inside);
        assert!(choose(&there, false).is_err());
        assert_eq!(choose(&there, true).unwrap(), Target::File(there));
    }

    #[test]
    fn the_name_of_an_archive_says_its_kind() {
        let format = |name: &str| Target::File(name.into()).format().ok();
        assert_eq!(format("a.tar.gz"), Some("tar.gz"));
        assert_eq!(format("a.TGZ"), Some("tar.gz"));
        assert_eq!(format("a.tar"), Some("tar"));
        assert_eq!(format("a.zip"), Some("zip"));
        assert_eq!(format("a.rar"), None);
    }
}
