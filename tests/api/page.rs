//! `GET /`: the page for people, as it is served.

pub(crate) mod files;
mod states;

use d7_balance::simulator::{BALANCE, answer};

use crate::harness::{Response, TestApp, wait_until};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The page of somebody who is not signed in.
fn outside(app: &TestApp) -> Response {
    app.request("GET", "/").send()
}

/// The page of somebody who is.
fn inside(app: &TestApp) -> Response {
    let request = app.request("GET", "/").bearer(&app.key);
    request.header("accept", "text/html").send()
}

/// Whether the part that is for `condition` is on the page and not hidden.
fn shows(html: &str, condition: &str) -> bool {
    let part = format!("data-when=\"{condition}\"");
    let (_, rest) = html
        .split_once(&part)
        .unwrap_or_else(|| panic!("nothing is for {condition}"));
    !rest.starts_with(" hidden")
}

#[test]
fn the_page_is_closed_but_for_its_own_files() {
    let app = TestApp::start();

    let page = outside(&app);

    assert_eq!(page.status, 200);
    for (name, value) in [
        ("content-type", "text/html; charset=utf-8"),
        ("content-security-policy", POLICY),
        ("cache-control", "private, no-cache"),
        ("vary", "Authorization, Cookie"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-opener-policy", "same-origin"),
        ("cross-origin-embedder-policy", "require-corp"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(page.expect(name), value, "{name}");
    }
    // Without it a browser's form says `Origin: null`, which is nobody's.
    let referrer = r#"<meta name="referrer" content="same-origin">"#;
    assert!(page.text().contains(referrer));
    let permissions = page.expect("permissions-policy");
    for permission in permissions.split(", ") {
        assert!(permission.ends_with("=()"), "{permission} is off");
    }
    for name in ["camera", "geolocation", "microphone", "payment", "usb"] {
        assert!(permissions.contains(&format!("{name}=()")), "{name}");
    }
    let other = app.request("GET", "/problems").send();
    assert_eq!(
        other.expect("content-security-policy"),
        "default-src 'none'; frame-ancestors 'none'",
        "the policy is the page's alone"
    );
    assert_eq!(app.admin("/").status, 404);
}

#[test]
fn to_load_the_page_asks_for_the_balance_and_waits_for_nothing() {
    let app = TestApp::start();
    let gate = app.hold(answer(200, BALANCE));

    let first = inside(&app).text();
    let second = inside(&app).text();

    for html in [first, second] {
        assert!(shows(&html, "freshness=none") && !shows(&html, "freshness=fresh"));
        assert!(html.contains("The first one is on its way."));
        assert!(
            html.contains("<noscript><meta http-equiv=\"refresh\" content=\"3\"></noscript>"),
            "without a script it looks again"
        );
    }
    app.wait_for_d7(1);
    gate.open();
    wait_until("the balance is there", || {
        inside(&app).text().contains("99.9999999")
    });
    assert_eq!(app.d7.count(), 1);

    // Stale: one refresh behind. Too old to be served: one as well.
    for (seconds, requests) in [(60, 2), (1000, 3)] {
        app.advance_s(seconds);
        inside(&app);
        app.wait_for_refreshes(requests);
        assert_eq!(app.d7.count(), requests);
    }
    outside(&app);
    assert_eq!(app.d7.count(), 3);
}

#[test]
fn what_d7_sends_cannot_become_html() {
    let app = TestApp::start();
    for body in [
        r#"{"balance": "<b>1</b>"}"#,
        r#"{"balance": 1, "sms_count": "<b>1</b>"}"#,
        r#"{"detail": {"code": "<b>1</b>", "message": "<b>1</b>"}}"#,
    ] {
        for status in [200, 402, 500] {
            app.d7.always(answer(status, body));
            app.advance_s(1000);
            app.balance();

            let html = inside(&app).text();

            assert!(!html.contains("<b>"), "{status} {body}");
        }
    }
}

#[test]
fn no_key_is_ever_in_the_page() {
    let app = TestApp::start();
    app.balance();

    let page = inside(&app);

    let text = format!("{:?}{}", page.headers, page.text());
    let (id, secret) = app.key["d7b_".len()..].split_once('_').unwrap();
    for secret in [id, secret, "the-token", "billing"] {
        assert!(!text.contains(secret), "{secret}");
    }
}

#[test]
fn head_has_the_same_headers_and_what_is_known_is_not_sent_again() {
    let app = TestApp::start();
    app.balance();
    let request = app.request("GET", "/").bearer(&app.key);
    let page = request.send();

    let head = app.request("HEAD", "/").bearer(&app.key).send();
    let known = request
        .clone()
        .header("if-none-match", page.expect("etag"))
        .send();
    app.advance_s(1);
    let newer = request.header("if-none-match", page.expect("etag")).send();

    let volatile = ["date", "x-request-id"];
    let headers = |answer: &Response| {
        let mut headers = answer.headers.clone();
        headers.retain(|(name, _)| !volatile.contains(&name.as_str()));
        headers.sort();
        headers
    };
    assert_eq!(headers(&head), headers(&page));
    assert_eq!((known.status, known.body.len()), (304, 0));
    for name in ["etag", "cache-control", "vary", "content-security-policy"] {
        assert_eq!(known.expect(name), page.expect(name), "{name}");
    }
    assert_eq!(newer.status, 200, "a second later it is another page");
}

#[test]
fn every_place_of_the_page_is_filled() {
    let app = TestApp::start();
    app.balance();

    for html in [outside(&app).text(), inside(&app).text()] {
        assert!(!html.contains("{{") && !html.contains("}}"));
        for (attribute, end) in [("<body ", '>'), ("<title>", '<')] {
            let (_, rest) = html.split_once(attribute).unwrap();
            let filled = rest.split(end).next().unwrap();
            assert!(!filled.is_empty() && !filled.contains("\"\""), "{filled}");
        }
    }
}
