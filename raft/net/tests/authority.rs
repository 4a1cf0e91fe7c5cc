//! What the authority signs, and what it does not.

#![allow(clippy::unwrap_used, reason = "tests")]

mod fixture;

use std::sync::Arc;

use fixture::{Cluster, pair};
use model::NodeId;
use model::node::NodeRole;
use net::tls::{Ca, NodeKey, https_config, request_key_hash};
use net::{Channel, Identity, NetError, Peer};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};

fn sign(cluster: &Cluster, role: NodeRole, names: &[&str]) -> Result<String, NetError> {
    let request = NodeKey::generate()?.csr_pem()?;
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    cluster.ca.sign(&request, NodeId(2), role, &names, 30)
}

#[tokio::test]
async fn the_identity_that_a_request_asks_for_is_ignored() {
    let cluster = Cluster::new(1);
    let key = rcgen::KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap();
    let wish = rcgen::CertificateParams::new(vec![cluster.head_name(1)]).unwrap();
    let request = wish.serialize_request(&key).unwrap().pem().unwrap();
    let signed = cluster
        .ca
        .sign(&request, NodeId(7), NodeRole::Agent, &[], 30)
        .unwrap();
    let caller = cluster.identity(7, NodeRole::Agent, signed, key.serialize_pem());
    let pair = pair(&cluster.head(1), &caller, Channel::Agent).await;
    let (node, role) = (NodeId(7), NodeRole::Agent);
    assert_eq!(pair.far.peer(), Some(Peer { node, role }));
}

#[test]
fn a_nodes_name_cannot_be_had_as_a_host_name() {
    let cluster = Cluster::new(1);
    let head = cluster.head_name(1);
    for name in [
        head.clone(),
        head.to_uppercase(),
        format!("{head}."),
        "two words".into(),
    ] {
        let signed = sign(&cluster, NodeRole::Head, &[&name]);
        assert!(
            matches!(signed, Err(NetError::Certificate(_))),
            "{name}: {signed:?}"
        );
    }
    assert!(
        sign(
            &cluster,
            NodeRole::Head,
            &["head.example", "10.0.0.1", "::1"]
        )
        .is_ok()
    );
    assert!(
        sign(
            &cluster,
            NodeRole::Head,
            &["a.example"; net::limits::NAMES_MAX + 1]
        )
        .is_err()
    );
}

#[test]
fn an_authority_survives_its_files() {
    let cluster = Cluster::new(1);
    let again = Ca::from_pem(&cluster.ca.cert_pem(), &cluster.ca.key_pem()).unwrap();
    assert_eq!(again.fingerprint(), cluster.ca.fingerprint());
    let head = cluster.head(1);
    assert!(
        Ca::from_pem(&head.cert_pem, &head.key_pem).is_err(),
        "a node is no authority"
    );
    assert!(Ca::from_pem("", "").is_err());
}

#[test]
fn a_key_is_known_by_its_hash_in_the_request() {
    let key = NodeKey::generate().unwrap();
    let request = key.csr_pem().unwrap();
    assert_eq!(request_key_hash(&request).unwrap(), key.public_hash());
    assert_eq!(
        NodeKey::from_pem(&key.pem()).unwrap().public_hash(),
        key.public_hash()
    );
    assert!(request_key_hash("not a request").is_err());
    let other = NodeKey::generate().unwrap();
    assert_ne!(other.public_hash(), key.public_hash());
}

/// Whether a user who trusts the authority accepts this node's REST API under this name.
fn https_accepted(cluster: &Cluster, node: &Identity, name: &str) -> bool {
    let mut roots = rustls::RootCertStore::empty();
    let ca = CertificateDer::from_pem_slice(cluster.ca.cert_pem().as_bytes()).unwrap();
    roots.add(ca).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut user = rustls::ClientConnection::new(Arc::new(config), name).unwrap();
    let served = https_config(node).unwrap();
    let mut head = rustls::ServerConnection::new(Arc::new(served)).unwrap();
    while user.is_handshaking() || head.is_handshaking() {
        let mut wire = Vec::new();
        while user.wants_write() {
            user.write_tls(&mut wire).unwrap();
        }
        head.read_tls(&mut wire.as_slice()).unwrap();
        head.process_new_packets().unwrap();
        let mut wire = Vec::new();
        while head.wants_write() {
            head.write_tls(&mut wire).unwrap();
        }
        user.read_tls(&mut wire.as_slice()).unwrap();
        if user.process_new_packets().is_err() {
            return false;
        }
    }
    true
}

#[test]
fn users_reach_a_head_under_its_names_and_no_agent_under_any() {
    let cluster = Cluster::new(1);
    let head = cluster.head(1);
    assert!(https_accepted(&cluster, &head, "head.example"));
    assert!(https_accepted(&cluster, &head, "127.0.0.1"));
    assert!(!https_accepted(&cluster, &head, "other.example"));
    let agent = cluster.agent(2);
    let own = cluster.head_name(2).replace("head", "agent");
    for name in ["head.example", own.as_str()] {
        assert!(!https_accepted(&cluster, &agent, name), "{name}");
    }
    assert!(!https_accepted(
        &cluster,
        &Cluster::new(1).head(1),
        "head.example"
    ));
}
