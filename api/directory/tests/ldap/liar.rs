//! A server that shows the right certificate, and whose answers are not those of an LDAP server:
//! nothing in them lets anybody in who is not the person that was asked about, or costs more than
//! the bounds say.

use std::sync::Arc;
use std::time::{Duration, Instant};

use directory::{Directory, DirectoryError};
use rustls::ServerConfig;
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

use super::authority::Authority;
use super::slapd::{FAR_YEAR, settings};
use super::{open, told, unavailable};

/// What the liar answers to each kind of request; `ID` is the request's number.
#[derive(Clone, Default)]
struct Lies {
    bind: Vec<u8>,
    search: Vec<u8>,
    /// How often the answer to a search is said.
    times: usize,
}

/// An element of BER; what is in it is at most 65,535 bytes long.
fn element(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = u16::try_from(content.len()).unwrap().to_be_bytes();
    [&[tag, 0x82, length[0], length[1]], content].concat()
}

/// A message whose number is that of the request, which has one byte: it is filled in later.
fn message(tag: u8, operation: &[u8]) -> Vec<u8> {
    element(
        0x30,
        &[&[2, 1, ID], element(tag, operation).as_slice()].concat(),
    )
}

/// Stands for the number of the request; no other byte of the lies has this value.
const ID: u8 = 0xee;
const SUCCESS: &[u8] = &[0x0a, 1, 0, 4, 0, 4, 0];
const BIND_ANSWER: u8 = 0x61;
const ENTRY: u8 = 0x64;
const DONE: u8 = 0x65;
const REFERENCE: u8 = 0x73;

/// An entry with this name and these attributes.
fn entry(dn: &str, attributes: &[(&str, &str)]) -> Vec<u8> {
    let attribute = |(name, value): &(&str, &str)| {
        let values = element(0x31, &element(4, value.as_bytes()));
        element(0x30, &[element(4, name.as_bytes()), values].concat())
    };
    let list: Vec<u8> = attributes.iter().flat_map(attribute).collect();
    let operation = [element(4, dn.as_bytes()), element(0x30, &list)].concat();
    message(ENTRY, &operation)
}

fn ada(dn: &str, login: &str) -> Vec<u8> {
    let attributes = [("uid", login), ("uidNumber", "2001"), ("gidNumber", "3000")];
    [entry(dn, &attributes), message(DONE, SUCCESS)].concat()
}

/// A directory that asks a liar.
async fn asking(lies: Lies) -> Box<dyn Directory> {
    let authority = Authority::new("site");
    let signed = authority.sign(&["localhost"], FAR_YEAR);
    let certificate = CertificateDer::from_pem_slice(signed.certificate.as_bytes()).unwrap();
    let key = PrivateKeyDer::from_pem_slice(signed.key.as_bytes()).unwrap();
    let config =
        ServerConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![certificate], key)
            .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(lie(stream, acceptor.clone(), lies.clone()));
        }
    });
    let server = format!("\"ldaps://localhost:{port}\"");
    open(&(settings(&server, &authority.pem) + "step_timeout_ms = 3000\n"))
}

async fn lie(stream: TcpStream, acceptor: TlsAcceptor, lies: Lies) -> std::io::Result<()> {
    let mut stream = acceptor.accept(stream).await?;
    let mut request = [0; 4096];
    // Requests are small: each comes as a whole. Its number is behind the first length.
    while let Ok(count @ 1..) = stream.read(&mut request).await {
        let number = request[..count].iter().position(|byte| *byte == 2).unwrap() + 2;
        let (id, tag) = (request[number], request[number + 1]);
        let (lie, times) = match tag {
            0x60 => (&lies.bind, 1),
            0x63 => (&lies.search, lies.times),
            _ => return Ok(()),
        };
        let fill = |byte: &u8| if *byte == ID { id } else { *byte };
        let lie: Vec<u8> = lie.iter().map(fill).collect();
        for _ in 0..times {
            stream.write_all(&lie).await?;
        }
        stream.flush().await?;
    }
    Ok(())
}

