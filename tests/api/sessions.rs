//! Browsers that have signed in: a key turned into a cookie, what that is worth,
//! and how it ends.

mod body;
mod origins;
mod secrets;
mod signing_out;

use std::{fs, time::Duration};

use d7_balance::callers::file::record;

use crate::{
    harness::{Request, Response, TestApp, wait_until},
    problems::assert_two_credentials,
    reload::Key,
};

/// How long a session lasts where nothing else is set, in seconds.
const TTL: u64 = 12 * 3600;

/// Signs in with `key`, as a program does; returns the cookie's value.
pub(crate) fn sign_in(app: &TestApp, key: &str) -> String {
    cookie_of(&app.request("POST", "/session").bearer(key).send())
}

/// The value of the cookie that an answer sets.
pub(crate) fn cookie_of(answer: &Response) -> String {
    let cookie = answer.expect("set-cookie");
    let cookie = cookie.strip_prefix("__Host-d7b_session=");
    let (value, _) = cookie.unwrap().split_once(';').unwrap();
    assert!(!value.is_empty());
    value.to_owned()
}

/// A form that a page of the service's own sends.
fn form(app: &TestApp, path: &str, body: &str) -> Request {
    app.request("POST", path)
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(body.as_bytes())
}

/// `request` with the cookie of a session, as a page of ours sends it.
fn with_cookie(request: Request, session: &str) -> Request {
    let cookie = format!("__Host-d7b_session={session}");
    request
        .header("cookie", &cookie)
        .header("sec-fetch-site", "same-origin")
}

/// `GET /balance` with the cookie of a session.
fn balance(app: &TestApp, session: &str) -> Response {
    with_cookie(app.request("GET", "/balance"), session).send()
}

/// Asserts that a session is over: the bare challenge, and a cookie to forget.
fn assert_over(answer: &Response) {
    assert_eq!(answer.status, 401);
    assert_eq!(answer.code(), "unauthorized");
    let challenge = answer.expect("www-authenticate");
    assert_eq!(challenge, "Bearer realm=\"d7-balance\"");
    assert_eq!(answer.expect("set-cookie"), CLEARED);
}

const CLEARED: &str = "__Host-d7b_session=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict";

#[test]
fn a_key_becomes_a_cookie_that_no_script_can_read() {
    let app = TestApp::start();

    let answer = app.request("POST", "/session").bearer(&app.key).send();

    assert_eq!(answer.status, 204);
    assert_eq!(answer.expect("cache-control"), "no-store");
    let (value, attributes) = answer.expect("set-cookie").split_once("; ").unwrap();
    assert!(value.starts_with("__Host-d7b_session=eyJ"), "{value}");
    assert!(!value.contains(&app.key));
    assert_eq!(
        attributes,
        format!("Max-Age={TTL}; Path=/; Secure; HttpOnly; SameSite=Strict")
    );
    assert_eq!(balance(&app, &cookie_of(&answer)).status, 200);
    assert_eq!(app.d7.count(), 1);
}

#[test]
fn a_form_signs_in_and_leads_to_the_page() {
    let app = TestApp::start();
    let body = format!("from=here&key=+{}%0A", app.key);

    let answer = form(&app, "/session", &body).send();

    assert_eq!(answer.status, 303);
    assert_eq!(answer.expect("location"), "/");
    assert_eq!(answer.expect("cache-control"), "no-store");
    assert_eq!(balance(&app, &cookie_of(&answer)).status, 200);
}

#[test]
fn a_form_with_a_key_that_is_not_accepted_leads_back_and_says_so() {
    let app = TestApp::start();
    let other = Key::of("billing").text;

    for body in [
        String::new(),
        "key=".to_owned(),
        "kee=1".to_owned(),
        "key=%FF".to_owned(),
        format!("key={other}"),
        format!("key={0}&key={0}", app.key),
        format!("key={}x", app.key),
    ] {
        let answer = form(&app, "/session", &body).send();

        assert_eq!(answer.status, 303, "{body}");
        assert_eq!(answer.expect("location"), "/?signin=failed");
        assert_eq!(answer.header("set-cookie"), None);
    }
    let denied = |reason| app.metric(&format!("d7b_denied_total{{reason=\"{reason}\"}}"));
    assert_eq!(denied("unknown"), Some(1.0));
    assert_eq!(denied("malformed"), Some(6.0));
}

