//! Bytes that awc takes for an answer and that are none, and some that look
//! odd and are one: truncation, missing framing, interim answers, redirects,
//! sizes, codings.

use super::{Asks, Fault};
use crate::harness::TestApp;
use d7_balance::simulator::{BALANCE, Script, Simulator, Step, answer_with, bytes};

const LIMIT: usize = 64 * 1024;

fn head(headers: &str, body: &str) -> Script {
    bytes(format!("HTTP/1.1 200 OK\r\n{headers}\r\n{body}"))
}

/// A whole body of `size` bytes, most of them white space.
fn padded(size: usize) -> String {
    format!("{BALANCE}{}", " ".repeat(size - BALANCE.len()))
}

fn assert_accepted(name: &str, script: Script) {
    let app = TestApp::start();
    app.d7.always(script);

    let response = app.balance();

    assert_eq!(response.status, 200, "{name}: {}", response.text());
    assert_eq!(response.json()["balance_text"], "99.9999999", "{name}");
    assert_eq!(app.d7.count(), 1, "{name}");
}

#[test]
fn a_body_shorter_than_its_content_length_is_invalid_even_if_it_is_whole_json() {
    for body in ["", "{\"balance\": 12", BALANCE] {
        let script = head("content-length: 100\r\n", body);

        Fault::invalid(200, script).check(body);
    }
}

#[test]
fn a_chunked_body_that_breaks_off_is_invalid() {
    for chunks in [
        "",
        "1",
        "17\r\n",
        "17\r\n{\"balance\": 12",
        "e\r\n{\"balance\": 12\r\n",
        "e\r\n{\"balance\": 12\r\n0\r\n\r\n",
    ] {
        let script = head("transfer-encoding: chunked\r\n", chunks);

        Fault::invalid(200, script).check(chunks);
    }
}

#[test]
fn a_chunked_body_whose_framing_makes_no_sense_is_invalid() {
    for chunks in [
        "xyz\r\n{\"balance\": 1}\r\n0\r\n\r\n",
        "fffffffffffffffff\r\n{\"balance\": 1}",
        "5\r\n{\"balance\": 1}\r\n0\r\n\r\n",
    ] {
        let script = head("transfer-encoding: chunked\r\n", chunks);

        Fault::invalid(200, script).check(chunks);
    }
}

#[test]
fn a_whole_chunked_answer_is_accepted() {
    for chunks in [
        "17\r\n{\"balance\": 99.9999999}\r\n0\r\n\r\n",
        "6\r\n{\"bala\r\n11\r\nnce\": 99.9999999}\r\n0\r\n\r\n",
        "17;name=value\r\n{\"balance\": 99.9999999}\r\n0\r\n\r\n",
    ] {
        assert_accepted(chunks, head("transfer-encoding: chunked\r\n", chunks));
    }
}

#[test]
fn an_answer_that_only_the_end_of_the_connection_ends_is_invalid() {
    for headers in ["", "connection: close\r\n"] {
        Fault::invalid(200, head(headers, BALANCE)).check(headers);
    }
}

#[test]
fn an_http_1_0_answer_may_end_with_the_connection() {
    let script = bytes(format!("HTTP/1.0 200 OK\r\n\r\n{BALANCE}"));

    assert_accepted("HTTP/1.0", script);
}

#[test]
fn an_http_1_0_answer_that_ends_within_its_json_is_invalid() {
    let script = bytes("HTTP/1.0 200 OK\r\n\r\n{\"balance\": 12");

    Fault::invalid(200, script).check("HTTP/1.0");
}

#[test]
fn an_interim_response_is_never_the_answer() {
    let whole = format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{BALANCE}",
        BALANCE.len()
    );
    for status in [100, 101, 102, 103] {
        for after in ["", &whole] {
            let script = bytes(format!("HTTP/1.1 {status} Interim\r\n\r\n{after}"));

            Fault::invalid(status, script).check(&format!("{status} {after}"));
        }
    }
}

#[test]
fn an_empty_200_is_invalid_and_a_204_unexpected() {
    Fault::invalid(200, head("content-length: 0\r\n", "")).check("200");
    Fault::unexpected(204, bytes("HTTP/1.1 204 No Content\r\n\r\n")).check("204");
}

#[test]
fn html_with_200_is_invalid() {
    let page = "<!doctype html><title>Sign in</title><p>99.9999999";

    Fault::invalid(200, answer_with(200, "content-type: text/html\r\n", page)).check("HTML");
}

