//! What a client asks an LDAP server and what the server answers (RFC 4511): the few requests and
//! answers that are needed to find somebody and to try a password. No other is understood.

use super::ber::{
    BOOLEAN, CONSTRUCTED, ENUMERATED, INTEGER, Malformed, OCTETS, Reader, SEQUENCE, SET,
    application, context, put, put_number,
};

use super::filter::{Asked, Filter};
use crate::said::printable;
use zeroize::Zeroizing;

const VERSION: u32 = 3;
/// The name of StartTLS (RFC 4511, section 4.14).
const START_TLS: &str = "1.3.6.1.4.1.1466.20037";

const BIND: u8 = application(0) | CONSTRUCTED;
const BIND_ANSWER: u8 = application(1) | CONSTRUCTED;
const UNBIND: u8 = application(2);
const SEARCH: u8 = application(3) | CONSTRUCTED;
const ENTRY: u8 = application(4) | CONSTRUCTED;
const DONE: u8 = application(5) | CONSTRUCTED;
const REFERENCE: u8 = application(19) | CONSTRUCTED;
const EXTENDED: u8 = application(23) | CONSTRUCTED;
const EXTENDED_ANSWER: u8 = application(24) | CONSTRUCTED;

/// The whole tree below the base.
const SUBTREE: u32 = 2;
/// An alias is an entry like any other, and leads nowhere.
const NEVER_DEREFERENCE: u32 = 0;

/// What is looked for.
pub(crate) struct Search<'a> {
    pub(crate) base: &'a str,
    pub(crate) filter: &'a Filter,
    pub(crate) asked: Asked<'a>,
    pub(crate) attributes: &'a [&'a str],
    /// Entries that are told at the most.
    pub(crate) size_limit: u32,
    /// Seconds that the server looks for them at the most.
    pub(crate) seconds: u32,
}

/// A whole message with this number. What holds a password is wiped when it goes.
fn message(id: u32, tag: u8, operation: &[u8]) -> Zeroizing<Vec<u8>> {
    // Room for everything, so that nothing is copied on growing and left behind.
    let room = operation.len() + 32;
    let mut inner = Zeroizing::new(Vec::with_capacity(room));
    put_number(&mut inner, INTEGER, id);
    put(&mut inner, tag, operation);
    let mut out = Zeroizing::new(Vec::with_capacity(room));
    put(&mut out, SEQUENCE, &inner);
    out
}

/// A simple bind. Neither may be empty: the server would let anybody succeed, as nobody.
pub(crate) fn bind(id: u32, dn: &str, password: &str) -> Zeroizing<Vec<u8>> {
    assert!(!dn.is_empty() && !password.is_empty(), "an anonymous bind");
    let mut operation = Zeroizing::new(Vec::with_capacity(dn.len() + password.len() + 32));
    put_number(&mut operation, INTEGER, VERSION);
    put(&mut operation, OCTETS, dn.as_bytes());
    put(&mut operation, context(0), password.as_bytes());
    message(id, BIND, &operation)
}

/// The request to speak TLS from here on.
pub(crate) fn start_tls(id: u32) -> Zeroizing<Vec<u8>> {
    let mut operation = Vec::new();
    put(&mut operation, context(0), START_TLS.as_bytes());
    message(id, EXTENDED, &operation)
}

/// The last request: it has no answer.
pub(crate) fn unbind(id: u32) -> Zeroizing<Vec<u8>> {
    message(id, UNBIND, &[])
}

/// A search of the whole tree below the base.
pub(crate) fn search(id: u32, search: &Search<'_>) -> Zeroizing<Vec<u8>> {
    let mut operation = Vec::new();
    put(&mut operation, OCTETS, search.base.as_bytes());
    put_number(&mut operation, ENUMERATED, SUBTREE);
    put_number(&mut operation, ENUMERATED, NEVER_DEREFERENCE);
    put_number(&mut operation, INTEGER, search.size_limit);
    put_number(&mut operation, INTEGER, search.seconds);
    put(&mut operation, BOOLEAN, &[0]);
    search.filter.encode(search.asked, &mut operation);
    let mut attributes = Vec::new();
    for attribute in search.attributes {
        put(&mut attributes, OCTETS, attribute.as_bytes());
    }
    put(&mut operation, SEQUENCE, &attributes);
    message(id, SEARCH, &operation)
}

/// How a request came out.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Outcome {
    /// The result code (RFC 4511, appendix A); 0 is success.
    pub(crate) code: u32,
    /// What the server says to explain it.
    pub(crate) said: String,
}

/// An entry as it was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Found {
    pub(crate) dn: String,
    /// Attributes as the server writes them, with their values.
    pub(crate) attributes: Vec<(String, Vec<Vec<u8>>)>,
}

/// One message of a server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Answer {
    Bind(Outcome),
    Entry(Found),
    /// More may be found elsewhere. Nobody goes there.
    Reference,
    Done(Outcome),
    Extended(Outcome),
}

/// Reads one message: the number of the request that it answers, and the answer.
pub(crate) fn read(bytes: &[u8]) -> Result<(u32, Answer), Malformed> {
    let mut message = Reader(bytes).inside(SEQUENCE)?;
    let id = message.number(INTEGER)?;
    let (tag, content) = message.next()?;
    let mut content = Reader(content);
    let answer = match tag {
        BIND_ANSWER => Answer::Bind(outcome(&mut content)?),
        ENTRY => Answer::Entry(found(&mut content)?),
        REFERENCE => Answer::Reference,
        DONE => Answer::Done(outcome(&mut content)?),
        EXTENDED_ANSWER => Answer::Extended(outcome(&mut content)?),
        _ => return Err(Malformed),
    };
    Ok((id, answer))
}

fn outcome(content: &mut Reader<'_>) -> Result<Outcome, Malformed> {
    let code = content.number(ENUMERATED)?;
    content.expect(OCTETS)?; // How much of the name was found.
    let said = String::from_utf8_lossy(content.expect(OCTETS)?);
    Ok(Outcome {
        code,
        said: printable(&said),
    })
}

fn found(content: &mut Reader<'_>) -> Result<Found, Malformed> {
    let dn = content.text(OCTETS)?.to_owned();
    let mut list = content.inside(SEQUENCE)?;
    let mut attributes = Vec::new();
    while !list.is_empty() {
        let mut attribute = list.inside(SEQUENCE)?;
        let name = attribute.text(OCTETS)?.to_owned();
        let mut set = attribute.inside(SET)?;
        let mut values = Vec::new();
        while !set.is_empty() {
            values.push(set.expect(OCTETS)?.to_vec());
        }
        attributes.push((name, values));
    }
    Ok(Found { dn, attributes })
}

impl Found {
    /// The values of an attribute; the case of its name does not matter (RFC 4512).
    pub(crate) fn values(&self, name: &str) -> impl Iterator<Item = &[u8]> {
        let same = move |of: &&(String, Vec<Vec<u8>>)| of.0.eq_ignore_ascii_case(name);
        let of = self.attributes.iter().filter(same);
        of.flat_map(|(_, values)| values.iter().map(Vec::as_slice))
    }

    /// The texts of an attribute.
    pub(crate) fn texts(&self, name: &str) -> impl Iterator<Item = &str> {
        self.values(name)
            .filter_map(|value| core::str::from_utf8(value).ok())
    }
}

#[cfg(test)]
#[path = "message/tests.rs"]
mod tests;
