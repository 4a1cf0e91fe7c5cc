//! Who is who: the cluster's certificate authority, the nodes' keys and certificates, and the
//! TLS settings made of them.
//!
//! A node's identity is one name in its certificate: `node-ID.ROLE.CLUSTER.godocker.internal`.
//! TLS 1.3 only, Ed25519 keys, one crypto provider.

mod authority;
mod seal;
mod settings;
mod verify;

pub use authority::{Ca, NodeKey, request_key_hash};
pub use seal::Seal;
pub use settings::https_config;
pub(crate) use settings::{Verified, client_config, join_config, server_config};
pub(crate) use verify::{Expect, peer_of};

use model::node::NodeRole;
use model::{ClusterId, NodeId};

/// Who a node is, and how it proves it.
#[derive(Clone, PartialEq, Eq)]
pub struct Identity {
    /// The cluster.
    pub cluster: ClusterId,
    /// The node.
    pub node: NodeId,
    /// What its certificate says it may be.
    pub role: NodeRole,
    /// Its certificate.
    pub cert_pem: String,
    /// Its key.
    pub key_pem: String,
    /// The authority's certificate.
    pub ca_pem: String,
}

impl core::fmt::Debug for Identity {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(
            f,
            "Identity(node {}, {:?}, cluster {})",
            self.node, self.role, self.cluster
        )
    }
}

/// What the name in a node's certificate ends with.
const DOMAIN: &str = "godocker.internal";

/// The name in a node's certificate.
fn node_name(node: NodeId, role: NodeRole, cluster: ClusterId) -> String {
    format!("node-{node}.{}.{cluster}.{DOMAIN}", role_word(role))
}

fn role_word(role: NodeRole) -> &'static str {
    match role {
        NodeRole::Head => "head",
        NodeRole::Agent => "agent",
    }
}

/// Makes the process use this crate's crypto for whatever TLS it speaks. May be called again.
pub fn install_crypto() {
    // An error says that a provider is installed already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
