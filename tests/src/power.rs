//! Power cuts and bad disks for real processes: file systems of our own on loop files, cut without
//! a flush, filled, damaged bit by bit, mounted again; heads that live on them.
//!
//! A cut takes away what was not synced and makes every later call of a process that still runs
//! fail with EIO. Nothing outside the files made here is ever touched; what an earlier run left
//! behind is found and removed ([`leftovers`]).

pub mod cut;
pub mod disk;
pub mod flip;
pub mod grid;
pub mod leftovers;
