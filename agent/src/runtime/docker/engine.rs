//! The engine's API as this runtime uses it: every call bounded in time, every failure named.
//!
//! Nothing is decided here; a call returns what the engine said, or that it did not answer.

use std::collections::HashMap;
use std::fmt::Write;
use std::future::Future;
use std::time::Duration;

use bollard::Docker;
use bollard::auth::DockerCredentials;
use bollard::container::LogOutput;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, ContainerInspectResponse};
use bollard::query_parameters as query;
use bytes::Bytes;
use futures_util::{Stream, StreamExt, TryStreamExt};
use model::MilliCpus;
use net::message::Login;
use tokio::time::timeout;

use super::{Facts, Timeouts};
use crate::runtime::RuntimeError;

/// The client's own limit lies above all of ours and is never reached.
const CLIENT_SECONDS: u64 = 24 * 3600;

/// The user that says that its password is an identity token, as Docker has it.
const IDENTITY_TOKEN: &str = "<token>";
/// Docker Hub, as engines call it.
const DOCKER_HUB: &str = "https://index.docker.io/v1/";

/// A connection to one engine.
pub(super) struct Engine {
    docker: Docker,
    timeouts: Timeouts,
}

/// Why the engine did not do what was asked.
#[derive(Debug)]
pub(super) enum Trouble {
    /// It said no, with this status.
    Answer {
        /// The HTTP status.
        status: u16,
        /// In its words.
        why: String,
    },
    /// It did not answer, or not sensibly.
    Silence(RuntimeError),
}

impl Trouble {
    /// The same as an error of the runtime; `call` is what was asked.
    pub(super) fn or_engine(self, call: &'static str) -> RuntimeError {
        match self {
            Trouble::Answer { why, .. } => RuntimeError::Engine { call, why },
            Trouble::Silence(error) => error,
        }
    }
}

type Answer<T> = Result<T, Trouble>;

impl Engine {
    /// Reaches the engine behind `socket` and agrees on an API version.
    pub(super) async fn connect(socket: &str, timeouts: Timeouts) -> Result<Engine, RuntimeError> {
        let call = "connect";
        let docker =
            Docker::connect_with_unix(socket, CLIENT_SECONDS, bollard::API_DEFAULT_VERSION)
                .map_err(|error| trouble(call, &error).or_engine(call))?;
        let docker = within(call, timeouts.call, docker.negotiate_version())
            .await
            .map_err(|trouble| trouble.or_engine(call))?;
        Ok(Engine { docker, timeouts })
    }

    /// What the engine and its machine are.
    pub(super) async fn facts(&self) -> Result<Facts, RuntimeError> {
        let info = within("info", self.timeouts.call, self.docker.info())
            .await
            .map_err(|trouble| trouble.or_engine("info"))?;
        let number = |value: Option<i64>| u64::try_from(value.unwrap_or(0)).unwrap_or(0);
        Ok(Facts {
            version: info.server_version.unwrap_or_default(),
            api: self.docker.client_version().to_string(),
            cpus: MilliCpus(number(info.ncpu).saturating_mul(1000)),
            memory: model::Bytes(number(info.mem_total)),
            cgroup_version: info
                .cgroup_version
                .map(|v| v.to_string())
                .unwrap_or_default(),
            cgroup_driver: info
                .cgroup_driver
                .map(|v| v.to_string())
                .unwrap_or_default(),
            live_restore: info.live_restore_enabled.unwrap_or(false),
            root_dir: info.docker_root_dir.unwrap_or_default(),
        })
    }

    /// Everything the engine knows of a container; `None` if there is none.
    pub(super) async fn inspect(
        &self,
        name: &str,
    ) -> Result<Option<ContainerInspectResponse>, RuntimeError> {
        let asked = self.docker.inspect_container(name, None);
        match within("inspect", self.timeouts.call, asked).await {
            Ok(found) => Ok(Some(found)),
            Err(Trouble::Answer { status: 404, .. }) => Ok(None),
            Err(trouble) => Err(trouble.or_engine("inspect")),
        }
    }

    /// The names of all containers, running or not, that carry all of these labels.
    pub(super) async fn labelled(&self, labels: Vec<String>) -> Result<Vec<String>, RuntimeError> {
        let filters = HashMap::from([("label", labels)]);
        let options = query::ListContainersOptionsBuilder::new()
            .all(true)
            .filters(&filters);
        let asked = self.docker.list_containers(Some(options.build()));
        let found = within("list", self.timeouts.call, asked)
            .await
            .map_err(|trouble| trouble.or_engine("list"))?;
        let names = found
            .into_iter()
            .filter_map(|one| one.names?.into_iter().next());
        Ok(names
            .map(|name| name.trim_start_matches('/').to_owned())
            .collect())
    }

    pub(super) async fn create(&self, name: &str, body: ContainerCreateBody) -> Answer<()> {
        let options = query::CreateContainerOptionsBuilder::new()
            .name(name)
            .build();
        let asked = self.docker.create_container(Some(options), body);
        within("create", self.timeouts.create, asked)
            .await
            .map(|_| ())
    }

    pub(super) async fn start(&self, name: &str) -> Answer<()> {
        let asked = self.docker.start_container(name, None);
        within("start", self.timeouts.start, asked).await
    }

    pub(super) async fn kill(&self, name: &str, signal: &str) -> Answer<()> {
        let options = query::KillContainerOptionsBuilder::new()
            .signal(signal)
            .build();
        let asked = self.docker.kill_container(name, Some(options));
        within("kill", self.timeouts.call, asked).await
    }

