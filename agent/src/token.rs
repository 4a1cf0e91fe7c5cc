//! The text of a join token: everything a new machine needs to find the cluster and to be sure
//! that it is the one meant.
//!
//! `GOJ1-` and base64url of: the role, the SHA-256 of the CA, the public and secret half, and the
//! heads' addresses. The secret admits one node once; the CA's digest lets the node verify the
//! head before it says the secret.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::node::NodeRole;
use serde::{Deserialize, Serialize};

use crate::error::AgentError;

const PREFIX: &str = "GOJ1-";

/// What a join token says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct JoinText {
    /// What the node becomes.
    pub role: NodeRole,
    /// SHA-256 of the CA's certificate (DER).
    pub ca: [u8; 32],
    /// The public half.
    pub id: String,
    /// The secret half.
    pub secret: String,
    /// Where heads listen for peers, `host:port`.
    pub heads: Vec<String>,
}

impl JoinText {
    /// The text that is copied to the new machine.
    pub fn encode(&self) -> String {
        let bytes = postcard::to_allocvec(self).unwrap_or_default();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    /// Reads the text back.
    ///
    /// # Errors
    /// [`AgentError::BadJoinToken`].
    pub fn decode(text: &str) -> Result<JoinText, AgentError> {
        let bad = |why| AgentError::BadJoinToken { why };
        let body = text.trim().strip_prefix(PREFIX);
        let body = body.ok_or(bad("it should begin with GOJ1-"))?;
        let bytes = URL_SAFE_NO_PAD
            .decode(body)
            .map_err(|_| bad("it is cut or mistyped"))?;
        match postcard::take_from_bytes::<JoinText>(&bytes) {
            Ok((token, [])) if !token.heads.is_empty() => Ok(token),
            Ok(_) | Err(_) => Err(bad("it is cut or mistyped")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_survives_copying_and_nothing_less() {
        let token = JoinText {
            role: NodeRole::Agent,
            ca: [7; 32],
            id: "abc".into(),
            secret: "s".into(),
            heads: vec!["h:8443".into()],
        };
        let text = token.encode();
        assert_eq!(JoinText::decode(&format!(" {text}\n")).ok(), Some(token));
        for cut in 0..text.len() {
            assert!(JoinText::decode(&text[..cut]).is_err(), "cut at {cut}");
        }
    }
}
