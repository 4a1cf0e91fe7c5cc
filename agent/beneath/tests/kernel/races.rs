//! A user who swaps a directory for a link to the outside, without pause, while this package works.
//! A test in which not both states were met proves nothing, and fails.

use std::fs;
use std::io::Read;
use std::path::Path;

use beneath::{Access, BeneathError, Format, Parents, Pins, resolve};
use rustix::fs::{CWD, FileType, Mode, mknodat};

use crate::ground::{
    Ground, USER, directory, file, leaks, link, on_ground, picture, user, while_swapping,
};

/// So many times something is found, pinned, read and unpinned.
const PINS: usize = 2_000;
/// Rounds in which that has to be done: in the others the link is met.
const PIN_ROUNDS_MAX: usize = 100_000;
/// Rounds of everything else.
const ROUNDS: usize = 1_000;
/// Of each state, at least.
const MET: usize = 20;

/// A directory with a mark, and a link to the outside, which has the same names in it.
fn furnish(dir: &Path, outside: &Path) {
    directory(&dir.join("swap"), USER);
    directory(&dir.join("swap/deep"), USER);
    file(&dir.join("swap/mark"), "inside", USER);
    file(&dir.join("swap/deep/mark"), "inside", USER);
    link(&dir.join("link"), outside);
}

#[derive(Default)]
struct Met {
    inside: usize,
    refused: usize,
}

impl Met {
    fn refuse(&mut self, error: &BeneathError) {
        assert!(
            matches!(error, BeneathError::Link(_) | BeneathError::NotDirectory(_)),
            "{error:?}"
        );
        self.refused += 1;
    }

    fn prove(&self, swaps: u64) {
        println!(
            "{} inside, {} refused, {swaps} swaps",
            self.inside, self.refused
        );
        assert!(
            self.inside >= MET && self.refused >= MET,
            "void: {} inside, {} refused, {swaps} swaps",
            self.inside,
            self.refused
        );
    }
}

/// Swaps in a directory while something is done, and looks after the outside.
fn race(ground: &Ground, dir: &Path, work: impl FnOnce(&mut Met)) {
    furnish(dir, &ground.outside);
    let before = picture(&ground.outside);
    let mut met = Met::default();
    let ((), swaps) = while_swapping(&dir.join("swap"), &dir.join("link"), || work(&mut met));
    met.prove(swaps);
    assert_eq!(picture(&ground.outside), before);
}

#[test]
fn two_thousand_raced_pins_lead_outside_never() {
    on_ground(|ground| {
        let pins = Pins::new(&ground.top.join("pins")).unwrap();
        race(ground, &ground.home, |met| {
            for round in 0..PIN_ROUNDS_MAX {
                if met.inside == PINS {
                    break;
                }
                let deep = round % 2 == 1;
                let sub = if deep { "home/swap/deep" } else { "home/swap" };
                let found = match resolve(&ground.volume, sub, &user()) {
                    Ok(found) => found,
                    Err(error) => {
                        met.refuse(&error);
                        continue;
                    }
                };
                let access = Access {
                    writable: round % 3 == 0,
                    submounts: round % 5 == 0,
                };
                let pin = pins.pin(&found, "raced", access).unwrap();
                assert_eq!(fs::read(pin.join("mark")).unwrap(), b"inside");
                pins.unpin("raced").unwrap();
                met.inside += 1;
            }
            assert_eq!(met.inside, PINS);
        });
        assert_eq!(pins.list().unwrap(), [""; 0]);
    });
}

#[test]
fn raced_listing_stays_inside() {
    on_ground(|ground| {
        let tree = ground.tree();
        race(ground, &ground.job, |met| {
            for _ in 0..ROUNDS {
                match tree.list(Path::new("swap"), None, 100) {
                    Ok(page) => {
                        assert!(page.entries.iter().all(|entry| entry.name != "canary"));
                        met.inside += 1;
                    }
                    Err(error) => met.refuse(&error),
                }
            }
        });
    });
}

#[test]
fn raced_opening_stays_inside() {
    on_ground(|ground| {
        let tree = ground.tree();
        race(ground, &ground.job, |met| {
            for _ in 0..ROUNDS {
                match tree.open_file(Path::new("swap/mark")) {
                    Ok(mut opened) => {
                        let mut content = Vec::new();
                        opened.file.read_to_end(&mut content).unwrap();
                        assert_eq!(content, b"inside");
                        met.inside += 1;
                    }
                    Err(error) => met.refuse(&error),
                }
            }
        });
    });
}

