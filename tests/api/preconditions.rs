//! Conditional requests, and HEAD.

use crate::harness::{Response, TestApp};
use d7_balance::simulator::answer;

/// `GET /balance` with one more header line.
fn ask(app: &TestApp, name: &str, value: &str) -> Response {
    app.balance_request().header(name, value).send()
}

/// The headers that do not change from answer to answer.
fn lasting(response: &Response) -> Vec<(String, String)> {
    let mut headers = response.headers.clone();
    headers.retain(|(name, _)| !["date", "x-request-id"].contains(&name.as_str()));
    headers.sort();
    headers
}

#[test]
fn a_tag_that_is_known_gets_a_304_with_the_same_caching_headers() {
    let app = TestApp::start();
    let known = app.balance();
    let etag = known.expect("etag");
    let others = "\"a\", \"b,c\"";

    for tags in [
        etag.to_owned(),
        format!("W/{etag}"),
        format!("{others}, {etag}"),
        format!("{others},W/{etag} , \"d\""),
        "*".to_owned(),
    ] {
        let response = ask(&app, "if-none-match", &tags);

        assert_eq!(response.status, 304, "{tags}");
        for name in ["etag", "cache-control", "vary", "age"] {
            assert_eq!(response.expect(name), known.expect(name), "{tags}");
        }
        assert_eq!(response.cache_status(), "hit; ttl=60");
        assert_eq!(response.header("content-type"), None);
    }
}

#[test]
fn tags_may_come_in_several_lines() {
    let app = TestApp::start();
    let etag = app.balance().expect("etag").to_owned();

    let request = app.balance_request().header("if-none-match", "\"a\"");
    let response = request.header("if-none-match", &etag).send();

    assert_eq!(response.status, 304);
}

#[test]
fn another_tag_or_a_malformed_header_gets_the_whole_answer() {
    let app = TestApp::start();
    let known = app.balance();
    let etag = known.expect("etag");
    let bare = etag.trim_matches('"');

    for tags in [
        "\"another\"".to_owned(),
        bare.to_owned(),
        format!("\"{bare}"),
        format!("w/{etag}"),
        format!("{etag} {etag}"),
        format!("{etag}, oops"),
        format!("*, {etag}"),
        String::new(),
    ] {
        let response = ask(&app, "if-none-match", &tags);

        assert_eq!(response.status, 200, "{tags}");
        assert_eq!(response.body, known.body, "{tags}");
    }
}

#[test]
fn a_tag_outlives_a_refresh_only_if_the_answer_stays_the_same() {
    let app = TestApp::start();
    let etag = app.balance().expect("etag").to_owned();

    app.advance_s(5);
    let refreshed = app
        .balance_request()
        .header("cache-control", "no-cache")
        .header("if-none-match", &etag)
        .send();

    assert_eq!(refreshed.status, 200, "`as_of` is another");
    assert_ne!(refreshed.expect("etag"), etag);
}

#[test]
fn a_stale_balance_gets_a_304_too() {
    let app = TestApp::start();
    let etag = app.balance().expect("etag").to_owned();
    app.d7.always(answer(500, ""));
    app.advance_s(135);

    for status in [
        "fwd=stale; fwd-status=500; ttl=-75; detail=upstream_unavailable",
        "hit; ttl=-75; detail=upstream_unavailable",
    ] {
        let response = ask(&app, "if-none-match", &etag);

        assert_eq!(response.status, 304);
        assert_eq!(response.cache_status(), status);
        assert_eq!(response.expect("age"), "135");
    }
}

#[test]
fn an_error_is_never_a_304() {
    let app = TestApp::start();
    let etag = app.balance().expect("etag").to_owned();
    app.d7.always(answer(500, ""));
    app.advance_s(3600);

    for tags in ["*", &etag] {
        let response = ask(&app, "if-none-match", tags);
        assert_eq!(
            (response.status, response.code().as_str()),
            (502, "upstream_unavailable")
        );
        let unknown = app.request("GET", "/balance").header("if-none-match", tags);
        assert_eq!(unknown.send().status, 401);
    }
}

#[test]
fn other_preconditions_and_ranges_are_ignored() {
    let app = TestApp::start();
    let known = app.balance();

    for (name, value) in [
        ("if-match", "\"another\""),
        ("if-modified-since", "Mon, 23 Nov 2099 01:00:00 GMT"),
        ("if-unmodified-since", "Mon, 23 Nov 1999 01:00:00 GMT"),
        ("range", "bytes=0-3"),
    ] {
        let response = ask(&app, name, value);

        assert_eq!(lasting(&response), lasting(&app.balance()), "{name}");
        assert_eq!(
            (response.status, &response.body),
            (200, &known.body),
            "{name}"
        );
    }
}

#[test]
fn head_gets_the_headers_of_get_and_no_body() {
    let app = TestApp::start();
    let head = |tags: &str| {
        let request = app.request("HEAD", "/balance").bearer(&app.key);
        request.header("if-none-match", tags).send()
    };
    app.balance();

    for tags in ["\"another\"", "*"] {
        let (get, head) = (ask(&app, "if-none-match", tags), head(tags));

        assert_eq!(head.status, get.status);
        assert_eq!(lasting(&head), lasting(&get));
    }
    assert_eq!(head("\"another\"").expect("content-length"), "85");
}

#[test]
fn head_gets_the_headers_of_a_problem_too() {
    let app = TestApp::start();
    app.d7.always(answer(500, ""));
    let ask = |method| app.request(method, "/balance").bearer(&app.key).send();

    let (head, get) = (ask("HEAD"), ask("GET"));

    assert_eq!((head.status, get.status), (502, 502));
    assert_eq!(lasting(&head), lasting(&get));
    assert_eq!(app.d7.count(), 1);
}

#[test]
fn head_causes_and_awaits_refreshes_as_get_does() {
    let app = TestApp::start();
    let head = || app.request("HEAD", "/balance").bearer(&app.key).send();

    let cold = head();
    app.advance_s(60);
    let stale = head();
    app.wait_for_refreshes(2);

    let status = "fwd=uri-miss; fwd-status=200; stored; ttl=60";
    assert_eq!((cold.status, cold.cache_status()), (200, status));
    assert_eq!(stale.cache_status(), "hit; ttl=0");
    assert_eq!(head().cache_status(), "hit; ttl=60");
    assert_eq!(app.d7.count(), 2);
}
