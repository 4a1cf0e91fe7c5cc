//! Who is accepted, and as what.

use super::*;

fn entry() -> Entry {
    Entry {
        login: "ada".into(),
        uid: 1_815,
        gid: 1_852,
        ..Entry::default()
    }
}

fn person(entry: Entry) -> Result<Person, String> {
    let person = Person::new("ada", entry, &Accept::default());
    person.map_err(|error| error.to_string())
}

fn refused(entry: Entry, because: &str) {
    let error = person(entry).unwrap_err();
    assert!(error.contains(because), "{error}");
}

#[test]
fn a_plain_entry_is_accepted() {
    let ada = person(entry()).unwrap();
    assert_eq!(
        (ada.login.as_str(), ada.uid, ada.gid),
        ("ada", 1_815, 1_852)
    );
    assert_eq!((ada.groups.len(), ada.roles.len()), (0, 0));
    assert_eq!((ada.home, ada.mail), (None, None));
}

#[test]
fn root_and_nobody_are_refused_whatever_the_settings_say() {
    let lax = Accept {
        uid_min: 0,
        gid_min: 0,
    };
    for id in NOBODY.into_iter().chain([0]) {
        let (mut user, mut group) = (entry(), entry());
        (user.uid, group.gid) = (id, id);
        assert!(Person::new("ada", user, &lax).is_err(), "user id {id}");
        assert!(Person::new("ada", group, &lax).is_err(), "group id {id}");
    }
    assert!(lax.validate().is_err());
}

#[test]
fn ids_of_the_system_are_refused_and_the_minimum_itself_is_not() {
    let with = |uid, gid| Entry {
        uid,
        gid,
        ..entry()
    };
    refused(with(999, 1_852), "accept.uid_min is 1000");
    refused(with(1_815, 999), "accept.gid_min is 1000");
    assert!(person(with(1_000, 1_000)).is_ok());
}

#[test]
fn groups_of_the_system_are_left_out_and_their_names_stay() {
    let mut told = entry();
    told.groups = vec![0, 42, 999, 5_000, 1_852, 65_534, 2_000, 5_000];
    told.roles = ["wheel", "lab", "lab", "", "two\nlines"]
        .map(String::from)
        .into();
    let ada = person(told).unwrap();
    assert_eq!(ada.groups, [2_000, 5_000]);
    assert_eq!(ada.roles, ["lab", "wheel"]);
}

#[test]
fn another_login_is_not_this_person() {
    for login in ["Ada", "ada ", "bob", ""] {
        let told = Entry {
            login: login.into(),
            ..entry()
        };
        refused(told, "another login's");
    }
}

#[test]
fn a_home_is_absolute_and_a_mail_address_that_is_none_is_left_out() {
    let at = |home: &str| Entry {
        home: Some(home.into()),
        ..entry()
    };
    assert_eq!(
        person(at("/home/ada")).unwrap().home.as_deref(),
        Some("/home/ada")
    );
    assert_eq!(person(at("")).unwrap().home, None);
    for home in [
        "home/ada",
        "/home/../etc",
        "/home/..",
        "/ho\nme",
        &"/x".repeat(600),
    ] {
        refused(at(home), "home directory");
    }
    let mail = |mail: &str| Entry {
        mail: Some(mail.into()),
        ..entry()
    };
    assert_eq!(
        person(mail("a@b.example")).unwrap().mail.as_deref(),
        Some("a@b.example")
    );
    for bad in ["", "ada", "a@b\r\nBcc: c@d"] {
        assert_eq!(person(mail(bad)).unwrap().mail, None);
    }
}

#[test]
fn too_many_groups_are_refused_rather_than_cut_off() {
    let mut told = entry();
    told.groups = (2_000..).take(GROUPS_MAX).collect();
    assert_eq!(person(told.clone()).unwrap().groups.len(), GROUPS_MAX);
    told.groups.push(1_999);
    refused(told, "more than 1024 groups");
}

#[test]
fn logins_are_plain_names() {
    for good in [
        "a",
        "ada.l",
        "_x",
        "0day",
        "a-b_c.d",
        &"a".repeat(LOGIN_BYTES_MAX),
    ] {
        assert!(is_login(good), "{good}");
    }
    let long = "a".repeat(LOGIN_BYTES_MAX + 1);
    for bad in [
        "", "-a", ".a", "a b", "a\0", "ä", "a*", "a/b", "a,b", "a@b", &long,
    ] {
        assert!(!is_login(bad), "{bad:?}");
    }
}

#[test]
fn an_empty_password_is_nobodys() {
    assert!(is_password("x") && is_password(" "));
    let long = "x".repeat(PASSWORD_BYTES_MAX + 1);
    assert!(!is_password("") && !is_password("a\0b") && !is_password(&long));
}
