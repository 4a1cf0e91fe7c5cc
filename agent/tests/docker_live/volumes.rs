//! Volumes as jobs get them: found as the user, pinned, and shown by the engine; and what root in a
//! container leaves behind.

use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::Path;

use agent::runtime::{Place, Runtime, RuntimeError};
use agent::volumes::{Volumes, give_back};
use model::account::UnixIds;
use model::assignment::{Assignment, Mount};

use crate::bench::{Bench, assignment, script, text};

const UID: u32 = 12_345;

fn ids() -> UnixIds {
    UnixIds {
        uid: UID,
        gid: UID,
        groups: vec![23_456],
    }
}

/// An engine, pins of its own, and an administrator's directory with one of the user's below.
struct Desk {
    bench: Bench,
    volumes: Volumes,
    root: tempfile::TempDir,
    place: Place,
    _pins: tempfile::TempDir,
}

impl Desk {
    async fn new() -> Desk {
        let pins = tempfile::tempdir().unwrap();
        let mut bench = Bench::new().await;
        bench.config.pins = pins.path().join("pins");
        bench.restart().await;
        let root = tempfile::tempdir().unwrap();
        std::fs::set_permissions(root.path(), PermissionsExt::from_mode(0o755)).unwrap();
        own(&root.path().join("mine"), 0o700);
        std::fs::write(root.path().join("mine/file"), "mine\n").unwrap();
        Desk {
            volumes: Volumes::open(&bench.config.pins).unwrap(),
            place: bench.place(1, 10),
            bench,
            root,
            _pins: pins,
        }
    }

    fn order(&self, text: &str, mounts: &[(&str, &str, bool)]) -> Assignment {
        let mut order = assignment(&self.place, script(text));
        order.ids = Some(ids());
        let mount = |(sub_path, mount_path, writable): &(&str, &str, bool)| Mount {
            host_path: self.root.path().to_string_lossy().into_owned(),
            sub_path: (*sub_path).into(),
            mount_path: (*mount_path).into(),
            writable: *writable,
        };
        order.mounts = mounts.iter().map(mount).collect();
        own(&self.place.work(), 0o750);
        order
    }

    fn pin(&self, order: &Assignment) -> Result<Assignment, RuntimeError> {
        self.volumes.pin(&self.place, order, &ids())
    }

    async fn finish(&self, pinned: &Assignment) -> String {
        let runtime = &self.bench.runtime;
        runtime.prepare(pinned, &self.place).await.unwrap();
        runtime.start(&self.place).await.unwrap();
        runtime.wait(&self.place).await.unwrap();
        runtime.capture(&self.place).await.unwrap();
        text(&self.place.stdout()) + &text(&self.place.stderr())
    }
}

impl Drop for Desk {
    fn drop(&mut self) {
        let order = self.order("true", &[("", "/a", false); 4]);
        self.volumes.unpin(&self.place, &order);
    }
}

/// A directory of the user's.
fn own(path: &Path, mode: u32) {
    std::fs::create_dir_all(path).unwrap();
    std::fs::set_permissions(path, PermissionsExt::from_mode(mode)).unwrap();
    chown(path, Some(UID), Some(UID)).unwrap();
}

#[tokio::test]
async fn a_pinned_volume_is_what_was_found_whatever_is_renamed_afterwards() {
    let desk = Desk::new().await;
    let secret = desk.root.path().join("secret");
    std::fs::create_dir(&secret).unwrap();
    std::fs::write(secret.join("file"), "secret\n").unwrap();
    let text = "cat /v/file; echo new >/v/new; cat /r/file; \
                (echo x >/r/no) 2>/dev/null || echo ro; \
                grep -E ' /[vr] ' /proc/self/mountinfo | cut -d' ' -f5,6";
    let order = desk.order(text, &[("mine", "/v", true), ("mine", "/r", false)]);
    let pinned = desk.pin(&order).unwrap();
    std::fs::rename(desk.root.path().join("mine"), desk.root.path().join("was")).unwrap();
    symlink(&secret, desk.root.path().join("mine")).unwrap();
    let said = desk.finish(&pinned).await;
    let lines: Vec<&str> = said.lines().collect();
    assert_eq!(lines[..3], ["mine", "mine", "ro"], "{said}");
    for line in &lines[3..] {
        let read_only = line.starts_with("/r ");
        assert!(line.contains("nosuid") && line.contains("nodev"), "{said}");
        assert_eq!(line.contains(" ro,"), read_only, "{said}");
    }
    let made = std::fs::metadata(desk.root.path().join("was/new")).unwrap();
    assert_eq!(made.uid(), UID);
}

#[tokio::test]
async fn what_the_user_may_not_enter_or_names_wrongly_is_refused() {
    let desk = Desk::new().await;
    let closed = desk.root.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, PermissionsExt::from_mode(0o700)).unwrap();
    symlink("/etc", desk.root.path().join("mine/link")).unwrap();
    for (sub, why) in [
        ("closed", "permission denied"),
        ("absent", "no such file"),
        ("mine/link", "symbolic link"),
        ("mine/file", "not a directory"),
        ("../etc", "refused"),
        ("/etc", "refused"),
    ] {
        let order = desk.order("true", &[(sub, "/v", false)]);
        match desk.pin(&order) {
            Err(RuntimeError::Refused { why: said }) => assert!(said.contains(why), "{said}"),
            other => panic!("{sub}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn pins_of_attempts_that_are_gone_are_taken_away() {
    let desk = Desk::new().await;
    let order = desk.order("true", &[("mine", "/v", false)]);
    let pinned = desk.pin(&order).unwrap();
    let file = Path::new(&pinned.mounts[0].host_path).join("file");
    desk.volumes.keep_only(std::slice::from_ref(&desk.place));
    assert!(file.exists());
    desk.volumes.keep_only(&[]);
    assert!(!file.exists());
}

#[tokio::test]
async fn what_root_in_a_container_makes_is_given_to_the_user() {
    let desk = Desk::new().await;
    let text = "id -u; mkdir -p a/b; echo x >a/b/file; chmod 4755 a/b/file; \
                chown 777:777 a/b 2>&1; grep CapEff /proc/self/status";
    let mut order = desk.order(text, &[("mine", "/v", false)]);
    std::sync::Arc::make_mut(&mut order.spec).root = true;
    let said = desk.finish(&desk.pin(&order).unwrap()).await;
    // CHOWN, DAC_OVERRIDE, FOWNER, FSETID, KILL, SETGID, SETUID, NET_BIND_SERVICE.
    assert_eq!(said, "0\nCapEff:\t00000000000004fb\n");
    give_back(&desk.place, &ids()).unwrap();
    let file = std::fs::metadata(desk.place.work().join("a/b/file")).unwrap();
    assert_eq!(
        (file.uid(), file.gid(), file.mode() & 0o7777),
        (UID, UID, 0o755)
    );
    // What root has given to somebody else is not the job's to give.
    let given = std::fs::metadata(desk.place.work().join("a/b")).unwrap();
    assert_eq!(given.uid(), 777);
}
