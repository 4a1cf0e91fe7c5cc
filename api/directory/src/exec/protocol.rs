//! The question that a program reads and the answer that it writes, as docs/directories.md tells
//! them to those who write such programs.

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::{DirectoryError, Entry};

/// The form of questions and answers.
pub(crate) const VERSION: u32 = 1;

/// A question, one line of JSON.
#[derive(Serialize)]
struct Question<'a> {
    version: u32,
    call: &'static str,
    login: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    password: Option<&'a str>,
}

/// An answer.
#[derive(PartialEq, Eq, Debug, Deserialize)]
#[serde(tag = "verdict", rename_all = "lowercase", deny_unknown_fields)]
pub(crate) enum Verdict {
    /// The password is right; or, to `find`, this is who it is.
    Granted {
        /// Who it is.
        person: Entry,
    },
    /// The password is wrong.
    Denied {},
    /// There is nobody of this name.
    Unknown {},
}

/// The bytes of a question. They are wiped when they go.
pub(crate) fn question(login: &str, password: Option<&str>) -> Zeroizing<Vec<u8>> {
    let call = if password.is_some() {
        "authenticate"
    } else {
        "find"
    };
    let question = Question {
        version: VERSION,
        call,
        login,
        password,
    };
    // Room for every byte of the password written as `\u00xx`, so that no copy is left behind.
    let room = 6 * (login.len() + password.map_or(0, str::len)) + 128;
    let mut bytes = Zeroizing::new(Vec::with_capacity(room));
    serde_json::to_writer(&mut *bytes, &question).expect("strings and a number are JSON");
    bytes.push(b'\n');
    bytes
}

/// Reads an answer: exactly one JSON object.
pub(crate) fn answer(bytes: &[u8]) -> Result<Verdict, DirectoryError> {
    let malformed = |error| DirectoryError::caused("the program's answer is malformed", error);
    serde_json::from_slice(bytes).map_err(malformed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn questions_are_one_line() {
        let text = |bytes: Zeroizing<Vec<u8>>| String::from_utf8(bytes.to_vec()).unwrap();
        let asked = text(question("ada", Some("a\"b\n\\")));
        let line = r#"{"version":1,"call":"authenticate","login":"ada","password":"a\"b\n\\"}"#;
        assert_eq!(asked, format!("{line}\n"));
        let asked = text(question("ada", None));
        assert_eq!(
            asked,
            "{\"version\":1,\"call\":\"find\",\"login\":\"ada\"}\n"
        );
    }

    #[test]
    fn answers_are_read_strictly() {
        let granted = br#"{"verdict":"granted","person":{"login":"ada","uid":2000,"gid":2001}}"#;
        let Verdict::Granted { person } = answer(granted).unwrap() else {
            panic!("not granted");
        };
        assert_eq!((person.uid, person.gid), (2_000, 2_001));
        assert_eq!(
            answer(b" {\"verdict\":\"denied\"}\n").unwrap(),
            Verdict::Denied {}
        );
        assert_eq!(
            answer(b"{\"verdict\":\"unknown\"}").unwrap(),
            Verdict::Unknown {}
        );
        for bad in [
            "",
            "granted",
            "{}",
            "[]",
            r#"{"verdict":"granted"}"#,
            r#"{"verdict":"yes"}"#,
            r#"{"verdict":"denied","person":{"login":"ada","uid":2000,"gid":2001}}"#,
            r#"{"verdict":"denied"}{"verdict":"granted"}"#,
            r#"{"verdict":"denied","verdict":"unknown"}"#,
            r#"{"verdict":"granted","person":{"login":"ada","uid":-1,"gid":2001}}"#,
            r#"{"verdict":"granted","person":{"login":"ada","uid":4294967296,"gid":1}}"#,
            r#"{"verdict":"granted","person":{"login":"ada","uid":"2000","gid":2001}}"#,
            r#"{"verdict":"granted","person":{"login":"ada","uid":2000,"gid":2001,"x":1}}"#,
        ] {
            assert!(answer(bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
