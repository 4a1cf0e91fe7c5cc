//! The Docker runtime against a real engine: what it promises, asked of the thing itself.
//!
//! The engine is `GODOCKER_TEST_DOCKER` (`unix:///path`), else the one that `packaging/docker.sh`
//! finds or starts. Without one these tests fail: they never pass by having seen nothing.

#![allow(clippy::unwrap_used, reason = "tests")]

mod bench;
mod engine;
mod exits;
mod fences;
mod images;
mod isolation;
mod output;
mod program;
mod trial;
mod volumes;
