//! Pins: what they hold, what works in them, who sees them, and what a crash leaves.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use beneath::{Access, BeneathError, Pins, resolve};
use nix::mount::{MsFlags, mount};
use rustix::fs::{CWD, FileType, Mode, makedev, mknodat};

use crate::ground::{Ground, Mounted, USER, directory, file, leaks, link, mode, on_ground, user};

const READ: Access = Access {
    writable: false,
    submounts: false,
};
const WRITE: Access = Access {
    writable: true,
    submounts: false,
};

fn pins(ground: &Ground) -> Pins {
    Pins::new(&ground.top.join("pins")).unwrap()
}

/// The line of `mountinfo` about a mount point.
fn line(point: &Path) -> Option<String> {
    let all = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    let point = point.to_str().unwrap();
    let found = all
        .lines()
        .find(|line| line.split(' ').nth(4) == Some(point));
    found.map(str::to_owned)
}

fn mounts() -> usize {
    let all = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    all.lines().count()
}

#[test]
fn a_pin_shows_what_was_found_without_set_id_bits_devices_or_writing() {
    on_ground(|ground| {
        let (pins, before) = (pins(ground), mounts());
        file(&ground.home.join("file"), "mine", USER);
        let device = ground.home.join("zero");
        let bits = Mode::from_raw_mode(0o666);
        mknodat(CWD, &device, FileType::CharacterDevice, bits, makedev(1, 5)).unwrap();
        let found = resolve(&ground.volume, "home", &user()).unwrap();
        let read = pins.pin(&found, "12_3.1-data", READ).unwrap();
        assert_eq!(read, ground.top.join("pins/12_3.1-data"));
        assert_eq!(fs::read(read.join("file")).unwrap(), b"mine");
        let options = line(&read).unwrap();
        assert!(options.contains(" ro,nosuid,nodev,"), "{options}");
        assert!(!options.contains("shared:"), "{options}");
        let refused = fs::write(read.join("new"), "").unwrap_err();
        assert_eq!(refused.kind(), std::io::ErrorKind::ReadOnlyFilesystem);
        assert!(
            fs::File::open(read.join("zero")).is_err(),
            "a device works in a pin"
        );
        fs::File::open(&device).unwrap();

        let write = pins.pin(&found, "write", WRITE).unwrap();
        let options = line(&write).unwrap();
        assert!(options.contains(" rw,nosuid,nodev,"), "{options}");
        fs::write(write.join("new"), "new").unwrap();
        assert_eq!(fs::read(ground.home.join("new")).unwrap(), b"new");

        assert_eq!(pins.list().unwrap(), ["12_3.1-data", "write"]);
        for name in ["12_3.1-data", "write", "write", "never-there"] {
            pins.unpin(name).unwrap();
        }
        assert_eq!(pins.list().unwrap(), [""; 0]);
        assert_eq!(fs::read_dir(ground.top.join("pins")).unwrap().count(), 0);
        assert_eq!(mounts(), before);
        assert_eq!(fs::read(ground.home.join("file")).unwrap(), b"mine");
    });
}

#[test]
fn what_happens_to_the_name_after_the_pin_changes_nothing() {
    on_ground(|ground| {
        let pins = pins(ground);
        let data = ground.home.join("data");
        directory(&data, USER);
        file(&data.join("mark"), "inside", USER);
        let found = resolve(&ground.volume, "home/data", &user()).unwrap();
        // Between finding and pinning, and after pinning.
        fs::rename(&data, ground.home.join("away")).unwrap();
        link(&data, &ground.outside);
        let pin = pins.pin(&found, "data", WRITE).unwrap();
        assert_eq!(fs::read(pin.join("mark")).unwrap(), b"inside");
        fs::remove_file(&data).unwrap();
        link(&data, "/");
        assert_eq!(fs::read(pin.join("mark")).unwrap(), b"inside");
        fs::rename(ground.home.join("away"), ground.top.join("elsewhere")).unwrap();
        fs::write(pin.join("mark"), "still").unwrap();
        assert_eq!(
            fs::read(ground.top.join("elsewhere/mark")).unwrap(),
            b"still"
        );
        assert!(leaks(&fs::read(ground.outside.join("mark")).unwrap()));
        pins.unpin("data").unwrap();
    });
}

#[test]
fn a_directory_that_was_removed_is_not_pinned_and_leaves_nothing() {
    on_ground(|ground| {
        let pins = pins(ground);
        directory(&ground.home.join("data"), USER);
        let found = resolve(&ground.volume, "home/data", &user()).unwrap();
        fs::remove_dir(ground.home.join("data")).unwrap();
        let refused = pins.pin(&found, "data", READ).unwrap_err();
        assert!(
            matches!(refused, BeneathError::System { .. }),
            "{refused:?}"
        );
        assert_eq!(fs::read_dir(ground.top.join("pins")).unwrap().count(), 0);
    });
}