#[test]
fn a_redirect_is_not_followed_to_the_same_origin_nor_to_another() {
    let other = Simulator::start().unwrap();
    for status in [301, 302, 303, 307, 308] {
        for origin in [String::new(), other.base_url()] {
            let location = format!("location: {origin}/messages/v1/balance\r\n");
            let script = answer_with(status, &location, BALANCE);

            Fault::unexpected(status, script).check(&location);
        }
    }
    assert_eq!(other.count(), 0);
}

#[test]
fn a_body_of_64_kib_is_accepted_and_one_byte_more_is_not() {
    assert_accepted("64 KiB", answer_with(200, "", &padded(LIMIT)));

    Fault::invalid(200, answer_with(200, "", &padded(LIMIT + 1))).check("64 KiB + 1");
}

#[test]
fn a_body_of_5_mib_is_invalid_with_and_without_a_length() {
    let body = padded(5 * 1024 * 1024);
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());

    Fault::invalid(200, answer_with(200, "", &body)).check("length");
    Fault::invalid(200, head("transfer-encoding: chunked\r\n", &chunked)).check("chunked");
    let endless = bytes(format!("HTTP/1.0 200 OK\r\n\r\n{body}"));
    Fault::invalid(200, endless).check("HTTP/1.0");
}

#[test]
fn a_flood_is_not_taken_beyond_what_the_sockets_hold() {
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let mut script = head("transfer-encoding: chunked\r\n", "");
    script.push(Step::Flood(chunk.into_bytes()));
    let app = TestApp::start();
    app.d7.always(script);

    let response = app.balance();

    assert_eq!(response.code(), "upstream_invalid_response");
    assert_eq!(app.d7.count(), 1);
    // The buffers of both sockets; a flood that is read has no end.
    assert!(app.d7.sent() < 32 << 20, "{} bytes sent", app.d7.sent());
}

#[test]
fn a_head_without_an_end_is_invalid() {
    let mut script = bytes("HTTP/1.1 200 OK\r\n");
    script.push(Step::Flood(b"x-filler: 0123456789\r\n".to_vec()));
    let mut fault = Fault::invalid(200, script);
    fault.upstream_status = None;
    fault.asks = Asks::Retried;

    fault.check("head");
}

#[test]
fn a_coding_that_nobody_asked_for_is_invalid_and_identity_is_none() {
    for coding in ["gzip", "br", "deflate, gzip"] {
        let header = format!("content-encoding: {coding}\r\n");
        let script = answer_with(200, &header, BALANCE);

        Fault::invalid(200, script).check(coding);
    }
    let identity = answer_with(200, "content-encoding: identity\r\n", BALANCE);
    assert_accepted("identity", identity);
}

#[test]
fn a_head_that_is_not_http_is_invalid_and_asked_for_once_more() {
    for text in [
        "SSH-2.0-OpenSSH_9.2\r\n\r\n",
        "{\"balance\": 99.9999999}\r\n\r\n",
        "HTTP/9.9 200 OK\r\n\r\n",
        "HTTP/1.1 abc OK\r\n\r\n",
        "HTTP/1.1 200 OK\r\nno colon\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: -1\r\n\r\n",
        "HTTP/1.1 200 OK\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\n",
        "HTTP/1.1 200 OK\r\ntransfer-encoding: gzip\r\n\r\n",
        "\u{0}\u{1}\u{2}\r\n\r\n",
    ] {
        let mut fault = Fault::invalid(200, bytes(text));
        fault.upstream_status = None;
        fault.asks = Asks::Retried;

        fault.check(text);
    }
}

#[test]
fn a_401_that_is_not_whole_is_no_rejection() {
    let said = r#"{"detail": {"code": "ACCESS_TOKEN_SIGNATURE_VERIFICATION_FAILED""#;
    for script in [
        format!("content-length: 300\r\n\r\n{said}"),
        format!("content-length: 300\r\n\r\n{said}}}}}"),
        format!("transfer-encoding: chunked\r\n\r\nff\r\n{said}"),
        format!(
            "transfer-encoding: chunked\r\n\r\n{:x}\r\n{said}\r\n",
            said.len()
        ),
    ] {
        let name = script.clone();
        let script = bytes(format!("HTTP/1.1 401 Unauthorized\r\n{script}"));

        Fault::invalid(401, script).check(&name);
    }
}
