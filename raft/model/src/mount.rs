//! Which directories of a machine may be shown to jobs, and where in a container they may appear.
//!
//! Heads ask when an administrator names a volume, agents again before they mount one.

use alloc::format;
use alloc::string::String;

use crate::limits;

/// What no job sees of a machine: whole, it is everything; these hold the kernel's own files,
/// devices, the sockets by which services are ordered about, and what engines keep.
const NEVER_SHOWN: [&str; 8] = [
    "/proc",
    "/sys",
    "/dev",
    "/run",
    "/var/run",
    "/boot",
    "/var/lib/docker",
    "/var/lib/containerd",
];

/// Where no volume may appear: what the container's own system and the job's directory need.
const NEVER_COVERED: [&str; 5] = ["/proc", "/sys", "/dev", "/mnt/go-docker", "/run/secrets"];

/// What is wrong with showing this directory of a machine to jobs; `None`: nothing.
pub fn cannot_be_shown(path: &str) -> Option<String> {
    unfit(path, &NEVER_SHOWN)
}

/// What is wrong with this place for a volume in a container; `None`: nothing.
pub fn cannot_be_covered(path: &str) -> Option<String> {
    unfit(path, &NEVER_COVERED)
}

fn unfit(path: &str, never: &[&str]) -> Option<String> {
    let bad = |c: char| c.is_control() || c == ':';
    let up = path.split('/').any(|part| part == "..");
    if !path.starts_with('/') || up || path.len() > limits::TEXT_BYTES_MAX || path.contains(bad) {
        return Some("an absolute path without `..` and `:`".into());
    }
    let inside = |parent: &&str| parts(parent).eq(parts(path).take(parts(parent).count()));
    (parts(path).next().is_none() || never.iter().any(inside))
        .then(|| format!("not `/` and not in one of {}", never.join(", ")))
}

/// The names of a path: `//` and `/./` hide nothing.
fn parts(path: &str) -> impl Iterator<Item = &str> {
    path.split('/')
        .filter(|part| !part.is_empty() && *part != ".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_the_machines_own_is_not_shown() {
        for path in [
            "/srv/data",
            "/home/$USER",
            "/var/lib/dockers",
            "/data",
            "/procs",
            "/srv/",
            "/srv//a",
        ] {
            assert_eq!(cannot_be_shown(path), None, "{path}");
        }
        for path in [
            "",
            "/",
            "//",
            "/.",
            "srv",
            "/srv/../etc",
            "/a:/b",
            "/a\0",
            "/proc",
            "/proc/1/root",
            "//proc",
            "/./proc",
            "/run/docker.sock",
            "/var/run",
            "/dev/sda",
            "/var/lib/docker/volumes",
        ] {
            assert!(cannot_be_shown(path).is_some(), "{path:?}");
        }
        assert_eq!(cannot_be_covered("/run"), None);
        for path in [
            "/",
            "/mnt/go-docker/x",
            "/run/secrets",
            "//proc",
            "/./proc",
            "/proc/sys",
        ] {
            assert!(cannot_be_covered(path).is_some(), "{path:?}");
        }
    }
}