#[test]
fn a_form_over_the_limit_leads_back_and_says_so() {
    let app = TestApp::builder().set("D7B_RATE_LIMIT", "1/h").start();
    let former = sign_in(&app, &app.other_key);
    let over = with_cookie(
        form(&app, "/session", &format!("key={}", app.key)).without("sec-fetch-site"),
        &former,
    );
    assert_eq!(app.balance().status, 200);

    let answer = over.send();

    assert_eq!(answer.status, 303);
    assert_eq!(answer.expect("location"), "/?signin=limited");
    assert_eq!(answer.expect("cache-control"), "no-store");
    assert_eq!(answer.expect("ratelimit"), "\"client\";r=0;t=3600");
    assert_eq!(answer.header("set-cookie"), None);
    // A wait that a redirection names is one before it is followed.
    assert_eq!(answer.header("retry-after"), None);
    let problems = "d7b_problems_total{code=\"rate_limited\"}";
    assert_eq!(app.metric(problems), Some(1.0));
    let signed_in = balance(&app, &former);
    assert_eq!(signed_in.code(), "rate_limited", "the former one goes on");
}

#[test]
fn a_program_without_a_good_key_is_401_and_gets_no_cookie() {
    let app = TestApp::start();
    let ours = || {
        app.request("POST", "/session")
            .header("sec-fetch-site", "same-origin")
    };

    let missing = ours().send();
    let unknown = ours().bearer(&Key::of("billing").text).send();

    for answer in [&missing, &unknown] {
        assert_eq!(answer.code(), "unauthorized");
        assert_eq!(answer.header("set-cookie"), None);
    }
    assert!(!missing.expect("www-authenticate").contains("error"));
    assert!(unknown.expect("www-authenticate").contains("invalid_token"));
}

#[test]
fn every_route_for_callers_is_open_to_a_session() {
    let app = TestApp::start();
    let session = sign_in(&app, &app.key);

    for path in ["/balance", "/messages/v1/balance", "/status"] {
        let request = with_cookie(app.request("GET", path), &session);
        assert_eq!(request.send().status, 200, "{path}");
    }
}

#[test]
fn other_cookies_are_not_looked_at() {
    let app = TestApp::start();
    let session = sign_in(&app, &app.key);
    let with = |cookie: &str| app.request("GET", "/balance").header("cookie", cookie);
    let ours = format!("__Host-d7b_session={session}");

    for cookies in [
        format!("a=b; {ours}; c=\"d\""),
        format!("a=b;{ours};c"),
        format!("__host-d7b_session=x; {ours}"),
        format!("x__Host-d7b_session=x; {ours}"),
        format!("__Host-d7b_session2=x; ; =;{ours}"),
    ] {
        assert_eq!(with(&cookies).send().status, 200, "{cookies}");
        let with_key = with(&cookies).bearer(&app.key).send();
        assert_eq!(with_key.status, 400, "{cookies}");
    }
    let two_lines = with("a=b").header("cookie", &ours).send();
    assert_eq!(two_lines.status, 200);
    let with_key = with("a=b").bearer(&app.key).send();
    assert_eq!(with_key.status, 200);
    assert_over(&with(&format!("{ours}; {ours}")).send());
}

#[test]
fn a_session_together_with_a_key_is_400() {
    let app = TestApp::start();
    let session = sign_in(&app, &app.key);

    for (method, path) in [
        ("GET", "/balance"),
        ("GET", "/"),
        ("POST", "/session"),
        ("DELETE", "/session"),
        ("POST", "/session/end"),
    ] {
        let request = with_cookie(app.request(method, path), &session).bearer(&app.key);
        assert_two_credentials(&request.send());
        // Wherever that comes from.
        let request = request.without("sec-fetch-site");
        let elsewhere = request.header("sec-fetch-site", "cross-site");
        assert_two_credentials(&elsewhere.send());
    }
    assert_eq!(balance(&app, &session).status, 200, "nothing has ended it");
}

#[test]
fn what_is_no_session_is_401_with_the_bare_challenge_and_forgotten() {
    let app = TestApp::start();
    let session = sign_in(&app, &app.key);
    let (start, _) = session.rsplit_once('.').unwrap();

    for other in [
        "",
        "x",
        "\u{e4}",
        "d7b_",
        &app.key,
        start,
        &format!("{start}.AAAA"),
    ] {
        assert_over(&balance(&app, other));
    }
    assert_eq!(app.d7.count(), 0);
    let series = "d7b_denied_total{reason=\"session_invalid\"}";
    assert_eq!(app.metric(series), Some(7.0));
}

