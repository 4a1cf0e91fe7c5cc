//! What a server must show before anything is said to it: a certificate for its name, valid now,
//! vouched for by the authorities of the settings and by no others. TLS 1.2 or 1.3.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, RootCertStore};
use tokio_rustls::TlsConnector;

use super::settings::LdapSettings;
use crate::DirectoryError;

/// Makes the connector from the authorities of the settings.
pub(crate) fn connector(settings: &LdapSettings) -> Result<TlsConnector, DirectoryError> {
    let roots = match (&settings.ca_file, &settings.ca_pem) {
        (Some(file), _) => roots("ca_file", &read(file)?)?,
        (None, Some(pem)) => roots("ca_pem", pem.as_bytes())?,
        (None, None) => {
            let why = "nobody vouches for the servers; write `ca_file`";
            return Err(DirectoryError::misconfigured("ca_file", why));
        }
    };
    // Said here rather than installed for the process: other rooms have their own.
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&TLS13, &TLS12])
        .map_err(|error| DirectoryError::misconfigured("servers", error.to_string()))?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}

fn read(file: &Path) -> Result<Vec<u8>, DirectoryError> {
    std::fs::read(file).map_err(|error| {
        let why = format!("cannot read {}: {error}", file.display());
        DirectoryError::misconfigured("ca_file", why)
    })
}

fn roots(field: &'static str, pem: &[u8]) -> Result<RootCertStore, DirectoryError> {
    let wrong = |why: String| DirectoryError::misconfigured(field, why);
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(pem) {
        let certificate = certificate.map_err(|error| wrong(format!("not PEM: {error}")))?;
        let added = roots.add(certificate);
        added.map_err(|error| wrong(format!("not an authority's certificate: {error}")))?;
    }
    if roots.is_empty() {
        return Err(wrong("there is no certificate in it".into()));
    }
    Ok(roots)
}
