//! Who may use something: in words, and how options change it.

use api_types::project::Grant;

use crate::args::admin::project::Who;
use crate::output::cells;

/// Who may use it from now on. A list that is named replaces the one before, and ends what
/// everybody might.
pub fn changed(wanted: Who, known: Grant) -> Grant {
    if wanted.everybody {
        return Grant {
            everybody: true,
            ..Grant::default()
        };
    }
    if wanted == Who::default() {
        return known;
    }
    Grant {
        everybody: false,
        users: wanted.users.map_or(known.users, |names| names.0),
        projects: wanted.projects.map_or(known.projects, |names| names.0),
    }
}

/// `everybody`, `nobody`, `users ada, bob; projects lab`.
pub fn words(grant: &Grant) -> String {
    if grant.everybody {
        return "everybody".into();
    }
    let list = |what: &str, names: &[String]| {
        (!names.is_empty()).then(|| format!("{what} {}", cells::safe(&names.join(", "))))
    };
    let lists = [
        list("users", &grant.users),
        list("projects", &grant.projects),
    ];
    let lists: Vec<String> = lists.into_iter().flatten().collect();
    if lists.is_empty() {
        return "nobody".into();
    }
    lists.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::parse::change::Names;

    fn of(users: &[&str], projects: &[&str]) -> Grant {
        let texts = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        Grant {
            everybody: false,
            users: texts(users),
            projects: texts(projects),
        }
    }

    #[test]
    fn a_list_that_is_named_replaces_only_itself() {
        let users = |names: &[&str]| Who {
            users: Some(Names(of(names, &[]).users)),
            ..Who::default()
        };
        let known = of(&["ada"], &["lab"]);
        assert_eq!(changed(Who::default(), known.clone()), known);
        assert_eq!(
            changed(users(&["bob"]), known.clone()),
            of(&["bob"], &["lab"])
        );
        let all = Who {
            everybody: true,
            ..Who::default()
        };
        let everybody = changed(all, known);
        assert_eq!(words(&everybody), "everybody");
        assert_eq!(words(&changed(users(&["bob"]), everybody)), "users bob");
    }

    #[test]
    fn who_may_is_told_in_words() {
        assert_eq!(words(&of(&[], &[])), "nobody");
        let both = of(&["ada", "bob"], &["lab"]);
        assert_eq!(words(&both), "users ada, bob; projects lab");
    }
}
