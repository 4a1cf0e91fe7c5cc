//! How much may be under way at the same time. Whoever does not get in is told at once to come
//! back, so that memory and threads stay bounded.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::Response;
use model::account::UserName;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::app::App;
use crate::limits::{
    BODIES_KIB_MAX, HASHES_MAX, HASHES_WAITING_MAX, LASTING_MAX, LASTING_PER_USER_MAX, QUICK_MAX,
    STRANGERS_MAX, TOKEN_LOOKUPS_MAX,
};
use crate::problem::Refused;

/// All gates of one server.
#[derive(Debug)]
pub(crate) struct Gates {
    strangers: Arc<Semaphore>,
    quick: Arc<Semaphore>,
    lasting: Arc<Semaphore>,
    users: Arc<Mutex<HashMap<UserName, usize>>>,
    bodies: Arc<Semaphore>,
    hashes: Arc<Semaphore>,
    hashes_waiting: Arc<Semaphore>,
    token_lookups: Arc<Semaphore>,
}

impl Default for Gates {
    fn default() -> Self {
        let gate = |most| Arc::new(Semaphore::new(most));
        Gates {
            strangers: gate(STRANGERS_MAX),
            quick: gate(QUICK_MAX),
            lasting: gate(LASTING_MAX),
            users: Arc::default(),
            bodies: gate(BODIES_KIB_MAX),
            hashes: gate(HASHES_MAX),
            hashes_waiting: gate(HASHES_WAITING_MAX),
            token_lookups: gate(TOKEN_LOOKUPS_MAX),
        }
    }
}

/// Middleware of routes that need no token and more than a moment. Whoever fills this gate keeps
/// out other strangers, and nobody who has a token.
pub(crate) async fn strangers(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, Refused> {
    let Ok(_permit) = app.gates().strangers.clone().try_acquire_owned() else {
        return Err(Refused::overloaded(format!(
            "{STRANGERS_MAX} requests without a token are under way"
        )));
    };
    Ok(next.run(request).await)
}

/// Middleware of every route whose answer does not wait for news.
pub(crate) async fn quick(
    State(app): State<App>,
    request: Request,
    next: Next,
) -> Result<Response, Refused> {
    let Ok(_permit) = app.gates().quick.clone().try_acquire_owned() else {
        return Err(Refused::overloaded(format!(
            "{QUICK_MAX} requests are under way"
        )));
    };
    Ok(next.run(request).await)
}

/// The right to keep one long poll or stream open; ends when dropped.
#[derive(Debug)]
pub(crate) struct Lasting {
    users: Arc<Mutex<HashMap<UserName, usize>>>,
    user: UserName,
    _permit: OwnedSemaphorePermit,
}

impl Drop for Lasting {
    fn drop(&mut self) {
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(count) = users.get_mut(&self.user) {
            *count -= 1;
            if *count == 0 {
                users.remove(&self.user);
            }
        }
    }
}

impl Gates {
    /// Lets a user open one more long poll or stream.
    pub(crate) fn lasting(&self, user: &UserName) -> Result<Lasting, Refused> {
        let Ok(permit) = self.lasting.clone().try_acquire_owned() else {
            return Err(Refused::overloaded(format!(
                "{LASTING_MAX} streams are open"
            )));
        };
        let mut users = self.users.lock().unwrap_or_else(PoisonError::into_inner);
        let count = users.entry(user.clone()).or_insert(0);
        if *count >= LASTING_PER_USER_MAX {
            let detail = format!("{user} has {LASTING_PER_USER_MAX} streams open");
            return Err(Refused::slow_down(detail, 1));
        }
        *count += 1;
        Ok(Lasting {
            users: self.users.clone(),
            user: user.clone(),
            _permit: permit,
        })
    }

    /// Long polls and streams that are open, downloads and uploads of files among them.
    pub(crate) fn lasting_open(&self) -> usize {
        LASTING_MAX.saturating_sub(self.lasting.available_permits())
    }

    /// Room for so many KiB of a body while it is read.
    pub(crate) fn body(&self, kib: usize) -> Result<OwnedSemaphorePermit, Refused> {
        let kib = u32::try_from(kib).unwrap_or(u32::MAX);
        self.bodies
            .clone()
            .try_acquire_many_owned(kib)
            .map_err(|_| {
                Refused::overloaded(format!("{BODIES_KIB_MAX} KiB of requests are being read"))
            })
    }

    /// A turn to work on a password.
    pub(crate) async fn hash(&self) -> Result<OwnedSemaphorePermit, Refused> {
        let full = || Refused::overloaded(format!("{HASHES_WAITING_MAX} logins are waiting"));
        let _waiting = self.hashes_waiting.try_acquire().map_err(|_| full())?;
        self.hashes
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| full())
    }

    /// A turn to ask the quorum about a token that is not known here.
    pub(crate) fn token_lookup(&self) -> Result<OwnedSemaphorePermit, Refused> {
        self.token_lookups
            .clone()
            .try_acquire_owned()
            .map_err(|_| Refused::overloaded("too many unknown tokens are being looked up"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_keeps_so_many_streams_and_gets_them_back() {
        let gates = Gates::default();
        let alice = UserName::from("alice");
        let open: Vec<_> = (0..LASTING_PER_USER_MAX)
            .map(|_| gates.lasting(&alice).unwrap())
            .collect();
        assert!(gates.lasting(&alice).is_err());
        assert!(gates.lasting(&"bob".into()).is_ok());
        assert_eq!(gates.lasting_open(), LASTING_PER_USER_MAX);
        drop(open);
        assert_eq!(gates.lasting_open(), 0);
        assert!(gates.lasting(&alice).is_ok());
        assert!(gates.users.lock().unwrap().is_empty());
    }
}
