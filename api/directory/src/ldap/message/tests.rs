//! The bytes of requests, and what is made of the bytes of answers.

use super::*;

#[test]
fn a_bind_has_the_bytes_of_the_rfc() {
    let bytes = bind(1, "cn=a", "pw");
    let expected = [
        0x30, 0x12, 2, 1, 1, 0x60, 13, 2, 1, 3, 4, 4, b'c', b'n', b'=', b'a', 0x80, 2, b'p', b'w',
    ];
    assert_eq!(bytes.as_slice(), expected);
}

#[test]
#[should_panic(expected = "an anonymous bind")]
fn a_bind_without_a_password_is_never_sent() {
    let _ = bind(1, "cn=a", "");
}

#[test]
#[should_panic(expected = "an anonymous bind")]
fn a_bind_without_a_name_is_never_sent() {
    let _ = bind(1, "", "pw");
}

#[test]
fn start_tls_is_named_as_the_rfc_says() {
    let bytes = start_tls(1);
    let head = [0x30, 0x1d, 2, 1, 1, 0x77, 0x18, 0x80, 0x16];
    assert_eq!(bytes[..head.len()], head);
    assert_eq!(&bytes[head.len()..], START_TLS.as_bytes());
}

fn done(tag: u8, code: u8, said: &[u8]) -> Vec<u8> {
    let mut operation = vec![ENUMERATED, 1, code, OCTETS, 0];
    put(&mut operation, OCTETS, said);
    message(7, tag, &operation).to_vec()
}

#[test]
fn outcomes_are_read_and_what_they_say_is_made_printable() {
    let outcome = Outcome {
        code: 49,
        said: "no\u{fffd}  way".into(),
    };
    let bytes = done(BIND_ANSWER, 49, b"no\xff\r\nway");
    assert_eq!(read(&bytes), Ok((7, Answer::Bind(outcome))));
}

#[test]
fn entries_are_read_and_attributes_found_in_any_case() {
    let mut operation = Vec::new();
    put(&mut operation, OCTETS, b"uid=ada,o=x");
    let (mut list, mut attribute, mut set) = (Vec::new(), Vec::new(), Vec::new());
    put(&mut attribute, OCTETS, b"UID");
    put(&mut set, OCTETS, b"ada");
    put(&mut set, OCTETS, b"\xff");
    put(&mut attribute, SET, &set);
    put(&mut list, SEQUENCE, &attribute);
    put(&mut operation, SEQUENCE, &list);
    let (id, answer) = read(&message(3, ENTRY, &operation)).unwrap();
    let Answer::Entry(found) = answer else {
        panic!("{answer:?}");
    };
    assert_eq!((id, found.dn.as_str()), (3, "uid=ada,o=x"));
    assert_eq!(found.values("uid").count(), 2);
    assert_eq!(found.texts("uId").collect::<Vec<_>>(), ["ada"]);
    assert_eq!(found.texts("cn").count(), 0);
}

#[test]
fn what_is_no_answer_is_malformed() {
    for tag in [BIND, SEARCH, application(9), SEQUENCE] {
        assert_eq!(read(&done(tag, 0, b"")), Err(Malformed));
    }
    let whole = done(DONE, 0, b"fine");
    for end in 0..whole.len() {
        assert_eq!(read(&whole[..end]), Err(Malformed));
    }
}

#[test]
fn a_million_elements_inside_each_other_cost_nothing() {
    let mut bytes = Vec::new();
    let mut length = 0_usize;
    while length < 900_000 {
        let digits = u32::try_from(length).unwrap().to_be_bytes();
        bytes.extend(digits.iter().rev().chain(&[0x84, SEQUENCE]));
        length += 6;
    }
    bytes.reverse();
    assert_eq!(read(&bytes), Err(Malformed));
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_reading_panic(bytes: Vec<u8>, tag: u8) {
        let _ = read(&bytes);
        let _ = read(&message(1, tag, &bytes));
        let _ = read(&message(1, ENTRY, &bytes));
        let _ = read(&message(1, DONE, &bytes));
    }
}
