//! Whether the other side is who it should be.

use std::sync::Arc;

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

use super::{DOMAIN, role_word};
use crate::endpoint::Peer;

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
        })
    }
}

fn refused(why: &str) -> Error {
    Error::General(why.into())
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
        let roots = match &self.roots {
            Roots::Known(roots) => roots.clone(),
            Roots::Fingerprint(expected) => {
                let same = |ca: &&CertificateDer<'_>| {
                    bool::from(Sha256::digest(ca).as_slice().ct_eq(expected))
                };
                let ca = intermediates.iter().find(same);
                let ca = ca.ok_or_else(|| refused("its authority is not the token's"))?;
                let mut roots = RootCertStore::empty();
                roots.add(ca.clone().into_owned())?;
                Arc::new(roots)
            }
        };
        let parsed = ParsedCertificate::try_from(end_entity)?;
        let algorithms = self.algorithms.all;
        verify_server_cert_signed_by_trust_anchor(&parsed, &roots, &[], now, algorithms)?;
        let (peer, cluster) = peer_of(end_entity).ok_or(CertificateError::NotValidForName)?;
        if self.cluster.is_some_and(|own| own != cluster) {
            return Err(refused("it is of another cluster"));
        }
        match self.expect {
            Expect::Node(node) if peer.node != node => {
                Err(refused(&format!("it is node {}, not {node}", peer.node)))
            }
            Expect::Node(_) | Expect::AnyHead if peer.role != NodeRole::Head => {
                Err(refused("it is not a head"))
            }
            Expect::Node(_) | Expect::AnyHead => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        _message: &[u8],
        _cert: &CertificateDer<'_>,
        _dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        Err(refused("TLS 1.3 only"))
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

/// The node that a certificate names, and its cluster. The signature was verified before.
pub(crate) fn peer_of(certificate: &CertificateDer<'_>) -> Option<(Peer, ClusterId)> {
    let (_, parsed) = x509_parser::parse_x509_certificate(certificate).ok()?;
    let names = parsed.subject_alternative_name().ok()??;
    names
        .value
        .general_names
        .iter()
        .find_map(|name| match name {
            GeneralName::DNSName(name) => parse_name(name),
            _ => None,
        })
}

fn parse_name(name: &str) -> Option<(Peer, ClusterId)> {
    let rest = name.strip_suffix(DOMAIN)?.strip_suffix('.')?;
    let mut parts = rest.split('.');
    let (node, role, cluster) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() {
        return None;
    }
    let node = NodeId(node.strip_prefix("node-")?.parse().ok()?);
    let role = [NodeRole::Head, NodeRole::Agent]
        .into_iter()
        .find(|r| role_word(*r) == role)?;
    let cluster = ClusterId(u128::from_str_radix(cluster, 16).ok()?.to_be_bytes());
    Some((Peer { node, role }, cluster))
}
