//! The machine's own accounts, with PAM services that the tests write. They are asked about
//! accounts that every machine has, with minimums low enough for these; none is made.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use directory::{Directory, DirectoryError, Settings};

/// An account of the system's own, with a small user id that is not 0.
const ACCOUNT: &str = "daemon";
const LOW: &str = "[accept]\nuid_min = 1\ngid_min = 1\n";
const PERMIT: &str = "auth required pam_permit.so\naccount required pam_permit.so\n";

/// A directory of PAM services, with one that is called `test`.
struct Services(tempfile::TempDir);

impl Services {
    fn new(service: &str) -> Services {
        let dir = tempfile::tempdir().unwrap();
        let text = service.replace("DIR", &dir.path().display().to_string());
        std::fs::write(dir.path().join("test"), text).unwrap();
        Services(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn settings(&self) -> String {
        let dir = self.path().display();
        format!("kind = \"system\"\nservice = \"test\"\npam_dir = \"{dir}\"\nlifetime_ms = 0\n")
    }

    async fn ask(&self, login: &str, password: &str) -> Result<u32, DirectoryError> {
        let directory = open(&(self.settings() + LOW));
        directory
            .authenticate(login, password)
            .await
            .map(|person| person.uid)
    }
}

fn open(settings: &str) -> Box<dyn Directory> {
    directory::open(toml::from_str::<Settings>(settings).unwrap(), None).unwrap()
}

fn is_denied<T>(answer: &Result<T, DirectoryError>) -> bool {
    matches!(answer, Err(DirectoryError::Denied))
}

#[tokio::test]
async fn root_and_nobody_and_the_systems_own_are_nobody() {
    let directory = open("kind = \"system\"\n");
    for login in ["root", ACCOUNT, "nobody"] {
        let found = directory.find(login).await;
        assert!(
            matches!(found, Err(DirectoryError::Unfit { .. })),
            "{login}: {found:?}"
        );
    }
    let directory = open(&format!("kind = \"system\"\n{LOW}"));
    for login in ["root", "nobody"] {
        let found = directory.find(login).await;
        assert!(
            matches!(found, Err(DirectoryError::Unfit { .. })),
            "{login}: {found:?}"
        );
    }
    let found = directory.find(ACCOUNT).await.unwrap().unwrap();
    assert_eq!(
        (found.uid, found.gid, found.login.as_str()),
        (1, 1, ACCOUNT)
    );
    assert!(found.roles.contains(&ACCOUNT.to_owned()), "{found:?}");
    for login in ["no-such-account", "", "-", "../etc", "DAEMON"] {
        assert_eq!(directory.find(login).await.unwrap(), None, "{login}");
    }
}

#[tokio::test]
async fn a_service_that_permits_lets_in_whom_the_machine_knows() {
    let services = Services::new(PERMIT);
    assert_eq!(services.ask(ACCOUNT, "anything").await.unwrap(), 1);
    for (login, password) in [
        ("root", "anything"),
        ("nobody", "anything"),
        ("no-such-account", "anything"),
        (ACCOUNT, ""),
        (ACCOUNT, "a\0b"),
        ("DAEMON", "anything"),
        ("daemon ", "anything"),
    ] {
        let answer = services.ask(login, password).await;
        assert!(is_denied(&answer), "{login:?} {password:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_service_that_denies_lets_nobody_in_and_an_account_that_is_over_neither() {
    for service in [
        "auth required pam_deny.so\naccount required pam_permit.so\n",
        "auth required pam_permit.so\naccount required pam_deny.so\n",
    ] {
        let answer = Services::new(service).ask(ACCOUNT, "x").await;
        assert!(is_denied(&answer), "{answer:?}");
    }
}

#[tokio::test]
async fn the_password_reaches_the_module_and_nothing_else_does() {
    let service = "auth [success=1 default=ignore] pam_exec.so expose_authtok quiet DIR/check\n\
                   auth requisite pam_deny.so\nauth required pam_permit.so\n\
                   account required pam_permit.so\n";
    let services = Services::new(service);
    let check = services.path().join("check");
    let script = "#!/bin/sh\nread -r word\n[ \"$word\" = 'ada\"s $ecret' ] && \
                  [ \"$PAM_USER\" = daemon ] && [ \"$PAM_SERVICE\" = test ]\n";
    std::fs::write(&check, script).unwrap();
    std::fs::set_permissions(&check, std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(services.ask(ACCOUNT, "ada\"s $ecret").await.unwrap(), 1);
    for wrong in ["ada\"s $ecre", "wrong", " "] {
        let answer = services.ask(ACCOUNT, wrong).await;
        assert!(is_denied(&answer), "{wrong}: {answer:?}");
    }
}

#[tokio::test]
async fn the_machines_own_passwords_are_checked_by_its_own_module() {
    let services = Services::new("auth required pam_unix.so\naccount required pam_unix.so\n");
    // Nobody has a password for this account, least of all an empty one.
    for password in ["", "*", "!", "x", ACCOUNT] {
        let answer = services.ask(ACCOUNT, password).await;
        assert!(answer.is_err(), "{password:?}: {answer:?}");
    }
}

/// `packaging/pam.d/godocker` with the files of this machine that it includes.
#[tokio::test]
async fn the_service_that_is_shipped_makes_sense_to_pam() {
    const SHIPPED: &str = include_str!("../../../packaging/pam.d/godocker");
    let services = Services::new(SHIPPED);
    for name in ["common-auth", "common-account"] {
        let text = std::fs::read_to_string(format!("/etc/pam.d/{name}")).unwrap();
        std::fs::write(services.path().join(name), text).unwrap();
    }
    let answer = services.ask(ACCOUNT, "wrong").await;
    assert!(is_denied(&answer), "{answer:?}");
}

#[tokio::test]
async fn a_service_that_is_not_there_or_makes_no_sense_lets_nobody_in() {
    let missing = Services::new(PERMIT);
    std::fs::remove_file(missing.path().join("test")).unwrap();
    let answer = missing.ask(ACCOUNT, "x").await;
    assert!(
        matches!(answer, Err(DirectoryError::Unavailable { .. })),
        "{answer:?}"
    );
    for service in ["", "auth required pam_no_such_module.so\n", "nonsense\n"] {
        let answer = Services::new(service).ask(ACCOUNT, "x").await;
        assert!(answer.is_err(), "{service:?}: {answer:?}");
    }
}

#[tokio::test]
async fn a_module_that_hangs_is_left_in_time() {
    let services =
        Services::new("auth required pam_exec.so quiet DIR/hang\naccount required pam_permit.so\n");
    let hang = services.path().join("hang");
    std::fs::write(&hang, "#!/bin/sh\nexec sleep 3\n").unwrap();
    std::fs::set_permissions(&hang, std::fs::Permissions::from_mode(0o755)).unwrap();
    let settings = services.settings() + "timeout_ms = 300\n" + LOW;
    let begun = Instant::now();
    let answer = open(&settings).authenticate(ACCOUNT, "x").await;
    assert!(
        matches!(answer, Err(DirectoryError::Unavailable { .. })),
        "{answer:?}"
    );
    assert!(
        begun.elapsed() < Duration::from_secs(2),
        "{:?}",
        begun.elapsed()
    );
}

#[test]
fn only_ldap_takes_a_secret() {
    for text in [
        "kind = \"system\"\n",
        "kind = \"exec\"\ncommand = [\"/bin/true\"]\n",
    ] {
        let settings: Settings = toml::from_str(text).unwrap();
        let opened = directory::open(settings, Some(directory::Secret::new("x")));
        let error = opened.err().unwrap().to_string();
        assert!(error.starts_with("secret: "), "{error}");
    }
}
