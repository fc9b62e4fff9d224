//! How long D7 is left alone after a failure, and what may be asked twice.

use std::time::Duration;

use crate::harness::{Response, TestApp};
use d7_balance::simulator::{BALANCE, Script, Step, answer, answer_with};

const TICK: Duration = Duration::from_nanos(1);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// D7 is not asked for so long after its last answer, and then it is.
#[track_caller]
fn assert_held_for(app: &TestApp, step: u64) {
    let asked = app.d7.count();
    app.advance(seconds(step) - TICK);
    assert_ne!(app.balance().status, 200);
    assert_eq!(app.d7.count(), asked, "held for {step} s");
    app.advance(TICK);
    app.balance();
    assert_eq!(app.d7.count(), asked + 1, "held for {step} s only");
}

fn codes(response: &Response) -> (u16, String) {
    (response.status, response.code())
}

#[test]
fn transient_failures_hold_for_1_2_4_up_to_30_seconds() {
    let app = TestApp::start();
    app.d7.always(answer(500, ""));

    for step in [1, 2, 4, 8, 16, 30, 30] {
        let problem = app.balance().problem();
        assert_eq!(problem["code"], "upstream_unavailable");
        assert_eq!(problem["retry_after"], step);
        let asked = app.d7.count();
        app.advance(seconds(step) - TICK);
        assert_eq!(app.balance().expect("retry-after"), "1");
        assert_eq!(app.d7.count(), asked);
        app.advance(TICK);
    }
    assert_eq!(app.d7.count(), 7);
}

#[test]
fn lasting_failures_hold_for_30_60_120_up_to_300_seconds() {
    let app = TestApp::start();
    app.d7.always(answer(404, ""));
    let first = app.balance();

    for step in [30, 60, 120, 240, 300, 300] {
        assert_held_for(&app, step);
    }

    assert_eq!(
        codes(&first),
        (502, "upstream_unexpected_status".to_owned())
    );
    assert_eq!(first.header("retry-after"), None);
}

#[test]
fn hold_downs_are_drawn_from_half_a_step_but_a_second_at_least() {
    for (status, lowest) in [
        (500, [1, 1, 2, 4, 8, 15, 15]),
        (404, [15, 30, 60, 120, 150, 150, 150]),
    ] {
        let app = TestApp::builder().draw(|low, _| low).start();
        app.d7.always(answer(status, ""));
        app.balance();

        for step in lowest {
            assert_held_for(&app, step);
        }
    }
}

#[test]
fn nobody_asks_during_a_hold_down_whatever_they_say() {
    let app = TestApp::start();
    app.d7.always(answer(404, ""));
    app.balance();
    app.d7.always(answer(200, BALANCE));
    app.advance(seconds(30) - TICK);

    for directives in [
        "",
        "no-cache",
        "max-age=0",
        "max-age=1",
        "no-cache, no-store",
    ] {
        assert_eq!(app.balance_with(directives).status, 502);
    }
    let pragma = app.balance_request().header("pragma", "no-cache");
    assert_eq!(pragma.send().status, 502);
    let head = app.request("HEAD", "/balance").bearer(&app.key);
    assert_eq!(head.send().status, 502);
    let other = app.request("GET", "/balance").bearer(&app.other_key);
    assert_eq!(other.send().status, 502);
    let d7s_own = app.request("GET", "/messages/v1/balance").bearer(&app.key);
    assert_eq!(d7s_own.send().status, 502);

    assert_eq!(app.d7.count(), 1);
}

#[test]
fn retry_after_is_what_is_left_rounded_up() {
    let app = TestApp::start();
    app.d7.always(answer_with(429, "retry-after: 4\r\n", ""));
    let mut passed = 0;

    for (millis, left) in [
        (0, "4"),
        (1, "4"),
        (1_000, "3"),
        (1_001, "3"),
        (3_000, "1"),
        (3_999, "1"),
    ] {
        app.advance(Duration::from_millis(millis - passed));
        passed = millis;
        assert_eq!(
            app.balance().expect("retry-after"),
            left,
            "after {millis} ms"
        );
    }
    assert_eq!(app.d7.count(), 1);
}

