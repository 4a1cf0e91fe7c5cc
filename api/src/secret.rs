//! Secrets: how they are made, and the one-way forms in which they are kept.
//!
//! A bearer token is `god_<id>_<secret>`: 64 bits to look it up by, 256 bits that prove it. Only
//! the SHA-256 of the secret is kept; it needs no salt, because nobody can guess 256 bits.
//! Passwords can be guessed and are kept as Argon2id. No secret is ever logged or `Debug`ged.

use std::sync::OnceLock;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use model::Timestamp;
use model::account::{Scope, Token, TokenId, UserName};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::error::ApiError;

/// What every bearer token begins with, so that scanners find leaked ones.
pub const TOKEN_PREFIX: &str = "god_";

/// A new bearer token: the text for its user, and the record to keep, which does not contain it.
pub fn new_token(user: UserName, label: &str, expires_at: Timestamp) -> (String, Token) {
    let (id, secret) = (TokenId(random_hex()), random_secret());
    let text = format!("{TOKEN_PREFIX}{}_{secret}", id.0);
    let token = Token {
        hash: digest(&secret),
        id,
        user,
        label: label.into(),
        // Set by `apply`, from the cluster's clock.
        created_at: Timestamp(0),
        expires_at,
        scopes: Scope::ALL.into(),
    };
    (text, token)
}

/// The two halves of a new join token; what is kept of the second is its [`digest`].
pub fn join_secret() -> (String, String) {
    (random_hex(), random_secret())
}

/// SHA-256 of a secret, as it is kept.
pub fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

/// The Argon2id form of a password. Takes some 20 ms and 19 MiB.
///
/// # Errors
/// [`ApiError::Hash`] when there is no memory or no randomness for it.
pub fn hash_password(password: &str) -> Result<String, ApiError> {
    let hash = Argon2::default().hash_password(password.as_bytes());
    hash.map(|hash| hash.to_string())
        .map_err(|error| ApiError::Hash(error.to_string()))
}

/// Whether a password is the one that was hashed. Takes the same time when there is no hash.
pub(crate) fn verify_password(password: &str, hash: Option<&str>) -> bool {
    static DUMMY: OnceLock<Option<String>> = OnceLock::new();
    let dummy = || {
        DUMMY
            .get_or_init(|| hash_password(&random_secret()).ok())
            .as_deref()
    };
    let known = hash.filter(|hash| !hash.is_empty());
    let Some(text) = known.or_else(dummy) else {
        return false;
    };
    let Ok(parsed) = PasswordHash::new(text) else {
        return false;
    };
    let right = Argon2::default()
        .verify_password(password.as_bytes(), &parsed)
        .is_ok();
    right && known.is_some()
}

/// The two halves of a bearer token's text, if it is one.
pub(crate) fn split_token(text: &str) -> Option<(TokenId, &str)> {
    let (id, secret) = text.strip_prefix(TOKEN_PREFIX)?.split_once('_')?;
    let hex = id.len() == 16 && id.bytes().all(|b| b.is_ascii_hexdigit());
    (hex && secret.len() == 43).then(|| (TokenId(id.into()), secret))
}

/// Compares digests in constant time.
pub(crate) fn is_same(left: &[u8; 32], right: &[u8; 32]) -> bool {
    left.ct_eq(right).into()
}

/// Bytes in hexadecimal digits.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// 64 random bits in hexadecimal digits: a name, not a secret.
pub(crate) fn random_hex() -> String {
    hex(&random::<8>())
}

fn random_secret() -> String {
    URL_SAFE_NO_PAD.encode(random::<32>())
}

fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    let filled = getrandom::fill(&mut bytes);
    assert!(filled.is_ok(), "the kernel gives random bytes: {filled:?}");
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_kept_as_a_digest_only() {
        let (text, token) = new_token("alice".into(), "laptop", Timestamp(9));
        let (id, secret) = split_token(&text).unwrap();
        assert_eq!((&id, token.hash), (&token.id, digest(secret)));
        assert!(!format!("{token:?}").contains(secret));
        let (other, _) = new_token("alice".into(), "laptop", Timestamp(9));
        assert_ne!(text, other);
    }

    #[test]
    fn only_whole_tokens_are_tokens() {
        let (text, _) = new_token("alice".into(), "", Timestamp(9));
        for cut in 0..text.len() {
            assert_eq!(split_token(&text[..cut]), None, "cut at {cut}");
        }
        assert_eq!(split_token(&text.replace("god_", "gho_")), None);
    }

    #[test]
    fn a_password_opens_its_own_hash_only() {
        let hash = hash_password("correct horse").unwrap();
        assert!(verify_password("correct horse", Some(&hash)));
        assert!(!verify_password("correct hors", Some(&hash)));
        assert!(!verify_password("", Some("")));
        assert!(!verify_password("x", None));
        assert!(!verify_password("x", Some("not a hash")));
    }
}
