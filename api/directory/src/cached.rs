//! A directory in front of another that remembers who was found, for a stated time.
//!
//! Only a person who was found is remembered: never a password, a refusal, an absence or an error.
//! Passwords are asked about every time. When the lifetime is over the directory behind is asked
//! again, and if it does not answer, that is the answer.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::limits::REMEMBERED_MAX;
use crate::{Directory, DirectoryError, Later, Person};

/// Remembers who was found.
pub struct Cached {
    behind: Box<dyn Directory>,
    lifetime: Duration,
    people: Mutex<BTreeMap<String, Remembered>>,
}

struct Remembered {
    person: Person,
    until: Instant,
}

impl Cached {
    /// Remembers for this long what the directory behind finds.
    pub fn new(behind: Box<dyn Directory>, lifetime: Duration) -> Cached {
        Cached {
            behind,
            lifetime,
            people: Mutex::default(),
        }
    }

    fn people(&self) -> MutexGuard<'_, BTreeMap<String, Remembered>> {
        // What is in the map is whole at any time, whoever panicked.
        self.people.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn remembered(&self, login: &str) -> Option<Person> {
        let people = self.people();
        let known = people.get(login)?;
        (Instant::now() < known.until).then(|| known.person.clone())
    }

    /// Keeps what was found, asked at this moment; whatever else came forgets the person.
    fn note(&self, login: &str, asked: Instant, person: Option<&Person>) {
        let mut people = self.people();
        let Some(person) = person else {
            people.remove(login);
            return;
        };
        if people.len() >= REMEMBERED_MAX && !people.contains_key(login) {
            make_room(&mut people);
        }
        let person = person.clone();
        let until = asked + self.lifetime;
        people.insert(login.to_owned(), Remembered { person, until });
    }
}

/// Drops what is over, or else whoever is over first.
fn make_room(people: &mut BTreeMap<String, Remembered>) {
    let now = Instant::now();
    people.retain(|_, known| now < known.until);
    if people.len() < REMEMBERED_MAX {
        return;
    }
    let oldest = people.iter().min_by_key(|(_, known)| known.until);
    if let Some(login) = oldest.map(|(login, _)| login.clone()) {
        people.remove(&login);
    }
}

impl Directory for Cached {
    fn authenticate<'a>(
        &'a self,
        login: &'a str,
        password: &'a str,
    ) -> Later<'a, Result<Person, DirectoryError>> {
        Box::pin(async move {
            let asked = Instant::now();
            let answer = self.behind.authenticate(login, password).await;
            if let Ok(person) = &answer {
                self.note(login, asked, Some(person));
            }
            answer
        })
    }

    fn find<'a>(&'a self, login: &'a str) -> Later<'a, Result<Option<Person>, DirectoryError>> {
        Box::pin(async move {
            if let Some(person) = self.remembered(login) {
                return Ok(Some(person));
            }
            let asked = Instant::now();
            let answer = self.behind.find(login).await;
            let found = answer.as_ref().ok().and_then(Option::as_ref);
            self.note(login, asked, found);
            answer
        })
    }
}

#[cfg(test)]
#[path = "cached/tests.rs"]
mod tests;
