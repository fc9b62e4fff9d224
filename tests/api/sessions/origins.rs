//! Where a browser's request comes from: only pages of our own may use the
//! cookie.

use serde_json::json;

use super::{balance, form, sign_in};
use crate::{
    harness::{Request, TestApp},
    problems::assert_problem,
};

const PUBLIC: &str = "https://balance.example.com";

/// `request` with these headers, none for an empty value.
fn from(request: Request, site: &str, origin: &str) -> Request {
    let told = [("sec-fetch-site", site), ("origin", origin)];
    told.into_iter()
        .filter(|(_, value)| !value.is_empty())
        .fold(request, |request, (name, value)| {
            request.header(name, value)
        })
}

#[test]
fn a_request_from_elsewhere_is_403_and_says_what_to_do() {
    let app = TestApp::start();
    let expected = json!({
        "type": "/problems/forbidden",
        "title": "This may not be asked from there",
        "status": 403,
        "detail": "A browser's request counts only where a page of this service's own origin has made it, as `Sec-Fetch-Site` says, or `Origin` where that is missing. If yours was one, the service's operators must name that origin in D7B_PUBLIC_ORIGINS. A program shows its key as `Authorization: Bearer d7b_…`, and neither a form nor a cookie.",
        "code": "forbidden",
        "retryable": false,
    });

    let answer = from(app.request("DELETE", "/session"), "cross-site", "").send();

    assert_problem(&answer, expected, &[]);
    let series = "d7b_denied_total{reason=\"cross_site\"}";
    assert_eq!(app.metric(series), Some(1.0));
}

#[test]
fn only_a_page_of_our_own_signs_in_by_form() {
    let app = TestApp::start();
    let own = format!("http://{}", app.addr);
    let own_tls = format!("https://{}", app.addr);
    let elsewhere = "https://elsewhere.example";
    let request = form(&app, "/session", &format!("key={}", app.key)).without("sec-fetch-site");

    for (site, origin, status) in [
        ("same-origin", "", 303),
        ("same-origin", &own, 303),
        // What a page cannot set counts, and nothing else.
        ("same-origin", elsewhere, 303),
        ("same-origin", "null", 303),
        ("same-site", &own, 403),
        ("cross-site", &own, 403),
        ("none", &own, 403),
        ("SAME-ORIGIN", &own, 403),
        ("x", "", 403),
        ("", &own, 303),
        ("", &own_tls, 303),
        ("", "null", 403),
        ("", elsewhere, 403),
        ("", &format!("{own}.example"), 403),
        ("", "ftp://127.0.0.1", 403),
        ("", "", 403),
    ] {
        let answer = from(request.clone(), site, origin).send();
        assert_eq!(answer.status, status, "{site:?} {origin:?}");
        assert_eq!(answer.header("set-cookie").is_some(), status == 303);
    }
    let twice = from(from(request.clone(), "same-origin", ""), "same-origin", "");
    assert_eq!(twice.send().status, 403);
    let twice = from(from(request, "", &own), "", &own);
    assert_eq!(twice.send().status, 403);
}

#[test]
fn a_program_signs_in_by_its_key_where_no_browser_says_that_it_is_elsewhere() {
    let app = TestApp::start();
    let own = format!("http://{}", app.addr);
    let request = app.request("POST", "/session").bearer(&app.key);

    for (site, origin, status) in [
        ("", "", 204),
        ("", &own, 204),
        ("same-origin", "", 204),
        ("", "https://elsewhere.example", 403),
        ("cross-site", "", 403),
        ("none", "", 403),
    ] {
        let answer = from(request.clone(), site, origin).send();
        assert_eq!(answer.status, status, "{site:?} {origin:?}");
    }
}

#[test]
fn only_a_page_of_our_own_signs_out() {
    let app = TestApp::start();
    let session = sign_in(&app, &app.key);
    let own = format!("http://{}", app.addr);

    for (method, path, status) in [("DELETE", "/session", 204), ("POST", "/session/end", 303)] {
        let cookie = format!("__Host-d7b_session={session}");
        let request = app.request(method, path).header("cookie", &cookie);
        for (site, origin) in [
            ("cross-site", ""),
            ("same-site", ""),
            ("none", ""),
            ("", ""),
        ] {
            let answer = from(request.clone(), site, origin).send();
            assert_eq!(answer.code(), "forbidden", "{site:?} {origin:?}");
            assert_eq!(answer.header("set-cookie"), None);
        }
        assert_eq!(balance(&app, &session).status, 200, "nothing has ended it");
        let without = app.request(method, path);
        assert_eq!(from(without, "", &own).send().status, status);
    }
}

#[test]
fn a_session_is_read_by_our_pages_and_by_who_types_the_address() {
    let app = TestApp::start();
    let session = sign_in(&app, &app.key);
    let own = format!("http://{}", app.addr);
    let cookie = format!("__Host-d7b_session={session}");
    let request = app.request("GET", "/balance").header("cookie", &cookie);

    for (site, origin, status) in [
        ("same-origin", "", 200),
        ("none", "", 200),
        ("same-site", "", 403),
        ("cross-site", "", 403),
        ("", "", 200),
        ("", &own, 200),
        ("", "null", 403),
        ("", "https://elsewhere.example", 403),
    ] {
        let answer = from(request.clone(), site, origin).send();
        assert_eq!(answer.status, status, "{site:?} {origin:?}");
        assert_eq!(answer.header("set-cookie"), None);
    }
}

#[test]
fn where_a_request_with_a_key_comes_from_does_not_matter() {
    let app = TestApp::start();

    let answer = from(app.balance_request(), "cross-site", "null").send();

    assert_eq!(answer.status, 200);
}

#[test]
fn named_origins_are_all_that_there_are() {
    let origins = format!(" {PUBLIC}/ , HTTPS://other.example:443");
    let app = TestApp::builder()
        .set("D7B_PUBLIC_ORIGINS", &origins)
        .start();
    let request = app.request("POST", "/session").bearer(&app.key);
    let own = format!("http://{}", app.addr);

    for (origin, status) in [
        (PUBLIC, 204),
        ("https://other.example", 204),
        ("https://other.example:443", 403),
        ("https://balance.example.com:8443", 403),
        ("http://balance.example.com", 403),
        ("https://BALANCE.example.com", 403),
        (&own, 403),
    ] {
        let answer = from(request.clone(), "", origin).send();
        assert_eq!(answer.status, status, "{origin}");
    }
}
