use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown},
    time::{Duration, SystemTime},
};

use super::{
    FileError, edit::append, expiry, inline, is_client_name, parse_file, parse_inline, record,
};
use crate::callers::{KeyRecord, key::NewKey, limit::RateLimit};

fn key(client: &str) -> KeyRecord {
    let new = NewKey::generate().unwrap();
    KeyRecord {
        client: client.to_owned(),
        id: new.id,
        digest: new.digest,
        expires: None,
        rate_limit: None,
    }
}

fn sha() -> String {
    "0".repeat(64)
}

#[test]
fn a_file_tells_clients_ids_digests_and_expiry() {
    let text = format!(
        "# teams\n[[keys]]\nclient = \"billing\"\nid = \"k3j9x2ab\"\nsha256 = \"{0}\"\n\
         expires = 2027-01-31T00:00:00Z\n[[keys]]\nclient = \"billing\"\nid = \"aaaaaaaa\"\n\
         sha256 = \"{0}\"\nexpires = 2027-01-31T02:00:00+02:00\n",
        sha()
    );

    let keys = parse_file(&text).unwrap();

    assert_eq!(keys.len(), 2);
    assert_eq!(keys[0].client, "billing");
    assert_eq!(keys[0].id.as_str(), "k3j9x2ab");
    assert_eq!(
        keys[0].expires,
        Some(SystemTime::UNIX_EPOCH + Duration::from_secs(1_801_353_600))
    );
    assert_eq!(keys[0].expires, keys[1].expires);
}

#[test]
fn what_is_wrong_with_a_file_is_told_by_place_and_never_by_content() {
    let table = |client: &str, id: &str, sha256: &str, rest: &str| {
        format!("[[keys]]\nclient = \"{client}\"\nid = \"{id}\"\nsha256 = \"{sha256}\"\n{rest}\n")
    };
    let good = table("a", "k3j9x2ab", &sha(), "");

    for (text, told) in [
        (String::new(), "holds no key"),
        ("keys = []".to_owned(), "holds no key"),
        ("[[keys]]\nclient = ".to_owned(), "line 2: "),
        ("[[keys]]\nclient = \"a\"\n".to_owned(), ": id is missing"),
        (
            table("MARKER", "k3j9x2ab", &sha(), ""),
            ": client must match",
        ),
        (table("a", "MARKER", &sha(), ""), ": id must match"),
        (table("a", "k3j9x2ab", "MARKER", ""), ": sha256 must be"),
        (
            table("a", "k3j9x2ab", &sha(), "expires = 2027-01-31"),
            ": expires must be a date and time with an offset",
        ),
        (
            // Past the year 9999 in UTC, where no file could show it.
            table(
                "a",
                "k3j9x2ab",
                &sha(),
                "expires = 9999-12-31T23:59:59-01:00",
            ),
            ": expires must be a date and time with an offset",
        ),
        (
            table("a", "k3j9x2ab", &sha(), "color = \"MARKER\""),
            ": has an unknown field; there are client,",
        ),
        (
            table("a", "k3j9x2ab", &sha(), "rate_limit = \"MARKER\""),
            ": rate_limit must be N/s, N/m or N/h",
        ),
        (format!("{good}{good}"), "has the id of key 1"),
    ] {
        let error = parse_file(&text).unwrap_err().to_string();
        assert!(error.contains(told), "{text:?}: {error}");
        assert!(!error.contains("MARKER"), "{error}");
    }
}

#[test]
fn keys_of_one_client_must_not_have_different_limits() {
    let file = |limits: [Option<&str>; 3]| {
        let records = limits.map(|limit| KeyRecord {
            rate_limit: limit.and_then(RateLimit::parse),
            ..key("billing")
        });
        records.each_ref().map(record).concat()
    };

    let same = parse_file(&file([None, Some("50/s"), Some("50/s")])).unwrap();
    let error = parse_file(&file([Some("50/s"), None, Some("3000/m")])).unwrap_err();

    assert_eq!(same[0].rate_limit, None);
    assert_eq!(same[2].rate_limit, RateLimit::parse("50/s"));
    let differs = "rate_limit differs from that of key 1 (";
    let error = error.to_string();
    assert!(error.starts_with("key 3 ("), "{error}");
    assert!(error.contains(differs), "{error}");
}

#[test]
fn all_that_is_wrong_with_keys_is_told_at_once() {
    let text = "[[keys]]\nclient = \"A\"\nid = \"k3j9x2ab\"\nsha256 = \"\"\n\
                [[keys]]\nclient = \"a\"\nid = \"\"\nsha256 = \"\"\nexpires = 12:00:00\n";

    let error = parse_file(text).unwrap_err().to_string();

    assert_eq!(
        error,
        "key 1 (k3j9x2ab, line 1): client must match [a-z0-9][a-z0-9._-]{0,62}; \
         key 1 (k3j9x2ab, line 1): sha256 must be 64 lower-case hexadecimal digits; \
         key 2 (of a, line 5): id must match [0-9a-z]{8}; \
         key 2 (of a, line 5): sha256 must be 64 lower-case hexadecimal digits; \
         key 2 (of a, line 5): expires must be a date and time with an offset, \
         such as 2027-01-31T00:00:00Z"
    );
}

