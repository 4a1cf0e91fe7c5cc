//! Programs that know people, and programs that do not behave: whatever they do, they are ended in
//! time and nobody is let in by mistake.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use directory::{Directory, DirectoryError, Settings};

/// A program that knows Ada. It reads its question with the shell's own words only, for its
/// environment is empty.
const HONEST: &str = r#"
read -r question
case $question in
    '{"version":1,"call":"authenticate","login":"ada","password":"ada'\''s \"secret\""}' | \
    '{"version":1,"call":"find","login":"ada"}')
        echo '{"verdict":"granted","person":{"login":"ada","uid":2001,"gid":3000,
            "groups":[4000,10],"home":"/home/ada","mail":"a@b.example","roles":["lab"]}}' ;;
    *'"call":"find"'*) echo '{"verdict":"unknown"}' ;;
    *) echo '{"verdict":"denied"}' ;;
esac
"#;
const GRANTED: &str = r#"{"verdict":"granted","person":{"login":"ada","uid":2001,"gid":3000}}"#;
/// What a program of the tests may take that answers.
const PATIENT_MS: u64 = 20_000;

/// A program in a directory of its own.
struct Program(tempfile::TempDir);

impl Program {
    fn new(script: &str) -> Program {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("who");
        std::fs::write(&path, format!("#!/bin/sh\n{script}")).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        Program(dir)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn directory(&self, timeout_ms: u64) -> Box<dyn Directory> {
        // Through the shell, so that no descriptor that another thread's child still has of the
        // file keeps it from being run.
        let path = self.path().join("who");
        let text = format!(
            "kind = \"exec\"\ncommand = [\"/bin/sh\", \"{}\"]\ntimeout_ms = {timeout_ms}\n\
             lifetime_ms = 0\n",
            path.display()
        );
        directory::open(toml::from_str::<Settings>(&text).unwrap(), None).unwrap()
    }

    /// Asks for both; both must say that the program cannot be relied on.
    async fn fails(&self, timeout_ms: u64) -> String {
        let directory = self.directory(timeout_ms);
        let found = directory.find("ada").await;
        assert!(
            matches!(found, Err(DirectoryError::Unavailable { .. })),
            "{found:?}"
        );
        let answer = directory.authenticate("ada", "x").await;
        assert!(
            matches!(answer, Err(DirectoryError::Unavailable { .. })),
            "{answer:?}"
        );
        answer.unwrap_err().to_string()
    }
}

#[tokio::test]
async fn a_program_says_who_people_are() {
    let program = Program::new(HONEST);
    let directory = program.directory(PATIENT_MS);
    let ada = directory
        .authenticate("ada", "ada's \"secret\"")
        .await
        .unwrap();
    assert_eq!(
        (ada.uid, ada.gid, ada.groups.as_slice()),
        (2_001, 3_000, &[4_000][..])
    );
    assert_eq!(ada.home.as_deref(), Some("/home/ada"));
    assert_eq!(directory.find("ada").await.unwrap(), Some(ada));
    assert_eq!(directory.find("bob").await.unwrap(), None);
    for (login, password) in [("ada", "wrong"), ("bob", "ada's \"secret\"")] {
        let answer = directory.authenticate(login, password).await;
        assert!(matches!(answer, Err(DirectoryError::Denied)), "{answer:?}");
    }
}

#[tokio::test]
async fn no_program_is_run_for_what_is_no_login_or_no_password() {
    let program = Program::new("echo run >\"${0%/*}/mark\"\nexit 1\n");
    let directory = program.directory(PATIENT_MS);
    for (login, password) in [
        ("ada", ""),
        ("ada", "a\0b"),
        ("", "x"),
        ("-a", "x"),
        ("a b", "x"),
    ] {
        let answer = directory.authenticate(login, password).await;
        assert!(
            matches!(answer, Err(DirectoryError::Denied)),
            "{login}: {answer:?}"
        );
    }
    assert_eq!(directory.find("../ada").await.unwrap(), None);
    assert!(!program.path().join("mark").exists());
    let _ = directory.find("ada").await;
    assert!(program.path().join("mark").exists(), "this one is run");
}

#[tokio::test]
async fn nothing_but_the_standard_input_has_the_password_and_the_environment_is_empty() {
    let script = "read -r question\n{ cat /proc/$$/environ; cat /proc/$$/cmdline; pwd; } \
                  >\"${0%/*}/seen\"\necho '{\"verdict\":\"denied\"}'\n";
    // `cat` needs a path, since there is none.
    let program = Program::new(&script.replace("cat ", "/bin/cat "));
    let directory = program.directory(PATIENT_MS);
    let answer = directory.authenticate("ada", "hunter2").await;
    assert!(matches!(answer, Err(DirectoryError::Denied)), "{answer:?}");
    let seen = std::fs::read_to_string(program.path().join("seen")).unwrap();
    let (command, rest) = seen.split_once("/who\0").unwrap();
    assert!(command.starts_with("/bin/sh\0"), "{seen:?}");
    assert_eq!(rest, "/\n");
    assert!(!seen.contains("hunter2") && !seen.contains("PATH"));
}

#[tokio::test]
async fn what_is_no_answer_lets_nobody_in() {
    for script in [
        "exit 0\n".to_owned(),
        "echo yes\n".to_owned(),
        format!("echo '{GRANTED}{GRANTED}'\n"),
        format!("echo '{GRANTED}'\necho and more\n"),
        format!("echo '{}'\n", GRANTED.replace("granted", "Granted")),
        format!(
            "echo '{}'\n",
            GRANTED.replace("{\"verdict", "{\"version\":2,\"verdict")
        ),
        format!("echo '{}'\n", GRANTED.replace("2001", "-2001")),
        format!("echo '{GRANTED}'\nexit 1\n"),
        format!("echo '{GRANTED}'\nkill -9 $$\n"),
        "/bin/dd if=/dev/urandom bs=1000 count=1 2>/dev/null\n".to_owned(),
    ] {
        let error = Program::new(&script).fails(PATIENT_MS).await;
        assert!(error.contains("the program"), "{script}: {error}");
    }
    let by_signal = Program::new("kill -9 $$\n").fails(PATIENT_MS).await;
    assert!(by_signal.contains("signal 9"), "{by_signal}");
    let by_code = Program::new("exit 3\n").fails(PATIENT_MS).await;
    assert!(by_code.contains("ends with 3"), "{by_code}");
}

#[tokio::test]
async fn somebody_else_or_root_in_an_answer_is_not_who_asked() {
    for (from, to) in [
        ("\"ada\"", "\"bob\""),
        ("2001", "0"),
        ("2001", "999"),
        ("3000", "0"),
    ] {
        let program = Program::new(&format!("echo '{}'\n", GRANTED.replace(from, to)));
        let answer = program.directory(PATIENT_MS).authenticate("ada", "x").await;
        assert!(
            matches!(answer, Err(DirectoryError::Unfit { .. })),
            "{answer:?}"
        );
    }
    let program = Program::new("echo '{\"verdict\":\"denied\"}'\n");
    let found = program.directory(PATIENT_MS).find("ada").await;
    assert!(
        matches!(found, Err(DirectoryError::Unavailable { .. })),
        "{found:?}"
    );
}

#[tokio::test]
async fn a_program_that_talks_without_end_is_neither_kept_nor_believed() {
    let flood = format!("echo '{GRANTED}'\n/usr/bin/head -c 50000000 /dev/zero\n");
    let error = Program::new(&flood).fails(PATIENT_MS).await;
    assert!(error.contains("longer than"), "{error}");
    let noisy = format!("/usr/bin/head -c 5000000 /dev/zero >&2\necho '{GRANTED}'\n");
    let program = Program::new(&noisy);
    assert!(
        program
            .directory(PATIENT_MS)
            .authenticate("ada", "x")
            .await
            .is_ok()
    );
}

/// Whether this process is there and runs.
fn runs(pid: &str) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{}/stat", pid.trim()));
    stat.is_ok_and(|stat| !stat.contains(") Z "))
}

