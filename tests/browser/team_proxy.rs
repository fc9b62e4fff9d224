//! The recipe for a team's own proxy, which adds the team's key.

use base64::{Engine, engine::general_purpose::STANDARD};
use d7_balance::simulator::{Simulator, answer};

use crate::{
    harness::{Request, TestApp},
    proxy::{Proxy, USER},
};

/// A request of the user who is signed in.
fn of_user(request: Request) -> Request {
    let (user, password) = USER;
    let credential = STANDARD.encode(format!("{user}:{password}"));
    request.header("authorization", &format!("Basic {credential}"))
}

#[test]
fn a_user_of_the_team_gets_the_balance_and_never_the_key() {
    let app = TestApp::start();
    let proxy = Proxy::of_team(app.addr, &app.key);
    let direct = app.balance();

    let answer = of_user(proxy.request("GET", "/api/balance")).send();

    assert_eq!(answer.status, 200);
    assert_eq!(answer.body, direct.body);
    for name in ["age", "etag", "cache-control", "vary"] {
        assert_eq!(answer.expect(name), direct.expect(name), "{name}");
    }
    assert_eq!(answer.cache_status(), "hit; ttl=60");
    assert!(!format!("{:?}{}", answer.headers, answer.text()).contains("d7b_"));
}

#[test]
fn a_balance_that_the_browser_has_is_confirmed_through_the_proxy() {
    let app = TestApp::start();
    let proxy = Proxy::of_team(app.addr, &app.key);
    let request = of_user(proxy.request("GET", "/api/balance"));
    let tag = request.send().expect("etag").to_owned();

    let answer = request.header("if-none-match", &tag).send();

    assert_eq!(answer.status, 304);
    assert_eq!(answer.expect("etag"), tag);
}

#[test]
fn nothing_of_the_browser_goes_on_but_its_precondition() {
    let balances = Simulator::start().unwrap();
    balances.always(answer(200, "{}"));
    let proxy = Proxy::of_team(balances.addr(), "d7b_key");

    let answer = of_user(proxy.request("GET", "/api/balance?refresh"))
        .header("cookie", "__Host-d7b_session=stale; team=1")
        .header("cache-control", "no-cache")
        .header("if-none-match", "\"tag\"")
        .header("x-forwarded-for", "192.0.2.1")
        .send();

    assert_eq!(answer.status, 200);
    let heads = balances.heads();
    let [head] = &heads[..] else {
        panic!("one request comes through: {heads:?}");
    };
    let mut lines: Vec<_> = head.trim_end().lines().collect();
    lines.retain(|line| !line.starts_with("X-Request-Id: "));
    assert_eq!(
        lines,
        [
            "GET /balance?refresh HTTP/1.1",
            "If-None-Match: \"tag\"",
            "Host: localhost",
            "Authorization: Bearer d7b_key",
        ]
    );
}

#[test]
fn a_session_of_the_browser_does_not_stand_beside_the_key() {
    let app = TestApp::start();
    let proxy = Proxy::of_team(app.addr, &app.key);
    let cookie = ("cookie", "__Host-d7b_session=of-another-life");
    let beside_key = app.balance_request().header(cookie.0, cookie.1).send();
    assert_eq!(beside_key.code(), "bad_request");

    let answer = of_user(proxy.request("GET", "/api/balance"))
        .header(cookie.0, cookie.1)
        .send();

    assert_eq!(answer.status, 200);
}

#[test]
fn a_body_carries_no_other_request_through() {
    let app = TestApp::start();
    let proxy = Proxy::of_team(app.addr, &app.key);
    let within = b"GET /nowhere HTTP/1.1\r\nHost: localhost\r\n\r\n";

    let answer = of_user(proxy.request("GET", "/api/balance"))
        .body(within)
        .send();

    assert_eq!(answer.status, 200);
    // In order with whatever came before it.
    let next = of_user(proxy.request("GET", "/api/balance")).send();
    assert_eq!(next.status, 200);
    let others = app.metric("d7b_requests_total{client=\"\",status_class=\"4xx\"}");
    assert_eq!(others, Some(0.0));
}

#[test]
fn of_someone_who_is_not_signed_in_the_service_hears_nothing() {
    let balances = Simulator::start().unwrap();
    let proxy = Proxy::of_team(balances.addr(), "d7b_key");
    let stranger = proxy.request("GET", "/api/balance");
    let with_wrong_password = stranger.clone().header("authorization", "Basic YWRhOng=");
    let with_key = stranger.clone().bearer("d7b_key");

    for request in [stranger, with_wrong_password, with_key] {
        let answer = request.send();

        assert_eq!(answer.status, 401);
        assert_eq!(answer.expect("www-authenticate"), "Basic realm=\"app\"");
    }
    assert_eq!(balances.count(), 0);
}

#[test]
fn nothing_but_reading_goes_through_the_proxy() {
    let balances = Simulator::start().unwrap();
    let proxy = Proxy::of_team(balances.addr(), "d7b_key");

    for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
        let answer = of_user(proxy.request(method, "/api/balance")).send();

        assert_eq!(answer.status, 403, "{method}");
    }
    assert_eq!(balances.count(), 0);
}

#[test]
fn errors_reach_the_browser_as_they_are() {
    let app = TestApp::start();
    app.d7.always(answer(429, "{}"));
    let proxy = Proxy::of_team(app.addr, &app.key);

    let answer = of_user(proxy.request("GET", "/api/balance")).send();

    assert_eq!(answer.status, 503);
    assert_eq!(answer.code(), "upstream_rate_limited");
    assert_eq!(answer.expect("retry-after"), "1");
}
