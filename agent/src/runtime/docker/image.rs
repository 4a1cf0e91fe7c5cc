//! Images: fetched as the pull policy says, each at most once at a time however many attempts ask,
//! and only so many at once.
//!
//! An image that was fetched with a login is not everybody's because it lies here: see `guarded`.
//!
//! A pull belongs to those who wait for it: when the last of them goes away, it ends.

use std::collections::HashMap;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use model::assignment::Held;
use model::spec::PullPolicy;
use net::message::Login;
use tokio::sync::{OnceCell, Semaphore};
use tokio::time::{sleep, timeout};

use super::DockerRuntime;
use super::engine::Trouble;
use crate::runtime::RuntimeError;

/// Tries before an image counts as unavailable, if the registry might still answer.
const PULL_TRIES: u32 = 3;
/// The wait before the second try; doubled before the third.
const PULL_WAIT: Duration = Duration::from_secs(1);

/// How a pull ended, for everybody who waited for it.
#[derive(Clone, Debug)]
pub(super) enum Pulled {
    /// It is here.
    Here,
    /// It cannot be had, in the engine's words.
    Unavailable(String),
    /// The engine failed, in its words.
    EngineFailed(String),
    /// It took longer than this many seconds.
    TooLong(u64),
}

/// A pull that several attempts may wait for; the first that comes carries it out.
type Shared = OnceCell<Pulled>;

/// The pulls under way.
pub(super) struct Pulls {
    room: Semaphore,
    under_way: Mutex<HashMap<String, Weak<Shared>>>,
}

impl Pulls {
    /// At most `at_once` pulls at the same time, and at least one.
    pub(super) fn new(at_once: usize) -> Pulls {
        Pulls {
            room: Semaphore::new(at_once.max(1)),
            under_way: Mutex::default(),
        }
    }

    /// Joins the pull of this image, or carries it out by `pull`. Should whoever carries it out go
    /// away, the next one that waits begins anew.
    pub(super) async fn join<F: Future<Output = Pulled>>(
        &self,
        image: &str,
        pull: impl FnOnce() -> F,
    ) -> Pulled {
        let shared = self.shared(image);
        let carry_out = || async {
            let _permit = self.room.acquire().await;
            pull().await
        };
        shared.get_or_init(carry_out).await.clone()
    }

    fn shared(&self, image: &str) -> Arc<Shared> {
        let mut under_way = self
            .under_way
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        under_way.retain(|_, pull| pull.upgrade().is_some_and(|pull| !pull.initialized()));
        if let Some(shared) = under_way.get(image).and_then(Weak::upgrade) {
            return shared;
        }
        let shared = Arc::new(Shared::new());
        under_way.insert(image.to_owned(), Arc::downgrade(&shared));
        shared
    }
}

impl DockerRuntime {
    /// Makes the image be here, as the policy says.
    pub(super) async fn ensure_image(
        &self,
        image: &str,
        policy: PullPolicy,
        held: Held,
    ) -> Result<(), RuntimeError> {
        let reference = reference(image);
        let here = self.engine.image_id(image).await?;
        let names = [&reference, here.as_deref().unwrap_or(&reference)];
        let guarded = self.guarded.holds(&names)?;
        let unavailable = |why: &str| RuntimeError::Image {
            image: image.into(),
            why: why.into(),
        };
        match policy {
            PullPolicy::Always => {}
            PullPolicy::Missing if here.is_some() && !guarded => return Ok(()),
            PullPolicy::Missing => {}
            PullPolicy::Never if here.is_none() => {
                let why = "not on this node, and its pull policy is `never`";
                return Err(unavailable(why));
            }
            PullPolicy::Never if guarded => {
                let why = "it was fetched with a login, and its pull policy `never` keeps the \
                           registry from saying who may use it";
                return Err(unavailable(why));
            }
            PullPolicy::Never => return Ok(()),
        }
        self.fetch(image, reference, held).await
    }

