//! A directory in front of another that lets only possible logins and passwords through.
//!
//! Every directory stands behind it: what is written here no kind of directory can forget.

use crate::person::{is_login, is_password};
use crate::{Directory, DirectoryError, Later, Person};

/// Answers for what cannot be a login or a password, and asks about everything else.
pub(crate) struct Checked<D> {
    behind: D,
}

impl<D: Directory> Checked<D> {
    /// Stands before a directory.
    pub(crate) fn new(behind: D) -> Checked<D> {
        Checked { behind }
    }
}

impl<D: Directory> Directory for Checked<D> {
    fn authenticate<'a>(
        &'a self,
        login: &'a str,
        password: &'a str,
    ) -> Later<'a, Result<Person, DirectoryError>> {
        if is_login(login) && is_password(password) {
            return self.behind.authenticate(login, password);
        }
        Box::pin(std::future::ready(Err(DirectoryError::Denied)))
    }

    fn find<'a>(&'a self, login: &'a str) -> Later<'a, Result<Option<Person>, DirectoryError>> {
        if is_login(login) {
            return self.behind.find(login);
        }
        Box::pin(std::future::ready(Ok(None)))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]

    use super::*;

    /// A directory that was asked.
    struct Asked;

    impl Directory for Asked {
        fn authenticate<'a>(
            &'a self,
            _: &'a str,
            _: &'a str,
        ) -> Later<'a, Result<Person, DirectoryError>> {
            Box::pin(std::future::ready(Err(DirectoryError::Ambiguous)))
        }

        fn find<'a>(&'a self, _: &'a str) -> Later<'a, Result<Option<Person>, DirectoryError>> {
            Box::pin(std::future::ready(Err(DirectoryError::Ambiguous)))
        }
    }

    #[tokio::test]
    async fn nobody_is_asked_about_what_cannot_be() {
        let directory = Checked::new(Asked);
        let proved = async |login: &str, password: &str| {
            directory.authenticate(login, password).await.unwrap_err()
        };
        for login in ["", "a b", "*", "a)(uid=*", "-a", "a\0", "é"] {
            assert!(matches!(directory.find(login).await, Ok(None)), "{login:?}");
            let answer = proved(login, "x").await;
            assert!(matches!(answer, DirectoryError::Denied), "{login:?}");
        }
        for password in ["", "a\0b"] {
            let answer = proved("ada", password).await;
            assert!(matches!(answer, DirectoryError::Denied), "{password:?}");
        }
        let asked = directory.find("ada").await.unwrap_err();
        assert!(matches!(asked, DirectoryError::Ambiguous));
        assert!(matches!(
            proved("ada", "x").await,
            DirectoryError::Ambiguous
        ));
    }
}
