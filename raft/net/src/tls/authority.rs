//! Keys and certificates: the authority makes and signs, nodes ask.

use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use model::node::NodeRole;
use model::{ClusterId, NodeId};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateSigningRequestParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair, KeyUsagePurpose, PKCS_ED25519,
    PublicKeyData, SanType, SerialNumber,
};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, DnsName};
use sha2::{Digest, Sha256};

use super::{DOMAIN, Seal, node_name};
use crate::error::NetError;
use crate::limits;

/// Days for which the authority itself is good, and at most what it signs.
const CA_DAYS: u32 = 20 * 365;
/// Certificates begin this long before they are made: clocks differ.
const BACK_DATED: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// The cluster's certificate authority, with its key: on heads only.
pub struct Ca {
    issuer: Issuer<'static, KeyPair>,
    cert_pem: String,
    key_pem: String,
    fingerprint: [u8; 32],
    cluster: ClusterId,
}

fn wrong(error: impl core::fmt::Display) -> NetError {
    NetError::Certificate(error.to_string())
}

impl Ca {
    /// A new authority.
    ///
    /// # Errors
    /// [`NetError::Certificate`] if no key can be made.
    pub fn create(cluster: ClusterId) -> Result<Ca, NetError> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.distinguished_name = common_name(&format!("GO-Docker cluster {cluster}"));
        set_times(&mut params, CA_DAYS);
        let key = KeyPair::generate_for(&PKCS_ED25519).map_err(wrong)?;
        let cert = params.self_signed(&key).map_err(wrong)?;
        Ca::from_pem(&cert.pem(), &key.serialize_pem())
    }

    /// The authority of these files.
    ///
    /// # Errors
    /// [`NetError::Certificate`] if they are not an authority's of ours.
    pub fn from_pem(cert_pem: &str, key_pem: &str) -> Result<Ca, NetError> {
        let key = KeyPair::from_pem(key_pem).map_err(wrong)?;
        let der = CertificateDer::from_pem_slice(cert_pem.as_bytes()).map_err(wrong)?;
        let cluster = cluster_of(&der)?;
        let issuer = Issuer::from_ca_cert_der(&der, key).map_err(wrong)?;
        let fingerprint = Sha256::digest(&der).into();
        let (cert_pem, key_pem) = (cert_pem.to_owned(), key_pem.to_owned());
        Ok(Ca {
            issuer,
            cert_pem,
            key_pem,
            fingerprint,
            cluster,
        })
    }

    /// The certificate.
    pub fn cert_pem(&self) -> String {
        self.cert_pem.clone()
    }

    /// The key. Whoever has it can admit nodes.
    pub fn key_pem(&self) -> String {
        self.key_pem.clone()
    }

    /// The key with which heads seal secrets that lie in the log. `None` if the cipher refuses it.
    pub fn seal(&self) -> Option<Seal> {
        Seal::of(&self.key_pem)
    }

    /// SHA-256 of the certificate (DER).
    pub fn fingerprint(&self) -> [u8; 32] {
        self.fingerprint
    }

    /// Signs a request for a node, good for `days`. Of the request only the key is used. `names`
    /// are host names and addresses under which users call its REST API; an agent has none, and
    /// its certificate cannot serve.
    ///
    /// # Errors
    /// [`NetError::Certificate`] if the request is malformed, a name is none or looks like a
    /// node's, or there are too many.
    pub fn sign(
        &self,
        request_pem: &str,
        node: NodeId,
        role: NodeRole,
        names: &[String],
        days: u32,
    ) -> Result<String, NetError> {
        let mut request = CertificateSigningRequestParams::from_pem(request_pem).map_err(wrong)?;
        let mut params = CertificateParams::default();
        let own = node_name(node, role, self.cluster);
        params.distinguished_name = common_name(&own);
        params.subject_alt_names = vec![SanType::DnsName(own.try_into().map_err(wrong)?)];
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        match role {
            NodeRole::Agent => {}
            NodeRole::Head => {
                params
                    .extended_key_usages
                    .push(ExtendedKeyUsagePurpose::ServerAuth);
                params.subject_alt_names.extend(rest_names(names)?);
            }
        }
        set_times(&mut params, days);
        params.serial_number = Some(SerialNumber::from(serial()?));
        request.params = params;
        Ok(request.signed_by(&self.issuer).map_err(wrong)?.pem())
    }
}