    /// Fetches the image with the login of the job's owner or project, if there is one. An image
    /// that is here costs no more than the registry's word that they may have it.
    async fn fetch(&self, image: &str, reference: String, held: Held) -> Result<(), RuntimeError> {
        let login = match &self.logins {
            Some(logins) => logins.login(held).await?,
            None => None,
        };
        // Who has another login, or none, does not get what this one fetches.
        let key = match &login {
            Some(login) => format!("{image} {}", login.mark),
            None => image.to_owned(),
        };
        if login.is_some() {
            self.guarded.add(&reference)?;
        }
        let pull = || self.pull(reference.clone(), login.clone());
        let pulled = self.pulls.join(&key, pull).await;
        if login.is_some()
            && let Some(id) = self.engine.image_id(&reference).await?
        {
            self.guarded.add(&id)?;
        }
        match pulled {
            Pulled::Here => Ok(()),
            Pulled::Unavailable(why) => Err(RuntimeError::Image {
                image: image.into(),
                why,
            }),
            Pulled::EngineFailed(why) => Err(RuntimeError::Engine { call: "pull", why }),
            Pulled::TooLong(seconds) => Err(RuntimeError::TimedOut {
                call: "pull",
                seconds,
            }),
        }
    }

    async fn pull(&self, reference: String, login: Option<Login>) -> Pulled {
        let limit = self.config.timeouts.pull;
        match timeout(limit, self.pull_patiently(&reference, login.as_ref())).await {
            Ok(pulled) => pulled,
            Err(_) => Pulled::TooLong(limit.as_secs()),
        }
    }

    async fn pull_patiently(&self, reference: &str, login: Option<&Login>) -> Pulled {
        let mut tries = 1;
        loop {
            match self.engine.pull(reference, login).await {
                Ok(()) => return Pulled::Here,
                Err(Trouble::Silence(error)) => return Pulled::EngineFailed(error.to_string()),
                Err(Trouble::Answer { status, why }) => {
                    if status < 500 || is_final(&why) || tries == PULL_TRIES {
                        return Pulled::Unavailable(why);
                    }
                    tracing::info!(reference, why, tries, "a pull failed; it is tried again");
                }
            }
            sleep(PULL_WAIT * 2_u32.pow(tries - 1)).await;
            tries += 1;
        }
    }
}

/// The image with a tag: without one, the engine would fetch every tag there is.
fn reference(image: &str) -> String {
    let last = image.rsplit('/').next().unwrap_or(image);
    let exact = last.contains(':') || last.contains('@');
    if exact {
        image.to_owned()
    } else {
        format!("{image}:latest")
    }
}

/// Whether a registry's answer will be the same next time.
fn is_final(why: &str) -> bool {
    [
        "manifest unknown",
        "not found",
        "denied",
        "unauthorized",
        "invalid reference",
        "no basic auth credentials",
    ]
    .iter()
    .any(|words| why.contains(words))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[test]
    fn a_reference_always_names_one_image() {
        for (image, expected) in [
            ("busybox", "busybox:latest"),
            ("busybox:1", "busybox:1"),
            ("localhost:5000/a/b", "localhost:5000/a/b:latest"),
            ("localhost:5000/a/b:2", "localhost:5000/a/b:2"),
            ("a/b@sha256:00", "a/b@sha256:00"),
        ] {
            assert_eq!(reference(image), expected);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn many_attempts_share_one_pull_and_the_next_one_pulls_again() {
        let pulls = Pulls::new(2);
        let begun = AtomicUsize::new(0);
        let one = || {
            pulls.join("a", || async {
                begun.fetch_add(1, Ordering::SeqCst);
                sleep(Duration::from_secs(1)).await;
                Pulled::Here
            })
        };
        futures_util::future::join_all((0..20).map(|_| one())).await;
        assert_eq!(begun.load(Ordering::SeqCst), 1);
        one().await;
        assert_eq!(begun.load(Ordering::SeqCst), 2);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pull_whose_carrier_goes_away_is_taken_over() {
        let pulls = Pulls::new(1);
        let slow = pulls.join("a", std::future::pending);
        assert!(timeout(Duration::from_secs(1), slow).await.is_err());
        let next = pulls.join("a", || async { Pulled::Here });
        assert!(matches!(next.await, Pulled::Here));
    }

    #[tokio::test(start_paused = true)]
    async fn only_so_many_pull_at_once() {
        let pulls = Pulls::new(2);
        let (now, most) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (pulls, now, most) = (&pulls, &now, &most);
        let one = |name: String| async move {
            let pull = || async {
                most.fetch_max(now.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                sleep(Duration::from_secs(1)).await;
                now.fetch_sub(1, Ordering::SeqCst);
                Pulled::Here
            };
            pulls.join(&name, pull).await
        };
        futures_util::future::join_all((0..6).map(|n| one(format!("image-{n}")))).await;
        assert_eq!(most.load(Ordering::SeqCst), 2);
    }
}
