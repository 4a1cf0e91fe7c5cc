//! Filters as they are written, as they are sent, and as no login can change them.

use super::*;
use crate::ldap::ber::Reader;
use crate::ldap::tests::corpus;

const ADA: Asked<'_> = Asked {
    login: "ada",
    dn: "uid=ada,o=x",
};

fn encoded(text: &str, asked: Asked<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    Filter::read(text).unwrap().encode(asked, &mut out);
    out
}

/// The filter as text again, from the bytes that are sent.
fn shown(reader: &mut Reader<'_>) -> String {
    let (tag, content) = reader.next().unwrap();
    let mut inner = Reader(content);
    let plain = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let mut all = |sign: &str| {
        let mut text = sign.to_owned();
        while !inner.is_empty() {
            text += &shown(&mut inner);
        }
        text
    };
    let text = match tag {
        AND => all("&"),
        OR => all("|"),
        NOT => all("!"),
        PRESENT => plain(content) + "=*",
        EQUAL | AT_LEAST | AT_MOST | ALIKE => {
            let sign = [
                (EQUAL, "="),
                (AT_LEAST, ">="),
                (AT_MOST, "<="),
                (ALIKE, "~="),
            ];
            let sign = sign.iter().find(|(of, _)| *of == tag).unwrap().1;
            let attribute = inner.expect(OCTETS).unwrap();
            plain(attribute) + sign + &plain(inner.expect(OCTETS).unwrap())
        }
        SUBSTRINGS => {
            let mut text = plain(inner.expect(OCTETS).unwrap()) + "=";
            let mut parts = inner.inside(SEQUENCE).unwrap();
            while !parts.is_empty() {
                let (place, part) = parts.next().unwrap();
                text += &format!("<{}:{}>", place & 0x0f, plain(part));
            }
            text
        }
        EXTENSIBLE => {
            let mut text = String::new();
            while !inner.is_empty() {
                let (place, part) = inner.next().unwrap();
                text += &format!("<{}:{}>", place & 0x0f, plain(part));
            }
            text
        }
        other => panic!("tag {other:#x}"),
    };
    format!("({text})")
}

fn check(text: &str, sent: &str) {
    assert_eq!(shown(&mut Reader(&encoded(text, ADA))), sent, "{text}");
}

#[test]
fn filters_are_sent_as_they_are_written() {
    check("(uid={login})", "(uid=ada)");
    check(
        "(&(objectClass=posixAccount)(uid={login}))",
        "(&(objectClass=posixAccount)(uid=ada))",
    );
    check(
        "(|(uid={login})(mail={login}@b.c))",
        "(|(uid=ada)(mail=ada@b.c))",
    );
    check(
        "(&(a>=1)(b<=2)(c~=3)(!(d=4))(e=*))",
        "(&(a>=1)(b<=2)(c~=3)(!(d=4))(e=*))",
    );
    check("(member={dn})", "(member=uid=ada,o=x)");
    check("(cn=\\2a\\28\\29\\5c\\7b)", "(cn=*()\\{)");
    check("(cn=a*b*c)", "(cn=<0:a><1:b><2:c>)");
    check("(cn=*{login}*)", "(cn=<1:ada>)");
    check("(cn=a*)", "(cn=<0:a>)");
    check("(cn=)", "(cn=)");
    check("(cn;lang-de=é)", "(cn;lang-de=é)");
    check(
        "(member:1.2.840.113556.1.4.1941:={dn})",
        "(<1:1.2.840.113556.1.4.1941><2:member><3:uid=ada,o=x>)",
    );
    check(
        "(ou:dn:caseExactMatch:=x)",
        "(<1:caseExactMatch><2:ou><3:x><4:\u{fffd}>)",
    );
    check("(:dn:2.4.6:=x)", "(<1:2.4.6><3:x><4:\u{fffd}>)");
}

#[test]
fn what_is_not_a_filter_is_refused_with_its_place() {
    for (text, at) in [
        ("", 1),
        ("uid=x", 1),
        ("(uid=x", 7),
        ("(uid=x))", 8),
        ("()", 2),
        ("(&)", 3),
        ("(!)", 3),
        ("(u*d=x)", 2),
        ("(=x)", 2),
        ("(uid)", 5),
        ("(uid=a(b)", 7),
        ("(uid=a**b)", 10),
        ("(uid>=a*)", 9),
        ("(uid=\\2)", 6),
        ("(uid=\\zz)", 6),
        ("(uid=\\+1)", 6),
        ("(uid={name})", 6),
        ("(uid={LOGIN})", 6),
        ("(uid=é})", 7),
        ("(:=x)", 4),
        ("(uid<x)", 5),
    ] {
        let error = Filter::read(text).unwrap_err().to_string();
        assert!(
            error.starts_with(&format!("at character {at}: ")),
            "{text}: {error}"
        );
    }
    let deep = |depth: usize| "(!".repeat(depth) + "(a=b)" + &")".repeat(depth);
    use crate::limits::FILTER_DEPTH_MAX;
    assert!(Filter::read(&deep(FILTER_DEPTH_MAX - 1)).is_ok());
    assert!(Filter::read(&deep(FILTER_DEPTH_MAX)).is_err());
}

#[test]
fn what_is_only_denied_is_not_asked() {
    let asks = |text: &str| Filter::read(text).unwrap().asks(&Piece::Login);
    assert!(asks("(uid={login})") && asks("(&(a=b)(|(c=*)(uid=x{login}*)))"));
    assert!(!asks("(!(uid={login}))") && !asks("(uid=*)") && !asks("(uid={dn})"));
    let denied = Filter::read("(&(a=b)(!(c={dn})))").unwrap();
    assert!(denied.mentions(&Piece::Dn) && !denied.mentions(&Piece::Login));
}

/// The filter with a login in it is the filter with another, but for the bytes of the value.
fn unchanged(login: &str) {
    let text = "(&(objectClass=posixAccount)(|(uid={login})(cn=x{login}*)))";
    let sent = encoded(text, Asked { login, dn: "" });
    let mut reader = Reader(&sent);
    let mut and = reader.inside(AND).unwrap();
    assert!(reader.is_empty());
    assert_eq!(
        and.inside(EQUAL).unwrap().expect(OCTETS).unwrap(),
        b"objectClass"
    );
    let mut or = and.inside(OR).unwrap();
    assert!(and.is_empty());
    let mut equal = or.inside(EQUAL).unwrap();
    assert_eq!(equal.expect(OCTETS).unwrap(), b"uid");
    assert_eq!(equal.expect(OCTETS).unwrap(), login.as_bytes());
    let mut like = or.inside(SUBSTRINGS).unwrap();
    assert!(or.is_empty());
    assert_eq!(like.expect(OCTETS).unwrap(), b"cn");
    let mut parts = like.inside(SEQUENCE).unwrap();
    assert_eq!(
        parts.expect(context(0)).unwrap(),
        format!("x{login}").as_bytes()
    );
    assert!(equal.is_empty() && like.is_empty() && parts.is_empty());
}

#[test]
fn no_line_of_the_corpus_changes_a_filter() {
    for line in corpus::lines() {
        unchanged(&line);
    }
}

proptest::proptest! {
    #[test]
    fn no_login_changes_a_filter(login: String) {
        unchanged(&login);
    }

    #[test]
    fn no_text_makes_reading_panic(text in "[(&|!)=<>~:*{}a\\\\é]{0,40}") {
        let _ = Filter::read(&text);
    }
}
