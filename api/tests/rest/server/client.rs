//! An HTTP/1.1 client of few lines that blocks: what goes over the wire is what the test writes.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use serde_json::Value;

/// How long a test waits for what must come.
const PATIENCE: Duration = Duration::from_secs(60);

/// Runs what blocks in a thread of its own.
pub async fn in_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::task::spawn_blocking(work).await.unwrap()
}

/// The text of a request.
pub fn ask(method: &str, path: &str, token: &str, body: &str) -> String {
    let token = match token {
        "" => String::new(),
        token => format!("Authorization: Bearer {token}\r\n"),
    };
    let prefix = api_types::PREFIX;
    let length = body.len();
    format!(
        "{method} {prefix}{path} HTTP/1.1\r\nHost: head1.lab\r\nContent-Length: {length}\r\n\
         {token}\r\n{body}"
    )
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }
}

pub struct Client(StreamOwned<ClientConnection, TcpStream>);

impl Client {
    pub fn connect(addr: SocketAddr, name: &str) -> io::Result<Client> {
        Client::connect_speaking(addr, name, &[])
    }

    pub fn connect_speaking(
        addr: SocketAddr,
        name: &str,
        protocols: &[&str],
    ) -> io::Result<Client> {
        let ca = CertificateDer::from_pem_slice(include_bytes!("ca.pem")).unwrap();
        let mut config = config(&[ca]);
        config.alpn_protocols = protocols.iter().map(|it| it.as_bytes().to_vec()).collect();
        Client::shake_hands(addr, name, config)
    }

    pub fn connect_trusting(
        addr: SocketAddr,
        name: &str,
        authorities: &[CertificateDer<'static>],
    ) -> io::Result<Client> {
        Client::shake_hands(addr, name, config(authorities))
    }

    /// Connected, and nothing said yet.
    pub fn without_handshake(addr: SocketAddr) -> Client {
        Client::open(addr, "head1.lab", config(&[]))
    }

    fn open(addr: SocketAddr, name: &str, config: ClientConfig) -> Client {
        let name = ServerName::try_from(name.to_owned()).unwrap();
        let tls = ClientConnection::new(Arc::new(config), name).unwrap();
        Client(StreamOwned::new(tls, tcp(addr)))
    }

    fn shake_hands(addr: SocketAddr, name: &str, config: ClientConfig) -> io::Result<Client> {
        let mut client = Client::open(addr, name, config);
        while client.0.conn.is_handshaking() {
            client.0.conn.complete_io(&mut client.0.sock)?;
        }
        Ok(client)
    }

    pub fn protocol(&self) -> Option<String> {
        let protocol = self.0.conn.alpn_protocol()?;
        Some(String::from_utf8(protocol.to_vec()).unwrap())
    }

    pub fn send(&mut self, text: &str) -> &mut Client {
        self.0.write_all(text.as_bytes()).unwrap();
        self.0.flush().unwrap();
        self
    }

    /// Sends what the server may not want to read.
    pub fn try_send(&mut self, text: &str) {
        let sent = self.0.write_all(text.as_bytes());
        if sent.is_ok() {
            drop(self.0.flush());
        }
    }

    pub fn answer(&mut self) -> Answer {
        self.try_answer().expect("an answer")
    }

    /// The answer; `None` when the server closes the connection instead. Waiting in vain fails.
    pub fn try_answer(&mut self) -> Option<Answer> {
        let head = self.try_line()?;
        let status = head.split(' ').nth(1)?.parse().unwrap();
        let mut headers = HashMap::new();
        loop {
            let line = self.try_line()?;
            let Some((name, value)) = line.split_once(": ") else {
                break;
            };
            headers.insert(name.to_lowercase(), value.to_owned());
        }
        let length = headers
            .get("content-length")
            .map_or(0, |it| it.parse().unwrap());
        let mut body = vec![0; length];
        self.0.read_exact(&mut body).ok()?;
        Some(Answer {
            status,
            headers,
            body,
        })
    }

    pub fn line(&mut self) -> String {
        self.try_line().expect("a line")
    }

    fn try_line(&mut self) -> Option<String> {
        let (mut line, mut byte) = (Vec::new(), [0]);
        while !line.ends_with(b"\r\n") {
            match self.0.read(&mut byte) {
                Ok(0) => return None,
                Ok(_) => line.push(byte[0]),
                Err(error) => {
                    let late = [io::ErrorKind::WouldBlock, io::ErrorKind::TimedOut];
                    assert!(!late.contains(&error.kind()), "no answer in time");
                    return None;
                }
            }
        }
        line.truncate(line.len() - 2);
        Some(String::from_utf8(line).unwrap())
    }

    pub fn read_to_end(&mut self) {
        while self.try_line().is_some() {}
    }
}

fn config(authorities: &[CertificateDer<'static>]) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    for authority in authorities {
        roots.add(authority.clone()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider);
    let config = config.with_safe_default_protocol_versions().unwrap();
    config.with_root_certificates(roots).with_no_client_auth()
}

pub fn tcp(addr: SocketAddr) -> TcpStream {
    let stream = TcpStream::connect(addr).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.set_write_timeout(Some(PATIENCE)).unwrap();
    stream
}

/// Sends bytes without TLS and reads what comes until the connection ends.
pub fn raw(stream: &mut TcpStream, bytes: &[u8]) -> Vec<u8> {
    stream.write_all(bytes).unwrap();
    let mut text = Vec::new();
    drop(stream.read_to_end(&mut text));
    text
}