#[test]
fn d7s_own_retry_after_replaces_the_draw_within_bounds() {
    // The clock shows 01:00:00.123.
    for (status, retry_after, held) in [
        (429, "7", 7),
        (503, "7", 7),
        (429, "0", 1),
        (429, "301", 300),
        (429, "99999999999999999999999", 300),
        (429, "Mon, 23 Nov 2026 01:00:08 GMT", 8),
        (503, "Mon, 23 Nov 2026 01:02:00 GMT", 120),
        (429, "Mon, 23 Nov 2026 00:00:00 GMT", 1),
        (429, "Mon, 23 Nov 2026 02:00:00 GMT", 300),
        // Neither seconds nor a date, and a status that it does not belong to.
        (429, "soon", 1),
        (429, "-7", 1),
        (500, "7", 1),
    ] {
        let app = TestApp::start();
        let line = format!("retry-after: {retry_after}\r\n");
        app.d7.always(answer_with(status, &line, ""));

        let problem = app.balance().problem();

        assert_eq!(problem["retry_after"], held, "{status}: {retry_after}");
        assert_held_for(&app, held);
    }
}

#[test]
fn a_valid_answer_takes_the_steps_back_to_the_first() {
    let app = TestApp::start();
    app.d7.always(answer(500, ""));
    let fail = |step: &str| {
        assert_eq!(app.balance().expect("retry-after"), step);
        app.advance_s(step.parse().unwrap());
    };
    for step in ["1", "2", "4"] {
        fail(step);
    }

    app.d7.next(answer(200, BALANCE));
    let fine = app.balance();
    app.advance_s(3600);

    assert_eq!(fine.status, 200);
    fail("1");
    fail("2");
}

#[test]
fn a_balance_that_is_invalid_resets_nothing() {
    let app = TestApp::start();
    app.d7.next(answer(500, ""));
    app.d7.next(answer(200, "{}"));

    app.balance();
    app.advance_s(1);
    let invalid = app.balance();

    assert_eq!(
        codes(&invalid),
        (502, "upstream_invalid_response".to_owned())
    );
    assert_eq!(invalid.expect("retry-after"), "2");
}

#[test]
fn a_moment_of_weakness_is_asked_through_a_second_time() {
    let moments: [Script; 4] = [
        answer(502, ""),
        answer(503, "<html>"),
        answer(504, ""),
        vec![Step::Reset],
    ];
    for script in moments {
        let app = TestApp::start();
        app.d7.next(script.clone());

        let response = app.balance();

        assert_eq!(response.status, 200, "{script:?}");
        assert_eq!(app.d7.count(), 2, "{script:?}");
    }
}

#[test]
fn no_refresh_makes_a_third_request() {
    for (second, status, code) in [
        (answer(502, ""), 502, "upstream_unavailable"),
        (answer(503, ""), 503, "upstream_unavailable"),
        (vec![Step::Reset], 502, "upstream_unreachable"),
        (answer(404, ""), 502, "upstream_unexpected_status"),
        // Not confirmed: the second request was a retry.
        (answer(401, ""), 502, "upstream_unauthorized"),
    ] {
        let app = TestApp::start();
        app.d7.next(answer(502, ""));
        app.d7.next(second);

        let response = app.balance();

        assert_eq!(codes(&response), (status, code.to_owned()));
        assert_eq!(app.d7.count(), 2, "{code}");
        let is_retryable = code != "upstream_unexpected_status";
        assert_eq!(response.problem()["retryable"], is_retryable, "{code}");
    }
}

#[test]
fn what_a_second_request_cannot_mend_is_asked_once() {
    for (script, code) in [
        (answer(500, ""), "upstream_unavailable"),
        (answer(501, ""), "upstream_unavailable"),
        (answer(429, ""), "upstream_rate_limited"),
        (answer(402, ""), "upstream_payment_required"),
        (answer(404, ""), "upstream_unexpected_status"),
        (answer(302, ""), "upstream_unexpected_status"),
        (answer(200, "{}"), "upstream_invalid_response"),
    ] {
        let app = TestApp::start();
        app.d7.next(script);

        assert_eq!(app.balance().code(), code);
        assert_eq!(app.d7.count(), 1, "{code}");
    }
}

#[test]
fn a_retry_that_cannot_start_before_the_deadline_is_not_made() {
    let app = TestApp::builder()
        .set("D7B_UPSTREAM_TIMEOUT", "60s")
        .start();
    let gate = app.hold_next(answer(502, ""));

    let caller = app.balance_behind();
    app.wait_for_d7(1);
    app.advance_s(60);
    gate.open();
    let response = caller.join().unwrap();

    assert_eq!(codes(&response), (502, "upstream_unavailable".to_owned()));
    assert_eq!(app.d7.count(), 1);
}

#[test]
fn a_hold_down_begins_when_the_failure_has_come() {
    let app = TestApp::builder()
        .set("D7B_UPSTREAM_TIMEOUT", "60s")
        .start();
    let gate = app.hold_next(answer(404, ""));

    let caller = app.balance_behind();
    app.wait_for_d7(1);
    app.advance_s(20);
    gate.open();

    assert_eq!(caller.join().unwrap().status, 502);
    assert_held_for(&app, 30);
}
