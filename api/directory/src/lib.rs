//! Who people are, as a site's own directories say. It asks and never stores; it knows nothing of
//! jobs or of the log.
//!
//! A [`Directory`] answers two questions: whether a password is somebody's, and who somebody is
//! now. Whatever goes wrong on the way is an error and never a yes. What a directory says of a
//! person is judged in one place, [`Person::new`], whichever kind of directory said it.

pub mod cached;
pub mod error;
pub mod exec;
pub mod ldap;
pub mod limits;
pub mod person;
pub mod secret;
pub mod settings;
pub mod system;

mod blocking;
mod checked;
mod said;

use std::pin::Pin;
use std::time::Duration;

pub use cached::Cached;
pub use error::DirectoryError;
pub use person::{Accept, Entry, Person};
pub use secret::Secret;
pub use settings::Settings;

/// The answer to a question that takes a while.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// What can be asked who people are.
///
/// Every call has a time-out inside and may be dropped at any time.
pub trait Directory: Send + Sync {
    /// Who this is, if the password is theirs.
    ///
    /// # Errors
    /// [`DirectoryError::Denied`] for a wrong password and for an unknown login alike; the others
    /// say that nothing is known, and nobody is let in on them.
    fn authenticate<'a>(
        &'a self,
        login: &'a str,
        password: &'a str,
    ) -> Later<'a, Result<Person, DirectoryError>>;

    /// Who this is now, without a password; `None` if there is nobody of that name (any more).
    ///
    /// # Errors
    /// If the directory cannot be asked, or says of the person what cannot be accepted.
    fn find<'a>(&'a self, login: &'a str) -> Later<'a, Result<Option<Person>, DirectoryError>>;
}

/// Makes ready to ask the directory that the settings describe. No server is asked yet.
///
/// `secret` is the password of an LDAP service account; the other kinds take none.
///
/// # Errors
/// [`DirectoryError::Misconfigured`] with the field and the remedy.
pub fn open(
    settings: Settings,
    secret: Option<Secret>,
) -> Result<Box<dyn Directory>, DirectoryError> {
    settings.validate()?;
    let lifetime_ms = settings.lifetime_ms();
    let needless = || {
        let why = "only kind = \"ldap\" takes a secret; leave it out";
        DirectoryError::misconfigured("secret", why)
    };
    Ok(match settings {
        Settings::Ldap(settings) => in_front(ldap::Ldap::open(settings, secret)?, lifetime_ms),
        Settings::System(_) | Settings::Exec(_) if secret.is_some() => return Err(needless()),
        Settings::System(settings) => in_front(system::System::open(settings)?, lifetime_ms),
        Settings::Exec(settings) => in_front(exec::Exec::open(settings), lifetime_ms),
    })
}

/// Puts in front of a directory what every one has.
fn in_front(directory: impl Directory + 'static, lifetime_ms: u64) -> Box<dyn Directory> {
    let checked = checked::Checked::new(directory);
    match lifetime_ms {
        0 => Box::new(checked),
        _ => {
            let lifetime = Duration::from_millis(lifetime_ms);
            Box::new(Cached::new(Box::new(checked), lifetime))
        }
    }
}
