//! Secrets and the files that settings name.

use std::{ffi::OsString, fs, os::unix::ffi::OsStringExt, path::Path};

use tempfile::TempDir;

use super::{MARKER, assert_refused, complaints, inline_key, read, with};
use crate::harness::process::{run, variables};

/// A directory with one file in it; the path is that of the file.
pub(super) fn file(content: impl AsRef<[u8]>) -> (TempDir, String) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("marker-s3cr3t");
    fs::write(&path, content).unwrap();
    let path = path.to_str().unwrap().to_owned();
    (directory, path)
}

/// Asserts that a file with this content is refused, and not shown.
fn assert_content_refused(name: &str, inline_name: &str, content: impl AsRef<[u8]>, why: &str) {
    let (_directory, path) = file(content);
    let told = complaints(with(&[(inline_name, ""), (name, &path)]));
    let expected = format!("{name} {why}");
    assert!(
        told.starts_with(&expected) && told.lines().count() == 1,
        "{told:?} instead of {expected:?}"
    );
    assert!(!told.contains(MARKER), "{told}");
}

#[test]
fn exactly_one_of_a_secret_and_its_file_is_needed() {
    let (_directory, token_file) = file("the-token\n");
    let keys = inline_key();

    let none = complaints(variables::<&str, &str>([]));
    let both = complaints(variables([
        ("D7B_TOKEN", MARKER),
        ("D7B_TOKEN_FILE", &token_file),
        ("D7B_KEYS", &keys),
        ("D7B_KEYS_FILE", "/nowhere"),
    ]));

    assert_eq!(
        none,
        "D7B_KEYS must be set, or D7B_KEYS_FILE\nD7B_TOKEN must be set, or D7B_TOKEN_FILE\n"
    );
    assert_eq!(
        both,
        "D7B_KEYS must not be set together with D7B_KEYS_FILE\n\
         D7B_TOKEN must not be set together with D7B_TOKEN_FILE\n"
    );
}

#[test]
fn a_token_is_one_line_of_at_most_8_kib_with_the_space_round_it_cut() {
    let longest = "x".repeat(8 * 1024);
    let too_long = "x".repeat(8 * 1024 + 1);

    for token in [
        "the-token",
        " \t the-token \r\n",
        &longest,
        &format!("\n{longest}\n"),
    ] {
        let (_directory, path) = file(token);
        assert!(read(with(&[("D7B_TOKEN", token)])).is_ok());
        assert!(read(with(&[("D7B_TOKEN", ""), ("D7B_TOKEN_FILE", &path)])).is_ok());
    }
    for (token, why) in [
        (" \n", "is empty"),
        (&*too_long, "is longer than 8 KiB"),
        ("marker-s3cr3t\nsecond", "holds a control character"),
        ("marker-s3cr3t\u{1b}[31m", "holds a control character"),
        ("marker-s3cr3t\u{7f}", "holds a control character"),
    ] {
        assert_refused("D7B_TOKEN", token, why);
        assert_content_refused("D7B_TOKEN_FILE", "D7B_TOKEN", token, why);
    }
    assert_content_refused("D7B_TOKEN_FILE", "D7B_TOKEN", "", "is empty");
    assert_content_refused("D7B_TOKEN_FILE", "D7B_TOKEN", "a\0b", "holds a control");
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_the_setting_that_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("marker-s3cr3t");
    let not_text = directory.path().join("not-text");
    fs::write(&not_text, [0xff, 0xfe]).unwrap();

    for (name, inline_name) in [
        ("D7B_TOKEN_FILE", "D7B_TOKEN"),
        ("D7B_KEYS_FILE", "D7B_KEYS"),
        ("D7B_CA_FILE", "D7B_BASE_URL"),
    ] {
        let told =
            |path: &Path| complaints(with(&[(inline_name, ""), (name, path.to_str().unwrap())]));
        let unreadable = format!("{name} names a file that cannot be read: ");

        assert_eq!(
            told(&missing),
            format!("{unreadable}there is no such file\n")
        );
        assert_eq!(
            told(directory.path()),
            format!("{unreadable}it is a directory\n")
        );
        if name != "D7B_CA_FILE" {
            assert_eq!(told(&not_text), format!("{unreadable}it is not UTF-8\n"));
        }
    }
}

