//! The bytes of everything that this room keeps: see `raft/model/golden/README.md`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod book;
mod commands;
mod parts;
mod records;
mod settings;
mod words;

use std::path::PathBuf;

use book::{Form, Samples};
use model::format::{self, Kept, VERSION};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// As records and commands are written.
fn form<T: Kept>() -> Form<T> {
    Form {
        encode: |value| format::encode(value),
        decode: |bytes| format::decode(bytes).map_err(|why| why.to_string()),
    }
}

/// As what is inside of them is written: the same in every version so far.
fn part<T: Serialize + DeserializeOwned>() -> Form<T> {
    Form {
        encode: |value| format::encode(value),
        decode: |bytes| postcard::from_bytes(&bytes[1..]).map_err(|why| why.to_string()),
    }
}

fn check(samples: &Samples, book: &str) {
    let golden = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("golden");
    samples.check(&golden, book, VERSION);
}

#[test]
fn golden_commands_are_written_as_ever() {
    let mut samples = Samples::default();
    commands::commands(&mut samples);
    check(&samples, "commands");
}

#[test]
fn golden_replies_are_written_as_ever() {
    let mut samples = Samples::default();
    commands::replies(&mut samples);
    check(&samples, "replies");
}

#[test]
fn golden_records_and_their_keys_are_written_as_ever() {
    let mut samples = Samples::default();
    records::records(&mut samples);
    records::keys(&mut samples);
    check(&samples, "records");
}

#[test]
fn golden_events_are_written_as_ever() {
    let mut samples = Samples::default();
    records::events(&mut samples);
    check(&samples, "events");
}

#[test]
fn golden_words_are_written_as_ever() {
    let mut samples = Samples::default();
    words::words(&mut samples);
    check(&samples, "words");
}
