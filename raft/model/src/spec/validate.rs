//! Whether a description is one. The check knows nothing of the cluster: whether the job fits a
//! node is the scheduler's word, whether its owner may have it that of `apply`.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use super::{JobSpec, Problem, Program, is_label, is_plain_name};
use crate::limits;
use crate::policy::Network;
use crate::resource::Resources;

fn problem(field: &str, message: String, remedy: &str) -> Problem {
    Problem {
        field: field.into(),
        message,
        remedy: remedy.into(),
    }
}

impl JobSpec {
    /// Everything that is wrong with this description; empty when it may be submitted.
    pub fn validate(&self) -> Vec<Problem> {
        let mut found = Vec::new();
        self.validate_names(&mut found);
        self.validate_program(&mut found);
        self.validate_env(&mut found);
        self.validate_amounts(&mut found);
        self.validate_place(&mut found);
        self.validate_secrets(&mut found);
        self.validate_ports(&mut found);
        found
    }

    fn validate_names(&self, found: &mut Vec<Problem>) {
        if !is_label(&self.name) {
            let message = format!("must be 1 to {} printable bytes", limits::NAME_BYTES_MAX);
            found.push(problem(
                "name",
                message,
                "choose a short name without control characters",
            ));
        }
        if self.tags.len() > limits::TAGS_MAX {
            let message = format!("{} tags, at most {}", self.tags.len(), limits::TAGS_MAX);
            found.push(problem("tags", message, "use fewer tags"));
        }
        for (at, tag) in self
            .tags
            .iter()
            .enumerate()
            .filter(|(_, tag)| !is_label(tag))
        {
            let message = format!(
                "`{}` is not 1 to {} printable bytes",
                clip(tag),
                limits::NAME_BYTES_MAX
            );
            found.push(problem(
                &format!("tags[{at}]"),
                message,
                "use short, printable tags",
            ));
        }
        if !self.image.is_empty() && !is_image(&self.image) {
            let message = format!("`{}` is not an image reference", clip(&self.image));
            found.push(problem(
                "image",
                message,
                "write it as `registry/repository:tag`",
            ));
        }
        if self.volumes.len() > limits::JOB_VOLUMES_MAX {
            let message = format!(
                "{} volumes, at most {}",
                self.volumes.len(),
                limits::JOB_VOLUMES_MAX
            );
            found.push(problem("volumes", message, "ask for fewer volumes"));
        }
        for (at, volume) in self.volumes.iter().enumerate() {
            let twice = self.volumes[..at]
                .iter()
                .any(|other| other.name == volume.name);
            if twice || !is_label(&volume.name) {
                let message = format!("`{}` is asked for twice or no name", clip(&volume.name));
                found.push(problem(
                    &format!("volumes[{at}]"),
                    message,
                    "name each volume once",
                ));
            }
        }
    }

    /// Where it belongs, and what it asks for beyond resources.
    fn validate_place(&self, found: &mut Vec<Problem>) {
        for (field, name) in [("project", &self.project), ("queue", &self.queue)] {
            if !name.is_empty() && !is_plain_name(name) {
                let message = format!("`{}` is not the name of one", clip(name));
                found.push(problem(field, message, "leave it out for `default`"));
            }
        }
        for (at, volume) in self.volumes.iter().enumerate() {
            if !is_below(&volume.sub_path) {
                let message = format!(
                    "`{}` is not a relative path of at most {} bytes without `.` and `..`",
                    clip(&volume.sub_path),
                    limits::PATH_BYTES_MAX
                );
                let field = format!("volumes[{at}].sub_path");
                found.push(problem(
                    &field,
                    message,
                    "name a directory below the volume's",
                ));
            }
        }
        let bounds = [
            ("output_max", self.output_max, limits::OUTPUT_LEAST),
            ("disk_max", self.disk_max, limits::DISK_LEAST),
        ];
        for (field, most, least) in bounds {
            if let Some(most) = most.filter(|most| *most < least) {
                let message = format!("{most} is less than {least}");
                found.push(problem(field, message, "leave it out for no limit"));
            }
        }
        let entrypoint = self.entrypoint.iter().flatten();
        if self.entrypoint.as_ref().is_some_and(Vec::is_empty)
            || entrypoint.clone().count() > limits::ARGV_MAX
            || entrypoint.clone().any(|word| !is_word(word))
        {
            let message = format!(
                "1 to {} words of at most {} bytes without NUL",
                limits::ARGV_MAX,
                limits::WORD_BYTES_MAX
            );
            found.push(problem(
                "entrypoint",
                message,
                "leave it out for the image's own",
            ));
        }
        if self.entrypoint.is_some() && matches!(self.program, Program::Script { .. }) {
            let message = String::from("a script takes the entry point's place");
            found.push(problem(
                "entrypoint",
                message,
                "leave it out, or give a command",
            ));
        }
        if self.root && self.image.is_empty() {
            let message = String::from("there is no container to be root in");
            found.push(problem("root", message, "name an image, or leave it out"));
        }
    }