#[test]
fn a_bundle_of_roots_holds_certificates_and_nothing_broken() {
    let rcgen::CertifiedKey { cert, .. } =
        rcgen::generate_simple_self_signed(["d7.example".to_owned()]).unwrap();
    let pem = cert.pem();
    let (_directory, path) = file(format!("# two\n{pem}\n{pem}"));

    assert!(read(with(&[("D7B_CA_FILE", &path)])).is_ok());

    let broken = "-----BEGIN CERTIFICATE-----\nbWFya2Vy\n-----END CERTIFICATE-----\n";
    let second = format!("{pem}{broken}");
    let unfinished = format!("{pem}-----BEGIN CERTIFICATE-----\nbWFya2Vy\n");
    for (content, why) in [
        ("", "holds no PEM certificate"),
        ("marker-s3cr3t", "holds no PEM certificate"),
        (broken, "certificate 1 cannot be read"),
        (&second, "certificate 2 cannot be read"),
        (&unfinished, "certificate 2 cannot be read"),
    ] {
        assert_content_refused("D7B_CA_FILE", "D7B_BASE_URL", content, why);
    }
}

#[test]
fn keys_are_told_by_place_when_they_are_bad() {
    let key = inline_key();
    let twice = format!("{key},{key}");
    let second = format!("{key},marker-s3cr3t");
    let id = key.split(':').nth(1).unwrap();
    let same_id = format!("key 2 ({id} of billing): has the id of key 1");

    for (keys, why) in [
        (",", "holds no key"),
        (" ", "holds no key"),
        ("marker-s3cr3t", "key 1: must be client:id:sha256hex"),
        (&second, "key 2: must be client:id:sha256hex"),
        (&twice, &*same_id),
        (
            "marker s3cr3t:aaaaaaaa:00",
            "key 1 (aaaaaaaa): client must match",
        ),
        (
            "billing:marker-s3cr3t:00",
            "key 1 (of billing): id must match",
        ),
        (
            "billing:aaaaaaaa:marker",
            "key 1 (aaaaaaaa of billing): sha256",
        ),
    ] {
        assert_refused("D7B_KEYS", keys, why);
    }
    for (content, why) in [
        ("", "holds no key"),
        ("keys = \"marker-s3cr3t\"", "line 1: "),
        ("\nkeys = [\"marker-s3cr3t\"]", "key 1 (line 2): keys must"),
        ("[[keys]]\nclient = \"marker-s3cr3t", "line 2: "),
        (
            "[[keys]]\n\ncolour = \"marker-s3cr3t\"",
            "key 1 (line 1): client is missing",
        ),
        ("marker-s3cr3t", "line 1: "),
        (
            "[[keys]]\nclient = \"a\"\nid = \"marker-s3cr3t\"",
            "key 1 (of a, line 1): id must match",
        ),
    ] {
        assert_content_refused("D7B_KEYS_FILE", "D7B_KEYS", content, why);
    }
}

#[test]
fn a_client_with_two_limits_is_told_by_the_program() {
    let record = |id: char, limit: &str| {
        let (id, sha256) = (id.to_string().repeat(8), "0".repeat(64));
        format!(
            "[[keys]]\nclient = \"billing\"\nid = \"{id}\"\nsha256 = \"{sha256}\"\n\
             rate_limit = \"{limit}\"\n"
        )
    };
    let (_keys, path) = file(record('a', "50/s") + &record('b', "5/s"));

    for command in ["serve", "check-config"] {
        let ended = run(
            &[command],
            with(&[("D7B_KEYS", ""), ("D7B_KEYS_FILE", &path)]),
        );

        assert_eq!(ended.code, Some(64), "{ended:?}");
        let told = "D7B_KEYS_FILE key 2 (bbbbbbbb of billing, line 6): rate_limit differs from that of key 1 (aaaaaaaa)";
        assert!(ended.stderr.contains(told), "{}", ended.stderr);
    }
}

#[test]
fn what_is_wrong_in_settings_and_in_files_is_told_together() {
    let (_token, token_file) = file(" \n");
    let (_roots, ca_file) = file("marker-s3cr3t");

    let told = complaints(variables([
        ("D7B_TOKEN_FILE", &*token_file),
        ("D7B_KEYS_FILE", "/nowhere/marker-s3cr3t"),
        ("D7B_CA_FILE", &ca_file),
        ("D7B_CACHE_TTL", MARKER),
        ("D7B_TYPO", MARKER),
    ]));

    let names: Vec<_> = told
        .lines()
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert_eq!(
        names,
        [
            "D7B_CACHE_TTL",
            "D7B_CA_FILE",
            "D7B_KEYS_FILE",
            "D7B_TOKEN_FILE",
            "D7B_TYPO"
        ]
    );
    assert!(!told.contains(MARKER), "{told}");
}

#[test]
fn only_variables_of_ours_have_to_be_utf_8() {
    let not_text = || OsString::from_vec(vec![0xff]);

    let mut foreign = with(&[]);
    foreign.push(("LANG".into(), not_text()));
    foreign.push((not_text(), not_text()));
    assert!(read(foreign).is_ok());

    let mut ours = with(&[]);
    ours.push(("D7B_CACHE_TTL".into(), not_text()));
    assert_eq!(complaints(ours), "D7B_CACHE_TTL is not UTF-8\n");
}