    /// Removes the container with its anonymous volumes: by force whatever it does, otherwise only
    /// if it does not run.
    pub(super) async fn remove(&self, name: &str, force: bool) -> Answer<()> {
        let options = query::RemoveContainerOptionsBuilder::new()
            .force(force)
            .v(true)
            .build();
        let asked = self.docker.remove_container(name, Some(options));
        within("remove", self.timeouts.create, asked).await
    }

    /// Returns when the engine says that the container is not running, or after `at_most`.
    pub(super) async fn until_not_running(
        &self,
        name: &str,
        at_most: Duration,
    ) -> Result<(), RuntimeError> {
        let options = query::WaitContainerOptionsBuilder::new()
            .condition("not-running")
            .build();
        let mut answers = Box::pin(self.docker.wait_container(name, Some(options)));
        match timeout(at_most, answers.next()).await {
            // A code other than 0 comes as an error; the code is read by inspecting.
            Err(_) | Ok(None | Some(Ok(_) | Err(Error::DockerContainerWaitError { .. }))) => Ok(()),
            Ok(Some(Err(error))) => Err(trouble("wait", &error).or_engine("wait")),
        }
    }

    /// Whether the engine has the image.
    pub(super) async fn has_image(&self, image: &str) -> Result<bool, RuntimeError> {
        Ok(self.image_id(image).await?.is_some())
    }

    /// The id of an image that is here.
    pub(super) async fn image_id(&self, image: &str) -> Result<Option<String>, RuntimeError> {
        let asked = self.docker.inspect_image(image);
        match within("inspect image", self.timeouts.call, asked).await {
            Ok(found) => Ok(Some(found.id.unwrap_or_default())),
            Err(Trouble::Answer { status: 404, .. }) => Ok(None),
            Err(trouble) => Err(trouble.or_engine("inspect image")),
        }
    }

    /// Fetches an image from its registry. Not bounded in time: the caller bounds all its tries.
    pub(super) async fn pull(&self, reference: &str, login: Option<&Login>) -> Answer<()> {
        let options = query::CreateImageOptionsBuilder::new()
            .from_image(reference)
            .build();
        let login = login.map(credentials);
        let mut progress = self.docker.create_image(Some(options), None, login);
        while let Some(step) = progress.next().await {
            step.map_err(|error| trouble("pull", &error))?;
        }
        Ok(())
    }

    /// Makes an image with nothing in it: an archive that is only its end.
    pub(super) async fn import_empty(&self, image: &str) -> Answer<()> {
        let (repo, tag) = image.split_once(':').unwrap_or((image, "latest"));
        let options = query::CreateImageOptionsBuilder::new()
            .from_src("-")
            .repo(repo)
            .tag(tag)
            .build();
        let archive = bollard::body_full(Bytes::from_static(&[0; 1024]));
        let mut progress = self.docker.create_image(Some(options), Some(archive), None);
        while let Some(step) = progress.next().await {
            step.map_err(|error| trouble("import", &error))?;
        }
        Ok(())
    }

    /// The engine's copy of a container's output, each piece with its time in front.
    pub(super) fn output(
        &self,
        name: &str,
        follow: bool,
    ) -> impl Stream<Item = Result<LogOutput, RuntimeError>> + Send + use<> {
        let options = query::LogsOptionsBuilder::new()
            .follow(follow)
            .stdout(true)
            .stderr(true)
            .timestamps(true);
        let pieces = self.docker.logs(name, Some(options.build()));
        pieces.map_err(|error| trouble("logs", &error).or_engine("logs"))
    }

    /// The last lines that a container wrote to its standard error, at most `lines`.
    pub(super) async fn error_tail(&self, name: &str, lines: u8) -> Result<String, RuntimeError> {
        let options = query::LogsOptionsBuilder::new()
            .stderr(true)
            .tail(&lines.to_string());
        let pieces = self.docker.logs(name, Some(options.build()));
        let read = pieces.try_fold(Vec::new(), |mut all, piece| async move {
            all.extend_from_slice(&piece.into_bytes());
            Ok(all)
        });
        let bytes = within("logs", self.timeouts.call, read)
            .await
            .map_err(|trouble| trouble.or_engine("logs"))?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

async fn within<T>(
    call: &'static str,
    limit: Duration,
    asked: impl Future<Output = Result<T, Error>>,
) -> Answer<T> {
    match timeout(limit, asked).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(trouble(call, &error)),
        Err(_) => {
            let seconds = limit.as_secs();
            Err(Trouble::Silence(RuntimeError::TimedOut { call, seconds }))
        }
    }
}

fn trouble(call: &'static str, error: &Error) -> Trouble {
    match error {
        Error::DockerResponseServerError {
            status_code,
            message,
        } => Trouble::Answer {
            status: *status_code,
            why: message.clone(),
        },
        // What a pull reports in its stream: the engine is well, the registry is not.
        Error::DockerStreamError { error } => Trouble::Answer {
            status: 500,
            why: error.clone(),
        },
        other => Trouble::Silence(RuntimeError::Engine {
            call,
            why: with_causes(other),
        }),
    }
}

/// As the engine wants them. Docker's own sign of an identity token is the user `<token>`.
fn credentials(login: &Login) -> DockerCredentials {
    let secret = String::from_utf8_lossy(&login.password.0).into_owned();
    let secret = secret.trim_end_matches(['\n', '\r']).to_owned();
    let token = login.login == IDENTITY_TOKEN;
    let server = match login.host.as_str() {
        "docker.io" => DOCKER_HUB.into(),
        host => host.to_owned(),
    };
    DockerCredentials {
        username: (!token).then(|| login.login.clone()),
        password: (!token).then(|| secret.clone()),
        identitytoken: token.then_some(secret),
        serveraddress: Some(server),
        ..DockerCredentials::default()
    }
}

/// The error and what lies behind it, in one line.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            let _ = write!(text, ": {inner_text}");
        }
        cause = inner.source();
    }
    text
}
