//! `key list`: what a file holds, but for digests.

use std::fs;

use serde_json::{Value, json};

use super::{a_file, key};

/// Two clients; the limit of `billing` stands with one of its keys only.
fn text() -> String {
    let digest = |digit: &str| digit.repeat(64);
    format!(
        "[[keys]]\nclient = \"billing\"\nid = \"aaaaaaaa\"\nsha256 = \"{}\"\n\
         expires = 2020-01-31T02:00:00+02:00\n\
         [[keys]]\nclient = \"billing\"\nid = \"bbbbbbbb\"\nsha256 = \"{}\"\nrate_limit = \"50/s\"\n\
         [[keys]]\nclient = \"a-long-name-of-a-team\"\nid = \"cccccccc\"\nsha256 = \"{}\"\n\
         expires = 9999-12-31T23:59:59Z\n",
        digest("a"),
        digest("b"),
        digest("c"),
    )
}

#[test]
fn a_list_is_a_table_with_expiry_and_the_limit_of_the_client() {
    let (_directory, path) = a_file();
    fs::write(&path, text()).unwrap();

    let ended = key("list", &path, &[]);

    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    assert_eq!(
        ended.stdout,
        "\
CLIENT                 ID        EXPIRES               LIMIT  STATE
billing                aaaaaaaa  2020-01-31T00:00:00Z  50/s   expired
billing                bbbbbbbb  never                 50/s   active
a-long-name-of-a-team  cccccccc  9999-12-31T23:59:59Z  -      active
"
    );
}

#[test]
fn a_list_for_programs_is_an_array_of_objects() {
    let (_directory, path) = a_file();
    fs::write(&path, text()).unwrap();

    let ended = key("list", &path, &["--json"]);

    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    let listed: Value = serde_json::from_str(&ended.stdout).unwrap();
    let expected = json!([
        {"client": "billing", "id": "aaaaaaaa", "expires": "2020-01-31T00:00:00Z",
         "rate_limit": "50/s", "expired": true},
        {"client": "billing", "id": "bbbbbbbb", "expires": null,
         "rate_limit": "50/s", "expired": false},
        {"client": "a-long-name-of-a-team", "id": "cccccccc", "expires": "9999-12-31T23:59:59Z",
         "rate_limit": null, "expired": false},
    ]);
    assert_eq!(listed, expected);
}

#[test]
fn a_file_without_a_key_is_not_in_order_and_says_how_to_make_one() {
    let (_directory, path) = a_file();
    fs::write(&path, "# none yet\n").unwrap();

    let ended = key("list", &path, &["--json"]);

    assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:?}");
    assert!(ended.stderr.contains("d7-balance key new"), "{ended:?}");
}
