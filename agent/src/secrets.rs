//! Asking the heads for the secrets of attempts, when these are prepared.
//!
//! What is told is handed on and forgotten: it is in no journal, no log and no error. Any head that
//! is in session is asked; one that does not know of the attempt yet is passed over, and asked
//! again a moment later.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use model::NodeId;
use model::assignment::Held;
use model::log::Later;
use net::message::{Login, Opening, SecretAnswer, SecretCall, SecretFile, SecretWant};
use net::{Connection, NetError};
use tokio::sync::watch;
use tokio::time::{sleep, timeout};

use crate::runtime::RuntimeError;

/// How long one head may take.
const ANSWER_WITHIN: Duration = Duration::from_secs(5);
/// How long any head may take, all tries together.
const PATIENCE: Duration = Duration::from_secs(30);
/// The wait before all of them are asked again.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Where logins at registries come from.
pub trait Logins: Send + Sync {
    /// The login at the registry of the attempt's image, if its owner or project has one.
    ///
    /// # Errors
    /// [`RuntimeError::Secret`] if the attempt may have none; [`RuntimeError::NoHead`].
    fn login(&self, held: Held) -> Later<'_, Result<Option<Login>, RuntimeError>>;
}

/// The heads that can be asked now.
#[derive(Debug)]
pub struct Asking {
    heads: watch::Sender<BTreeMap<NodeId, Connection>>,
}

/// A head can be asked as long as this lives.
pub(crate) struct InSession {
    asking: Arc<Asking>,
    head: NodeId,
}

impl Drop for InSession {
    fn drop(&mut self) {
        self.asking.heads.send_modify(|heads| {
            heads.remove(&self.head);
        });
    }
}

impl Asking {
    /// No heads yet.
    pub fn new() -> Arc<Asking> {
        let heads = watch::Sender::new(BTreeMap::new());
        Arc::new(Asking { heads })
    }

    /// From now on, and as long as the answer lives, this head can be asked.
    pub(crate) fn enter(self: &Arc<Self>, head: NodeId, connection: Connection) -> InSession {
        self.heads.send_modify(|heads| {
            heads.insert(head, connection);
        });
        let asking = self.clone();
        InSession { asking, head }
    }

    /// The secrets that an attempt gets as files.
    ///
    /// # Errors
    /// [`RuntimeError::Secret`] if it may not have them; [`RuntimeError::NoHead`].
    pub async fn files(&self, held: Held) -> Result<Vec<SecretFile>, RuntimeError> {
        let want = SecretWant::Files;
        match self.ask(SecretCall { held, want }, "secrets").await? {
            SecretAnswer::Files(files) => Ok(files),
            other => Err(refused(other)),
        }
    }

    async fn ask(
        &self,
        call: SecretCall,
        what: &'static str,
    ) -> Result<SecretAnswer, RuntimeError> {
        let answer = timeout(PATIENCE, self.ask_all(call)).await;
        answer.map_err(|_| RuntimeError::NoHead {
            what,
            seconds: PATIENCE.as_secs(),
        })
    }

    async fn ask_all(&self, call: SecretCall) -> SecretAnswer {
        let mut changes = self.heads.subscribe();
        loop {
            let heads = changes.borrow_and_update().clone();
            for (head, connection) in heads {
                match timeout(ANSWER_WITHIN, ask_one(&connection, call)).await {
                    Ok(Ok(SecretAnswer::NotHere)) | Err(_) => {}
                    Ok(Ok(answer)) => return answer,
                    Ok(Err(error)) => tracing::debug!(%head, %error, "no answer about secrets"),
                }
            }
            tokio::select! {
                _ = changes.changed() => {}
                () = sleep(ASK_AGAIN) => {}
            }
        }
    }
}

impl Logins for Asking {
    fn login(&self, held: Held) -> Later<'_, Result<Option<Login>, RuntimeError>> {
        let want = SecretWant::Login;
        Box::pin(async move {
            let answer = self
                .ask(SecretCall { held, want }, "registry logins")
                .await?;
            match answer {
                SecretAnswer::Login(login) => Ok(login),
                other => Err(refused(other)),
            }
        })
    }
}

async fn ask_one(connection: &Connection, call: SecretCall) -> Result<SecretAnswer, NetError> {
    let mut stream = connection.open().await?;
    stream.sender.send(&Opening::Secrets(call)).await?;
    stream.sender.finish()?;
    let answer = stream.receiver.receive::<SecretAnswer>().await?;
    answer.ok_or_else(|| NetError::Closed("the head gave no answer".into()))
}

/// What is no answer to the question, and no secret.
fn refused(answer: SecretAnswer) -> RuntimeError {
    let why = match answer {
        SecretAnswer::Refused(why) => why,
        SecretAnswer::Files(_) | SecretAnswer::Login(_) | SecretAnswer::NotHere => {
            "a head has answered something else than was asked".into()
        }
    };
    RuntimeError::Secret { why }
}
