//! Names of images: what a reference stands for in full, and whether a rule matches it.
//!
//! A short name means what it means to Docker: `busybox` is `docker.io/library/busybox:latest`.

use alloc::format;
use alloc::string::String;

use crate::policy::{ImageRule, Rules};

/// The registry of names that say none.
const REGISTRY: &str = "docker.io";

/// The whole reference: `registry/repository:tag`, with `@digest` behind it if there is one. A
/// reference with a digest and no tag gets none.
pub fn whole(reference: &str) -> String {
    let (name, digest) = match reference.split_once('@') {
        Some((name, digest)) => (name, Some(digest)),
        None => (reference, None),
    };
    let (registry, path) = match name.split_once('/') {
        Some((first, rest)) if is_registry(first) => (first, rest),
        Some(_) | None => (REGISTRY, name),
    };
    let library = registry == REGISTRY && !path.contains('/');
    let library = if library { "library/" } else { "" };
    // A colon behind the last slash begins a tag; one before it belongs to a port.
    let tagged = path.rsplit('/').next().is_some_and(|end| end.contains(':'));
    let registry = registry.to_ascii_lowercase();
    match (tagged, digest) {
        (_, Some(digest)) => format!("{registry}/{library}{path}@{digest}"),
        (true, None) => format!("{registry}/{library}{path}"),
        (false, None) => format!("{registry}/{library}{path}:latest"),
    }
}

/// The registry that an image is fetched from.
pub fn registry(reference: &str) -> String {
    let whole = whole(reference);
    let registry = whole.split('/').next();
    registry.unwrap_or(REGISTRY).into()
}

/// As Docker tells a registry from the first part of a path.
fn is_registry(first: &str) -> bool {
    first.contains('.') || first.contains(':') || first == "localhost"
}

/// Whether the pattern matches the text; `*` stands for any characters, none included.
fn matches(pattern: &str, text: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return pattern == text;
    };
    let Some(mut rest) = text.strip_prefix(head) else {
        return false;
    };
    let mut parts = tail.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        // The earliest place leaves most to those that follow.
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

impl Rules {
    /// Whether jobs may use an image; the pattern of the rule that denies it, if one does.
    ///
    /// # Errors
    /// The rule, or `None` if no rule allows it.
    pub fn permits(&self, reference: &str) -> Result<(), Option<&ImageRule>> {
        if self.images.is_empty() || reference.is_empty() {
            return Ok(());
        }
        let whole = whole(reference);
        let rule = self
            .images
            .iter()
            .find(|rule| matches(&rule.pattern, &whole));
        match rule {
            Some(rule) if rule.allow => Ok(()),
            denied => Err(denied),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_name_means_what_it_means_to_docker() {
        for (short, long) in [
            ("busybox", "docker.io/library/busybox:latest"),
            ("busybox:1", "docker.io/library/busybox:1"),
            ("bio/bwa", "docker.io/bio/bwa:latest"),
            ("docker.io/busybox", "docker.io/library/busybox:latest"),
            ("localhost/a", "localhost/a:latest"),
            ("quay.io/bio/bwa:0.7", "quay.io/bio/bwa:0.7"),
            ("REG.example:5000/a/b", "reg.example:5000/a/b:latest"),
            ("reg:5000/a@sha256:ab", "reg:5000/a@sha256:ab"),
            ("a:tag@sha256:ab", "docker.io/library/a:tag@sha256:ab"),
        ] {
            assert_eq!(whole(short), long, "{short}");
        }
    }

    #[test]
    fn a_star_stands_for_any_characters() {
        for (pattern, text, does) in [
            ("*", "a/b:c", true),
            ("a", "a", true),
            ("a", "ab", false),
            ("a*", "a", true),
            ("*b", "ab", true),
            ("a*c", "abc", true),
            ("a*c", "ac", true),
            ("aa*aa", "aaa", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("*@sha256:*", "docker.io/library/a@sha256:ab", true),
            ("*@sha256:*", "docker.io/library/a:1", false),
        ] {
            assert_eq!(matches(pattern, text), does, "{pattern} {text}");
        }
    }

    #[test]
    fn the_first_rule_that_matches_decides() {
        let rule = |allow, pattern: &str| ImageRule {
            allow,
            pattern: pattern.into(),
        };
        let rules = Rules {
            images: alloc::vec![rule(false, "docker.io/evil/*"), rule(true, "docker.io/*")],
            ..Rules::default()
        };
        assert_eq!(rules.permits("busybox"), Ok(()));
        assert_eq!(rules.permits("evil/x"), Err(Some(&rules.images[0])));
        assert_eq!(rules.permits("quay.io/x"), Err(None));
        assert_eq!(Rules::default().permits("quay.io/x"), Ok(()));
        assert_eq!(rules.permits(""), Ok(()));
    }
}
