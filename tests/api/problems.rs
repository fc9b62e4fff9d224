//! Errors that are about the request itself, compared whole, and what every
//! answer has in common.

mod table;

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::SystemTime,
};

use d7_balance::clock::{Clock, ManualClock, MonoTime};
use futures_util::future::BoxFuture;
use serde_json::{Value, json};

use crate::harness::{Connection, Request, Response, TestApp, start_of_time};

/// Asserts that `response` is this problem and nothing else: body and headers.
pub(crate) fn assert_problem(response: &Response, expected: Value, more_headers: &[(&str, &str)]) {
    let mut body = response.problem();
    let id = body.as_object_mut().unwrap().remove("request_id").unwrap();
    assert!(!id.as_str().unwrap().is_empty());
    assert_eq!(body, expected);
    let mut headers: Vec<(&str, &str)> = response
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| !["date", "content-length", "x-request-id"].contains(name))
        .collect();
    headers.sort_unstable();
    let mut expected = vec![
        ("cache-control", "no-store"),
        (
            "content-security-policy",
            "default-src 'none'; frame-ancestors 'none'",
        ),
        ("content-type", "application/problem+json"),
        ("cross-origin-resource-policy", "same-origin"),
        ("referrer-policy", "no-referrer"),
        ("x-content-type-options", "nosniff"),
    ];
    expected.extend(more_headers);
    expected.sort_unstable();
    assert_eq!(headers, expected);
}

/// Asserts that `response` is the problem of two credentials at once.
pub(crate) fn assert_two_credentials(response: &Response) {
    assert_problem(
        response,
        json!({
            "type": "/problems/bad_request",
            "title": "The request cannot be understood",
            "status": 400,
            "detail": "The request shows more than one credential. Send exactly one: a key as `Authorization: Bearer d7b_…`, or the cookie of a session.",
            "code": "bad_request",
            "retryable": false,
        }),
        &[(
            "www-authenticate",
            "Bearer realm=\"d7-balance\", error=\"invalid_request\"",
        )],
    );
}

#[test]
fn unknown_paths_are_404_before_any_credential_is_looked_at() {
    let app = TestApp::start();
    let expected = json!({
        "type": "/problems/not_found",
        "title": "Nothing is here",
        "status": 404,
        "detail": "Check the path: /openapi.yaml describes every route. Paths have no slash at the end.",
        "code": "not_found",
        "retryable": false,
    });

    for path in [
        "//",
        "/assets/",
        "/balance/",
        "//balance",
        "/Balance",
        "/balance/x",
        "/metrics",
        "/history/",
        "/session/",
        "/problems/none",
        "/%2e%2e/etc/passwd",
    ] {
        for method in ["GET", "POST"] {
            if path == "/problems/none" && method == "POST" {
                continue;
            }
            assert_problem(&app.request(method, path).send(), expected.clone(), &[]);
        }
    }
    for path in [
        "/balance",
        "/messages/v1/balance",
        "/openapi.yaml",
        "/problems",
        "/",
    ] {
        assert_problem(&app.admin(path), expected.clone(), &[]);
    }
}

#[test]
fn other_methods_are_405_before_any_credential_is_looked_at() {
    let app = TestApp::start();

    for method in ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"] {
        let response = app.request(method, "/balance").send();
        assert_problem(
            &response,
            json!({
                "type": "/problems/method_not_allowed",
                "title": "This method is not allowed here",
                "status": 405,
                "detail": "Use one of the methods that the Allow header lists.",
                "code": "method_not_allowed",
                "retryable": false,
            }),
            &[("allow", "GET, HEAD")],
        );
    }
}

