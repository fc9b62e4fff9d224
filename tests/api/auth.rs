//! Who may ask: keys, and everything that is none.

use std::time::Duration;

use d7_balance::callers::key::NewKey;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::{
    harness::TestApp,
    problems::{assert_problem, assert_two_credentials},
};

fn unauthorized() -> Value {
    json!({
        "type": "/problems/unauthorized",
        "title": "A valid caller key is needed",
        "status": 401,
        "detail": "Send a key of this service as `Authorization: Bearer d7b_…`. If you did, it is \
                   mistyped, unknown, revoked or expired: ask the operators of this service for a \
                   new one.",
        "code": "unauthorized",
        "retryable": false,
    })
}

#[test]
fn without_a_credential_the_answer_is_401_with_the_bare_challenge() {
    let app = TestApp::start();
    let request = app.request("GET", "/balance");

    for request in [
        request.clone(),
        request
            .clone()
            .header("authorization", "Basic dXNlcjpwYXNz"),
        request.clone().header("authorization", "Bearerd7b_x"),
        request.clone().header("authorization", ""),
        request.clone().header("authorization", "Basic \u{e4}"),
        request.clone().header("cookie", "other=1"),
    ] {
        let challenge = ("www-authenticate", "Bearer realm=\"d7-balance\"");
        assert_problem(&request.send(), unauthorized(), &[challenge]);
    }
    assert_eq!(app.d7.count(), 0);
}

#[test]
fn a_credential_that_is_not_accepted_is_401_and_never_says_why() {
    let app = TestApp::start();
    let other = NewKey::generate().unwrap();
    let unknown = other.key.expose_secret().to_owned();
    // The id of one key with the secret of another, and a checksum that is right.
    let wrong = with_checksum(&format!("{}{}", &app.key[..13], &unknown[13..45]));
    let (start, last) = app.key.split_at(50);
    let typo = format!("{start}{}", if last == "x" { 'y' } else { 'x' });

    for credential in [
        "",
        " ",
        "x",
        "d7b_",
        &typo,
        &unknown,
        &wrong,
        &format!("{} x", app.key),
    ] {
        let response = app.request("GET", "/balance").bearer(credential).send();
        let challenge = (
            "www-authenticate",
            "Bearer realm=\"d7-balance\", error=\"invalid_token\"",
        );
        assert_problem(&response, unauthorized(), &[challenge]);
    }

    let denied = |reason: &str| app.metric(&format!("d7b_denied_total{{reason=\"{reason}\"}}"));
    assert_eq!(denied("unknown"), Some(1.0));
    assert_eq!(denied("wrong_secret"), Some(1.0));
    assert_eq!(denied("malformed"), Some(6.0));
}

fn with_checksum(checked: &str) -> String {
    const DIGITS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
    let mut rest = crc32fast::hash(checked.as_bytes()) as usize;
    let mut checksum = Vec::new();
    for _ in 0..6 {
        checksum.insert(0, DIGITS[rest % 62]);
        rest /= 62;
    }
    format!("{checked}{}", String::from_utf8(checksum).unwrap())
}

#[test]
fn several_keys_of_one_client_work_until_each_expires() {
    let (one, two) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");
    std::fs::write(
        &path,
        format!(
            "[[keys]]\nclient = \"billing\"\nid = \"{}\"\nsha256 = \"{}\"\n\
             expires = 2026-11-23T01:00:10Z\n\
             [[keys]]\nclient = \"billing\"\nid = \"{}\"\nsha256 = \"{}\"\nrate_limit = \"5/h\"\n",
            one.id, one.digest, two.id, two.digest
        ),
    )
    .unwrap();
    let app = TestApp::builder()
        .set("D7B_KEYS_FILE", path.to_str().unwrap())
        .start();
    let ask = |key: &NewKey| {
        let key = key.key.expose_secret();
        app.request("GET", "/balance").bearer(key).send()
    };

    assert_eq!((ask(&one).status, ask(&two).status), (200, 200));
    // The clock began at 01:00:00.123; the end itself is past the end.
    app.advance(Duration::from_millis(9_876));
    assert_eq!(ask(&one).status, 200);
    app.advance(Duration::from_millis(1));

    let challenge = (
        "www-authenticate",
        "Bearer realm=\"d7-balance\", error=\"invalid_token\"",
    );
    for _ in 0..3 {
        // Nothing tells the caller that its client is known.
        let denied = ask(&one);
        assert_problem(&denied, unauthorized(), &[challenge]);
        assert_eq!(denied.header("ratelimit"), None);
    }
    let last = ask(&two);

    assert_eq!(last.status, 200);
    assert_eq!(last.header("ratelimit"), Some("\"client\";r=1;t=2871"));
    assert_eq!(
        app.metric("d7b_denied_total{reason=\"expired\"}"),
        Some(3.0)
    );
    assert_eq!(
        app.metric("d7b_requests_total{client=\"billing\",status_class=\"2xx\"}"),
        Some(4.0)
    );
    // A key that has ended counts for nobody.
    assert_eq!(
        app.metric("d7b_requests_total{client=\"billing\",status_class=\"4xx\"}"),
        Some(0.0)
    );
    assert_eq!(
        app.metric("d7b_requests_total{client=\"\",status_class=\"4xx\"}"),
        Some(3.0)
    );
}

#[test]
fn the_scheme_ignores_case_and_blanks_round_the_key() {
    let app = TestApp::start();

    for scheme in ["Bearer ", "bearer ", "BEARER ", "Bearer   "] {
        let credential = format!("{scheme}{}", app.key);
        let request = app
            .request("GET", "/balance")
            .header("authorization", &credential);
        assert_eq!(request.send().status, 200, "{scheme}");
    }
}

#[test]
fn two_credentials_are_400() {
    let app = TestApp::start();

    let response = app.balance_request().bearer(&app.key).send();

    assert_two_credentials(&response);
}