fn believed() -> Lies {
    Lies {
        bind: message(BIND_ANSWER, SUCCESS),
        search: ada("uid=ada", "ada"),
        times: 1,
    }
}

#[tokio::test]
async fn what_is_said_as_it_should_be_is_believed() {
    let directory = asking(believed()).await;
    assert_eq!(directory.authenticate("ada", "x").await.unwrap().uid, 2_001);
}

#[tokio::test]
async fn somebody_else_is_not_who_was_asked_about() {
    let lies = Lies {
        search: ada("uid=bob", "bob"),
        ..believed()
    };
    let directory = asking(lies).await;
    assert_eq!(directory.find("ada").await.unwrap(), None);
    let answer = directory.authenticate("ada", "x").await;
    assert!(matches!(answer, Err(DirectoryError::Denied)), "{answer:?}");
}

#[tokio::test]
async fn an_entry_without_a_name_is_not_bound_to() {
    // A bind without a name is anonymous, and this server lets it succeed.
    let lies = Lies {
        search: ada("", "ada"),
        ..believed()
    };
    let answer = asking(lies).await.authenticate("ada", "x").await;
    assert!(
        matches!(answer, Err(DirectoryError::Unfit { .. })),
        "{answer:?}"
    );
}

#[tokio::test]
async fn only_the_answer_to_a_bind_is_a_yes() {
    let mut other_number = message(BIND_ANSWER, SUCCESS);
    let at = other_number.iter().position(|byte| *byte == ID).unwrap();
    other_number[at] = 0x55;
    let code = |code: u8| message(BIND_ANSWER, &[0x0a, 1, code, 4, 0, 4, 0]);
    for bind in [
        other_number,
        message(DONE, SUCCESS),
        message(ENTRY, SUCCESS),
        message(REFERENCE, b""),
        message(0x78, SUCCESS),
        message(BIND_ANSWER, b""),
        message(BIND_ANSWER, &[0x0a, 0, 4, 0, 4, 0]),
        message(BIND_ANSWER, &[2, 1, 0, 4, 0, 4, 0]),
        code(10), // referral
        code(14), // saslBindInProgress
        code(51), // busy
        code(80), // other
    ] {
        let lies = Lies { bind, ..believed() };
        unavailable(asking(lies).await.authenticate("ada", "x").await);
    }
    for denied in [19, 48, 49, 53] {
        let lies = Lies {
            bind: code(denied),
            ..believed()
        };
        let answer = asking(lies).await.authenticate("ada", "x").await;
        assert!(matches!(answer, Err(DirectoryError::Denied)), "{answer:?}");
    }
}

#[tokio::test]
async fn answers_without_end_are_cut_off() {
    let large = entry("uid=ada", &[("uid", &"x".repeat(60_000))]);
    for (search, times) in [
        (message(REFERENCE, b""), 10_000),
        (entry("uid=ada", &[]), 10_000),
        (large, 1_000),
        (b"\x30\x84\x7f\xff\xff\xff".to_vec(), 1),
    ] {
        let lies = Lies {
            search,
            times,
            ..believed()
        };
        let begun = Instant::now();
        let error = unavailable(asking(lies).await.find("ada").await);
        let because = ["more than 2050 messages", "does not speak LDAP"];
        assert!(
            because.iter().any(|because| error.contains(because)),
            "{error}"
        );
        assert!(
            begun.elapsed() < Duration::from_secs(3),
            "{:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test]
async fn numbers_are_whole_and_alone() {
    for number in [
        "",
        "2001 ",
        "+2001",
        "-1",
        "0x7d1",
        "2001.0",
        "4294967296",
        "２００１",
    ] {
        let attributes = [("uid", "ada"), ("uidNumber", number), ("gidNumber", "3000")];
        let found = [entry("uid=ada", &attributes), message(DONE, SUCCESS)].concat();
        let lies = Lies {
            search: found,
            ..believed()
        };
        let error = told(asking(lies).await.authenticate("ada", "x").await);
        assert!(error.contains("`uidNumber`"), "{number:?}: {error}");
    }
}
