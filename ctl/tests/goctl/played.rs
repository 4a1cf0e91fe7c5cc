//! A head that says what a test tells it to: HTTP/1.1, one request per connection, in the clear
//! or under the certificate in `tls/`.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use serde_json::Value;

/// What a client asked.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) method: String,
    /// Without the prefix of the API, with the query.
    pub(crate) path: String,
    pub(crate) headers: Vec<(String, String)>,
    pub(crate) body: String,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let named = |(known, _): &&(String, String)| known.eq_ignore_ascii_case(name);
        self.headers
            .iter()
            .find(named)
            .map(|(_, value)| value.as_str())
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// Method and path without the query: `GET /jobs`.
    pub(crate) fn what(&self) -> String {
        format!(
            "{} {}",
            self.method,
            self.path.split('?').next().unwrap_or_default()
        )
    }
}

/// What a head answers.
pub(crate) enum Answer {
    /// A whole answer.
    Whole {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// The beginning of an answer, then the connection breaks.
    Torn {
        headers: Vec<(&'static str, String)>,
        body: Vec<u8>,
    },
    /// Nothing: the connection breaks.
    Nothing,
    /// Nothing, for as long as the client has patience.
    Silence,
}

impl Answer {
    pub(crate) fn json(status: u16, body: &Value) -> Answer {
        let headers = vec![("Content-Type", "application/json".to_owned())];
        Answer::Whole {
            status,
            headers,
            body: body.to_string().into_bytes(),
        }
    }

    pub(crate) fn problem(status: u16, code: &str, detail: &str) -> Answer {
        let body = serde_json::json!({
            "type": "about:blank", "title": "no", "status": status, "code": code,
            "detail": detail, "request_id": "r-1",
        });
        Answer::json(status, &body)
    }

    pub(crate) fn text(headers: Vec<(&'static str, String)>, body: &str) -> Answer {
        Answer::Whole {
            status: 200,
            headers,
            body: body.as_bytes().to_vec(),
        }
    }

    pub(crate) fn with(self, name: &'static str, value: &str) -> Answer {
        match self {
            Answer::Whole {
                status,
                mut headers,
                body,
            } => {
                headers.push((name, value.into()));
                Answer::Whole {
                    status,
                    headers,
                    body,
                }
            }
            other @ (Answer::Torn { .. } | Answer::Nothing | Answer::Silence) => other,
        }
    }
}

/// A head, until it is dropped.
pub(crate) struct Head {
    address: SocketAddr,
    scheme: &'static str,
    asked: Arc<Mutex<Vec<Asked>>>,
    stopping: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl Head {
    /// A head that answers by this rule; it is given how many requests came before.
    pub(crate) fn new(answer: impl Fn(usize, &Asked) -> Answer + Send + Sync + 'static) -> Head {
        Head::start(None, answer)
    }

    /// The same behind TLS.
    pub(crate) fn tls(answer: impl Fn(usize, &Asked) -> Answer + Send + Sync + 'static) -> Head {
        let chain = CertificateDer::from_pem_slice(include_bytes!("tls/head.crt")).unwrap();
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/head.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![chain], key)
            .unwrap();
        Head::start(Some(Arc::new(config)), answer)
    }

    fn start(
        tls: Option<Arc<ServerConfig>>,
        answer: impl Fn(usize, &Asked) -> Answer + Send + Sync + 'static,
    ) -> Head {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let scheme = if tls.is_some() { "https" } else { "http" };
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let stopping = Arc::new(AtomicBool::new(false));
        let (log, stop) = (asked.clone(), stopping.clone());
        let thread = std::thread::spawn(move || {
            std::thread::scope(|scope| {
                for connection in listener.incoming() {
                    if stop.load(Ordering::SeqCst) {
                        break;
                    }
                    let (log, answer, tls) = (&log, &answer, tls.clone());
                    scope.spawn(move || {
                        let mut plain = connection.unwrap();
                        match tls {
                            None => serve(&mut plain, log, answer),
                            Some(config) => {
                                let secret = ServerConnection::new(config).unwrap();
                                serve(&mut StreamOwned::new(secret, plain), log, answer);
                            }
                        }
                    });
                }
            });
        });
        Head {
            address,
            scheme,
            asked,
            stopping,
            thread: Some(thread),
        }
    }

    /// An address where nobody listens.
    pub(crate) fn dead() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        format!("http://{}", listener.local_addr().unwrap())
    }

    pub(crate) fn url(&self) -> String {
        format!("{}://{}", self.scheme, self.address)
    }

    /// Everything asked so far.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }

    /// What was asked so far, in short.
    pub(crate) fn calls(&self) -> Vec<String> {
        self.asked().iter().map(Asked::what).collect()
    }
}

impl Drop for Head {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::SeqCst);
        // Wakes the thread that accepts.
        drop(TcpStream::connect(self.address));
        self.thread.take().unwrap().join().unwrap();
    }
}

fn serve(
    connection: &mut (impl Read + Write),
    log: &Mutex<Vec<Asked>>,
    answer: &(impl Fn(usize, &Asked) -> Answer + Sync),
) {
    let Some(asked) = read(connection) else {
        return;
    };
    let before = {
        let mut log = log.lock().unwrap();
        log.push(asked.clone());
        log.len() - 1
    };
    // That the client has gone away is no failure of the head.
    drop(write(connection, answer(before, &asked)));
}

/// A request; `None` for a connection without a whole one.
fn read(connection: &mut impl Read) -> Option<Asked> {
    let mut reader = BufReader::new(connection);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?);
    let mut asked = Asked {
        method,
        path: path.strip_prefix("/api/v1").unwrap_or(path).to_owned(),
        ..Asked::default()
    };
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let Some((name, value)) = line.trim().split_once(':') else {
            break;
        };
        asked.headers.push((name.into(), value.trim().into()));
    }
    let length = asked
        .header("Content-Length")
        .map_or(0, |length| length.parse().unwrap());
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    asked.body = String::from_utf8(body).unwrap();
    Some(asked)
}

fn write(connection: &mut (impl Read + Write), answer: Answer) -> std::io::Result<()> {
    let (status, headers, body, missing) = match answer {
        Answer::Whole {
            status,
            headers,
            body,
        } => (status, headers, body, 0),
        Answer::Torn { headers, body } => (200, headers, body, 1_000),
        Answer::Nothing => return Ok(()),
        // Ends when the client closes.
        Answer::Silence => return connection.read(&mut [0; 1]).map(drop),
    };
    let mut text = format!("HTTP/1.1 {status} X\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str(&format!("Content-Length: {}\r\n\r\n", body.len() + missing));
    connection.write_all(text.as_bytes())?;
    connection.write_all(&body)?;
    connection.flush()
}
