//! What one may ask about with `can-i`: verbs, and the requests that they stand for.

/// A verb, the method and the path that stand for it.
const VERBS: [(&str, &str, &str); 18] = [
    ("submit", "POST", "/jobs"),
    ("list-jobs", "GET", "/jobs"),
    ("cancel", "POST", "/jobs:cancel"),
    ("give-up", "POST", "/jobs/1/give-up"),
    ("drain", "POST", "/nodes/1/drain"),
    ("remove-nodes", "DELETE", "/nodes/1"),
    ("invite-nodes", "POST", "/join-tokens"),
    ("manage-heads", "PUT", "/raft/heads/1"),
    ("manage-users", "PUT", "/users/x"),
    ("manage-quotas", "PUT", "/users/x/quota"),
    ("manage-projects", "PUT", "/projects/x"),
    ("manage-members", "PUT", "/projects/x/members/x"),
    ("manage-queues", "PUT", "/queues/x"),
    ("manage-volumes", "PUT", "/volumes/x"),
    ("manage-settings", "PUT", "/settings"),
    ("make-tokens", "POST", "/tokens"),
    ("add-keys", "POST", "/keys"),
    ("read-audit", "GET", "/audit"),
];

/// Methods of the API.
const METHODS: [&str; 4] = ["GET", "POST", "PUT", "DELETE"];

/// The method and the path that are meant.
///
/// # Errors
/// What is wrong with the first word or, if that is a method, with the path.
pub fn request(what: &str, path: Option<&str>) -> Result<(String, String), String> {
    let Some(path) = path else {
        let verb = VERBS.iter().find(|(verb, _, _)| *verb == what);
        let (_, method, path) = verb.ok_or_else(|| {
            let known: Vec<&str> = VERBS.iter().map(|(verb, _, _)| *verb).collect();
            format!("`{what}` is no verb: write one of {}", known.join(", "))
        })?;
        return Ok(((*method).into(), (*path).into()));
    };
    let method = what.to_ascii_uppercase();
    if !METHODS.contains(&method.as_str()) {
        let known = METHODS.join(", ");
        return Err(format!("`{what}` is no method: write one of {known}"));
    }
    if !path.starts_with('/') {
        return Err(format!("`{path}` is no path of the API: write /jobs"));
    }
    Ok((method, path.into()))
}

/// The verbs, a line each.
pub fn help() -> String {
    let line =
        |(verb, method, path): &(&str, &str, &str)| format!("  {verb:<16} {method} {path}\n");
    let lines: String = VERBS.iter().map(line).collect();
    format!("Verbs, and what they stand for:\n{lines}")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

    use super::*;

    #[test]
    fn a_verb_stands_for_a_method_and_a_path() {
        let pair = |method: &str, path: &str| Ok((method.to_owned(), path.to_owned()));
        assert_eq!(request("submit", None), pair("POST", "/jobs"));
        assert_eq!(request("put", Some("/users/x")), pair("PUT", "/users/x"));
        assert!(request("fly", None).unwrap_err().contains("manage-users"));
        assert!(request("PATCH", Some("/jobs")).unwrap_err().contains("PUT"));
        assert!(request("GET", Some("jobs")).is_err());
    }

    #[test]
    fn no_verb_is_there_twice() {
        for (at, (verb, method, path)) in VERBS.iter().enumerate() {
            let same = |other: &&(&str, &str, &str)| other.0 == *verb;
            assert_eq!(VERBS[..at].iter().find(same), None);
            assert!(METHODS.contains(method) && path.starts_with('/'));
        }
    }
}
