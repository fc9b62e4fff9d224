//! D7 does not accept our token, or wants money.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Response, TestApp};
use d7_balance::simulator::{BALANCE, REJECTION, Step, answer, answer_with};

const TICK: Duration = Duration::from_nanos(1);
const CODE: &str = "ACCESS_TOKEN_SIGNATURE_VERIFICATION_FAILED";

/// A balance is stored and so old.
fn stored(seconds: u64) -> TestApp {
    let app = TestApp::start();
    assert_eq!(app.balance().status, 200);
    app.advance_s(seconds);
    app
}

/// Asserts a rejection that somebody has to act on.
#[track_caller]
pub(crate) fn assert_rejected(response: &Response) -> Value {
    let problem = response.problem();
    assert_eq!(response.status, 502);
    assert_eq!(problem["code"], "upstream_unauthorized");
    assert_eq!(problem["retryable"], false);
    assert_eq!(problem["upstream_status"], 401);
    assert_eq!(problem["upstream_code"], CODE);
    problem
}

#[test]
fn a_rejection_is_confirmed_once_and_then_d7_is_left_alone() {
    let app = TestApp::start();
    app.d7.always(answer(401, REJECTION));

    let first = app.balance_over_confirmation();
    app.advance(Duration::from_secs(30) - TICK);
    let insisting = app.balance_request().header("cache-control", "no-cache");
    let callers: Vec<_> = (0..50)
        .map(|_| {
            let request = insisting.clone();
            std::thread::spawn(move || request.send())
        })
        .collect();

    assert_eq!(assert_rejected(&first).get("last_known"), None);
    for caller in callers {
        assert_rejected(&caller.join().unwrap());
    }
    assert_eq!(app.d7.count(), 2);
}