/// Waits until a process has gone.
async fn gone(pid: &str) {
    let begun = Instant::now();
    while runs(pid) {
        assert!(
            begun.elapsed() < Duration::from_secs(10),
            "process {pid} is still there"
        );
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_program_that_hangs_is_killed_with_all_that_it_has_started() {
    let script = "/bin/sleep 1000 &\necho $! >\"${0%/*}/child\"\necho $$ >\"${0%/*}/self\"\nwait\n";
    let program = Program::new(script);
    let begun = Instant::now();
    let error = program.fails(1_500).await;
    assert!(error.contains("does not end within"), "{error}");
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    for name in ["child", "self"] {
        gone(&std::fs::read_to_string(program.path().join(name)).unwrap()).await;
    }
}

#[tokio::test]
async fn what_outlives_a_program_is_killed_and_its_answer_counts() {
    let script = format!("/bin/sleep 1000 &\necho $! >\"${{0%/*}}/child\"\necho '{GRANTED}'\n");
    let program = Program::new(&script);
    let begun = Instant::now();
    assert!(
        program
            .directory(PATIENT_MS)
            .authenticate("ada", "x")
            .await
            .is_ok()
    );
    assert!(
        begun.elapsed() < Duration::from_secs(10),
        "{:?}",
        begun.elapsed()
    );
    gone(&std::fs::read_to_string(program.path().join("child")).unwrap()).await;
}

#[tokio::test]
async fn who_leaves_the_group_and_holds_a_pipe_does_not_hold_the_question() {
    let script = format!(
        "/usr/bin/setsid /bin/sh -c 'echo $$ >\"${{0%/*}}/new\"; /bin/mv \"${{0%/*}}/new\" \
         \"${{0%/*}}/left\"; exec /bin/sleep 1000' \"$0\" &\n\
         while [ ! -e \"${{0%/*}}/left\" ]; do :; done\necho '{GRANTED}'\n"
    );
    let program = Program::new(&script);
    let begun = Instant::now();
    let answer = program.directory(PATIENT_MS).authenticate("ada", "x").await;
    let took = begun.elapsed();
    let left = std::fs::read_to_string(program.path().join("left")).unwrap();
    let left = nix::unistd::Pid::from_raw(left.trim().parse().unwrap());
    nix::sys::signal::kill(left, nix::sys::signal::Signal::SIGKILL).unwrap();
    let error = answer.unwrap_err().to_string();
    assert!(error.contains("pipes stay open"), "{error}");
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test]
async fn a_question_that_is_dropped_ends_its_program_and_what_that_has_started() {
    let program = Program::new(
        "/bin/sleep 1000 &\necho $! $$ >\"${0%/*}/new\"\n\
         /bin/mv \"${0%/*}/new\" \"${0%/*}/both\"\nwait\n",
    );
    let directory = program.directory(PATIENT_MS);
    let file = program.path().join("both");
    tokio::select! {
        answer = directory.find("ada") => panic!("{answer:?}"),
        () = async {
            while !file.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        } => {}
    }
    for pid in std::fs::read_to_string(file).unwrap().split_whitespace() {
        gone(pid).await;
    }
}

#[tokio::test]
async fn a_program_that_is_not_there_cannot_be_asked() {
    let text = "kind = \"exec\"\ncommand = [\"/no/such/program\"]\n";
    let directory = directory::open(toml::from_str::<Settings>(text).unwrap(), None).unwrap();
    let answer = directory.authenticate("ada", "x").await;
    assert!(
        matches!(answer, Err(DirectoryError::Unavailable { .. })),
        "{answer:?}"
    );
}
