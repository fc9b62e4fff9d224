//! Whole answers that are no balance: which code each of them is, in which
//! order their parts count, and when D7 is asked again.

use super::{Asks, Fault, outcomes};
use crate::harness::TestApp;
use d7_balance::simulator::{BALANCE, REJECTION, Script, Step, answer, answer_with, bytes};

const SIGNATURE: &str = "ACCESS_TOKEN_SIGNATURE_VERIFICATION_FAILED";
const PAGE: &str = "<!doctype html><title>Error</title>";

fn coded(status: u16, code: &str) -> Script {
    answer(
        status,
        &format!(r#"{{"detail": {{"code": "{code}", "message": "no"}}}}"#),
    )
}

fn asked_to_wait(status: u16, retry_after: &str) -> Script {
    answer_with(status, &format!("retry-after: {retry_after}\r\n"), "{}")
}

fn unavailable(status: u16, script: Script) -> Fault {
    let ours = if status == 503 { 503 } else { 502 };
    let asks = match status {
        502..=504 => Asks::Retried,
        _ => Asks::Once,
    };
    Fault::new(script, ours, "upstream_unavailable")
        .upstream(status)
        .asks(asks)
}

fn rate_limited(script: Script) -> Fault {
    Fault::new(script, 503, "upstream_rate_limited").upstream(429)
}

#[test]
fn the_documented_401_is_a_502_of_ours_after_a_second_word() {
    let fault = Fault::unauthorized(401, answer(401, REJECTION));

    fault.says(SIGNATURE).check("401");
}

#[test]
fn a_401_is_a_rejection_whatever_its_body_says() {
    for body in ["", PAGE, "{}", r#"{"detail": "Unauthorized"}"#, BALANCE] {
        Fault::unauthorized(401, answer(401, body)).check(body);
    }
}

#[test]
fn a_403_is_a_rejection_only_with_a_json_detail() {
    for body in [
        r#"{"detail": "Forbidden"}"#,
        r#"{"detail": {"message": "no"}}"#,
        r#"{"detail": [{"msg": "no"}]}"#,
    ] {
        Fault::lasting(403, "upstream_forbidden", answer(403, body))
            .asks(Asks::Confirmed)
            .check(body);
    }
    Fault::lasting(403, "upstream_forbidden", coded(403, "IP_NOT_ALLOWED"))
        .asks(Asks::Confirmed)
        .says("IP_NOT_ALLOWED")
        .check("code");
    for body in ["", PAGE, "{}", r#""detail""#, r#"[{"detail": "no"}]"#] {
        Fault::unexpected(403, answer(403, body)).check(body);
    }
}

#[test]
fn a_402_is_no_balance_of_zero() {
    for body in ["", r#"{"detail": "Payment Required"}"#, r#"{"balance": 0}"#] {
        Fault::lasting(402, "upstream_payment_required", answer(402, body)).check(body);
    }
}

#[test]
fn other_statuses_are_unexpected_whatever_their_bodies() {
    for (status, body) in [
        (404, r#"{"detail": "Not Found"}"#),
        (
            422,
            r#"{"detail": [{"loc": ["header"], "msg": "field required"}]}"#,
        ),
        (400, r#"{"detail": {"message": "no code"}}"#),
        (400, r#"{"detail": null}"#),
        (410, PAGE),
        (418, ""),
        (499, "{}"),
        (201, BALANCE),
        (202, BALANCE),
        (206, BALANCE),
        (300, BALANCE),
        (304, ""),
        (600, BALANCE),
        (999, BALANCE),
    ] {
        Fault::unexpected(status, answer(status, body)).check(&format!("{status} {body}"));
    }
    Fault::unexpected(400, coded(400, "QUOTA_EXCEEDED"))
        .says("QUOTA_EXCEEDED")
        .check("a code of another kind");
}

#[test]
fn every_5xx_is_unavailable_and_a_gateways_is_asked_for_once_more() {
    for status in [500, 501, 502, 503, 504, 505, 520, 599] {
        for body in ["", PAGE, r#"{"detail": "no"}"#, BALANCE] {
            let name = format!("{status} {body}");

            unavailable(status, answer(status, body)).check(&name);
        }
    }
}

#[test]
fn a_gateways_moment_of_weakness_is_passed_over() {
    for status in [502, 503, 504] {
        let app = TestApp::start();
        app.d7.next(answer(status, PAGE));

        let response = app.balance();

        assert_eq!(response.status, 200, "{status}");
        assert_eq!(app.d7.count(), 2, "{status}");
        assert_eq!(
            outcomes(&app, "upstream_requests", "upstream_unavailable"),
            1.0
        );
        assert_eq!(outcomes(&app, "upstream_requests", "ok"), 1.0);
    }
}

#[test]
fn a_429_is_never_a_429_of_ours() {
    rate_limited(answer(429, "")).check("bare");
    rate_limited(coded(429, "TOO_MANY"))
        .says("TOO_MANY")
        .check("code");
}

#[test]
fn retry_after_is_obeyed_as_seconds_and_as_a_date_with_429_and_503() {
    // The clock shows 01:00:00.123.
    for (sent, seconds) in [
        ("7", 7),
        ("0", 1),
        ("300", 300),
        ("301", 300),
        ("99999999999999999999999", 300),
        ("Mon, 23 Nov 2026 01:00:42 GMT", 42),
        ("Mon, 23 Nov 2026 00:59:59 GMT", 1),
        ("Mon, 23 Nov 2026 09:00:00 GMT", 300),
    ] {
        rate_limited(asked_to_wait(429, sent))
            .held_for(seconds)
            .check(sent);
        // What asks to be left alone is not asked again at once.
        unavailable(503, asked_to_wait(503, sent))
            .asks(Asks::Once)
            .held_for(seconds)
            .check(sent);
    }
}

#[test]
fn a_retry_after_that_cannot_be_read_or_comes_with_another_status_counts_for_nothing() {
    for nonsense in ["soon", "-7", "+7", "1.5", "7 s", ""] {
        rate_limited(asked_to_wait(429, nonsense)).check(nonsense);
    }
    for status in [500, 502] {
        unavailable(status, asked_to_wait(status, "77")).check("5xx");
    }
    Fault::unexpected(404, asked_to_wait(404, "77")).check("404");
}

#[test]
fn a_dead_token_code_is_a_rejection_under_any_status() {
    let codes = [SIGNATURE, "ACCESS_TOKEN_EXPIRED", "APPLICATION_NOT_EXISTS"];
    for code in codes {
        for status in [200, 201, 302, 400, 401, 402, 403, 404, 429, 500, 503] {
            Fault::unauthorized(status, coded(status, code))
                .says(code)
                .check(&format!("{status} {code}"));
        }
    }
    let both = format!(r#"{{"balance": 7, "detail": {{"code": "{SIGNATURE}"}}}}"#);
    Fault::unauthorized(200, answer(200, &both))
        .says(SIGNATURE)
        .check("beside a balance");
}

#[test]
fn a_dead_token_code_counts_only_where_the_code_stands() {
    for detail in [
        format!(r#""{SIGNATURE}""#),
        format!(r#"{{"message": "{SIGNATURE}"}}"#),
        format!(r#"[{{"code": "{SIGNATURE}"}}]"#),
        format!(r#"{{"code": ["{SIGNATURE}"]}}"#),
    ] {
        let body = format!(r#"{{"detail": {detail}}}"#);

        Fault::unexpected(400, answer(400, &body)).check(&body);
    }
}

#[test]
fn a_code_that_does_not_look_like_one_is_not_shown() {
    let long = "A".repeat(65);
    for code in [
        "",
        "lower",
        "WITH SPACE",
        "<B>",
        "WITH-DASH",
        "\\u00c4",
        &long,
    ] {
        Fault::unexpected(400, coded(400, code)).check(code);
    }
    for code in ["7", "true", "null", "{}"] {
        let body = format!(r#"{{"detail": {{"code": {code}}}}}"#);
        Fault::unexpected(400, answer(400, &body)).check(code);
    }
}

#[test]
fn an_error_with_more_than_64_kib_is_what_its_status_says() {
    let long = "x".repeat(100 * 1024);
    let said = format!(r#"{{"detail": {{"code": "{SIGNATURE}", "message": "{long}"}}}}"#);

    unavailable(503, answer(503, &long)).check("503");
    unavailable(503, answer(503, &said)).check("503 with a code out of reach");
    Fault::unauthorized(401, answer(401, &said)).check("401");
    Fault::unexpected(404, answer(404, &long)).check("404");
}

#[test]
fn an_answer_is_classified_by_wholeness_then_code_then_status_then_body() {
    let cut = |status: u16| {
        Step::Send(
            format!("HTTP/1.1 {status} Cut\r\ncontent-length: 500\r\n\r\n{REJECTION}").into_bytes(),
        )
    };
    for status in [200, 402, 403, 404, 429, 500] {
        Fault::invalid(status, vec![cut(status)]).check(&format!("cut {status}"));
    }
    Fault::invalid(503, vec![cut(503)])
        .asks(Asks::Retried)
        .check("cut 503");
    Fault::unauthorized(402, answer(402, REJECTION))
        .says(SIGNATURE)
        .check("code before status");
    Fault::lasting(402, "upstream_payment_required", answer(402, BALANCE))
        .check("status before body");
    Fault::invalid(200, answer(200, r#"{"detail": "no"}"#)).check("body");
}

#[test]
fn a_rejection_that_the_second_word_takes_back_is_none() {
    for rejection in [answer(401, REJECTION), answer(403, r#"{"detail": "no"}"#)] {
        let app = TestApp::start();
        app.d7.next(rejection);

        let response = app.balance_over_confirmation();

        assert_eq!(response.status, 200);
        assert_eq!(app.d7.count(), 2);
        assert_eq!(outcomes(&app, "refreshes", "ok"), 1.0);
    }
}

#[test]
fn a_rejection_whose_second_word_does_not_come_is_transient() {
    for second in [vec![Step::Reset], Script::new()] {
        let app = TestApp::start();
        app.d7.next(answer(401, REJECTION));
        app.d7.next(second);

        let response = app.balance_over_confirmation();

        Fault::new(Script::new(), 502, "upstream_unauthorized")
            .upstream(401)
            .says(SIGNATURE)
            .assert_told(&response, "unconfirmed");
        assert_eq!(app.d7.count(), 2);
    }
}

#[test]
fn a_rejection_whose_second_word_is_another_is_that_other() {
    let app = TestApp::start();
    app.d7.next(answer(401, REJECTION));
    app.d7.next(answer(500, ""));

    let response = app.balance_over_confirmation();

    unavailable(500, Script::new()).assert_told(&response, "another word");
    assert_eq!(app.d7.count(), 2);
}

#[test]
fn a_304_has_no_body_whatever_length_it_gives() {
    let head = "HTTP/1.1 304 Not Modified\r\ncontent-length: 100\r\n\r\n";

    Fault::lasting(304, "upstream_unexpected_status", bytes(head)).check("304");
}

#[test]
fn a_502_whose_body_is_cut_off_is_retried_too() {
    let app = TestApp::start();
    app.d7.next(bytes(
        "HTTP/1.1 502 Bad\r\ncontent-length: 100\r\n\r\n<html>",
    ));

    let response = app.balance();

    assert_eq!(response.status, 200);
    assert_eq!(app.d7.count(), 2);
}
