//! Whom goctl believes: the authority of the one cluster, and nobody else.
//!
//! Nothing secret is ever sent under [`Trust::Anyone`]; `login` uses it once, to read a
//! certificate whose digest it then compares.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};
use sha2::{Digest, Sha256};

use crate::error::Failure;
use crate::parse;

/// Which servers are believed.
#[derive(Clone, Copy, Debug)]
pub enum Trust<'a> {
    /// Those whose certificate this authority (PEM) has signed.
    Authority(&'a str),
    /// Any. For reading what is public.
    Anyone,
    /// None: only plain connections within this machine are made.
    Nobody,
}

/// The TLS side of a client.
///
/// # Errors
/// When the authority's certificate cannot be read.
pub fn config(trust: Trust<'_>) -> Result<ClientConfig, Failure> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()
        .map_err(|error| Failure::failed(error.to_string()))?;
    let mut roots = RootCertStore::empty();
    let config = match trust {
        Trust::Authority(pem) => {
            let refused = |error: rustls::Error| Failure::failed(error.to_string());
            roots.add(certificate(pem)?).map_err(refused)?;
            builder.with_root_certificates(roots)
        }
        Trust::Nobody => builder.with_root_certificates(roots),
        Trust::Anyone => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified(provider))),
    };
    Ok(config.with_no_client_auth())
}

/// SHA-256 of a certificate (PEM), in hexadecimal.
///
/// # Errors
/// When it is no certificate.
pub fn fingerprint(pem: &str) -> Result<String, Failure> {
    let digest = Sha256::digest(certificate(pem)?.as_ref());
    Ok(digest.iter().map(|byte| format!("{byte:02x}")).collect())
}

/// Whether two fingerprints are the same, however they are written (`9F:2C…`, `sha256:9f2c…`).
pub fn same_fingerprint(a: &str, b: &str) -> bool {
    let plain = parse::fingerprint(a);
    plain.is_ok() && plain == parse::fingerprint(b)
}

/// Refuses addresses that would send a token in the clear: `http` is for this machine only.
///
/// # Errors
/// Says how an address is written.
pub fn check_url(url: &str) -> Result<(), Failure> {
    let wrong = |what: &str| {
        Err(Failure::usage(format!("`{url}` {what}")).hint("write it as https://HOST:PORT"))
    };
    let Ok(parsed) = reqwest::Url::parse(url) else {
        return wrong("is not an address");
    };
    if !matches!(parsed.path(), "" | "/") || parsed.query().is_some() || url.ends_with('/') {
        return wrong("has more than a host and a port");
    }
    let host = parsed.host_str().unwrap_or_default();
    match parsed.scheme() {
        "https" => Ok(()),
        "http" if matches!(host, "127.0.0.1" | "[::1]" | "localhost") => Ok(()),
        "http" => wrong("is not encrypted"),
        _ => wrong("is not an https address"),
    }
}

fn certificate(pem: &str) -> Result<CertificateDer<'static>, Failure> {
    CertificateDer::from_pem_slice(pem.as_bytes())
        .map_err(|error| Failure::failed(format!("the cluster's certificate: {error}")))
}

/// Accepts any certificate, but still demands that the server holds its key.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
