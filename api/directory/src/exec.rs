//! People whom a program of the site's own knows: it is asked in JSON on its standard input and
//! answers in JSON on its standard output.
//!
//! A password is on that standard input and nowhere else. Only a program that ends with 0 and
//! answers as it should says anything; whatever else happens lets nobody in.

mod program;
mod protocol;
mod settings;

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{Instant, timeout};
use tracing::warn;

pub use settings::ExecSettings;

use crate::limits::{QUESTIONS_MAX, STDERR_BYTES_MAX};
use crate::said::shortened;
use crate::settings::span;
use crate::{Directory, DirectoryError, Later, Person};
use program::Ran;
use protocol::Verdict;

/// A directory that is a program.
pub struct Exec {
    settings: ExecSettings,
    places: Semaphore,
}

impl Exec {
    /// Makes ready to ask; the program is not run yet.
    pub fn open(settings: ExecSettings) -> Exec {
        Exec {
            settings,
            places: Semaphore::new(QUESTIONS_MAX),
        }
    }

    async fn ask(&self, login: &str, password: Option<&str>) -> Result<Verdict, DirectoryError> {
        let limit = span(self.settings.timeout_ms);
        let begun = Instant::now();
        let late = |passed| DirectoryError::caused("too many questions at once", passed);
        let place = timeout(limit, self.places.acquire()).await.map_err(late)?;
        let _place = place.map_err(|closed| DirectoryError::caused("no places", closed))?;
        let left = limit
            .saturating_sub(begun.elapsed())
            .max(Duration::from_millis(1));
        let question = protocol::question(login, password);
        let ran = program::run(&self.settings.command, &question, left).await?;
        self.log_stderr(&ran, password);
        if !ran.status.success() {
            return Err(DirectoryError::unavailable(ended(ran.status)));
        }
        protocol::answer(&ran.stdout)
    }

    /// What a program complains of is for the administrator, but no password is.
    fn log_stderr(&self, ran: &Ran, password: Option<&str>) {
        if ran.stderr.is_empty() {
            return;
        }
        let program = self.settings.command.first();
        let text = String::from_utf8_lossy(&ran.stderr);
        match complaint(&text, password) {
            Some(said) => warn!(?program, said, "a directory's program complains"),
            None => warn!(
                ?program,
                "a directory's program complains with a password in it"
            ),
        }
    }
}

/// What may be logged of a program's standard error: nothing if the password is in it, as it is or
/// as the question wrote it.
fn complaint(text: &str, password: Option<&str>) -> Option<String> {
    let password = password.unwrap_or_default();
    let quoted = serde_json::to_string(password).unwrap_or_default();
    let told = text.contains(password) || text.contains(quoted.trim_matches('"'));
    let safe = password.is_empty() || !told;
    safe.then(|| shortened(text.trim_end(), STDERR_BYTES_MAX))
}

fn ended(status: ExitStatus) -> String {
    match (status.code(), status.signal()) {
        (Some(code), _) => format!("the program ends with {code}"),
        (None, Some(signal)) => format!("the program is killed by signal {signal}"),
        (None, None) => "the program does not end well".into(),
    }
}

impl Directory for Exec {
    fn authenticate<'a>(
        &'a self,
        login: &'a str,
        password: &'a str,
    ) -> Later<'a, Result<Person, DirectoryError>> {
        Box::pin(async move {
            match self.ask(login, Some(password)).await? {
                Verdict::Granted { person } => Person::new(login, person, &self.settings.accept),
                Verdict::Denied {} | Verdict::Unknown {} => Err(DirectoryError::Denied),
            }
        })
    }

    fn find<'a>(&'a self, login: &'a str) -> Later<'a, Result<Option<Person>, DirectoryError>> {
        Box::pin(async move {
            match self.ask(login, None).await? {
                Verdict::Granted { person } => {
                    Person::new(login, person, &self.settings.accept).map(Some)
                }
                Verdict::Unknown {} => Ok(None),
                Verdict::Denied {} => {
                    let why = "the program denies where nothing is asked but who it is";
                    Err(DirectoryError::unavailable(why))
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_says_of_a_password_is_not_logged() {
        assert_eq!(complaint("no a\"b\n", Some("a\"b")), None);
        assert_eq!(complaint("no hunter2\n", Some("hunter2")), None);
        assert_eq!(complaint(r#"{"password":"a\"b"}"#, Some("a\"b")), None);
        assert_eq!(
            complaint("no luck\n", Some("hunter2")).as_deref(),
            Some("no luck")
        );
        assert_eq!(complaint("a\nb\n", None).as_deref(), Some("a b"));
    }
}
