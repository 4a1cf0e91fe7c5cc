//! How records of the log look on disk: version byte, checksum, postcard.
//!
//! Dated list of versions. A reader knows every version ever written; a writer writes the last.
//! - 1 (2026-11-24): the first; openraft 0.10.0-alpha.37's serde forms.
//!
//! The checksum covers the key too: a record that lies under another's key is not taken for it.

use serde::Serialize;
use serde::de::DeserializeOwned;

/// The version that is written.
pub(crate) const VERSION: u8 = 1;
/// Bytes before the body.
const HEAD: usize = 5;

/// The bytes of a record that is kept under `key`.
pub(crate) fn encode<T: Serialize>(key: &[u8], value: &T) -> Vec<u8> {
    let head = vec![VERSION, 0, 0, 0, 0];
    // Postcard fails only on types that announce no length; none of ours does.
    let mut bytes = match postcard::to_extend(value, head) {
        Ok(bytes) => bytes,
        Err(error) => unreachable!("a record type that postcard cannot write: {error}"),
    };
    let sum = checksum(key, &bytes[HEAD..]);
    bytes[1..HEAD].copy_from_slice(&sum.to_le_bytes());
    bytes
}

/// The value of the record under `key`; otherwise what is wrong with it.
pub(crate) fn decode<T: DeserializeOwned>(key: &[u8], bytes: &[u8]) -> Result<T, String> {
    let Some((head, body)) = bytes.split_first_chunk::<HEAD>() else {
        return Err(format!("it has {} bytes", bytes.len()));
    };
    if head[0] != VERSION {
        return Err(format!(
            "version {}; this release reads up to {VERSION}",
            head[0]
        ));
    }
    let sum = u32::from_le_bytes([head[1], head[2], head[3], head[4]]);
    if sum != checksum(key, body) {
        return Err("its checksum is wrong".into());
    }
    match postcard::take_from_bytes(body) {
        Ok((value, [])) => Ok(value),
        Ok((_, rest)) => Err(format!("{} bytes behind its end", rest.len())),
        Err(error) => Err(error.to_string()),
    }
}

fn checksum(key: &[u8], body: &[u8]) -> u32 {
    let mut sum = crc32fast::Hasher::new();
    sum.update(key);
    sum.update(body);
    sum.finalize()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_flipped_bit_is_found() {
        let whole = encode(b"key", &(7_u64, "text".to_owned()));
        assert_eq!(
            decode::<(u64, String)>(b"key", &whole),
            Ok((7, "text".to_owned()))
        );
        for bit in 0..whole.len() * 8 {
            let mut torn = whole.clone();
            torn[bit / 8] ^= 1 << (bit % 8);
            assert!(decode::<(u64, String)>(b"key", &torn).is_err(), "bit {bit}");
        }
    }

    #[test]
    fn a_record_under_a_wrong_key_is_refused() {
        let bytes = encode(b"a", &1_u64);
        assert!(decode::<u64>(b"b", &bytes).is_err());
    }
}
