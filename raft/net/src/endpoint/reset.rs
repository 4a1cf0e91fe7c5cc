//! How a restarted node tells peers that still speak to its earlier self: the stateless reset of
//! QUIC (RFC 9000, 10.3), with a key that outlives the process.
//!
//! Without it a peer would send into the void until it takes the silence for an end
//! ([`limits::IDLE_MAX`](crate::limits::IDLE_MAX)); with it the peer calls again at once. The key
//! is made from the node's own, so nobody else can end its connections.

use std::sync::Arc;

use quinn::crypto::{CryptoError, HmacKey};
use quinn::{ConnectionId, ConnectionIdGenerator, EndpointConfig};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::tls::Identity;

/// Bytes of a connection's id.
const ID_BYTES: usize = 8;

/// The settings of an endpoint whose resets are believed after a restart.
pub(super) fn settings(identity: &Identity) -> EndpointConfig {
    let mut secret = Sha256::new();
    secret.update(b"godocker stateless reset");
    secret.update(identity.key_pem.as_bytes());
    let mut settings = EndpointConfig::new(Arc::new(Key(secret.finalize().into())));
    // The usual ids are marked with a key of the process, and foreign ones never answered.
    settings.cid_generator(|| Box::new(Ids));
    settings
}

/// Tells a connection's reset token from its id: a hash with the secret before it, twice.
struct Key([u8; 32]);

impl Key {
    fn digest(&self, data: &[u8]) -> [u8; 32] {
        let hash = |data: &[u8]| Sha256::new().chain_update(self.0).chain_update(data);
        hash(&hash(data).finalize()).finalize().into()
    }
}

impl HmacKey for Key {
    fn sign(&self, data: &[u8], into: &mut [u8]) {
        into.copy_from_slice(&self.digest(data));
    }

    fn signature_len(&self) -> usize {
        32
    }

    fn verify(&self, data: &[u8], signature: &[u8]) -> Result<(), CryptoError> {
        let same = self.digest(data).ct_eq(signature);
        if same.into() {
            Ok(())
        } else {
            Err(CryptoError)
        }
    }
}

/// Random ids.
struct Ids;

impl ConnectionIdGenerator for Ids {
    fn generate_cid(&mut self) -> ConnectionId {
        let mut bytes = [0; ID_BYTES];
        let filled = getrandom::fill(&mut bytes);
        assert!(
            filled.is_ok(),
            "the system has no random numbers: {filled:?}"
        );
        ConnectionId::new(&bytes)
    }

    fn cid_len(&self) -> usize {
        ID_BYTES
    }

    fn cid_lifetime(&self) -> Option<std::time::Duration> {
        None
    }
}
