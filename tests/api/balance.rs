//! The main job: D7's documented answers, byte for byte, and the digits.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use crate::harness::TestApp;
use d7_balance::simulator::{BALANCE, answer};

#[test]
fn the_documented_answer_comes_out_as_the_contract_shows_it() {
    let app = TestApp::start();
    app.d7.always(answer(200, BALANCE));

    let response = app.balance();

    assert_eq!(response.status, 200);
    assert_eq!(
        response.text(),
        r#"{"balance":99.9999999,"balance_text":"99.9999999","as_of":"2026-11-23T01:00:00.123Z"}"#
    );
    let mut headers = response.headers.clone();
    headers.retain(|(name, _)| !["date", "etag", "x-request-id"].contains(&name.as_str()));
    headers.sort();
    let expected = [
        ("age", "0"),
        ("cache-control", "private, no-cache"),
        (
            "cache-status",
            "d7-balance; fwd=uri-miss; fwd-status=200; stored; ttl=60",
        ),
        ("content-length", "85"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
        ("content-type", "application/json"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("vary", "Authorization, Cookie"),
        ("x-content-type-options", "nosniff"),
    ];
    let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned()));
    assert_eq!(headers, expected);
    let etag = response.expect("etag");
    assert!(
        etag.len() > 2 && etag.starts_with('"') && etag.ends_with('"'),
        "strong: {etag}"
    );
}

#[test]
fn d7_is_asked_as_its_documentation_says_and_told_nothing_of_the_caller() {
    let app = TestApp::start();

    let request = app
        .request("GET", "/balance?x=leak-query")
        .bearer(&app.key)
        .header("x-request-id", "leak-id")
        .header("cookie", "leak=cookie")
        .header("user-agent", "leak-agent")
        .header("traceparent", "leak-trace")
        .header("accept-encoding", "gzip, br")
        .header("x-forwarded-for", "leak-address");
    assert_eq!(request.send().status, 200);

    let heads = app.d7.heads();
    assert_eq!(heads.len(), 1);
    let mut lines = heads[0].lines();
    assert_eq!(lines.next(), Some("GET /messages/v1/balance HTTP/1.1"));
    let mut headers: Vec<_> = lines
        .filter(|line| !line.is_empty())
        .map(str::to_lowercase)
        .collect();
    headers.retain(|line| !line.starts_with("date: "));
    headers.sort();
    assert_eq!(
        headers,
        [
            "accept-encoding: identity".to_owned(),
            "accept: application/json".to_owned(),
            "authorization: bearer the-token".to_owned(),
            "connection: close".to_owned(),
            "content-length: 0".to_owned(),
            format!("host: {}", app.d7.addr()),
            format!("user-agent: d7-balance/{}", env!("CARGO_PKG_VERSION")),
        ]
    );
}

#[test]
fn a_path_prefix_of_the_base_url_is_kept() {
    let d7 = d7_balance::simulator::Simulator::start().unwrap();
    let base_url = format!("{}/prefix/", d7.base_url());
    let app = TestApp::builder()
        .set("D7B_BASE_URL", &base_url)
        .start_with(d7);

    assert_eq!(app.balance().status, 200);

    assert!(app.d7.heads()[0].starts_with("GET /prefix/messages/v1/balance HTTP/1.1\r\n"));
}

#[test]
fn d7s_own_path_answers_the_same() {
    let app = TestApp::start();

    let ours = app.balance();
    let theirs = app
        .request("GET", "/messages/v1/balance")
        .bearer(&app.key)
        .send();

    assert_eq!(theirs.status, 200);
    assert_eq!(theirs.body, ours.body);
    assert_eq!(theirs.header("etag"), ours.header("etag"));
    assert_eq!(app.d7.count(), 1);
}

