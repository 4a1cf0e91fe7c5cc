//! A registry of images that lets in one user only: as much of the distribution API
//! (<https://distribution.github.io/distribution/spec/api/>) as an engine needs to fetch one image,
//! which has one empty layer.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::JoinHandle;

use anyhow::Context;
use serde_json::json;
use sha2::{Digest, Sha256};

/// Bytes of a request's head.
const HEAD_MAX: u64 = 64 << 10;

/// A registry, until it is dropped.
pub struct Registry {
    addr: SocketAddr,
    content: Arc<Content>,
    thread: Option<JoinHandle<()>>,
}

struct Content {
    /// What `Authorization` must be.
    wanted: String,
    manifest: Vec<u8>,
    config: Vec<u8>,
    layer: Vec<u8>,
    ended: AtomicBool,
    /// Manifests that were given out.
    given: AtomicUsize,
    /// Requests without the right login.
    turned_away: AtomicUsize,
}

impl Registry {
    /// A registry on this machine that knows this user, whose name and password are given as
    /// `Authorization: Basic` has them.
    ///
    /// # Errors
    /// If no port can be had.
    pub fn start(basic: &str, unique: &str) -> anyhow::Result<Registry> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let addr = listener.local_addr()?;
        let content = Arc::new(Content::new(basic, unique));
        let shared = content.clone();
        let thread = std::thread::Builder::new()
            .name("registry".into())
            .spawn(move || serve(&listener, &shared))
            .context("a thread")?;
        Ok(Registry {
            addr,
            content,
            thread: Some(thread),
        })
    }

    /// Its name, as images begin with it.
    pub fn host(&self) -> String {
        self.addr.to_string()
    }

    /// Its image, by tag.
    pub fn image(&self) -> String {
        format!("{}/lab/private:1", self.addr)
    }

    /// The id that engines give the image.
    pub fn image_id(&self) -> String {
        digest(&self.content.config)
    }

    /// How often the manifest was given out.
    pub fn given(&self) -> usize {
        self.content.given.load(Ordering::Acquire)
    }

    /// How often somebody without the right login was turned away.
    pub fn turned_away(&self) -> usize {
        self.content.turned_away.load(Ordering::Acquire)
    }
}

impl Drop for Registry {
    fn drop(&mut self) {
        self.content.ended.store(true, Ordering::Release);
        // Wakes the listener.
        let _ = TcpStream::connect(self.addr);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Content {
    fn new(basic: &str, unique: &str) -> Content {
        // A tar archive with nothing in it.
        let layer = vec![0; 1024];
        let config = json!({
            "architecture": "amd64",
            "os": "linux",
            "config": {"Labels": {"test": unique}},
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2,
            "mediaType": MANIFEST,
            "config": {
                "mediaType": "application/vnd.docker.container.image.v1+json",
                "size": config.len(),
                "digest": digest(&config),
            },
            "layers": [{
                "mediaType": "application/vnd.docker.image.rootfs.diff.tar",
                "size": layer.len(),
                "digest": digest(&layer),
            }],
        });
        Content {
            wanted: format!("Basic {basic}"),
            manifest: manifest.to_string().into_bytes(),
            config,
            layer,
            ended: AtomicBool::new(false),
            given: AtomicUsize::new(0),
            turned_away: AtomicUsize::new(0),
        }
    }
}

const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";

fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let digits = hash.iter().map(|byte| format!("{byte:02x}"));
    format!("sha256:{}", digits.collect::<String>())
}

fn serve(listener: &TcpListener, content: &Arc<Content>) {
    for stream in listener.incoming() {
        if content.ended.load(Ordering::Acquire) {
            return;
        }
        if let Ok(stream) = stream {
            // What goes wrong is seen by the engine.
            let _ = answer(stream, content);
        }
    }
}

/// One request, one answer, and the end of the connection.
fn answer(mut stream: TcpStream, content: &Content) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream.try_clone()?.take(HEAD_MAX)).lines();
    let request = lines.next().transpose()?.unwrap_or_default();
    let mut login = None;
    for line in lines {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(':')
            && name.eq_ignore_ascii_case("authorization")
        {
            login = Some(value.trim().to_owned());
        }
    }
    let mut words = request.split(' ');
    let (method, path) = (
        words.next().unwrap_or_default(),
        words.next().unwrap_or_default(),
    );
    if login.as_deref() != Some(content.wanted.as_str()) {
        content.turned_away.fetch_add(1, Ordering::AcqRel);
        let body = br#"{"errors":[{"code":"UNAUTHORIZED","message":"log in first"}]}"#;
        let more = "WWW-Authenticate: Basic realm=\"lab\"\r\n";
        return send(
            &mut stream,
            "401 Unauthorized",
            "application/json",
            more,
            body,
        );
    }
    let (kind, body): (&str, &[u8]) = match path.rsplit('/').next() {
        _ if path == "/v2/" => ("application/json", b"{}"),
        Some(_) if path.contains("/manifests/") => {
            content.given.fetch_add(1, Ordering::AcqRel);
            (MANIFEST, &content.manifest)
        }
        Some(name) if name == digest(&content.config) => {
            ("application/octet-stream", &content.config)
        }
        Some(name) if name == digest(&content.layer) => {
            ("application/octet-stream", &content.layer)
        }
        Some(_) | None => return send(&mut stream, "404 Not Found", "application/json", "", b"{}"),
    };
    let more = format!("Docker-Content-Digest: {}\r\n", digest(body));
    if method == "HEAD" {
        return head(&mut stream, "200 OK", kind, &more, body.len());
    }
    send(&mut stream, "200 OK", kind, &more, body)
}

fn send(
    stream: &mut TcpStream,
    status: &str,
    kind: &str,
    more: &str,
    body: &[u8],
) -> std::io::Result<()> {
    head(stream, status, kind, more, body.len())?;
    stream.write_all(body)
}

fn head(
    stream: &mut TcpStream,
    status: &str,
    kind: &str,
    more: &str,
    length: usize,
) -> std::io::Result<()> {
    write!(
        stream,
        "HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\
         Docker-Distribution-Api-Version: registry/2.0\r\n{more}Connection: close\r\n\r\n"
    )
}
