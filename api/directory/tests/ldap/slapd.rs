//! OpenLDAP's server, started on ports and in a directory of its own, with the people of
//! `site.ldif`. It ends with the value that stands for it.

use std::fmt::Write as _;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::authority::{Authority, Signed};

/// The password of `cn=reader,o=site`, under whose name people are looked up.
pub(crate) const READER_PASSWORD: &str = "reads, no more";
/// A year in which no certificate of the tests has ended.
pub(crate) const FAR_YEAR: i32 = 2_090;
/// How long a server may take until it answers.
const READY_MAX: Duration = Duration::from_secs(20);
/// How often it is started anew when somebody else took its port.
const STARTS_MAX: usize = 5;

const SITE: &str = include_str!("site.ldif");
const CONFIG: &str = r#"
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/nis.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
sizelimit 2000
# What real sites do by mistake: an empty password is taken, and nobody is who succeeds.
allow bind_anon_cred bind_anon_dn
"#;
const DATABASE: &str = r#"
database mdb
maxsize 16777216
suffix "o=site"
directory DIR/db
access to attrs=userPassword by anonymous auth by * none
access to dn.subtree="ou=open,o=site" by * read
access to * by dn.exact="cn=reader,o=site" read by anonymous auth by * none
"#;

/// A running server.
pub(crate) struct Slapd {
    child: Child,
    _dir: tempfile::TempDir,
    /// The port on which TLS begins with StartTLS.
    pub(crate) port: u16,
    /// The port on which TLS begins at once.
    pub(crate) tls_port: u16,
}

impl Slapd {
    /// A server whose certificate is for `localhost` and 127.0.0.1, and the authority's PEM.
    pub(crate) fn trusted() -> (Slapd, String) {
        let authority = Authority::new("site");
        let signed = authority.sign(&["localhost", "127.0.0.1"], FAR_YEAR);
        (Slapd::start(Some((&authority.pem, &signed))), authority.pem)
    }

    /// A server with this authority's certificate, or without TLS.
    pub(crate) fn start(tls: Option<(&str, &Signed)>) -> Slapd {
        Slapd::with(tls, "")
    }

    /// The same, with more lines in its configuration.
    pub(crate) fn with(tls: Option<(&str, &Signed)>, more: &str) -> Slapd {
        for _ in 0..STARTS_MAX {
            if let Some(slapd) = Slapd::try_start(tls, more) {
                return slapd;
            }
        }
        panic!("slapd does not start; its own words are above");
    }

    fn try_start(tls: Option<(&str, &Signed)>, more: &str) -> Option<Slapd> {
        let dir = tempfile::tempdir().unwrap();
        let config = configure(dir.path(), tls, more);
        fill(dir.path(), &config);
        let (port, tls_port) = (free_port(), free_port());
        let mut urls = format!("ldap://127.0.0.1:{port}/");
        if tls.is_some() {
            write!(urls, " ldaps://127.0.0.1:{tls_port}/").unwrap();
        }
        let mut command = program("slapd");
        command
            .arg("-f")
            .arg(&config)
            .args(["-h", &urls, "-d", "0"]);
        let child = command.spawn().unwrap();
        let mut slapd = Slapd {
            child,
            _dir: dir,
            port,
            tls_port,
        };
        let ports = if tls.is_some() {
            vec![port, tls_port]
        } else {
            vec![port]
        };
        slapd.is_ready(&ports).then_some(slapd)
    }

    /// Waits until all ports answer; `false` if the server ended instead.
    fn is_ready(&mut self, ports: &[u16]) -> bool {
        let begun = Instant::now();
        while begun.elapsed() < READY_MAX {
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            let answers = |port: &u16| TcpStream::connect(("127.0.0.1", *port)).is_ok();
            if ports.iter().all(answers) {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        panic!("slapd runs and does not answer on {ports:?}");
    }

    /// Settings that look people up under the reader's name, over TLS from the first byte.
    pub(crate) fn settings(&self, ca_pem: &str) -> String {
        let servers = format!("\"ldaps://localhost:{}\"", self.tls_port);
        settings(&servers, ca_pem) + "bind_dn = \"cn=reader,o=site\"\n"
    }
}

impl Drop for Slapd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Settings for these servers, without a service account.
pub(crate) fn settings(servers: &str, ca_pem: &str) -> String {
    format!(
        "kind = \"ldap\"\nservers = [{servers}]\nca_pem = \"\"\"\n{ca_pem}\"\"\"\n\
         base = \"ou=people,o=site\"\nlifetime_ms = 0\nfilter = \"(uid={{login}})\"\n"
    )
}

fn program(name: &str) -> Command {
    let path = format!("/usr/sbin/{name}");
    assert!(
        Path::new(&path).exists(),
        "no {path}: run packaging/setup.sh"
    );
    Command::new(path)
}

fn configure(dir: &Path, tls: Option<(&str, &Signed)>, more: &str) -> PathBuf {
    let path = |name: &str| dir.join(name).display().to_string();
    std::fs::create_dir(path("db")).unwrap();
    let mut text = CONFIG.to_owned();
    if let Some((authority, signed)) = tls {
        for (word, name, pem) in [
            ("TLSCACertificateFile", "ca.pem", authority),
            ("TLSCertificateFile", "cert.pem", &signed.certificate),
            ("TLSCertificateKeyFile", "key.pem", &signed.key),
        ] {
            std::fs::write(path(name), pem).unwrap();
            writeln!(text, "{word} {}", path(name)).unwrap();
        }
    }
    text += more;
    text += &DATABASE.replace("DIR", &dir.display().to_string());
    std::fs::write(path("slapd.conf"), text).unwrap();
    dir.join("slapd.conf")
}

/// Puts the people in.
fn fill(dir: &Path, config: &Path) {
    let ldif = dir.join("site.ldif");
    std::fs::write(&ldif, SITE.replace("READER_PASSWORD", READER_PASSWORD)).unwrap();
    let mut command = program("slapadd");
    command.arg("-q").arg("-f").arg(config).arg("-l").arg(&ldif);
    let output = command.stdin(Stdio::null()).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "slapadd: {said}");
}

/// A port that nobody has now. Somebody may take it: then the server is started anew.
fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.local_addr().unwrap().port()
}