#[test]
fn an_sms_count_follows_as_a_number_and_other_fields_do_not() {
    let app = TestApp::start();
    for (sent, text) in [("42", "42"), ("\"42.50\"", "42.50"), ("1e3", "1e3")] {
        app.d7.always(answer(
            200,
            &format!(r#"{{"currency": "EUR", "sms_count": {sent}, "balance": 7}}"#),
        ));
        app.advance_s(3600);

        let body = app.balance().text();

        let expected = format!(r#"{{"balance":7,"balance_text":"7","sms_count":{text},"as_of":"#);
        assert!(body.starts_with(&expected), "{body}");
    }
}

#[test]
fn an_sms_count_that_is_no_number_is_left_out_and_counted() {
    let app = TestApp::start();
    app.d7
        .always(answer(200, r#"{"balance": 7, "sms_count": "many"}"#));

    let response = app.balance();

    assert_eq!(response.status, 200);
    assert_eq!(response.json().get("sms_count"), None);
    assert_eq!(app.metric("d7b_sms_count_ignored_total"), Some(1.0));
}

/// Sends `body` through the whole service; `Ok` is the text of the answer.
fn through(app: &TestApp, body: &str) -> Result<String, String> {
    app.d7.always(answer(200, body));
    // Past every window, and past the longest hold-down.
    app.advance_s(3600);
    let response = app.balance();
    match response.status {
        200 => Ok(response.text()),
        _ => Err(response.code()),
    }
}

#[test]
fn the_digits_that_d7_sent_are_the_digits_that_come_out() {
    let app = TestApp::start();
    let hundred = format!("{}.{}", "1234567890".repeat(5), "0987654321".repeat(5));

    for digits in [
        "99.9999999",
        "100.00",
        "0",
        "-0",
        "-0.5",
        "1e3",
        "1E+400",
        &hundred,
    ] {
        for body in [
            format!(r#"{{"balance": {digits}}}"#),
            format!(r#"{{"balance": "{digits}"}}"#),
        ] {
            let answer = through(&app, &body).unwrap();
            let expected = format!(r#"{{"balance":{digits},"balance_text":"{digits}","as_of":""#);
            assert!(answer.starts_with(&expected), "{answer}");
        }
        app.d7.always(answer(500, ""));
        app.advance_s(3600);
        let problem = app.balance().text();
        let expected =
            format!(r#""last_known":{{"balance":{digits},"balance_text":"{digits}","as_of":""#);
        assert!(problem.contains(&expected), "{problem}");
    }
}

#[test]
fn what_is_not_one_object_with_one_numeric_balance_is_invalid() {
    let app = TestApp::start();

    for body in [
        r#"{"balance": NaN}"#,
        r#"{"balance": Infinity}"#,
        r#"{"balance": true}"#,
        r#"{"balance": null}"#,
        r#"{"balance": ""}"#,
        r#"{"balance": " 1"}"#,
        r#"{"balance": 01}"#,
        r#"{"balance": 0x10}"#,
        r#"{"balance": "0x10"}"#,
        r#"{"balance": [1]}"#,
        r#"{"balance": {"amount": 1}}"#,
        r#"{"balance": 1, "balance": 1}"#,
        r#"{"balance": 1, "\u0062alance": 2}"#,
        r#"{"balance": 1"#,
        r#"{"balance": 1} {"balance": 1}"#,
        r#"{"Balance": 1}"#,
        r#"[{"balance": 1}]"#,
        "{}",
        "99.9999999",
        "\"99.9999999\"",
        "null",
        "<html><body>99.9999999</body></html>",
        "",
        " ",
    ] {
        let code = through(&app, body).unwrap_err();
        assert_eq!(code, "upstream_invalid_response", "{body}");
    }
}

#[test]
fn every_json_number_goes_through_the_whole_service_unchanged() {
    let app = TestApp::start();
    // number = [ minus ] int [ frac ] [ exp ], RFC 8259 section 6.
    let numbers = "-?(0|[1-9][0-9]{0,30})(\\.[0-9]{1,30})?([eE][+-]?[0-9]{1,5})?";
    let mut runner = TestRunner::new(Config {
        cases: 256,
        failure_persistence: None,
        ..Config::default()
    });

    runner
        .run(&(numbers, any::<bool>()), |(digits, is_text)| {
            let quote = if is_text { "\"" } else { "" };
            let body = format!(r#"{{"balance":{quote}{digits}{quote},"sms_count":{digits}}}"#);
            let answer = through(&app, &body);
            let expected = format!(
                r#"{{"balance":{digits},"balance_text":"{digits}","sms_count":{digits},"as_of":""#
            );
            prop_assert!(
                answer
                    .as_ref()
                    .is_ok_and(|answer| answer.starts_with(&expected)),
                "{:?}",
                answer
            );
            Ok(())
        })
        .unwrap();
}
