//! Whether the other side is who it should be.

use std::sync::{Arc, OnceLock};

use model::node::NodeRole;
use model::{ClusterId, NodeId};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_cert_signed_by_trust_anchor;
use rustls::crypto::{CryptoProvider, WebPkiSupportedAlgorithms};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use x509_parser::extensions::GeneralName;

use super::{DOMAIN, node_name, role_word};
use crate::endpoint::Peer;
use crate::error::NetError;

/// Whom a caller expects to reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Expect {
    /// This head.
    Node(NodeId),
    /// Any head.
    AnyHead,
}

/// Verifies a head: signed by the cluster's authority, of the cluster, the one expected.
#[derive(Debug)]
pub(crate) struct HeadVerifier {
    pub(crate) roots: Roots,
    pub(crate) cluster: Option<ClusterId>,
    pub(crate) expect: Expect,
    pub(crate) algorithms: WebPkiSupportedAlgorithms,
    pub(crate) refusal: Arc<Refusal>,
}

/// Why a verifier refused; TLS itself would keep only an alert.
#[derive(Default, Debug)]
pub(crate) struct Refusal(OnceLock<Why>);

#[derive(Clone, Debug)]
enum Why {
    Untrusted(String),
    Expired,
    WrongNode { expected: NodeId, found: NodeId },
}

impl Refusal {
    /// The reason, if the verifier has refused.
    pub(crate) fn take(&self, addr: &str) -> Option<NetError> {
        let addr = addr.to_owned();
        Some(match self.0.get()?.clone() {
            Why::Untrusted(why) => NetError::Untrusted { addr, why },
            Why::Expired => NetError::PeerExpired { addr },
            Why::WrongNode { expected, found } => NetError::WrongNode {
                addr,
                expected,
                found,
            },
        })
    }
}

/// What an authority is known by.
#[derive(Debug)]
pub(crate) enum Roots {
    /// Its certificate.
    Known(Arc<RootCertStore>),
    /// The SHA-256 of its certificate, which the head shows.
    Fingerprint([u8; 32]),
}

impl HeadVerifier {
    pub(crate) fn new(
        roots: Roots,
        cluster: Option<ClusterId>,
        expect: Expect,
        provider: &CryptoProvider,
    ) -> Arc<HeadVerifier> {
        let algorithms = provider.signature_verification_algorithms;
        Arc::new(HeadVerifier {
            roots,
            cluster,
            expect,
            algorithms,
            refusal: Arc::default(),
        })
    }

    fn roots(&self, shown: &[CertificateDer<'_>]) -> Result<Arc<RootCertStore>, Why> {
        let expected = match &self.roots {
            Roots::Known(roots) => return Ok(roots.clone()),
            Roots::Fingerprint(expected) => expected,
        };
        let same =
            |ca: &&CertificateDer<'_>| bool::from(Sha256::digest(ca).as_slice().ct_eq(expected));
        let ca = shown.iter().find(same);
        let ca = ca.ok_or_else(|| Why::Untrusted("its authority is not the token's".into()))?;
        let mut roots = RootCertStore::empty();
        roots.add(ca.clone().into_owned()).map_err(why)?;
        Ok(Arc::new(roots))
    }

    fn verify(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<(), Why> {
        let untrusted = |why: &str| Err(Why::Untrusted(why.into()));
        let roots = self.roots(intermediates)?;
        let parsed = ParsedCertificate::try_from(end_entity).map_err(why)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], now, algorithms)
            .map_err(why)?;
        let Some((peer, cluster)) = peer_of(end_entity) else {
            return untrusted("its certificate names no node");
        };
        if self.cluster.is_some_and(|own| own != cluster) {
            return untrusted("it is of another cluster");
        }
        match (self.expect, peer.role) {
            (_, NodeRole::Agent) => untrusted("it is not a head"),
            (Expect::Node(node), NodeRole::Head) if peer.node != node => Err(Why::WrongNode {
                expected: node,
                found: peer.node,
            }),
            (Expect::Node(_) | Expect::AnyHead, NodeRole::Head) => Ok(()),
        }
    }
}

fn why(error: Error) -> Why {
    match error {
        Error::InvalidCertificate(
            CertificateError::Expired
            | CertificateError::ExpiredContext { .. }
            | CertificateError::NotValidYet
            | CertificateError::NotValidYetContext { .. },
        ) => Why::Expired,
        other => Why::Untrusted(other.to_string()),
    }
}

impl ServerCertVerifier for HeadVerifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        let verified = self.verify(end_entity, intermediates, now);
        verified.map_err(|why| {
            let alert = match &why {
                Why::Expired => CertificateError::Expired,
                Why::Untrusted(_) => CertificateError::UnknownIssuer,
                Why::WrongNode { .. } => CertificateError::NotValidForName,
            };
            // One verifier serves one call; of two tries of it the first reason is kept.
            let _ = self.refusal.0.set(why);
            Error::from(alert)
        })?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(Error::General("TLS 1.3 only".into()))
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        rustls::crypto::verify_tls13_signature(message, cert, dss, &self.algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// The node that a certificate names, and its cluster. The signature was verified before. A
/// certificate that names two nodes names none.
pub(crate) fn peer_of(certificate: &CertificateDer<'_>) -> Option<(Peer, ClusterId)> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    let mut named = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => parse_name(name),
            _ => None,
        });
    let first = named.next()?;
    named.next().is_none().then_some(first)
}

/// The one way to write a node's name, read back.
fn parse_name(name: &str) -> Option<(Peer, ClusterId)> {
    let rest = name.strip_suffix(DOMAIN)?.strip_suffix('.')?;
    let mut parts = rest.split('.');
    let (node, role, cluster) = (parts.next()?, parts.next()?, parts.next()?);
    let node = NodeId(node.strip_prefix("node-")?.parse().ok()?);
    let role = [NodeRole::Head, NodeRole::Agent]
        .into_iter()
        .find(|r| role_word(*r) == role)?;
    let cluster = ClusterId(u128::from_str_radix(cluster, 16).ok()?.to_be_bytes());
    (node_name(node, role, cluster) == name).then_some((Peer { node, role }, cluster))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_node_name_is_read_back_in_its_one_form_only() {
        let cluster = ClusterId([7; 16]);
        let written = node_name(NodeId(12), NodeRole::Head, cluster);
        let (peer, of) = parse_name(&written).unwrap();
        assert_eq!(
            (peer.node, peer.role, of),
            (NodeId(12), NodeRole::Head, cluster)
        );
        for wrong in [
            written.to_uppercase(),
            written.replace("node-12", "node-+12"),
            written.replace("node-12", "node-012"),
            written.replace("head", "leader"),
            written.replace(".godocker", ".x.godocker"),
            format!("x.{written}"),
            written.replace("0707", "707"),
            written.replace(".internal", ".example"),
            String::new(),
        ] {
            assert!(parse_name(&wrong).is_none(), "{wrong}");
        }
    }
}
