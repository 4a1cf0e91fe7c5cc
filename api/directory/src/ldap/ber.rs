//! The small part of BER (X.690) that LDAP uses, as RFC 4511 section 5.1 narrows it: one-byte tags
//! and definite lengths. What these bytes mean is not known here.
//!
//! Reading never recurses and never allocates: whoever reads takes one element at a time and
//! decides whether to look inside, so no depth or length that a server makes up costs anything.

/// A message that is not what the protocol allows.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("the server's answer is malformed")]
pub(crate) struct Malformed;

pub(crate) const BOOLEAN: u8 = 0x01;
pub(crate) const INTEGER: u8 = 0x02;
pub(crate) const OCTETS: u8 = 0x04;
pub(crate) const ENUMERATED: u8 = 0x0a;
pub(crate) const SEQUENCE: u8 = 0x30;
pub(crate) const SET: u8 = 0x31;

/// The bit of a tag that says that elements are inside.
pub(crate) const CONSTRUCTED: u8 = 0x20;
/// The tag's number takes more bytes: LDAP has none of these.
const LONG_TAG: u8 = 0x1f;
/// The bit of a length's first byte that says how many bytes of length follow.
const LONG_LENGTH: u8 = 0x80;
/// Bytes of a length after its first.
const LENGTH_BYTES_MAX: usize = 4;

/// A context-specific tag, primitive.
pub(crate) const fn context(number: u8) -> u8 {
    0x80 | number
}

/// An application tag, primitive.
pub(crate) const fn application(number: u8) -> u8 {
    0x40 | number
}

/// Appends one element.
pub(crate) fn put(out: &mut Vec<u8>, tag: u8, content: &[u8]) {
    out.push(tag);
    let length = content.len().to_be_bytes();
    let zeros = length.iter().take_while(|byte| **byte == 0).count();
    let digits = &length[zeros..];
    match digits {
        [] => out.push(0),
        [short] if *short < LONG_LENGTH => out.push(*short),
        // A `usize` has at most eight bytes.
        long => {
            out.push(LONG_LENGTH | u8::try_from(long.len()).unwrap_or(LONG_LENGTH));
            out.extend_from_slice(long);
        }
    }
    out.extend_from_slice(content);
}

/// Appends a number that is not negative.
pub(crate) fn put_number(out: &mut Vec<u8>, tag: u8, number: u32) {
    let bytes = number.to_be_bytes();
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count();
    let mut content = Vec::with_capacity(bytes.len() + 1);
    // The first bit is the sign: a byte of zeros keeps it clear.
    if zeros == bytes.len() || bytes[zeros] >= LONG_LENGTH {
        content.push(0);
    }
    content.extend_from_slice(&bytes[zeros..]);
    put(out, tag, &content);
}

/// The tag, the length of the content, and the length of both, of the element that begins here;
/// `None` if more bytes are needed to tell.
pub(crate) fn head(bytes: &[u8]) -> Result<Option<(u8, usize, usize)>, Malformed> {
    let [tag, first, rest @ ..] = bytes else {
        return Ok(None);
    };
    if tag & LONG_TAG == LONG_TAG {
        return Err(Malformed);
    }
    if *first < LONG_LENGTH {
        return Ok(Some((*tag, usize::from(*first), 2)));
    }
    let digits = usize::from(first - LONG_LENGTH);
    if digits == 0 || digits > LENGTH_BYTES_MAX {
        return Err(Malformed);
    }
    let Some(digits) = rest.get(..digits) else {
        return Ok(None);
    };
    let length = digits
        .iter()
        .fold(0_u64, |sum, digit| sum << 8 | u64::from(*digit));
    let length = usize::try_from(length).map_err(|_| Malformed)?;
    Ok(Some((*tag, length, 2 + digits.len())))
}

/// Elements one after the other.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reader<'a>(pub(crate) &'a [u8]);

impl<'a> Reader<'a> {
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next element: its tag and its content.
    pub(crate) fn next(&mut self) -> Result<(u8, &'a [u8]), Malformed> {
        let (tag, length, begin) = head(self.0)?.ok_or(Malformed)?;
        let end = begin.checked_add(length).ok_or(Malformed)?;
        let content = self.0.get(begin..end).ok_or(Malformed)?;
        self.0 = &self.0[end..];
        Ok((tag, content))
    }

    /// The content of the next element, which has this tag.
    pub(crate) fn expect(&mut self, tag: u8) -> Result<&'a [u8], Malformed> {
        let (found, content) = self.next()?;
        if found == tag {
            Ok(content)
        } else {
            Err(Malformed)
        }
    }

    /// The elements inside the next one, which has this tag.
    pub(crate) fn inside(&mut self, tag: u8) -> Result<Reader<'a>, Malformed> {
        self.expect(tag).map(Reader)
    }

    /// The next element, a number that is not negative.
    pub(crate) fn number(&mut self, tag: u8) -> Result<u32, Malformed> {
        let content = self.expect(tag)?;
        let negative = content.first().is_none_or(|byte| *byte >= LONG_LENGTH);
        if negative || content.len() > 5 {
            return Err(Malformed);
        }
        let number = content
            .iter()
            .fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        u32::try_from(number).map_err(|_| Malformed)
    }

    /// The next element, text.
    pub(crate) fn text(&mut self, tag: u8) -> Result<&'a str, Malformed> {
        core::str::from_utf8(self.expect(tag)?).map_err(|_| Malformed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_written_as_they_are_read() {
        for length in [0, 1, 127, 128, 255, 256, 65_535, 65_536, 70_000] {
            let content = vec![7; length];
            let mut out = Vec::new();
            put(&mut out, OCTETS, &content);
            let mut reader = Reader(&out);
            assert_eq!(reader.expect(OCTETS).unwrap(), content);
            assert!(reader.is_empty());
        }
    }

    #[test]
    fn numbers_have_their_shortest_form_and_a_clear_sign() {
        for (number, bytes) in [
            (0, &[2, 1, 0][..]),
            (127, &[2, 1, 127]),
            (128, &[2, 2, 0, 128]),
            (256, &[2, 2, 1, 0]),
            (u32::MAX, &[2, 5, 0, 255, 255, 255, 255]),
        ] {
            let mut out = Vec::new();
            put_number(&mut out, INTEGER, number);
            assert_eq!(out, bytes);
            assert_eq!(Reader(&out).number(INTEGER), Ok(number));
        }
    }

    #[test]
    fn what_ldap_does_not_allow_is_malformed() {
        for bytes in [
            &[0x1f, 1, 0][..],                 // a tag of several bytes
            &[0x30, 0x80, 0, 0],               // a length that is not told
            &[0x30, 0x85, 0, 0, 0, 0, 1, 0],   // a length of five bytes
            &[0x30, 0x84, 255, 255, 255, 255], // longer than what is there
            &[0x30, 2, 0],                     // the same
            &[0x30],                           // no length
            &[],                               // nothing
        ] {
            assert_eq!(Reader(bytes).next(), Err(Malformed), "{bytes:?}");
        }
        for number in [
            &[2, 0][..],
            &[2, 1, 0x80],
            &[2, 5, 1, 0, 0, 0, 0],
            &[4, 1, 1],
        ] {
            assert_eq!(Reader(number).number(INTEGER), Err(Malformed), "{number:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_make_reading_panic(bytes: Vec<u8>) {
            let mut reader = Reader(&bytes);
            while reader.next().is_ok() {}
            let _ = (head(&bytes), Reader(&bytes).number(INTEGER), Reader(&bytes).text(OCTETS));
        }
    }
}