    fn validate_secrets(&self, found: &mut Vec<Problem>) {
        if self.secrets.len() > limits::JOB_SECRETS_MAX {
            let (count, most) = (self.secrets.len(), limits::JOB_SECRETS_MAX);
            let message = format!("{count} secrets, at most {most}");
            found.push(problem("secrets", message, "ask for fewer secrets"));
        }
        for (at, secret) in self.secrets.iter().enumerate() {
            let file = secret.file_name();
            let mut before = self.secrets[..at].iter();
            let twice = before.any(|other| other.file_name() == file);
            if twice || !is_plain_name(&secret.name) || !is_plain_name(file) {
                let message = format!("`{}` is no name, or a file of it is there", clip(file));
                found.push(problem(
                    &format!("secrets[{at}]"),
                    message,
                    "name a secret of yours, and a file of letters, digits, `.`, `_`, `-`",
                ));
            }
        }
    }

    fn validate_ports(&self, found: &mut Vec<Problem>) {
        if self.ports.len() > limits::JOB_PORTS_MAX {
            let (count, most) = (self.ports.len(), limits::JOB_PORTS_MAX);
            let message = format!("{count} ports, at most {most}");
            found.push(problem("ports", message, "publish fewer ports"));
        }
        for (at, port) in self.ports.iter().enumerate() {
            if *port == 0 || self.ports[..at].contains(port) {
                let message = format!("`{port}` is asked for twice or no port");
                let remedy = "name each port from 1 to 65535 once";
                found.push(problem(&format!("ports[{at}]"), message, remedy));
            }
        }
        if !self.ports.is_empty() && self.network == Some(Network::None) {
            let message = String::from("nothing is reached in a container without a network");
            found.push(problem("ports", message, "ask for the network `bridge`"));
        }
        if !self.ports.is_empty() && self.image.is_empty() {
            let message = String::from("there is no container whose ports could be published");
            found.push(problem(
                "ports",
                message,
                "name an image, or leave them out",
            ));
        }
    }

    fn validate_program(&self, found: &mut Vec<Problem>) {
        let (field, words) = match &self.program {
            Program::Script { text, args } => {
                if text.trim().is_empty() {
                    let message = String::from("the script is empty");
                    found.push(problem(
                        "script",
                        message,
                        "give the script a command to run",
                    ));
                }
                if text.len() > limits::SCRIPT_BYTES_MAX {
                    let (found_bytes, most) = (text.len(), limits::SCRIPT_BYTES_MAX);
                    let message = format!("{found_bytes} bytes, at most {most}");
                    let remedy = "put data into a volume or the image, not into the script";
                    found.push(problem("script", message, remedy));
                }
                ("args", args)
            }
            Program::Argv(argv) => {
                if argv.is_empty() && self.image.is_empty() {
                    let message = String::from("neither a command nor an image is given");
                    found.push(problem(
                        "argv",
                        message,
                        "give a command, a script or an image",
                    ));
                }
                ("argv", argv)
            }
        };
        if words.len() > limits::ARGV_MAX {
            let message = format!("{} arguments, at most {}", words.len(), limits::ARGV_MAX);
            found.push(problem(field, message, "pass long lists in a file"));
        }
        for (at, word) in words.iter().enumerate().filter(|(_, word)| !is_word(word)) {
            let message = format!(
                "{} bytes or a NUL, at most {}",
                word.len(),
                limits::WORD_BYTES_MAX
            );
            found.push(problem(
                &format!("{field}[{at}]"),
                message,
                "shorten the argument",
            ));
        }
    }

