//! Where an LDAP server is, and how TLS begins there. An address without TLS cannot be written.

use std::fmt;

use rustls::pki_types::ServerName;

/// When TLS begins on a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Begin {
    /// With the first byte.
    AtOnce,
    /// After StartTLS, the first request.
    StartTls,
}

/// The address of one server.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Address {
    pub(crate) begin: Begin,
    pub(crate) host: String,
    pub(crate) port: u16,
    /// The name that the server's certificate must carry: the host as it is written.
    pub(crate) name: ServerName<'static>,
}

const SCHEMES: [(&str, Begin, u16); 2] = [
    ("ldaps://", Begin::AtOnce, 636),
    ("ldap://", Begin::StartTls, 389),
];

impl Address {
    /// Reads `ldaps://HOST[:PORT]` or `ldap://HOST[:PORT]`.
    pub(crate) fn read(text: &str) -> Result<Address, String> {
        let form = || format!("`{text}` is not ldaps://HOST[:PORT] or ldap://HOST[:PORT]");
        let scheme = SCHEMES.iter().find(|(scheme, ..)| text.starts_with(scheme));
        let (scheme, begin, default_port) = *scheme.ok_or_else(form)?;
        let place = text[scheme.len()..].trim_end_matches('/');
        let (host, port) = match place.strip_prefix('[') {
            Some(place) => {
                let (host, rest) = place.split_once(']').ok_or_else(form)?;
                let port = if rest.is_empty() {
                    None
                } else {
                    rest.strip_prefix(':')
                };
                if !rest.is_empty() && port.is_none() {
                    return Err(form());
                }
                (host, port)
            }
            None => match place.split_once(':') {
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            },
        };
        let digits = |port: &str| port.bytes().all(|b| b.is_ascii_digit());
        let port = match port {
            Some(port) if digits(port) => port.parse().map_err(|_| form())?,
            Some(_) => return Err(form()),
            None => default_port,
        };
        let name = ServerName::try_from(host.to_owned()).map_err(|_| form())?;
        Ok(Address {
            begin,
            host: host.to_owned(),
            port,
            name,
        })
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} port {}", self.host, self.port)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read() {
        for (text, begin, host, port) in [
            ("ldaps://a.example", Begin::AtOnce, "a.example", 636),
            ("ldap://a.example/", Begin::StartTls, "a.example", 389),
            ("ldaps://10.0.0.1:1636", Begin::AtOnce, "10.0.0.1", 1_636),
            ("ldap://[::1]:3389", Begin::StartTls, "::1", 3_389),
            ("ldaps://[::1]", Begin::AtOnce, "::1", 636),
        ] {
            let address = Address::read(text).unwrap();
            assert_eq!(
                (address.begin, &*address.host, address.port),
                (begin, host, port)
            );
        }
    }

    #[test]
    fn what_is_no_address_is_refused() {
        for text in [
            "",
            "a.example",
            "http://a",
            "ldapi://%2frun",
            "ldaps://",
            "ldaps://a:b",
            "ldaps://a:",
            "ldaps://a:70000",
            "ldaps://a:+1",
            "ldaps://a/dc=b",
            "ldaps://u@a",
            "ldaps://[::1",
            "ldaps://[::1]x",
            "ldaps://a b",
            "LDAPS://a",
            "ldaps://a?x",
        ] {
            let read = Address::read(text);
            assert!(read.is_err(), "{text}: {read:?}");
        }
    }
}
