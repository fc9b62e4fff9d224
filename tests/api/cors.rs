//! Pages of other origins: nothing without the setting, and with it what a key
//! is good for.

use crate::harness::{Request, Response, TestApp};

const PAGE: &str = "https://team.example.com";
const OTHER: &str = "http://127.0.0.1:3000";

fn open() -> TestApp {
    let origins = format!("{PAGE},{OTHER}");
    TestApp::builder().set("D7B_CORS_ORIGINS", &origins).start()
}

fn preflight(app: &TestApp, path: &str, origin: &str) -> Request {
    app.request("OPTIONS", path)
        .header("origin", origin)
        .header("access-control-request-method", "GET")
        .header("access-control-request-headers", "authorization")
}

/// The answer's headers about other origins.
fn told(answer: &Response) -> Vec<(&str, &str)> {
    let headers = answer.headers.iter();
    headers
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| name.starts_with("access-control-"))
        .collect()
}

/// Whether caches are told that the answer depends on who reads it.
fn varies(answer: &Response) -> bool {
    let mut vary = answer.headers.iter().filter(|(name, _)| name == "vary");
    vary.any(|(_, value)| value == "Origin")
}

#[test]
fn without_the_setting_no_other_origin_reads_anything() {
    let app = TestApp::start();

    let answer = app.balance_request().header("origin", PAGE).send();
    let asked = preflight(&app, "/balance", PAGE).send();

    assert_eq!(answer.status, 200);
    assert_eq!(asked.code(), "method_not_allowed");
    for answer in [answer, asked] {
        assert_eq!(told(&answer), []);
        assert!(!varies(&answer));
    }
}

#[test]
fn a_preflight_needs_no_credential_and_says_what_may_be_asked() {
    let app = open();

    for path in ["/balance", "/status", "/problems/unauthorized", "/session"] {
        for origin in [PAGE, OTHER] {
            let answer = preflight(&app, path, origin).send();

            assert_eq!(answer.status, 204, "{path}");
            let mut told = told(&answer);
            told.sort_unstable();
            assert_eq!(
                told,
                [
                    (
                        "access-control-allow-headers",
                        "authorization, cache-control, if-none-match, x-request-id"
                    ),
                    ("access-control-allow-methods", "GET, HEAD"),
                    ("access-control-allow-origin", origin),
                    (
                        "access-control-expose-headers",
                        "age, cache-status, etag, ratelimit, ratelimit-policy, retry-after, x-request-id"
                    ),
                    ("access-control-max-age", "600"),
                ]
            );
            assert!(varies(&answer));
        }
    }
    assert_eq!(preflight(&app, "/nowhere", PAGE).send().status, 404);
    let plain = app.request("OPTIONS", "/balance").header("origin", PAGE);
    assert_eq!(plain.send().status, 405);
}

#[test]
fn all_answers_may_be_read_by_the_origins_that_are_named() {
    let app = open();
    let read = |request: Request| request.header("origin", PAGE).send();

    for (answer, status) in [
        (read(app.balance_request()), 200),
        (read(app.request("GET", "/balance")), 401),
        (read(app.request("GET", "/nowhere")), 404),
        (read(app.request("PUT", "/balance")), 405),
        (read(app.request("GET", "/livez")), 200),
        (
            read(app.balance_request().header("if-none-match", "*")),
            304,
        ),
    ] {
        assert_eq!(answer.status, status);
        let allowed = answer.expect("access-control-allow-origin");
        assert_eq!(allowed, PAGE, "{status}");
        assert!(answer.header("access-control-expose-headers").is_some());
        assert!(varies(&answer), "{status}");
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}

#[test]
fn no_other_origin_reads_anything() {
    let app = open();

    for origin in [
        "https://elsewhere.example",
        "null",
        "https://TEAM.example.com",
        "https://team.example.com:8443",
        "https://team.example.com.elsewhere.example",
        "",
    ] {
        let answer = app.balance_request().header("origin", origin).send();
        assert_eq!(told(&answer), [], "{origin}");
        assert!(varies(&answer));
        let asked = preflight(&app, "/balance", origin).send();
        assert_eq!(asked.header("access-control-allow-origin"), None);
    }
    let answer = app.balance();
    assert_eq!(told(&answer), []);
    assert!(varies(&answer));
    let twice = app.balance_request().header("origin", PAGE);
    assert_eq!(told(&twice.header("origin", PAGE).send()), []);
}

#[test]
fn the_admin_listener_is_nobodys_page() {
    let app = open();
    let request = Request::new(app.admin_addr, "GET", "/metrics").header("origin", PAGE);

    let answer = request.send();

    assert_eq!(told(&answer), []);
    assert!(!varies(&answer));
}
