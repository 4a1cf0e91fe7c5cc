//! TLS settings made of an identity.

use std::sync::Arc;

use rustls::RootCertStore;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::server::{NoServerSessionStorage, WebPkiClientVerifier};
use rustls::version::TLS13;

use super::Identity;
use super::verify::{Expect, HeadVerifier, Refusal, Roots};
use crate::endpoint::Channel;
use crate::error::NetError;

fn wrong(error: impl core::fmt::Display) -> NetError {
    NetError::Certificate(error.to_string())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

/// A caller's settings, and where its verifier says why it refused.
pub(crate) struct Verified {
    pub(crate) config: rustls::ClientConfig,
    pub(crate) refusal: Arc<Refusal>,
}

struct Parsed {
    chain: Vec<CertificateDer<'static>>,
    key: PrivateKeyDer<'static>,
    roots: Arc<RootCertStore>,
}

/// The chain shows the authority too, so that a joining node can compare its digest.
fn parse(identity: &Identity) -> Result<Parsed, NetError> {
    let own = CertificateDer::from_pem_slice(identity.cert_pem.as_bytes()).map_err(wrong)?;
    let ca = CertificateDer::from_pem_slice(identity.ca_pem.as_bytes()).map_err(wrong)?;
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).map_err(wrong)?;
    let mut roots = RootCertStore::empty();
    roots.add(ca.clone()).map_err(wrong)?;
    Ok(Parsed {
        chain: vec![own, ca],
        key,
        roots: Arc::new(roots),
    })
}

/// A head's side of every channel. Who shows no certificate can only join.
pub(crate) fn server_config(identity: &Identity) -> Result<rustls::ServerConfig, NetError> {
    let parsed = parse(identity)?;
    let verifier = WebPkiClientVerifier::builder_with_provider(parsed.roots, provider())
        .allow_unauthenticated()
        .build()
        .map_err(wrong)?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(wrong)?
        .with_client_cert_verifier(verifier)
        .with_single_cert(parsed.chain, parsed.key)
        .map_err(wrong)?;
    config.alpn_protocols = Channel::ALL.map(|c| c.alpn().to_vec()).to_vec();
    // No session is resumed: each connection verifies the certificate anew.
    config.session_storage = Arc::new(NoServerSessionStorage {});
    config.send_tls13_tickets = 0;
    config.max_early_data_size = 0;
    Ok(config)
}

/// The side that calls, as a node of the cluster.
pub(crate) fn client_config(
    identity: &Identity,
    expect: Expect,
    channel: Channel,
) -> Result<Verified, NetError> {
    let parsed = parse(identity)?;
    let (provider, roots) = (provider(), Roots::Known(parsed.roots));
    let verifier = HeadVerifier::new(roots, Some(identity.cluster), expect, &provider);
    let refusal = verifier.refusal.clone();
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(wrong)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_client_auth_cert(parsed.chain, parsed.key)
        .map_err(wrong)?;
    config.alpn_protocols = vec![channel.alpn().to_vec()];
    Ok(Verified { config, refusal })
}

/// The side that calls, as a stranger who knows the digest of the authority.
pub(crate) fn join_config(ca: [u8; 32]) -> Result<Verified, NetError> {
    let provider = provider();
    let verifier = HeadVerifier::new(Roots::Fingerprint(ca), None, Expect::AnyHead, &provider);
    let refusal = verifier.refusal.clone();
    let mut config = rustls::ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13])
        .map_err(wrong)?
        .dangerous()
        .with_custom_certificate_verifier(verifier)
        .with_no_client_auth();
    config.alpn_protocols = vec![Channel::Join.alpn().to_vec()];
    Ok(Verified { config, refusal })
}

/// The REST API's side: users show no certificate.
///
/// # Errors
/// [`NetError::Certificate`].
pub fn https_config(identity: &Identity) -> Result<rustls::ServerConfig, NetError> {
    let parsed = parse(identity)?;
    let mut config = rustls::ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[&TLS13])
        .map_err(wrong)?
        .with_no_client_auth()
        .with_single_cert(parsed.chain, parsed.key)
        .map_err(wrong)?;
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    Ok(config)
}
