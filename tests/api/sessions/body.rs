//! The body of a form: what is read of it, for how long, and what else is not.

use std::time::Duration;

use super::{cookie_of, form};
use crate::harness::{Connection, Request, TestApp};

/// A form in chunks, without its body.
fn chunked(app: &TestApp) -> Request {
    app.request("POST", "/session")
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/x-www-form-urlencoded")
        .header("transfer-encoding", "chunked")
}

#[test]
fn a_form_may_have_1024_bytes_and_not_one_more() {
    let app = TestApp::start();
    let padded = |length: usize| {
        let body = format!("key={}&pad=", app.key);
        let pad = "x".repeat(length - body.len());
        form(&app, "/session", &format!("{body}{pad}"))
    };

    assert_eq!(padded(1024).send().expect("location"), "/");

    let answer = padded(1025).send();
    assert_eq!(answer.status, 413);
    assert_eq!(answer.code(), "content_too_large");
    assert_eq!(answer.expect("connection"), "close");
}

#[test]
fn a_form_in_chunks_is_read_and_held_to_the_same_size() {
    let app = TestApp::start();
    let mut connection = Connection::open(app.addr);

    let body = format!("key={}", app.key);
    connection.write(&chunked(&app).bytes());
    connection.write(format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len()).as_bytes());
    let answer = connection.read("POST");
    assert_eq!(answer.expect("location"), "/");
    cookie_of(&answer);

    connection.write(&chunked(&app).bytes());
    connection.write(format!("400\r\n{}\r\n1\r\nx\r\n", "x".repeat(0x400)).as_bytes());
    let answer = connection.read("POST");
    assert_eq!(answer.code(), "content_too_large");
    assert_eq!(answer.expect("connection"), "close");
}

#[test]
fn a_form_that_is_too_long_by_its_own_word_is_not_waited_for() {
    let app = TestApp::start();
    let mut connection = Connection::open(app.addr);
    let request = form(&app, "/session", "").without("content-length");

    connection.write(&request.header("content-length", "9999999999").bytes());

    assert_eq!(connection.read("POST").code(), "content_too_large");
}

#[test]
fn a_form_has_five_seconds_to_arrive() {
    for request in [
        |app: &TestApp| {
            let whole = form(app, "/session", "").without("content-length");
            whole.header("content-length", "100").bytes()
        },
        |app: &TestApp| chunked(app).bytes(),
    ] {
        let app = TestApp::start();
        let mut connection = Connection::open(app.addr);
        connection.write(&request(&app));
        app.wait_until_parked(1);

        app.advance(Duration::from_millis(4_999));
        assert_eq!(app.clock.parked(), 1, "it is waited for still");
        app.advance(Duration::from_millis(1));

        let answer = connection.read("POST");
        assert_eq!(answer.status, 408);
        assert_eq!(answer.code(), "request_timeout");
        assert_eq!(answer.expect("connection"), "close");
    }
}

#[test]
fn a_connection_goes_on_after_a_form_that_was_read() {
    let app = TestApp::start();
    let mut connection = Connection::open(app.addr);
    let request = form(&app, "/session", &format!("key={}", app.key));

    for _ in 0..3 {
        let answer = request.send_on(&mut connection);
        assert_eq!(answer.expect("location"), "/");
        assert_eq!(answer.header("connection"), None);
    }
}

#[test]
fn a_body_of_another_kind_is_415_and_not_read() {
    let app = TestApp::start();
    let ours = || {
        app.request("POST", "/session")
            .header("sec-fetch-site", "same-origin")
    };
    let body = format!("{{\"key\":\"{}\"}}", app.key);

    for request in [
        ours().header("content-type", "application/json"),
        ours().header("content-type", "text/plain"),
        ours().header("content-type", "application/x-www-form-urlencodedx"),
        ours().header("content-type", ""),
        ours(),
    ] {
        let answer = request.body(body.as_bytes()).send();
        assert_eq!(answer.status, 415);
        assert_eq!(answer.code(), "unsupported_media_type");
        assert_eq!(answer.expect("connection"), "close");
    }
    let with_charset = "Application/X-WWW-Form-URLEncoded; charset=UTF-8";
    let request = ours().header("content-type", with_charset);
    let body = format!("key={}", app.key);
    assert_eq!(request.body(body.as_bytes()).send().expect("location"), "/");
}

#[test]
fn a_key_in_the_header_makes_the_body_nobodys_business() {
    let app = TestApp::start();
    let request = app.request("POST", "/session").bearer(&app.key);

    let answer = request.body(b"{}").send();

    assert_eq!(answer.status, 204);
    assert_eq!(answer.expect("connection"), "close");
}

#[test]
fn where_a_request_comes_from_counts_before_its_body() {
    let app = TestApp::start();
    let request = app
        .request("POST", "/session")
        .header("sec-fetch-site", "cross-site")
        .header("content-type", "application/json");

    assert_eq!(request.body(&[b'x'; 2000]).send().code(), "forbidden");
}

#[test]
fn a_form_that_breaks_off_signs_nobody_in() {
    let app = TestApp::start();
    let mut connection = Connection::open(app.addr);
    let body = format!("key={}", app.key);
    let request = form(&app, "/session", &body).without("content-length");
    connection.write(&request.header("content-length", "100").bytes());

    connection.end_writing();

    let answer = connection.read("POST");
    assert_eq!(answer.code(), "bad_request");
    let detail = answer.json()["detail"].to_string();
    assert!(detail.contains("could not be read to its end"), "{detail}");
    assert_eq!(answer.header("www-authenticate"), None);
    assert_eq!(answer.header("set-cookie"), None);
}
