//! `GET /history`: what was seen of the balance, for a chart.

use std::time::Duration;

use d7_balance::simulator::{BALANCE, answer, bytes};
use serde_json::{Value, json};

use crate::harness::{Response, TestApp};

fn get(app: &TestApp, query: &str) -> Response {
    let path = format!("/history{query}");
    app.request("GET", &path).bearer(&app.key).send()
}

/// The times of the samples of an answer, without the hour.
fn times(answer: &Response) -> Vec<String> {
    assert_eq!(answer.status, 200, "{}", answer.text());
    let body = answer.json();
    let samples = body["samples"].as_array().unwrap().iter();
    let as_of = samples.map(|sample| sample["as_of"].as_str().unwrap());
    as_of.map(|as_of| as_of[14..23].to_owned()).collect()
}

/// Has D7 say something new every minute, and asks for it: at 00:00.123 first.
fn see(app: &TestApp, balances: &[&str]) {
    for (minute, balance) in balances.iter().enumerate() {
        app.advance_s(if minute == 0 { 0 } else { 60 });
        app.d7
            .next(answer(200, &format!("{{\"balance\":{balance}}}")));
        let got = app.balance_with("no-cache");
        assert_eq!(got.json()["balance_text"], *balance);
    }
}

#[test]
fn what_d7_has_answered_is_told_digit_by_digit_the_oldest_first() {
    let app = TestApp::start();
    let empty = get(&app, "");
    assert_eq!(app.d7.count(), 0, "to look asks D7 for nothing");
    app.advance_s(1);
    app.d7
        .next(answer(200, r#"{"balance": "100.00", "sms_count": 7}"#));
    app.balance();
    app.advance_s(120);
    app.d7.next(answer(200, r#"{"balance": 1e3}"#));
    app.balance();

    let seen = get(&app, "");

    let text = |samples: &str| {
        format!(r#"{{"since_start":"2026-11-23T01:00:00.123Z","samples":[{samples}]}}"#)
    };
    assert_eq!((empty.status, empty.text()), (200, text("")));
    let first = r#"{"balance":100.00,"balance_text":"100.00","sms_count":7,"as_of":"2026-11-23T01:00:01.123Z"}"#;
    let second = r#"{"balance":1e3,"balance_text":"1e3","as_of":"2026-11-23T01:02:01.123Z"}"#;
    assert_eq!(seen.text(), text(&format!("{first},{second}")));
    assert_eq!(seen.expect("content-type"), "application/json");
    assert_eq!(seen.expect("cache-control"), "private, no-cache");
    assert_eq!(seen.expect("vary"), "Authorization, Cookie");
    for name in ["age", "cache-status"] {
        assert_eq!(seen.header(name), None, "{name} is about a balance");
    }
}

#[test]
fn only_valid_answers_are_seen_and_each_is_seen_once() {
    let app = TestApp::start();
    see(&app, &["5"]);
    for fault in [
        answer(500, ""),
        answer(200, r#"{"balance": null}"#),
        bytes("rubbish"),
    ] {
        app.advance_s(1000);
        app.d7.always(fault);
        assert_ne!(app.balance().status, 200);
    }
    app.d7.always(answer(200, BALANCE));
    app.advance_s(1000);
    app.balance();
    app.balance();

    assert_eq!(times(&get(&app, "")), ["00:00.123", "06:40.123"]);
}

#[test]
fn a_balance_that_stays_the_same_has_two_samples() {
    let app = TestApp::start();

    see(&app, &["7", "5", "5", "5", "5", "5.0", "4"]);

    assert_eq!(
        times(&get(&app, "")),
        [
            "00:00.123",
            "01:00.123",
            "04:00.123",
            "05:00.123",
            "06:00.123"
        ]
    );
}

#[test]
fn only_what_is_later_than_since_is_told() {
    let app = TestApp::start();
    see(&app, &["3", "2", "1"]);

    for (query, expected) in [
        ("", &["00:00.123", "01:00.123", "02:00.123"][..]),
        ("?", &["00:00.123", "01:00.123", "02:00.123"]),
        (
            "?until=x&SINCE=x&since-when",
            &["00:00.123", "01:00.123", "02:00.123"],
        ),
        (
            "?since=2026-11-23T01:00:00.122Z",
            &["00:00.123", "01:00.123", "02:00.123"],
        ),
        // What a client that knows a sample asks for is what came after it.
        (
            "?since=2026-11-23T01:00:00.123Z",
            &["01:00.123", "02:00.123"],
        ),
        ("?since=2026-11-23T01:01:00Z", &["01:00.123", "02:00.123"]),
        ("?since=2026-11-23t01:01:00.1230000001z", &["02:00.123"]),
        ("?since=2026-11-23T02:01:00.5%2B01:00", &["02:00.123"]),
        ("?since=2026-11-22T20%3A01%3A00.5-05%3A00", &["02:00.123"]),
        ("?x=1&%73ince=2026-11-23T01:02:00.123Z&y", &[]),
        ("?since=9999-12-31T23:59:59-23:59", &[]),
        (
            "?since=0000-01-01T00:00:00Z",
            &["00:00.123", "01:00.123", "02:00.123"],
        ),
    ] {
        assert_eq!(times(&get(&app, query)), expected, "{query}");
    }
}

#[test]
fn a_since_that_cannot_be_read_is_told_apart_from_a_bad_credential() {
    let app = TestApp::start();

    for query in [
        "?since",
        "?since=",
        "?since=yesterday",
        "?since=1795395600",
        "?since=2026-11-23",
        "?since=2026-11-23T01:00:00",
        "?since=2026-11-23%2001:00:00Z",
        // A form's plus is a space.
        "?since=2026-11-23T01:00:00+01:00",
        "?since=2026-02-30T01:00:00Z",
        "?since=%ff",
        "?since=2026-11-23T01:00:00Z&since=2026-11-23T01:00:00Z",
        "?since=2026-11-23T01:00:00Z&since=",
    ] {
        let refused = get(&app, query);

        assert_eq!(
            (refused.status, &*refused.code()),
            (400, "bad_request"),
            "{query}"
        );
        assert_eq!(refused.header("www-authenticate"), None, "{query}");
        let detail = refused.json()["detail"].to_string();
        assert!(detail.contains("`since` must"), "{detail}");
    }
    let nobody = app.request("GET", "/history?since=yesterday").send();
    assert_eq!(nobody.code(), "unauthorized", "the credential comes first");
    let two = app.request("GET", "/history").bearer(&app.key).bearer("x");
    let two = two.send();
    assert_eq!(two.code(), "bad_request");
    assert!(
        two.expect("www-authenticate")
            .ends_with("error=\"invalid_request\"")
    );
}

#[test]
fn who_has_the_answer_already_gets_a_304_until_there_is_another() {
    let app = TestApp::start();
    see(&app, &["3"]);
    let known = get(&app, "");
    let ask = |query: &str, tag: &str| {
        let path = format!("/history{query}");
        let request = app.request("GET", &path).bearer(&app.key);
        request.header("if-none-match", tag).send()
    };
    let etag = known.expect("etag");
    let weak = format!("\"other\", W/{etag}");

    for tags in [etag, &weak, "*"] {
        let same = ask("", tags);
        assert_eq!((same.status, same.body.len()), (304, 0), "{tags}");
        for name in ["etag", "cache-control", "vary"] {
            assert_eq!(same.expect(name), known.expect(name), "{tags}");
        }
        assert_eq!(same.header("content-type"), None);
    }
    assert_eq!(
        ask("?since=2026-11-23T01:00:00Z", etag).status,
        304,
        "the same body"
    );
    assert_eq!(ask("?since=2027-11-23T01:00:00Z", etag).status, 200);
    assert_eq!(ask("", "\"other\"").status, 200);
    assert_eq!(ask("?since=then", "*").status, 400);
    app.advance_s(60);
    see(&app, &["2"]);
    let another = ask("", etag);
    assert_eq!(another.status, 200);
    assert_ne!(another.expect("etag"), etag);
}

#[test]
fn it_is_for_callers_with_a_key_and_counts_towards_their_limit() {
    let app = TestApp::builder().set("D7B_RATE_LIMIT", "3/h").start();

    let denied = app.request("GET", "/history").send();
    let allowed = get(&app, "");
    let head = app.request("HEAD", "/history").bearer(&app.key).send();
    let unreadable = get(&app, "?since=x");
    let refused = get(&app, "?since=x");

    assert_eq!(denied.code(), "unauthorized");
    assert_eq!(allowed.header("ratelimit"), Some("\"client\";r=2;t=1200"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.expect("etag"), allowed.expect("etag"));
    let body = allowed.body.len().to_string();
    assert_eq!(head.expect("content-length"), body);
    assert_eq!(unreadable.code(), "bad_request");
    assert_eq!(
        unreadable.header("ratelimit"),
        Some("\"client\";r=0;t=3600")
    );
    assert_eq!(refused.code(), "rate_limited");
    assert_eq!(
        app.admin("/history").status,
        404,
        "a public route is not on the admin listener"
    );
}

#[test]
fn what_is_fetched_though_nobody_asks_is_seen_too() {
    let app = TestApp::builder()
        .set("D7B_CACHE_KEEP_WARM", "true")
        .start();
    app.wait_for_refreshes(1);
    app.advance(Duration::from_secs(60));
    app.wait_for_refreshes(2);

    let body: Value = get(&app, "").json();

    assert_eq!(body["samples"].as_array().unwrap().len(), 2);
    assert_eq!(
        body["samples"][1]["as_of"],
        json!("2026-11-23T01:01:00.123Z")
    );
}
