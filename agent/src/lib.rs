//! Skeleton.
pub mod usage;