    fn validate_env(&self, found: &mut Vec<Problem>) {
        if self.env.len() > limits::ENV_MAX {
            let message = format!("{} variables, at most {}", self.env.len(), limits::ENV_MAX);
            found.push(problem("env", message, "pass long lists in a file"));
        }
        for (name, value) in &self.env {
            let field = format!("env.{}", clip(name));
            if !is_env_name(name) {
                let message = String::from("is not a variable name (letters, digits, `_`)");
                found.push(problem(&field, message, "rename the variable"));
            } else if name.starts_with("GODOCKER_") || name.starts_with("GO_") {
                let message = String::from("is reserved: GO_ and GODOCKER_ are set by the cluster");
                found.push(problem(&field, message, "use another prefix"));
            } else if !is_word(value) {
                let message = format!("longer than {} bytes, or a NUL", limits::WORD_BYTES_MAX);
                found.push(problem(&field, message, "shorten the value"));
            }
        }
    }

    fn validate_amounts(&self, found: &mut Vec<Problem>) {
        let Resources { cpu, memory } = self.resources;
        if cpu < limits::CPU_MIN || cpu > limits::CPU_MAX {
            let message = format!(
                "{cpu} cpu is outside {} to {}",
                limits::CPU_MIN,
                limits::CPU_MAX
            );
            found.push(problem(
                "resources.cpu",
                message,
                "ask for a share within these bounds",
            ));
        }
        if memory < limits::MEMORY_MIN || memory > limits::MEMORY_MAX {
            let message = format!(
                "{memory} is outside {} to {}",
                limits::MEMORY_MIN,
                limits::MEMORY_MAX
            );
            found.push(problem(
                "resources.memory",
                message,
                "ask for memory within these bounds",
            ));
        }
        if self
            .wall_limit
            .is_some_and(|w| w.0 == 0 || w > limits::WALL_LIMIT_MAX)
        {
            let days = limits::WALL_LIMIT_MAX.0 / 86_400_000;
            let message = format!("must be more than 0 and at most {days} days");
            found.push(problem("wall_limit", message, "leave it out for no limit"));
        }
        if self.grace > limits::GRACE_MAX {
            let message = format!("at most {} seconds", limits::GRACE_MAX.0 / 1000);
            found.push(problem(
                "grace",
                message,
                "shorten the time between TERM and KILL",
            ));
        }
    }
}

fn is_image(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"._-/:@+".contains(&b);
    let first = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphanumeric());
    first && text.bytes().all(allowed) && text.len() <= limits::IMAGE_BYTES_MAX
}

fn is_word(text: &str) -> bool {
    text.len() <= limits::WORD_BYTES_MAX && !text.contains('\0')
}

fn is_env_name(text: &str) -> bool {
    let first = text
        .bytes()
        .next()
        .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_');
    let rest = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    first && rest && text.len() <= limits::NAME_BYTES_MAX
}

/// The first characters of what a user wrote, safe to print in an error.
fn clip(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(40).collect()
}

/// Whether a path stays below where it begins, whatever it is joined to.
fn is_below(path: &str) -> bool {
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    path.is_empty()
        || path.len() <= limits::PATH_BYTES_MAX
            && path.split('/').all(plain)
            && !path.chars().any(char::is_control)
}
