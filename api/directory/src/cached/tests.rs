//! What is remembered and for how long, in time that the tests turn on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use super::*;
use crate::{Accept, Entry};

const LIFETIME: Duration = Duration::from_secs(60);

/// Knows everybody until it is told that it is down or that everybody has left.
#[derive(Default)]
struct Site {
    asked: AtomicUsize,
    down: AtomicBool,
    empty: AtomicBool,
}

/// The site, which a test and the cache both hold.
#[derive(Clone, Default)]
struct Shared(Arc<Site>);

fn person(login: &str) -> Person {
    let entry = Entry {
        login: login.into(),
        uid: 2_000,
        gid: 2_000,
        ..Entry::default()
    };
    Person::new(login, entry, &Accept::default()).unwrap()
}

impl Shared {
    fn answer(&self, login: &str) -> Result<Option<Person>, DirectoryError> {
        self.0.asked.fetch_add(1, Ordering::SeqCst);
        if self.0.down.load(Ordering::SeqCst) {
            return Err(DirectoryError::unavailable("down"));
        }
        let gone = self.0.empty.load(Ordering::SeqCst);
        Ok((!gone).then(|| person(login)))
    }

    fn asked(&self) -> usize {
        self.0.asked.load(Ordering::SeqCst)
    }
}

impl Directory for Shared {
    fn authenticate<'a>(
        &'a self,
        login: &'a str,
        password: &'a str,
    ) -> Later<'a, Result<Person, DirectoryError>> {
        Box::pin(async move {
            let person = self.answer(login)?;
            person
                .filter(|_| password == "right")
                .ok_or(DirectoryError::Denied)
        })
    }

    fn find<'a>(&'a self, login: &'a str) -> Later<'a, Result<Option<Person>, DirectoryError>> {
        Box::pin(async move { self.answer(login) })
    }
}

fn site() -> (Shared, Cached) {
    let site = Shared::default();
    let cached = Cached::new(Box::new(site.clone()), LIFETIME);
    (site, cached)
}

#[tokio::test(start_paused = true)]
async fn who_was_found_is_said_again_until_the_lifetime_is_over() {
    let (site, cached) = site();
    for _ in 0..3 {
        assert!(cached.find("ada").await.unwrap().is_some());
    }
    assert_eq!(site.asked(), 1);
    tokio::time::advance(LIFETIME).await;
    assert!(cached.find("ada").await.unwrap().is_some());
    assert_eq!(site.asked(), 2);
}

#[tokio::test(start_paused = true)]
async fn after_the_lifetime_a_directory_that_is_down_lets_nobody_in() {
    let (site, cached) = site();
    assert!(cached.find("ada").await.unwrap().is_some());
    site.0.down.store(true, Ordering::SeqCst);
    assert!(cached.find("ada").await.unwrap().is_some());
    tokio::time::advance(LIFETIME).await;
    for _ in 0..2 {
        let down = cached.find("ada").await;
        assert!(matches!(down, Err(DirectoryError::Unavailable { .. })));
    }
    assert_eq!(site.asked(), 3);
}

#[tokio::test(start_paused = true)]
async fn absence_is_not_remembered() {
    let (site, cached) = site();
    site.0.empty.store(true, Ordering::SeqCst);
    assert_eq!(cached.find("ada").await.unwrap(), None);
    site.0.empty.store(false, Ordering::SeqCst);
    assert!(cached.find("ada").await.unwrap().is_some());
}

#[tokio::test(start_paused = true)]
async fn passwords_are_asked_about_every_time() {
    let (site, cached) = site();
    for count in 1..=3 {
        assert!(cached.authenticate("ada", "right").await.is_ok());
        assert_eq!(site.asked(), count);
    }
    let wrong = cached.authenticate("ada", "wrong").await;
    assert!(matches!(wrong, Err(DirectoryError::Denied)));
    site.0.down.store(true, Ordering::SeqCst);
    let down = cached.authenticate("ada", "right").await;
    assert!(matches!(down, Err(DirectoryError::Unavailable { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_login_tells_who_somebody_is_and_a_refusal_does_not_forget() {
    let (site, cached) = site();
    assert!(cached.authenticate("ada", "right").await.is_ok());
    assert!(cached.authenticate("ada", "wrong").await.is_err());
    let asked = site.asked();
    assert!(cached.find("ada").await.unwrap().is_some());
    assert_eq!(site.asked(), asked);
}

#[tokio::test(start_paused = true)]
async fn as_many_people_are_remembered_as_the_bound_says() {
    let (site, cached) = site();
    for number in 0..REMEMBERED_MAX + 10 {
        cached.find(&format!("u{number}")).await.unwrap();
        tokio::time::advance(Duration::from_millis(1)).await;
    }
    assert_eq!(cached.people().len(), REMEMBERED_MAX);
    let asked = site.asked();
    cached
        .find(&format!("u{}", REMEMBERED_MAX + 9))
        .await
        .unwrap();
    assert_eq!(site.asked(), asked, "the newest is remembered");
    cached.find("u0").await.unwrap();
    assert_eq!(site.asked(), asked + 1, "the oldest is not");
}

#[tokio::test(start_paused = true)]
async fn who_is_gone_or_cannot_be_asked_about_is_forgotten() {
    let whats: [fn(&Site) -> &AtomicBool; 2] = [|site| &site.empty, |site| &site.down];
    for what in whats {
        let (site, cached) = site();
        assert!(cached.find("ada").await.unwrap().is_some());
        what(&site.0).store(true, Ordering::SeqCst);
        tokio::time::advance(LIFETIME).await;
        assert!(!matches!(cached.find("ada").await, Ok(Some(_))));
        assert!(cached.people().is_empty());
    }
}
