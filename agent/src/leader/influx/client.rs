//! The one door to an InfluxDB: `POST /write` of version 1, `POST /api/v2/write` of version 2.
//!
//! Files with secrets are read for each push, so that they can be replaced; what is in them is said
//! to the server and to nobody else.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::redirect::Policy;
use reqwest::{Certificate, RequestBuilder, StatusCode};

use crate::config::influx::InfluxConfig;

/// How long a connection may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long a push may take.
const PUSH_WITHIN: Duration = Duration::from_secs(30);
/// Bytes of a refusal that are told.
const WORDS_BYTES_MAX: usize = 300;

/// Why points were not taken.
#[derive(Debug)]
pub(super) enum Failure {
    /// The server cannot be reached, or lets nobody in: try again.
    Again(String),
    /// It does not want these points, and will not later.
    Dropped(String),
}

/// Pushes lines.
pub(super) struct Client {
    http: reqwest::Client,
    url: String,
    query: Vec<(&'static str, String)>,
    login: Login,
}

enum Login {
    Nobody,
    User(String, PathBuf),
    Token(PathBuf),
}

impl Client {
    /// A client that has not called yet.
    pub(super) fn new(config: &InfluxConfig) -> Result<Client, Failure> {
        let mut http = reqwest::Client::builder()
            .connect_timeout(CONNECT_WITHIN)
            .timeout(PUSH_WITHIN)
            .redirect(Policy::none())
            .user_agent(concat!("goagent/", env!("CARGO_PKG_VERSION")));
        if !config.ca_file.as_os_str().is_empty() {
            let pem = read("influxdb.ca_file", &config.ca_file)?;
            let ca = Certificate::from_pem_bundle(pem.as_bytes()).map_err(|error| again(&error))?;
            http = http.tls_certs_only(ca);
        }
        let base = config.url.trim_end_matches('/');
        let precision = ("precision", "ns".to_owned());
        let (url, query) = if config.database.is_empty() {
            let to = [
                ("org", config.org.clone()),
                ("bucket", config.bucket.clone()),
            ];
            let query = to.into_iter().chain([precision]).collect();
            (format!("{base}/api/v2/write"), query)
        } else {
            let query = vec![("db", config.database.clone()), precision];
            (format!("{base}/write"), query)
        };
        let login = if !config.user.is_empty() {
            Login::User(config.user.clone(), config.password_file.clone())
        } else if !config.token_file.as_os_str().is_empty() {
            Login::Token(config.token_file.clone())
        } else {
            Login::Nobody
        };
        Ok(Client {
            http: http.build().map_err(|error| again(&error))?,
            url,
            query,
            login,
        })
    }

    /// Pushes some lines; they are taken when it returns.
    pub(super) async fn write(&self, lines: String) -> Result<(), Failure> {
        let request = self.http.post(&self.url).query(&self.query).body(lines);
        let request = self.login.of(request)?;
        let answer = request
            .send()
            .await
            .map_err(|error| again(&error.without_url()))?;
        let status = answer.status();
        if status.is_success() {
            return Ok(());
        }
        let mut words = answer.text().await.unwrap_or_default();
        words.truncate(words.floor_char_boundary(WORDS_BYTES_MAX));
        let why = format!("{status}: {}", words.trim_end());
        Err(match status {
            // Points of another type than the series has, or too old for what is kept: the others
            // are taken.
            StatusCode::BAD_REQUEST
            | StatusCode::PAYLOAD_TOO_LARGE
            | StatusCode::UNPROCESSABLE_ENTITY => Failure::Dropped(why),
            _ => Failure::Again(why),
        })
    }
}

impl Login {
    fn of(&self, request: RequestBuilder) -> Result<RequestBuilder, Failure> {
        Ok(match self {
            Login::Nobody => request,
            Login::User(user, file) => {
                let password = read("influxdb.password_file", file)?;
                request.basic_auth(user, Some(password.trim_end_matches(['\r', '\n'])))
            }
            Login::Token(file) => {
                let token = read("influxdb.token_file", file)?;
                request.header("Authorization", format!("Token {}", token.trim()))
            }
        })
    }
}

fn read(key: &str, path: &Path) -> Result<String, Failure> {
    std::fs::read_to_string(path)
        .map_err(|error| Failure::Again(format!("{key}: {}: {error}", path.display())))
}

/// What has failed, with its causes.
fn again(error: &dyn std::error::Error) -> Failure {
    let mut why = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        why.push_str(&format!(": {error}"));
        cause = error.source();
    }
    Failure::Again(why)
}