#[test]
fn a_name_is_pinned_once_and_is_a_plain_one() {
    on_ground(|ground| {
        let pins = pins(ground);
        let found = resolve(&ground.volume, "home", &user()).unwrap();
        pins.pin(&found, "a", READ).unwrap();
        let again = pins.pin(&found, "a", READ).unwrap_err();
        assert!(matches!(again, BeneathError::Pinned(_)), "{again:?}");
        let long = "a".repeat(129);
        for name in [
            "", ".", "..", ".a", "a/b", "../a", "a\0", "a b", "ä", "/", &long,
        ] {
            let refused = pins.pin(&found, name, READ).unwrap_err();
            assert!(matches!(refused, BeneathError::PinName(_)), "{refused:?}");
            let refused = pins.unpin(name).unwrap_err();
            assert!(matches!(refused, BeneathError::PinName(_)), "{refused:?}");
        }
    });
}

#[test]
fn what_a_crash_left_is_cleared_and_what_is_wanted_stays() {
    on_ground(|ground| {
        file(&ground.home.join("file"), "mine", USER);
        let before = mounts();
        {
            let crashed = pins(ground);
            let found = resolve(&ground.volume, "home", &user()).unwrap();
            for name in ["kept", "one", "two"] {
                crashed.pin(&found, name, WRITE).unwrap();
            }
            // As if two had started over each other, and one had ended before it mounted.
            let (from, to) = (ground.home.clone(), ground.top.join("pins/one"));
            let none = None::<&str>;
            mount(Some(&from), &to, none, MsFlags::MS_BIND, none).unwrap();
            directory(&ground.top.join("pins/never_mounted"), 0);
            directory(&ground.top.join("pins/.visible-1-1"), 0);
        }
        let restarted = pins(ground);
        assert_eq!(restarted.list().unwrap(), ["kept", "one", "two"]);
        let keep = BTreeSet::from(["kept".to_owned(), "never_mounted".to_owned()]);
        let mut cleared = restarted.clear_unknown(&keep).unwrap();
        cleared.sort();
        assert_eq!(cleared, [".visible-1-1", "never_mounted", "one", "two"]);
        assert_eq!(restarted.list().unwrap(), ["kept"]);
        assert_eq!(mounts(), before + 1);
        assert_eq!(
            fs::read(ground.top.join("pins/kept/file")).unwrap(),
            b"mine"
        );
        assert_eq!(restarted.clear_unknown(&BTreeSet::new()).unwrap(), ["kept"]);
        assert_eq!(mounts(), before);
        assert_eq!(fs::read(ground.home.join("file")).unwrap(), b"mine");
    });
}

#[test]
fn submounts_are_seen_only_if_asked_for_and_are_restricted_too() {
    on_ground(|ground| {
        let pins = pins(ground);
        let below = ground.home.join("below");
        directory(&below, USER);
        file(&below.join("underneath"), "", USER);
        let _mounted = Mounted::new(&below, "mode=0777");
        file(&below.join("mounted"), "", USER);
        let found = resolve(&ground.volume, "home", &user()).unwrap();
        let alone = pins.pin(&found, "alone", WRITE).unwrap();
        assert!(alone.join("below/underneath").exists());
        assert!(!alone.join("below/mounted").exists());
        let access = Access {
            writable: false,
            submounts: true,
        };
        let whole = pins.pin(&found, "whole", access).unwrap();
        assert!(whole.join("below/mounted").exists());
        let options = line(&whole.join("below")).unwrap();
        assert!(options.contains(" ro,nosuid,nodev,"), "{options}");
        assert_eq!(pins.list().unwrap(), ["alone", "whole"]);
        pins.unpin("whole").unwrap();
        assert_eq!(line(&whole.join("below")), None);
        // What lies on another file system can be pinned itself.
        let found = resolve(&ground.volume, "home/below", &user()).unwrap();
        let itself = pins.pin(&found, "itself", READ).unwrap();
        assert!(itself.join("mounted").exists());
    });
}

#[test]
fn other_pins_are_not_seen_through_a_pin() {
    on_ground(|ground| {
        let pins = Pins::new(&ground.volume.join("pins")).unwrap();
        let home = resolve(&ground.volume, "home", &user()).unwrap();
        file(&ground.home.join("file"), "", USER);
        pins.pin(&home, "other", READ).unwrap();
        let all = resolve(&ground.volume, "", &user()).unwrap();
        let access = Access {
            writable: false,
            submounts: true,
        };
        let refused = pins.pin(&all, "all", access).unwrap_err();
        assert!(matches!(refused, BeneathError::Place { .. }), "{refused:?}");
        let pin = pins.pin(&all, "all", READ).unwrap();
        assert!(!pin.join("pins/other/file").exists());
        pins.pin(&home, "home", access).unwrap();
    });
}

