//! People who have an account on this machine: found through its name service, proved by PAM.
//!
//! Every head must have the same accounts, as they have with SSSD or the like. Calls that hang
//! keep a bounded number of threads (`blocking.rs`).

mod accounts;
mod pam;
mod settings;

use std::sync::Arc;
use std::time::Duration;

use tracing::warn;
use zeroize::Zeroizing;

pub use settings::SystemSettings;

use crate::blocking::Blocking;
use crate::settings::span;
use crate::{Accept, Directory, DirectoryError, Entry, Later, Person};
use pam::Pam;

/// The machine's own accounts.
pub struct System {
    settings: SystemSettings,
    pam: Arc<Pam>,
    blocking: Blocking,
}

impl System {
    /// Opens libpam; nobody is looked up.
    ///
    /// # Errors
    /// [`DirectoryError::Misconfigured`] if libpam is not there, or too old for `pam_dir`.
    pub fn open(settings: SystemSettings) -> Result<System, DirectoryError> {
        settings.validate()?;
        let pam = Pam::open()?;
        if settings.pam_dir.is_some() && !pam.takes_directory() {
            let why = "this machine's libpam is older than 1.4; leave it out";
            return Err(DirectoryError::misconfigured("pam_dir", why));
        }
        Ok(System {
            settings,
            pam: Arc::new(pam),
            blocking: Blocking::new(),
        })
    }

    fn limit(&self) -> Duration {
        span(self.settings.timeout_ms)
    }
}

/// Looks the person up, lets PAM try the password, and judges the entry.
fn prove(
    pam: &Pam,
    settings: &SystemSettings,
    login: &str,
    password: &str,
) -> Result<Person, DirectoryError> {
    let known = judged(accounts::look_up(login)?, login, &settings.accept);
    if let Err(error) = &known {
        // PAM is not let near root: it might lock the account.
        warn!(login, %error, "an account that cannot be used wants to log in");
        return Err(DirectoryError::Denied);
    }
    // PAM is asked about strangers too: it takes as long to refuse them as anybody else.
    let dir = settings.pam_dir.as_deref();
    pam.authenticate(&settings.service, dir, login, password)?;
    known?.ok_or(DirectoryError::Denied)
}

fn judged(
    entry: Option<Entry>,
    login: &str,
    accept: &Accept,
) -> Result<Option<Person>, DirectoryError> {
    let person = |entry| Person::new(login, entry, accept);
    entry.map(person).transpose()
}

impl Directory for System {
    fn authenticate<'a>(
        &'a self,
        login: &'a str,
        password: &'a str,
    ) -> Later<'a, Result<Person, DirectoryError>> {
        Box::pin(async move {
            let (pam, settings) = (self.pam.clone(), self.settings.clone());
            let login = login.to_owned();
            let password = Zeroizing::new(password.to_owned());
            let call = move || prove(&pam, &settings, &login, &password);
            self.blocking.ask(self.limit(), call).await
        })
    }

    fn find<'a>(&'a self, login: &'a str) -> Later<'a, Result<Option<Person>, DirectoryError>> {
        Box::pin(async move {
            let (login, accept) = (login.to_owned(), self.settings.accept);
            let call = move || judged(accounts::look_up(&login)?, &login, &accept);
            self.blocking.ask(self.limit(), call).await
        })
    }
}
