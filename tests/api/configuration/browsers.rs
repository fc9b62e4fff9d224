//! Settings of sessions and origins.

use std::fs;

use super::{MARKER, assert_refused, complaints, good, with};

#[test]
fn a_session_lasts_a_minute_to_thirty_days() {
    let ttl = |settings| good(settings).browsers.session_ttl.as_secs();
    assert_eq!(ttl(&[]), 12 * 3600);
    assert_eq!(ttl(&[("D7B_SESSION_TTL", "1m")]), 60);
    assert_eq!(ttl(&[("D7B_SESSION_TTL", "30d")]), 30 * 86_400);
    for bad in ["59s", "31d", MARKER] {
        assert_refused("D7B_SESSION_TTL", bad, "must be ");
    }
}

#[test]
fn origins_are_a_list_of_scheme_host_and_port() {
    for name in ["D7B_PUBLIC_ORIGINS", "D7B_CORS_ORIGINS"] {
        for written in [
            "https://a.example",
            "https://a.example, http://b.example:81/",
            "http://127.0.0.1:8080",
        ] {
            good(&[(name, written)]);
        }
        for bad in [
            MARKER,
            "*",
            "null",
            ",",
            "https://a.example,",
            "https://a.example/marker-s3cr3t",
            "https://marker-s3cr3t@a.example",
            "ftp://a.example",
        ] {
            let why = "must be origins such as https://team.example.com, ";
            assert_refused(name, bad, why);
        }
    }
}

#[test]
fn a_public_listener_is_warned_of_unless_tls_is_known_to_end_before_it() {
    let is_warned_of = |settings: &[(&str, &str)]| {
        let warnings = good(settings).warnings;
        let of_it = |warning: &&String| warning.starts_with("D7B_SERVER_ADDR is not a loopback");
        warnings.iter().filter(of_it).count()
    };
    let outside = ("D7B_SERVER_ADDR", "0.0.0.0:8080");
    let origins = |origins| [outside, ("D7B_PUBLIC_ORIGINS", origins)];

    assert_eq!(is_warned_of(&[]), 0);
    assert_eq!(is_warned_of(&[outside]), 1);
    assert_eq!(is_warned_of(&origins("http://a.example")), 1);
    let both = origins("http://a.example,https://a.example");
    assert_eq!(is_warned_of(&both), 0);
}

#[test]
fn bad_session_secrets_are_told_and_not_shown() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secrets");
    let told = |text: &[u8]| {
        fs::write(&path, text).unwrap();
        complaints(with(&[("D7B_SESSION_SECRET_FILE", path.to_str().unwrap())]))
    };

    for (text, why) in [
        (&b""[..], "holds no secret: "),
        (MARKER.as_bytes(), "holds a secret of less than 32 bytes: "),
        (
            &b"0123456789abcdef0123456789abcdef\n".repeat(9),
            "holds more than 8 secrets: ",
        ),
        (&[0xff], "names a file that cannot be read: it is not UTF-8"),
    ] {
        let told = told(text);
        let begins = format!("D7B_SESSION_SECRET_FILE {why}");
        assert!(told.starts_with(&begins), "{told}");
        assert_eq!(told.lines().count(), 1);
        assert!(!told.contains(MARKER));
    }
    fs::remove_file(&path).unwrap();
    let gone = complaints(with(&[("D7B_SESSION_SECRET_FILE", path.to_str().unwrap())]));
    assert!(gone.contains("there is no such file"), "{gone}");
}