#[test]
fn a_session_ends_when_its_time_is_over() {
    let app = TestApp::start();
    let session = sign_in(&app, &app.key);

    // It began at a fraction of a second, and counts whole ones.
    app.advance(Duration::from_millis(TTL * 1000 - 124));
    assert_eq!(balance(&app, &session).status, 200);

    app.advance(Duration::from_millis(1));
    assert_over(&balance(&app, &session));
}

#[test]
fn a_session_lasts_as_long_as_is_set_and_no_longer_than_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let (long, short) = (Key::of("billing"), Key::of("web"));
    let mut ends = record(&short.record);
    ends.push_str("expires = 2026-11-23T01:00:30Z\n");
    let path = folder.path().join("keys.toml");
    fs::write(&path, format!("{}\n{ends}", record(&long.record))).unwrap();
    let app = TestApp::builder()
        .set("D7B_KEYS_FILE", path.to_str().unwrap())
        .set("D7B_SESSION_TTL", "1m")
        .start();
    let max_age = |key: &Key| {
        let answer = app.request("POST", "/session").bearer(&key.text).send();
        let (_, cookie) = answer.expect("set-cookie").split_once("Max-Age=").unwrap();
        cookie.split(';').next().unwrap().to_owned()
    };

    assert_eq!([&long, &short].map(max_age), ["60", "30"]);
}

#[test]
fn a_session_ends_with_its_key() {
    let folder = tempfile::tempdir().unwrap();
    let (kept, revoked) = (Key::of("billing"), Key::of("web"));
    let path = folder.path().join("keys.toml");
    let write = |keys: &[&Key]| fs::write(&path, crate::reload::file_of(keys.iter().copied()));
    write(&[&kept, &revoked]).unwrap();
    let app = TestApp::builder()
        .set("D7B_KEYS_FILE", path.to_str().unwrap())
        .start();
    let sessions = [&kept, &revoked].map(|key| sign_in(&app, &key.text));
    assert_eq!(balance(&app, &sessions[1]).status, 200);

    write(&[&kept]).unwrap();
    app.hang_up();
    wait_until("the key is revoked", || {
        balance(&app, &sessions[1]).status == 401
    });

    assert_over(&balance(&app, &sessions[1]));
    assert_eq!(balance(&app, &sessions[0]).status, 200);
}

#[test]
fn a_session_is_held_to_its_clients_limit_and_can_always_be_ended() {
    let app = TestApp::builder().set("D7B_RATE_LIMIT", "4/h").start();
    let left = |answer: &Response| answer.expect("ratelimit").to_owned();

    let signed_in = form(&app, "/session", &format!("key={}", app.key)).send();
    assert!(left(&signed_in).contains("r=3"));
    let session = cookie_of(&signed_in);
    assert!(left(&balance(&app, &session)).contains("r=2"));
    assert!(left(&app.balance()).contains("r=1"));
    let ended = with_cookie(app.request("DELETE", "/session"), &session).send();
    assert!(left(&ended).contains("r=0"));

    let refused = app.request("POST", "/session").bearer(&app.key).send();
    assert_eq!(refused.code(), "rate_limited");
    assert_eq!(refused.header("set-cookie"), None);
    let other = sign_in(&app, &app.other_key);
    for _ in 0..3 {
        assert_eq!(balance(&app, &other).status, 200);
    }
    assert_eq!(balance(&app, &other).code(), "rate_limited");
    let ended = with_cookie(app.request("DELETE", "/session"), &other).send();
    assert_eq!(ended.status, 204);
    assert_over(&balance(&app, &other));
}

#[test]
fn directives_of_a_browser_are_not_a_persons_wish() {
    let app = TestApp::start();
    let session = sign_in(&app, &app.key);
    let with = |directive: &str| {
        let request = with_cookie(app.request("GET", "/balance"), &session);
        request.header("cache-control", directive).send()
    };

    let cold = with("only-if-cached");
    assert_eq!(
        cold.cache_status(),
        "fwd=uri-miss; fwd-status=200; stored; ttl=60"
    );
    app.advance_s(10);
    assert_eq!(with("no-cache").cache_status(), "hit; ttl=50");
    assert_eq!(with("max-age=0").cache_status(), "hit; ttl=50");
    assert_eq!(app.d7.count(), 1);
}

#[test]
fn signing_in_and_out_have_methods_of_their_own() {
    let app = TestApp::start();

    for (path, methods, allow) in [
        ("/session", ["GET", "PUT"], "POST, DELETE"),
        ("/session/end", ["GET", "DELETE"], "POST"),
    ] {
        for method in methods {
            let answer = app.request(method, path).send();
            assert_eq!(answer.code(), "method_not_allowed");
            assert_eq!(answer.expect("allow"), allow);
        }
    }
}