#[test]
fn what_is_mounted_at_the_source_later_does_not_appear() {
    on_ground(|ground| {
        let none = None::<&str>;
        mount(none, &ground.top, none, MsFlags::MS_SHARED, none).unwrap();
        let pins = pins(ground);
        directory(&ground.home.join("below"), USER);
        let found = resolve(&ground.volume, "home", &user()).unwrap();
        let pin = pins.pin(&found, "data", READ).unwrap();
        let _mounted = Mounted::new(&ground.home.join("below"), "mode=0777");
        file(&ground.home.join("below/late"), "", USER);
        assert!(!pin.join("below/late").exists());
        pins.unpin("data").unwrap();
    });
}

#[test]
fn the_directory_of_pins_is_roots_alone() {
    on_ground(|ground| {
        let at = |name: &str| ground.top.join(name);
        let made = at("made");
        Pins::new(&made).unwrap();
        let about = made.metadata().unwrap();
        assert_eq!((about.mode() & 0o7777, about.uid()), (0o700, 0));
        directory(&at("open"), 0);
        directory(&at("users"), 0);
        mode(&at("users"), 0o700);
        chown(at("users"), Some(USER), Some(USER)).unwrap();
        link(&at("link"), &made);
        file(&at("file"), "", 0);
        for name in ["open", "users", "link", "file"] {
            let refused = Pins::new(&at(name)).unwrap_err();
            assert!(
                matches!(refused, BeneathError::Place { .. }),
                "{name}: {refused:?}"
            );
        }
    });
}

/// A process that sleeps in a mount namespace of its own, until this is dropped.
struct Sleeper(Child);

impl Sleeper {
    fn new(propagation: &str) -> Sleeper {
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", propagation, "sleep", "600"]);
        let sleeper = Sleeper(command.spawn().unwrap());
        let pid = sleeper.0.id();
        let begun = Instant::now();
        // It is there when `unshare` has done its work and become `sleep`.
        while fs::read_to_string(format!("/proc/{pid}/comm"))
            .unwrap()
            .trim()
            != "sleep"
        {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "unshare does not start"
            );
            thread::sleep(Duration::from_millis(5));
        }
        sleeper
    }
}

impl Drop for Sleeper {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn who_sees_pins_is_found_out() {
    on_ground(|ground| {
        let (pins, before) = (pins(ground), mounts());
        let same = Command::new("sleep").arg("600").spawn().unwrap();
        let same = Sleeper(same);
        let private = Sleeper::new("private");
        assert!(pins.visible_to(same.0.id()).unwrap());
        assert!(!pins.visible_to(private.0.id()).unwrap());
        // Systemd makes the root shared, and a service's namespace a slave of it.
        let none = None::<&str>;
        mount(none, &ground.top, none, MsFlags::MS_SHARED, none).unwrap();
        let slave = Sleeper::new("slave");
        assert!(pins.visible_to(slave.0.id()).unwrap());
        let found = resolve(&ground.volume, "home", &user()).unwrap();
        let pin: PathBuf = pins.pin(&found, "data", READ).unwrap();
        let theirs = |pid: u32| fs::read_to_string(format!("/proc/{pid}/mountinfo")).unwrap();
        let seen = |pid| theirs(pid).contains(pin.to_str().unwrap());
        assert!(seen(slave.0.id()));
        pins.unpin("data").unwrap();
        assert!(
            !seen(slave.0.id()),
            "unpinning reaches whoever sees the pin"
        );
        assert_eq!(mounts(), before);
        assert!(pins.visible_to(u32::MAX).is_err());
    });
}

#[test]
fn a_service_in_a_namespace_of_its_own_finds_out_that_nobody_sees_its_pins() {
    on_ground(|ground| {
        let none = None::<&str>;
        mount(none, &ground.top, none, MsFlags::MS_SHARED, none).unwrap();
        let engine = Sleeper::new("unchanged");
        let slave = MsFlags::MS_SLAVE | MsFlags::MS_REC;
        // What systemd does for a service with, for instance, ProtectKernelModules=yes.
        nix::sched::unshare(nix::sched::CloneFlags::CLONE_NEWNS).unwrap();
        mount(none, "/", none, slave, none).unwrap();
        mount(none, "/", none, MsFlags::MS_SHARED | MsFlags::MS_REC, none).unwrap();
        assert!(!pins(ground).visible_to(engine.0.id()).unwrap());
    });
}
