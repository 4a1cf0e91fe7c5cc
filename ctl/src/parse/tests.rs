//! Words and what they mean, as tables.
#![allow(clippy::unwrap_used, reason = "a panic is how a test fails")]

use super::*;

#[test]
fn lengths_of_time() {
    let cases = [
        ("90", 90_000),
        ("0", 0),
        ("1.5", 1_500),
        ("250ms", 250),
        ("30s", 30_000),
        ("1h30m", 5_400_000),
        ("3h 2min", 10_920_000),
        ("1.5h", 5_400_000),
        ("2 days", 172_800_000),
        ("1w", 604_800_000),
        ("2:30:00", 9_000_000),
        ("3:10", 190_000),
        ("1d02:03:04", 93_784_000),
        ("1-02:03:04", 93_784_000),
    ];
    for (text, expected) in cases {
        assert_eq!(millis(text), Ok(expected), "{text}");
    }
    let wrong = [
        "",
        "s",
        "h1",
        "1x",
        "-1",
        "1:60",
        "1:60:00",
        "1:2:3:4",
        "1,5",
        "1e3",
        "1.",
        "1h30m1",
        "99999999999999999999",
        "999999999999999w",
        "1 2",
        "\u{661}s",
    ];
    for text in wrong {
        assert!(millis(text).is_err(), "{text}");
    }
    assert_eq!(seconds("1ms"), Ok(1), "rounded up");
    assert!(positive_seconds("0s").is_err());
}

#[test]
fn sizes_are_binary() {
    let cases = [
        ("0", 0),
        ("512", 512),
        ("1k", 1 << 10),
        ("8G", 8 << 30),
        ("8 GiB", 8 << 30),
        ("8GB", 8 << 30),
        ("8192m", 8 << 30),
        ("1.5T", 3 << 39),
        ("0.5K", 512),
    ];
    for (text, expected) in cases {
        assert_eq!(bytes(text), Ok(expected), "{text}");
    }
    for text in [
        "",
        "G",
        "8X",
        "8g8",
        "-1G",
        "1.G",
        ".5G",
        "16777217T",
        "1e9",
        "8 G B",
    ] {
        assert!(bytes(text).is_err(), "{text}");
    }
}

#[test]
fn shares_of_processors() {
    let cases = [
        ("2", 2.0),
        ("0.5", 0.5),
        ("0.125", 0.125),
        ("500m", 0.5),
        ("1500m", 1.5),
    ];
    for (text, expected) in cases {
        assert_eq!(cpus(text), Ok(expected), "{text}");
    }
    for text in [
        "", "0", "0.0001", "-1", "m", "1,5", "NaN", "inf", "1e2", "99999999",
    ] {
        assert!(cpus(text).is_err(), "{text}");
    }
}

#[test]
fn moments_are_before_now_or_named() {
    let now: Timestamp = "2026-11-25T12:00:00Z".parse().unwrap();
    let zone = TimeZone::fixed(jiff::tz::offset(1));
    let cases = [
        ("-6h", "2026-11-25T06:00:00Z"),
        ("6h", "2026-11-25T06:00:00Z"),
        ("2026-11-01", "2026-10-31T23:00:00Z"),
        ("2026-11-01T12:00", "2026-11-01T11:00:00Z"),
        ("2026-11-01T12:00:00Z", "2026-11-01T12:00:00Z"),
        ("2026-11-01T12:00:00+02:00", "2026-11-01T10:00:00Z"),
    ];
    for (text, expected) in cases {
        assert_eq!(
            moment(text, now, &zone),
            Ok(expected.parse().unwrap()),
            "{text}"
        );
    }
    for text in ["", "yesterday", "2026-13-01", "--6h", "999999999w"] {
        assert!(moment(text, now, &zone).is_err(), "{text}");
    }
}

#[test]
fn variables_and_volumes() {
    assert_eq!(assignment("A=b=c"), Ok(("A".into(), Some("b=c".into()))));
    assert_eq!(assignment("_a1"), Ok(("_a1".into(), None)));
    assert_eq!(assignment("A="), Ok(("A".into(), Some(String::new()))));
    for text in ["", "=a", "1A=b", "A B=c", "A-B=c", "\u{e9}=c"] {
        assert!(assignment(text).is_err(), "{text}");
    }
    assert_eq!(
        volume("home"),
        Ok(VolumeUse {
            name: "home".into(),
            read_only: false,
            sub_path: String::new(),
        })
    );
    assert_eq!(
        volume("home:ro"),
        Ok(VolumeUse {
            name: "home".into(),
            read_only: true,
            sub_path: String::new(),
        })
    );
    let wrong = [
        "",
        ":ro",
        "home:",
        "home:rw",
        "home:sub:ro",
        "/srv",
        "home/",
        "home//a",
        "home/../a",
        "home/.:ro",
    ];
    for text in wrong {
        assert!(volume(text).is_err(), "{text}");
    }
}

#[test]
fn a_secret_and_the_name_of_its_file() {
    let secret_named = |name: &str, file: &str| {
        Ok(SecretUse {
            name: name.into(),
            file: file.into(),
        })
    };
    assert_eq!(secret("db"), secret_named("db", ""));
    assert_eq!(secret("db=password"), secret_named("db", "password"));
    for text in ["", "=", "db=", "=file", "db=a/b", "a/b", "d b"] {
        assert!(secret(text).is_err(), "{text}");
    }
}

#[test]
fn a_directory_in_a_volume() {
    let sub = |read_only| {
        Ok(VolumeUse {
            name: "home".into(),
            read_only,
            sub_path: "run 1/out".into(),
        })
    };
    assert_eq!(volume("home/run 1/out"), sub(false));
    assert_eq!(volume("home/run 1/out:ro"), sub(true));
}

#[test]
fn states_addresses_and_fingerprints() {
    assert_eq!(state("Timed-Out"), Ok(JobState::TimedOut));
    assert!(state("done").unwrap_err().contains("succeeded"));
    assert_eq!(
        head_url("https://head1:8443/"),
        Ok("https://head1:8443".into())
    );
    assert_eq!(head_url("http://[::1]:80"), Ok("http://[::1]:80".into()));
    for text in [
        "head1",
        "ftp://h",
        "http://head1:1",
        "https://h/api",
        "https://h?x=1",
        "https://",
    ] {
        assert!(head_url(text).is_err(), "{text}");
    }
    let plain = "0a".repeat(32);
    let colons = vec!["0A"; 32].join(":");
    assert_eq!(fingerprint(&format!("sha256:{colons}")), Ok(plain));
    assert!(fingerprint("9f2c").is_err() && fingerprint(&"g".repeat(64)).is_err());
}