#[test]
fn of_very_many_problems_the_first_are_told_and_the_rest_counted() {
    let bad = "[[keys]]\nclient = \"a\"\nid = \"\"\nsha256 = \"\"\n";

    let error = parse_file(&bad.repeat(10_000)).unwrap_err().to_string();

    assert!(error.len() < 2_000, "{error}");
    assert!(error.ends_with("; and 19980 more"), "{error}");
}

#[test]
fn the_inline_form_is_read_with_blanks_and_a_trailing_comma() {
    let (one, two) = (key("billing"), key("billing"));

    let keys = parse_inline(&format!(" {} ,\n{},", inline(&one), inline(&two))).unwrap();

    assert_eq!(keys, [one, two]);
}

#[test]
fn a_bad_inline_key_is_told_by_its_number() {
    let good = inline(&key("a"));

    for (text, told) in [
        (String::new(), "holds no key"),
        (" , ".to_owned(), "holds no key"),
        (
            format!("{good},MARKER"),
            "key 2: must be client:id:sha256hex",
        ),
        (
            format!("{good}:MARKER"),
            "key 1: must be client:id:sha256hex",
        ),
        (format!("{good},{good}"), "has the id of key 1"),
    ] {
        let error = parse_inline(&text).unwrap_err().to_string();
        assert!(error.contains(told), "{text:?}: {error}");
        assert!(!error.contains("MARKER"), "{error}");
    }
}

#[test]
fn client_names_have_one_shape() {
    for name in ["a", "0", "billing", "team-1.eu_west", &"a".repeat(63)] {
        assert!(is_client_name(name), "{name}");
    }
    for name in ["", "-a", ".a", "A", "ä", "a b", "a\n", &"a".repeat(64)] {
        assert!(!is_client_name(name), "{name:?}");
    }
}

#[test]
fn appending_makes_a_private_file_and_keeps_what_is_there() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");

    append(&path, &key("first")).unwrap();
    let made = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    let mut text = fs::read_to_string(&path).unwrap();
    text.insert_str(0, "# ours, do not touch\n");
    text.push_str("# the end, without a newline");
    fs::write(&path, &text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    append(&path, &key("second")).unwrap();

    assert_eq!(made, 0o600);
    let after = fs::read_to_string(&path).unwrap();
    assert!(after.starts_with(&text), "{after}");
    assert_eq!(parse_file(&after).unwrap()[1].client, "second");
    let kept = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
    assert_eq!(kept, 0o640);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn of_twenty_keys_added_at_once_none_is_lost() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");

    std::thread::scope(|scope| {
        for number in 0..20 {
            let path = &path;
            scope.spawn(move || append(path, &key(&format!("client-{number}"))).unwrap());
        }
    });

    let keys = parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(keys.len(), 20);
}

#[test]
fn a_link_that_leads_nowhere_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink("nowhere", &link).unwrap();

    let error = append(&link, &key("first")).unwrap_err();

    assert!(matches!(error, FileError::Read(_)));
    assert!(link.is_symlink());
}

#[test]
fn appending_keeps_the_owner_that_the_service_runs_as() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");
    append(&path, &key("first")).unwrap();
    // Only root can give a file away; for anybody else it stays its own.
    let given = chown(&path, Some(65532), Some(65532)).is_ok();
    let before = fs::metadata(&path).unwrap();

    append(&path, &key("second")).unwrap();

    let after = fs::metadata(&path).unwrap();
    assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
    assert_eq!(after.uid() == 65532, given);
    assert_ne!(after.ino(), before.ino(), "it was replaced whole");
}

#[test]
fn appending_follows_a_link_and_leaves_a_bad_file_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (path, link) = (directory.path().join("real"), directory.path().join("link"));
    fs::write(&path, "").unwrap();
    std::os::unix::fs::symlink(&path, &link).unwrap();

    append(&link, &key("first")).unwrap();

    assert!(link.is_symlink());
    assert_eq!(
        parse_file(&fs::read_to_string(&path).unwrap())
            .unwrap()
            .len(),
        1
    );

    fs::write(&path, "keys = 7").unwrap();
    let error = append(&path, &key("second")).unwrap_err();

    assert!(matches!(error, FileError::Bad(_)));
    assert_eq!(fs::read_to_string(&path).unwrap(), "keys = 7");
}

#[test]
fn an_expiry_is_whole_seconds_and_ends_with_the_year_9999() {
    let now = SystemTime::UNIX_EPOCH + Duration::from_millis(1_500);

    let end = expiry(now, Duration::from_secs(60)).unwrap();

    assert_eq!(end, SystemTime::UNIX_EPOCH + Duration::from_secs(61));
    assert_eq!(expiry(now, Duration::from_secs(300_000_000_000)), None);
}
