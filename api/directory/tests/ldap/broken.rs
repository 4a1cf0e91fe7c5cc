//! Servers that no server should be like: they hang, drip, lie, and answer what nobody asked.
//! Every question ends in time, nobody is let in, and no password is heard.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::authority::Authority;
use super::slapd::settings;
use super::{open, unavailable};

/// The request for StartTLS, and the answer that it is granted (RFC 4511, section 4.14).
const START_TLS: &[u8] = b"\x30\x1d\x02\x01\x01\x77\x18\x80\x161.3.6.1.4.1.1466.20037";
const GRANTED: &[u8] = b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x00\x04\x00\x04\x00";

/// What a server does with a connection.
#[derive(Clone)]
enum Habit {
    /// Says nothing, and holds on.
    Hang,
    /// Says these bytes, one at a time, and goes on with zeros for ever.
    Drip(Vec<u8>),
    /// Says these bytes to the first request, then listens.
    Say(Vec<u8>),
    /// Hangs up.
    Close,
}

/// A server of the test's own: its port, and all that it hears.
async fn serve(habit: Habit) -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let all = heard.clone();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(attend(stream, habit.clone(), all.clone()));
        }
    });
    (port, heard)
}

async fn attend(mut stream: TcpStream, habit: Habit, heard: Arc<Mutex<Vec<u8>>>) {
    let mut buffer = [0; 4096];
    match habit {
        Habit::Close => return,
        Habit::Hang => {}
        Habit::Say(bytes) => {
            let count = stream.read(&mut buffer).await.unwrap_or_default();
            heard.lock().unwrap().extend(&buffer[..count]);
            let _ = stream.write_all(&bytes).await;
        }
        Habit::Drip(bytes) => {
            for byte in bytes.into_iter().chain(std::iter::repeat(0)) {
                if stream.write_all(&[byte]).await.is_err() {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(30)).await;
            }
        }
    }
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        heard.lock().unwrap().extend(&buffer[..count]);
    }
}

/// Asks a server with this habit in both ways; what was said of it, and what it heard.
async fn asked(habit: Habit) -> (Vec<String>, Vec<u8>) {
    let (port, heard) = serve(habit).await;
    let authority = Authority::new("site");
    let mut errors = Vec::new();
    for scheme in ["ldap", "ldaps"] {
        let server = format!("\"{scheme}://localhost:{port}\"");
        let more = "bind_dn = \"cn=reader,o=site\"\nstep_timeout_ms = 400\ntimeout_ms = 900\n";
        let directory = open(&(settings(&server, &authority.pem) + more));
        let begun = Instant::now();
        errors.push(unavailable(
            directory.authenticate("ada", "ada's secret").await,
        ));
        errors.push(unavailable(directory.find("ada").await));
        assert!(
            begun.elapsed() < Duration::from_secs(5),
            "{:?}",
            begun.elapsed()
        );
    }
    let heard = heard.lock().unwrap().clone();
    let said = |word: &[u8]| heard.windows(word.len()).any(|window| window == word);
    assert!(
        !said(b"secret") && !said(b"reads") && !said(b"ada"),
        "it heard who asks"
    );
    (errors, heard)
}

#[tokio::test]
async fn a_server_that_hangs_or_hangs_up_is_left_in_time() {
    for error in asked(Habit::Hang).await.0 {
        assert!(error.contains("within 400 ms"), "{error}");
    }
    asked(Habit::Close).await;
}

#[tokio::test]
async fn a_server_that_drips_is_left_in_time() {
    // A message of 12 kB, announced and never finished, and one that grows with every byte.
    for bytes in [
        b"\x30\x82\x30\x00".to_vec(),
        b"\x30\x0c\x02".to_vec(),
        Vec::new(),
    ] {
        asked(Habit::Drip(bytes)).await;
    }
    // What TLS would take for the beginning of an answer.
    asked(Habit::Drip(b"\x16\x03\x03\x40\x00".to_vec())).await;
}

#[tokio::test]
async fn what_is_no_answer_to_start_tls_is_the_end() {
    let mut nested = Vec::new();
    for _ in 0..200_000 {
        nested.extend(b"\x30\x84\x00\x0f\x00\x00");
    }
    for bytes in [
        nested,
        b"\x30\x84\x7f\xff\xff\xff\x02\x01\x01".to_vec(), // two gigabytes to come
        b"HTTP/1.1 200 OK\r\n\r\n".to_vec(),
        b"\x30\x0c\x02\x01\x02\x78\x07\x0a\x01\x00\x04\x00\x04\x00".to_vec(), // to another request
        b"\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00".to_vec(), // to a bind
        b"\x30\x0c\x02\x01\x01\x78\x07\x0a\x01\x34\x04\x00\x04\x00".to_vec(), // unavailable
        vec![0; 70_000],
        vec![0xff; 70_000],
    ] {
        let (_, heard) = asked(Habit::Say(bytes)).await;
        let in_the_clear = &heard[..START_TLS.len()];
        assert_eq!(in_the_clear, START_TLS);
    }
}

#[tokio::test]
async fn what_is_put_behind_the_answer_to_start_tls_is_not_taken_for_the_servers() {
    // A bind that succeeds, said in the clear by somebody on the way.
    let mut bytes = GRANTED.to_vec();
    bytes.extend(b"\x30\x0c\x02\x01\x02\x61\x07\x0a\x01\x00\x04\x00\x04\x00");
    let (errors, heard) = asked(Habit::Say(bytes)).await;
    assert!(errors[0].contains("no TLS"), "{}", errors[0]);
    // Behind StartTLS comes a handshake of TLS, and nothing else.
    assert_eq!(heard[..START_TLS.len()], *START_TLS);
    assert_eq!(heard[START_TLS.len()], 0x16);
}

#[tokio::test]
async fn a_server_that_is_down_lets_nobody_in() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    drop(listener);
    let authority = Authority::new("site");
    for server in [
        format!("ldaps://localhost:{port}"),
        "ldaps://no.such.invalid".into(),
    ] {
        let directory = open(&settings(&format!("\"{server}\""), &authority.pem));
        let error = unavailable(directory.authenticate("ada", "ada's secret").await);
        assert!(
            error.contains("cannot reach") || error.contains("within"),
            "{error}"
        );
    }
}

#[tokio::test]
async fn many_servers_that_hang_do_not_take_longer_than_one_question_may() {
    let (port, _) = serve(Habit::Hang).await;
    let authority = Authority::new("site");
    let servers = vec![format!("\"ldaps://localhost:{port}\""); 8].join(", ");
    let more = "step_timeout_ms = 1000\ntimeout_ms = 1500\n";
    let directory = open(&(settings(&servers, &authority.pem) + more));
    let begun = Instant::now();
    let error = unavailable(directory.authenticate("ada", "ada's secret").await);
    assert!(error.contains("no LDAP server answers in time"), "{error}");
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
}