#[test]
fn a_loopback_listener_answers_for_this_machine_only() {
    let app = TestApp::start();
    let misdirected = json!({
        "type": "/problems/misdirected_request",
        "title": "This listener does not answer for that host",
        "status": 421,
        "detail": "A listener on a loopback address answers only where the Host header is localhost \
                   or a loopback address. A proxy in front of it must send such a Host, or the \
                   listener must be bound to another address.",
        "code": "misdirected_request",
        "retryable": false,
    });

    for (addr, path) in [(app.addr, "/balance"), (app.admin_addr, "/metrics")] {
        let request = |host: &str| {
            Request::new(addr, "GET", path)
                .without("host")
                .header("host", host)
                .bearer(&app.key)
                .send()
        };
        for host in [
            "example.com",
            "rebound.example.com:8080",
            "10.0.0.1",
            "localhost.example.com",
        ] {
            assert_problem(&request(host), misdirected.clone(), &[]);
        }
        for host in [
            "localhost",
            "LOCALHOST:1",
            "127.0.0.1",
            "127.1.2.3:80",
            "[::1]:8080",
        ] {
            assert_eq!(request(host).status, 200, "{host}");
        }
        let absolute = format!("http://example.com{path}");
        assert_problem(
            &Request::new(addr, "GET", &absolute).send(),
            misdirected.clone(),
            &[],
        );
    }
}

#[test]
fn a_listener_that_is_not_on_loopback_answers_for_any_host() {
    let app = TestApp::builder()
        .set("D7B_SERVER_ADDR", "0.0.0.0:0")
        .start();
    let addr = ([127, 0, 0, 1], app.addr.port()).into();

    let request = Request::new(addr, "GET", "/balance").without("host");
    let response = request
        .header("host", "balance.example.com")
        .bearer(&app.key)
        .send();

    assert_eq!(response.status, 200);
}

#[test]
fn a_body_is_not_read_and_closes_the_connection_after_the_answer() {
    let app = TestApp::start();

    for (request, status) in [
        (app.balance_request().body(b"x=1"), 200),
        (app.balance_request().body(&[b'x'; 300_000]), 200),
        (app.request("POST", "/balance").body(b"{}"), 405),
        (app.request("GET", "/nowhere").body(b"{}"), 404),
    ] {
        let response = request.send();
        assert_eq!(response.status, status);
        // The client has then seen the connection end in order, without a reset.
        assert_eq!(response.header("connection"), Some("close"));
    }
    let mut connection = Connection::open(app.addr);
    let request = app.balance_request().header("transfer-encoding", "chunked");
    assert_eq!(
        request.send_on(&mut connection).header("connection"),
        Some("close")
    );
    for (to, connection) in [
        (Some("websocket"), "upgrade"),
        (Some("h2c"), "Upgrade, HTTP2-Settings"),
        (None, "upgrade"),
    ] {
        let request = app.balance_request().header("connection", connection);
        let request = to
            .into_iter()
            .fold(request, |request, to| request.header("upgrade", to));
        let response = request.send_on(&mut Connection::open(app.addr));
        assert_eq!(
            (response.status, response.header("connection")),
            (200, Some("close")),
            "{to:?}"
        );
    }
    let empty = app.balance_request().header("content-length", "0").send();
    assert_eq!(empty.header("connection"), None);
}

#[test]
fn a_request_id_is_taken_over_if_it_is_one_and_harmless() {
    let app = TestApp::start();
    let request = app.balance_request();
    let id = |request: Request| request.send().expect("x-request-id").to_owned();
    let fresh = |id: &str| id.len() == 36 && id.as_bytes()[14] == b'7';

    for given in ["a", "A-b_c.9", &"x".repeat(64)] {
        assert_eq!(id(request.clone().header("x-request-id", given)), given);
    }
    for given in [
        "",
        "a b",
        "ä",
        "a/b",
        "a\"b",
        &app.key,
        "x-d7b_y",
        &"x".repeat(65),
    ] {
        let id = id(request.clone().header("x-request-id", given));
        assert!(fresh(&id), "{given:?}: {id}");
    }
    let two = request
        .header("x-request-id", "a")
        .header("x-request-id", "b");
    assert!(fresh(&id(two)));
    assert_ne!(id(app.balance_request()), id(app.balance_request()));
}