fn rest_names(names: &[String]) -> Result<Vec<SanType>, NetError> {
    if names.len() > limits::NAMES_MAX {
        return Err(wrong(format!("{} names are too many", names.len())));
    }
    let one = |name: &String| {
        if name
            .to_ascii_lowercase()
            .trim_end_matches('.')
            .ends_with(DOMAIN)
        {
            return Err(wrong(format!("{name} is a name for nodes")));
        }
        Ok(match name.parse::<IpAddr>() {
            Ok(ip) => SanType::IpAddress(ip),
            Err(_) => {
                DnsName::try_from(name.as_str()).map_err(wrong)?;
                SanType::DnsName(name.clone().try_into().map_err(wrong)?)
            }
        })
    };
    names.iter().map(one).collect()
}

fn serial() -> Result<Vec<u8>, NetError> {
    let mut bytes = vec![0; 16];
    getrandom::fill(&mut bytes).map_err(wrong)?;
    // Positive, as X.509 wants it, and always of the same length, as simulations want it.
    bytes[0] = (bytes[0] & 0x3f) | 0x40;
    Ok(bytes)
}

fn common_name(name: &str) -> DistinguishedName {
    let mut distinguished = DistinguishedName::new();
    distinguished.push(DnType::CommonName, name);
    distinguished
}

fn set_times(params: &mut CertificateParams, days: u32) {
    let now = SystemTime::now();
    params.not_before = (now - BACK_DATED).into();
    params.not_after = (now + DAY * days.min(CA_DAYS)).into();
}

fn cluster_of(ca: &CertificateDer<'_>) -> Result<ClusterId, NetError> {
    let (_, parsed) = x509_parser::parse_x509_certificate(ca).map_err(wrong)?;
    let name = parsed
        .subject()
        .iter_common_name()
        .next()
        .and_then(|name| name.as_str().ok());
    let id = name.and_then(|name| name.strip_prefix("GO-Docker cluster "));
    let id = id.and_then(|id| u128::from_str_radix(id, 16).ok());
    let id = id.ok_or_else(|| wrong("not the authority of a GO-Docker cluster"))?;
    Ok(ClusterId(id.to_be_bytes()))
}

/// A node's key; it never leaves the node.
pub struct NodeKey(KeyPair);

impl NodeKey {
    /// A new key.
    ///
    /// # Errors
    /// [`NetError::Certificate`] if none can be made.
    pub fn generate() -> Result<NodeKey, NetError> {
        KeyPair::generate_for(&PKCS_ED25519)
            .map(NodeKey)
            .map_err(wrong)
    }

    /// The key of this file.
    ///
    /// # Errors
    /// [`NetError::Certificate`].
    pub fn from_pem(pem: &str) -> Result<NodeKey, NetError> {
        KeyPair::from_pem(pem).map(NodeKey).map_err(wrong)
    }

    /// The key, to be kept.
    pub fn pem(&self) -> String {
        self.0.serialize_pem()
    }

    /// A request for a certificate for this key.
    ///
    /// # Errors
    /// [`NetError::Certificate`].
    pub fn csr_pem(&self) -> Result<String, NetError> {
        let params = CertificateParams::default();
        let request = params.serialize_request(&self.0).map_err(wrong)?;
        request.pem().map_err(wrong)
    }

    /// SHA-256 of the public key (subject public key info, DER).
    pub fn public_hash(&self) -> [u8; 32] {
        Sha256::digest(self.0.subject_public_key_info()).into()
    }
}

/// SHA-256 of the public key in a request (subject public key info, DER).
///
/// # Errors
/// [`NetError::Certificate`] if it is none, or its own signature is wrong.
pub fn request_key_hash(request_pem: &str) -> Result<[u8; 32], NetError> {
    let request = CertificateSigningRequestParams::from_pem(request_pem).map_err(wrong)?;
    Ok(Sha256::digest(request.public_key.subject_public_key_info()).into())
}