#[test]
fn a_403_with_a_detail_and_a_dead_token_code_are_rejections_too() {
    for (status, body, code) in [
        (403, r#"{"detail": "Forbidden"}"#, "upstream_forbidden"),
        (400, REJECTION, "upstream_unauthorized"),
        (
            500,
            r#"{"detail": {"code": "ACCESS_TOKEN_EXPIRED"}}"#,
            "upstream_unauthorized",
        ),
        (
            404,
            r#"{"detail": {"code": "APPLICATION_NOT_EXISTS"}}"#,
            "upstream_unauthorized",
        ),
    ] {
        let app = TestApp::start();
        app.d7.always(answer(status, body));

        let problem = app.balance_over_confirmation().problem();

        assert_eq!(problem["code"], code);
        assert_eq!(problem["retryable"], false, "confirmed");
        assert_eq!(app.d7.count(), 2);
    }
}

#[test]
fn a_rejection_that_is_taken_back_is_none() {
    let app = TestApp::start();
    app.d7.next(answer(401, REJECTION));

    let response = app.balance_over_confirmation();

    assert_eq!(response.status, 200);
    assert_eq!(app.d7.count(), 2);
}

#[test]
fn the_confirmation_comes_after_the_pause_that_was_drawn() {
    for (is_lowest, pause) in [(true, 250), (false, 500)] {
        let draw = move |low, high| if is_lowest { low } else { high };
        let app = TestApp::builder().draw(draw).start();
        app.d7.always(answer(401, REJECTION));

        let caller = app.balance_behind();
        app.wait_until_parked(1);
        app.advance(Duration::from_millis(pause) - TICK);
        assert_eq!(app.clock.parked(), 1, "before {pause} ms");
        app.advance(TICK);

        assert_rejected(&caller.join().unwrap());
    }
}

#[test]
fn a_rejection_without_time_for_a_confirmation_is_transient() {
    let app = TestApp::builder()
        .set("D7B_UPSTREAM_TIMEOUT", "60s")
        .start();
    let gate = app.hold_next(answer(401, REJECTION));

    let caller = app.balance_behind();
    app.wait_for_d7(1);
    // The pause would end on the deadline exactly.
    app.advance(Duration::from_millis(59_500));
    gate.open();
    let problem = caller.join().unwrap().problem();
    app.advance_s(1);
    let next = app.balance();

    assert_eq!(problem["code"], "upstream_unauthorized");
    assert_eq!(problem["retryable"], true);
    assert_eq!(problem["retry_after"], 1);
    assert_eq!(problem["upstream_code"], CODE);
    assert_eq!(next.status, 200);
    assert_eq!(app.d7.count(), 2);
}

#[test]
fn a_rejection_that_is_not_confirmed_blocks_nothing() {
    let app = TestApp::builder()
        .set("D7B_UPSTREAM_TIMEOUT", "60s")
        .start();
    app.balance();
    app.advance_s(61);
    let gate = app.hold_next(answer(401, REJECTION));

    app.balance();
    app.wait_for_d7(2);
    app.advance_s(60);
    gate.open();
    app.wait_for_outcomes("upstream_unauthorized", 1);
    let response = app.balance();

    let status = "hit; ttl=-61; detail=upstream_unauthorized";
    assert_eq!((response.status, response.cache_status()), (200, status));
    assert_eq!(app.d7.count(), 2);
}

#[test]
fn another_failure_as_the_second_word_is_what_counts() {
    for (second, code, retryable) in [
        (answer(500, ""), "upstream_unavailable", true),
        (answer(429, ""), "upstream_rate_limited", true),
        (answer(200, "{}"), "upstream_invalid_response", true),
        (answer(402, ""), "upstream_payment_required", false),
        (answer(404, ""), "upstream_unexpected_status", false),
        // No word at all: the rejection stands, but unconfirmed.
        (vec![Step::Reset], "upstream_unauthorized", true),
    ] {
        let app = TestApp::start();
        app.d7.next(answer(401, REJECTION));
        app.d7.next(second);

        let problem = app.balance_over_confirmation().problem();

        assert_eq!(problem["code"], code);
        assert_eq!(problem["retryable"], retryable, "{code}");
        assert_eq!(app.d7.count(), 2, "{code}");
    }
}

#[test]
fn a_blocking_failure_stays_the_problem_however_the_next_refresh_fails() {
    for failing in [
        answer(500, ""),
        answer(404, ""),
        answer_with(429, "retry-after: 60\r\n", ""),
        answer(200, "{}"),
        vec![Step::Reset],
    ] {
        let app = stored(0);
        app.d7.always(answer(401, REJECTION));
        app.advance_s(120);
        assert_rejected(&app.balance_over_confirmation());
        app.d7.always(failing.clone());

        // Its hold-down was the first step, the next one is the second.
        app.advance_s(30);
        let asked = app.d7.count();
        let failed = app.balance();
        assert!(app.d7.count() > asked, "{failing:?}");
        let asked = app.d7.count();
        app.advance(Duration::from_secs(60) - TICK);
        let held = app.balance();

        for response in [failed, held] {
            let problem = assert_rejected(&response);
            assert_eq!(problem["last_known"]["balance_text"], "99.9999999");
        }
        assert_eq!(app.d7.count(), asked, "{failing:?}");
        app.d7.always(answer(200, BALANCE));
        app.advance(TICK);
        assert_eq!(app.balance().status, 200);
    }
}

#[test]
fn a_fresh_balance_goes_on_being_served_during_a_rejection() {
    let app = stored(5);
    app.d7.always(answer(401, REJECTION));
    let insisting = app.balance_request().header("cache-control", "no-cache");
    let caller = std::thread::spawn(move || insisting.send());
    app.wait_until_parked(1);
    app.advance(Duration::from_millis(500));

    let insisted = caller.join().unwrap();
    app.advance(Duration::from_millis(54_500) - TICK);
    let last = app.balance();
    app.advance(TICK);
    let caller = app.balance_behind();
    app.wait_until_parked(1);
    app.advance(Duration::from_millis(500));

    let status = "fwd=request; fwd-status=401; ttl=54; detail=upstream_unauthorized";
    assert_eq!((insisted.status, insisted.cache_status()), (200, status));
    assert_eq!((last.status, last.cache_status()), (200, "hit; ttl=0"));
    assert_rejected(&caller.join().unwrap());
}

#[test]
fn past_the_ttl_nothing_is_served_until_d7_accepts_a_token() {
    let app = stored(61);
    app.d7.always(answer(401, REJECTION));
    // Row 6: whoever finds it stale is served at once, once more.
    assert_eq!(app.balance().status, 200);
    app.wait_until_parked(1);
    app.advance(Duration::from_millis(500));
    app.wait_for_outcomes("upstream_unauthorized", 1);

    for directives in ["", "no-cache", "max-age=9999"] {
        let problem = assert_rejected(&app.balance_with(directives));
        assert_eq!(problem["last_known"]["as_of"], "2026-11-23T01:00:00.123Z");
    }
    app.d7.always(answer(200, r#"{"balance": 7}"#));
    app.advance_s(30);
    let accepted = app.balance();

    assert_eq!(accepted.json()["balance_text"], "7");
    assert_eq!(app.d7.count(), 4);
}

#[test]
fn a_402_blocks_without_a_confirmation_and_is_no_balance_of_nothing() {
    let app = stored(61);
    app.d7.always(answer(402, r#"{"balance": 0}"#));
    app.balance();
    app.wait_for_outcomes("upstream_payment_required", 1);

    let response = app.balance();

    let problem = response.problem();
    assert_eq!(
        (response.status, &problem["code"]),
        (502, &"upstream_payment_required".into())
    );
    assert_eq!(problem["retryable"], false);
    assert_eq!(problem["last_known"]["balance_text"], "99.9999999");
    assert_eq!(app.d7.count(), 2);
    assert_eq!(app.clock.parked(), 0);
}

#[test]
fn the_status_told_is_that_of_the_answer_and_not_of_the_failure_in_force() {
    for (second, status) in [
        (
            answer(500, ""),
            "fwd=request; fwd-status=500; ttl=25; detail=upstream_payment_required",
        ),
        (
            vec![Step::Reset],
            "fwd=request; ttl=25; detail=upstream_payment_required",
        ),
    ] {
        let app = stored(5);
        app.d7.next(answer(402, ""));
        let first = app.balance_with("no-cache");
        app.d7.always(second);
        app.advance_s(30);

        let response = app.balance_with("no-cache");

        assert_eq!(
            first.cache_status(),
            "fwd=request; fwd-status=402; ttl=55; detail=upstream_payment_required"
        );
        assert_eq!((response.status, response.cache_status()), (200, status));
    }
}
