//! Secrets that only heads can read: sealed with a key that is derived from the authority's, which
//! no other node has. What is sealed can lie in the log.
//!
//! A secret may be sealed for a place: opened for another one it is nothing, so that whoever could
//! write into the log could not have one user's secret handed to another.

use ring::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use ring::rand::{SecureRandom, SystemRandom};
use sha2::{Digest, Sha256};

/// Set before what is sealed: how it was done.
const VERSION: u8 = 1;
/// Set before what is sealed for a place.
const PLACED: u8 = 2;
/// Keeps this key from being used for anything else.
const PURPOSE: &[u8] = b"GO-Docker: secrets in the log, version 1";

/// The key for secrets in the log.
pub struct Seal(LessSafeKey);

impl Seal {
    /// The key that goes with an authority's. `None` if the cipher refuses it, which it does not.
    pub(super) fn of(authority_key: &str) -> Option<Seal> {
        let mut hash = Sha256::new();
        hash.update(PURPOSE);
        hash.update(authority_key.as_bytes());
        let key = UnboundKey::new(&AES_256_GCM, &hash.finalize()).ok()?;
        Some(Seal(LessSafeKey::new(key)))
    }

    /// Seals a secret; never twice to the same bytes. `None` if there is no randomness.
    pub fn seal(&self, secret: &[u8]) -> Option<Vec<u8>> {
        self.close(VERSION, "", secret)
    }

    /// Seals a secret for a place, which is not secret. `None` if there is no randomness.
    pub fn seal_for(&self, place: &str, secret: &[u8]) -> Option<Vec<u8>> {
        self.close(PLACED, place, secret)
    }

    fn close(&self, version: u8, place: &str, secret: &[u8]) -> Option<Vec<u8>> {
        let mut nonce = [0; NONCE_LEN];
        SystemRandom::new().fill(&mut nonce).ok()?;
        let mut sealed = secret.to_vec();
        let unique = Nonce::assume_unique_for_key(nonce);
        self.0
            .seal_in_place_append_tag(unique, bound(version, place), &mut sealed)
            .ok()?;
        Some([&[version][..], &nonce, &sealed].concat())
    }

    /// The secret again; `None` if it was not sealed by a head of this cluster, or was changed.
    pub fn open(&self, sealed: &[u8]) -> Option<Vec<u8>> {
        self.unclose(VERSION, "", sealed)
    }

    /// The secret again; `None` if no head of this cluster has sealed it for that place.
    pub fn open_for(&self, place: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        self.unclose(PLACED, place, sealed)
    }

    fn unclose(&self, version: u8, place: &str, sealed: &[u8]) -> Option<Vec<u8>> {
        let (written, rest) = sealed.split_first()?;
        let (nonce, body) = rest.split_first_chunk::<NONCE_LEN>()?;
        if *written != version {
            return None;
        }
        let unique = Nonce::assume_unique_for_key(*nonce);
        let mut body = body.to_vec();
        let opened = self
            .0
            .open_in_place(unique, bound(version, place), &mut body);
        opened.ok().map(|secret| secret.to_vec())
    }
}

/// What is not sealed and yet cannot be changed.
fn bound(version: u8, place: &str) -> Aad<Vec<u8>> {
    Aad::from([&[version], place.as_bytes()].concat())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn what_is_sealed_is_read_by_the_same_key_only_and_unchanged_only() {
        let seal = Seal::of("key").unwrap();
        let sealed = seal.seal(b"secret").unwrap();
        assert_eq!(seal.open(&sealed).unwrap(), b"secret");
        assert_ne!(seal.seal(b"secret").unwrap(), sealed);
        assert!(!sealed.windows(6).any(|part| part == b"secret"));
        assert_eq!(Seal::of("other").unwrap().open(&sealed), None);
        for at in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[at] ^= 1;
            assert_eq!(seal.open(&changed), None, "byte {at}");
        }
        assert_eq!(seal.open(&[]), None);
    }

    #[test]
    fn what_is_sealed_for_a_place_is_opened_for_it_only() {
        let seal = Seal::of("key").unwrap();
        let sealed = seal.seal_for("user alice/db", b"secret").unwrap();
        assert_eq!(seal.open_for("user alice/db", &sealed).unwrap(), b"secret");
        assert_eq!(seal.open_for("user bob/db", &sealed), None);
        assert_eq!(seal.open_for("", &sealed), None);
        assert_eq!(seal.open(&sealed), None);
        let plain = seal.seal(b"secret").unwrap();
        assert_eq!(seal.open_for("", &plain), None);
        let longest = seal.seal_for("x", &[7; 100]).unwrap().len() - 100;
        assert!(longest <= model::limits::SEALED_MORE_MAX);
    }
}