#[test]
fn raced_writing_and_removing_stay_inside() {
    on_ground(|ground| {
        let tree = ground.tree();
        race(ground, &ground.job, |met| {
            for round in 0..ROUNDS {
                let parents = [Parents::MustExist, Parents::Make][round % 2];
                let path = ["swap/mark", "swap/deep/mark", "swap/new"][round % 3];
                match tree.write(Path::new(path), &b"inside"[..], 100, parents) {
                    Ok(_) => met.inside += 1,
                    Err(error) => met.refuse(&error),
                }
                match tree.remove(Path::new("swap/new")) {
                    Ok(()) | Err(BeneathError::Missing(_)) => met.inside += 1,
                    Err(error) => met.refuse(&error),
                }
            }
        });
    });
}

#[test]
fn raced_packing_stays_inside() {
    on_ground(|ground| {
        let tree = ground.tree();
        race(ground, &ground.job, |met| {
            for round in 0..ROUNDS {
                let format = [Format::Tar, Format::Zip][round % 2];
                // The whole tree, in which the link is packed as one, or the directory itself.
                let path = ["", "swap"][round / 2 % 2];
                let mut packed = Vec::new();
                match tree.archive(Path::new(path), format, &mut packed, 1 << 20) {
                    Ok(_) => met.inside += 1,
                    Err(error) => met.refuse(&error),
                }
                assert!(!leaks(&packed));
            }
        });
    });
}

/// Opens and packs `file` while it is swapped for something else.
fn race_a_file(ground: &Ground, other: &Path) {
    let (tree, before) = (ground.tree(), picture(&ground.outside));
    let file_path = ground.job.join("file");
    file(&file_path, "inside", USER);
    let mut met = Met::default();
    let ((), swaps) = while_swapping(&file_path, other, || {
        for round in 0..ROUNDS {
            match tree.open_file(Path::new("file")) {
                Ok(mut opened) => {
                    let mut content = Vec::new();
                    opened.file.read_to_end(&mut content).unwrap();
                    assert_eq!(content, b"inside");
                    met.inside += 1;
                }
                Err(BeneathError::Link(_) | BeneathError::NotFile { .. }) => met.refused += 1,
                Err(error) => panic!("{error:?}"),
            }
            let (format, mut packed) = ([Format::Tar, Format::Zip][round % 2], Vec::new());
            tree.archive(Path::new(""), format, &mut packed, 1 << 20)
                .unwrap();
            assert!(!leaks(&packed));
        }
    });
    met.prove(swaps);
    assert_eq!(picture(&ground.outside), before);
}

#[test]
fn a_file_swapped_for_a_link_is_a_file_or_refused() {
    on_ground(|ground| {
        let other = ground.job.join("link");
        link(&other, ground.outside.join("canary"));
        race_a_file(ground, &other);
    });
}

#[test]
fn a_file_swapped_for_a_pipe_is_a_file_or_refused() {
    on_ground(|ground| {
        let other = ground.job.join("pipe");
        let bits = Mode::from_raw_mode(0o666);
        mknodat(CWD, &other, FileType::Fifo, bits, 0).unwrap();
        race_a_file(ground, &other);
    });
}

/// Fills a tree again and again and does something to all of it while parts are swapped. Says how
/// often the swapper was at work meanwhile.
fn fill_and(ground: &Ground, rounds: usize, work: impl Fn(&Path)) -> u64 {
    let before = picture(&ground.outside);
    let mut raced = 0;
    for round in 0..rounds {
        let job = ground.top.join(format!("job{round}"));
        directory(&job, USER);
        furnish(&job, &ground.outside);
        for number in 0..40 {
            directory(&job.join(format!("swap/deep/{number}")), USER);
            file(&job.join(format!("swap/deep/{number}/mark")), "inside", 0);
        }
        let ((), swaps) = while_swapping(&job.join("swap"), &job.join("link"), || work(&job));
        raced += u64::from(swaps > 1);
        assert_eq!(picture(&ground.outside), before, "round {round}");
    }
    raced
}

#[test]
fn raced_removal_of_everything_stays_inside() {
    on_ground(|ground| {
        let raced = fill_and(ground, 200, |job| {
            let tree = beneath::Tree::open(job, user()).unwrap();
            tree.remove_all().unwrap();
            assert!(!job.exists());
        });
        println!("{raced} of 200 removals were raced");
        assert!(raced >= MET as u64, "void: {raced}");
    });
}

#[test]
fn raced_giving_and_measuring_stay_inside() {
    on_ground(|ground| {
        for path in ["canary", "mark", "deep/mark"] {
            std::os::unix::fs::chown(ground.outside.join(path), Some(0), Some(0)).unwrap();
        }
        let raced = fill_and(ground, 200, |job| {
            let tree = beneath::Tree::open(job, user()).unwrap();
            tree.give_to(&user(), &(0..=0)).unwrap();
            tree.usage().unwrap();
        });
        println!("{raced} of 200 were raced");
        assert!(raced >= MET as u64, "void: {raced}");
    });
}
