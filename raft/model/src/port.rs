//! Where the ports of containers are reached from outside.

use alloc::vec::Vec;
use serde::{Deserialize, Serialize};

/// A TCP port of a container, and the port of its node that leads there.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct Published {
    /// Inside the container.
    pub container: u16,
    /// On the node.
    pub host: u16,
}

/// The ports of one live attempt, once its node has said where they are.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Ports(pub Vec<Published>);