/// A clock that panics when it is told to, at the second of three readings: those
/// of a request with a limit are at its beginning, in its handler, and at its end.
struct Panicking {
    clock: ManualClock,
    panics: Arc<AtomicBool>,
    readings: AtomicUsize,
}

impl Clock for Panicking {
    fn mono(&self) -> MonoTime {
        if self.panics.load(Ordering::SeqCst) {
            let before = self.readings.fetch_add(1, Ordering::SeqCst);
            assert_ne!(before % 3, 1, "as the test has asked");
        }
        self.clock.mono()
    }

    fn wall(&self) -> SystemTime {
        self.clock.wall()
    }

    fn sleep_until(&self, at: MonoTime) -> BoxFuture<'static, ()> {
        self.clock.sleep_until(at)
    }
}

#[test]
fn a_panic_is_a_problem_and_the_worker_lives_on() {
    let panics = Arc::new(AtomicBool::new(false));
    let clock = Panicking {
        clock: ManualClock::new(start_of_time()),
        panics: Arc::clone(&panics),
        readings: AtomicUsize::new(0),
    };
    let app = TestApp::builder().clock(Arc::new(clock));
    let app = app.set("D7B_RATE_LIMIT", "60/m").start();
    assert_eq!(app.balance().status, 200);

    panics.store(true, Ordering::SeqCst);
    let mut connection = Connection::open(app.addr);
    let answers: Vec<_> = (0..5)
        .map(|_| app.balance_request().send_on(&mut connection))
        .collect();
    panics.store(false, Ordering::SeqCst);

    for response in &answers {
        assert_problem(
            response,
            json!({
                "type": "/problems/internal_error",
                "title": "The service failed",
                "status": 500,
                "detail": "An error of this service, which has been logged under the request's id. \
                           Try again in a moment.",
                "code": "internal_error",
                "retryable": true,
                "retry_after": 1,
            }),
            &[("retry-after", "1")],
        );
    }
    assert_eq!(app.balance_request().send_on(&mut connection).status, 200);
    assert_eq!(
        app.metric("d7b_requests_total{client=\"\",status_class=\"5xx\"}"),
        Some(5.0)
    );
}

#[test]
fn what_cannot_be_read_as_a_request_is_answered_by_the_http_library() {
    let app = TestApp::start();
    let status_of = |bytes: &[u8]| {
        let mut connection = Connection::open(app.addr);
        connection.write(bytes);
        connection.read_status()
    };
    let long = format!(
        "GET /balance HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n",
        "x".repeat(200_000)
    );

    assert_eq!(status_of(b"GET /balance HTTP/1.1\r\n\r\n"), 400, "no Host");
    assert_eq!(
        status_of(b"GET /balance HTTP/1.1\r\nhost: localhost\r\nhost: localhost\r\n\r\n"),
        400,
        "two Hosts"
    );
    assert_eq!(status_of(b"rubbish\r\n\r\n"), 400);
    assert_eq!(
        status_of(b"GET / HTTP/1.1\r\nhost: localhost\r\ncontent-length: 1\r\ntransfer-encoding: chunked\r\n\r\n"),
        400
    );
    assert_eq!(status_of(long.as_bytes()), 431);
}

#[test]
fn a_path_is_the_same_however_it_is_encoded_but_for_its_slashes() {
    let app = TestApp::start();
    let status = |path: &str| {
        let request = Request::new(app.addr, "GET", path).bearer(&app.key);
        request.send().status
    };

    assert_eq!(status("/%62alance"), 200);
    assert_eq!(status("/messages/v1/%62%61lance"), 200);
    assert_eq!(status("/problems/not%5Ffound"), 200);
    for path in [
        "/problems%2Fnot_found",
        "/problems/not_found%2f",
        "/balance%",
        "/balance%00",
        "/%ff",
        "/problems/",
        "/problems/a/b",
        "/balance/",
        "//balance",
    ] {
        assert_eq!(status(path), 404, "{path}");
    }
}
