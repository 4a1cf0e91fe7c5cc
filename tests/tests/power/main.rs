//! Real heads on real file systems whose power is cut, whose syncs fail, which are full, and in
//! which single bits turn over. Afterwards every promise is looked at, one by one.
//!
//! `CUTS=100` makes more cuts than the few of every day, `SEED=7` other ones. Needs root, loop
//! devices and mkfs.ext4.

mod cuts;
mod eio;
mod flips;
mod full;
