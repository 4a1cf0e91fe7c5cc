//! One connection to one server: TLS is up before anything is asked, and one request is under way
//! at a time. It understands messages, not people.
//!
//! Every step ends within its time-out, however slowly a server answers, and no answer makes it
//! keep more than [`SEARCH_BYTES_MAX`].

use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::address::{Address, Begin};
use super::ber::{Malformed, SEQUENCE, head};
use super::message::{self, Answer, Found, Outcome, Search};
use crate::DirectoryError;
use crate::limits::{MESSAGES_MAX, OUTCOME_BYTES_MAX, SEARCH_BYTES_MAX};

/// A connection on which TLS is up.
pub(crate) struct Session {
    stream: TlsStream<TcpStream>,
    server: String,
    step: Duration,
    /// The number of the last request.
    id: u32,
}

/// The entries that a search found, and how it came out.
pub(crate) struct FoundAll {
    pub(crate) entries: Vec<Found>,
    pub(crate) outcome: Outcome,
}

impl Session {
    /// Connects, and brings TLS up.
    pub(crate) async fn open(
        address: &Address,
        connector: &TlsConnector,
        step: Duration,
    ) -> Result<Session, DirectoryError> {
        let server = address.to_string();
        let connected = async {
            let place = (address.host.as_str(), address.port);
            let failed = |error| DirectoryError::caused(format!("cannot reach {server}"), error);
            let mut stream = TcpStream::connect(place).await.map_err(failed)?;
            // Requests are small and wait for answers: nothing is gained by collecting them.
            stream.set_nodelay(true).map_err(failed)?;
            if address.begin == Begin::StartTls {
                start_tls(&mut stream, &server).await?;
            }
            let failed = |error| DirectoryError::caused(format!("no TLS with {server}"), error);
            let name = address.name.clone();
            connector.connect(name, stream).await.map_err(failed)
        };
        let stream = in_time(&server, step, connected).await?;
        Ok(Session {
            stream,
            server,
            step,
            id: 1,
        })
    }

    /// Tries a name and a password.
    pub(crate) async fn bind(
        &mut self,
        dn: &str,
        password: &str,
    ) -> Result<Outcome, DirectoryError> {
        self.id += 1;
        let request = message::bind(self.id, dn, password);
        let (id, stream) = (self.id, &mut self.stream);
        let server = &self.server;
        let answered = async {
            send(stream, &request, server).await?;
            match receive(stream, id, &mut { OUTCOME_BYTES_MAX }, server).await? {
                Answer::Bind(outcome) => Ok(outcome),
                Answer::Entry(_) | Answer::Reference | Answer::Done(_) | Answer::Extended(_) => {
                    Err(malformed(server, Malformed))
                }
            }
        };
        in_time(server, self.step, answered).await
    }

    /// Looks for entries; where more of them may be elsewhere is not followed.
    pub(crate) async fn search(&mut self, search: &Search<'_>) -> Result<FoundAll, DirectoryError> {
        self.id += 1;
        let request = message::search(self.id, search);
        let (id, stream) = (self.id, &mut self.stream);
        let server = &self.server;
        let answered = async {
            send(stream, &request, server).await?;
            let (mut entries, mut room) = (Vec::new(), SEARCH_BYTES_MAX);
            for _ in 0..MESSAGES_MAX {
                match receive(stream, id, &mut room, server).await? {
                    Answer::Entry(found) => entries.push(found),
                    Answer::Reference => {}
                    Answer::Done(outcome) => return Ok(FoundAll { entries, outcome }),
                    Answer::Bind(_) | Answer::Extended(_) => {
                        return Err(malformed(server, Malformed));
                    }
                }
            }
            let why = format!("{server} answers a search with more than {MESSAGES_MAX} messages");
            Err(DirectoryError::unavailable(why))
        };
        in_time(server, self.step, answered).await
    }

    /// Takes leave. What comes of that does not matter.
    pub(crate) async fn close(mut self) {
        let request = message::unbind(self.id + 1);
        let farewell = async {
            send(&mut self.stream, &request, &self.server).await?;
            let failed = |error| DirectoryError::caused("not closed", error);
            self.stream.shutdown().await.map_err(failed)
        };
        let _ = in_time(&self.server, self.step, farewell).await;
    }
}

/// Asks for TLS in the clear. Nothing is read beyond the answer, so nothing that somebody on the
/// way puts behind it is taken for the server's.
async fn start_tls(stream: &mut TcpStream, server: &str) -> Result<(), DirectoryError> {
    send(stream, &message::start_tls(1), server).await?;
    let outcome = match receive(stream, 1, &mut { OUTCOME_BYTES_MAX }, server).await? {
        Answer::Extended(outcome) => outcome,
        Answer::Bind(_) | Answer::Entry(_) | Answer::Reference | Answer::Done(_) => {
            return Err(malformed(server, Malformed));
        }
    };
    if outcome.code == 0 {
        return Ok(());
    }
    let Outcome { code, said } = outcome;
    let why = format!("{server} refuses StartTLS: code {code} {said}");
    Err(DirectoryError::unavailable(why))
}

async fn in_time<T>(
    server: &str,
    step: Duration,
    answered: impl Future<Output = Result<T, DirectoryError>>,
) -> Result<T, DirectoryError> {
    let late = |passed| {
        let why = format!("{server} does not answer within {} ms", step.as_millis());
        DirectoryError::caused(why, passed)
    };
    timeout(step, answered).await.map_err(late)?
}

async fn send(
    stream: &mut (impl AsyncWrite + Unpin),
    request: &[u8],
    server: &str,
) -> Result<(), DirectoryError> {
    let failed = |error| DirectoryError::caused(format!("cannot ask {server}"), error);
    stream.write_all(request).await.map_err(failed)?;
    stream.flush().await.map_err(failed)
}

/// The next message, which answers this request; it takes its bytes from what room there is.
async fn receive(
    stream: &mut (impl AsyncRead + Unpin),
    id: u32,
    room: &mut usize,
    server: &str,
) -> Result<Answer, DirectoryError> {
    let failed = |error| DirectoryError::caused(format!("{server} broke off"), error);
    let mut bytes = Vec::new();
    let end = loop {
        match head(&bytes).map_err(|error| malformed(server, error))? {
            Some((SEQUENCE, length, begin)) if length <= room.saturating_sub(begin) => {
                break begin + length;
            }
            Some(_) => return Err(malformed(server, Malformed)),
            None => bytes.push(stream.read_u8().await.map_err(failed)?),
        }
    };
    let begin = bytes.len();
    *room -= end;
    bytes.resize(end, 0);
    stream
        .read_exact(&mut bytes[begin..])
        .await
        .map_err(failed)?;
    match message::read(&bytes).map_err(|error| malformed(server, error))? {
        (answered, answer) if answered == id => Ok(answer),
        // Number 0 is how a server says that it ends the connection.
        (0, _) => Err(DirectoryError::unavailable(format!("{server} broke off"))),
        _ => Err(malformed(server, Malformed)),
    }
}

fn malformed(server: &str, error: Malformed) -> DirectoryError {
    DirectoryError::caused(format!("{server} does not speak LDAP as it should"), error)
}
