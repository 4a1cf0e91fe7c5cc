//! Calling a cluster that one is not part of yet, without trusting whoever answers.

use crate::endpoint::{self, Channel, Connection};
use crate::error::NetError;
use crate::tls;

/// Calls a head and verifies it by the SHA-256 of its authority's certificate, before anything is
/// said.
///
/// # Errors
/// [`NetError::Untrusted`] if the authority is another one, or did not sign a head there;
/// [`NetError::PeerExpired`], [`NetError::Unreachable`].
pub async fn dial(addr: &str, ca: [u8; 32]) -> Result<Connection, NetError> {
    let quic = endpoint::dialing_socket()?;
    endpoint::dial(&quic, addr, tls::join_config(ca)?, Channel::Join).await
}
