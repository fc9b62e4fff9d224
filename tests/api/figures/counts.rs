//! Figures of what has happened: each counted once, under its own name.

use std::time::Duration;

use d7_balance::simulator::{BALANCE, REJECTION, Step, answer, answer_with, bytes};

use super::{counted, counts, exported};
use crate::harness::{TestApp, wait_until};

#[test]
fn answers_are_counted_by_what_the_cache_did_and_stale_ones_by_reason() {
    let app = TestApp::start();
    // Two wait for one refresh.
    let gate = app.hold_next(answer(200, BALANCE));
    let first = app.balance_behind();
    app.wait_for_waiters(1);
    let second = app.balance_behind();
    app.wait_for_waiters(2);
    gate.open();
    first.join().unwrap();
    second.join().unwrap();
    // A hit, by a 304, and one whose wish came too soon.
    let etag = app.balance().header("etag").unwrap().to_owned();
    let known = app.balance_request().header("if-none-match", &etag);
    assert_eq!(known.send().status, 304);
    app.balance_with("no-cache");
    // Stale while a refresh runs behind, which fails; then because it did.
    app.advance_s(60);
    app.d7.always(answer(500, "{}"));
    app.balance();
    app.wait_for_outcomes("upstream_unavailable", 1);
    app.balance();
    // The hold-down is over, and the failure is remembered.
    app.advance_s(1);
    app.d7.always(answer(429, "{}"));
    app.balance();
    app.wait_for_outcomes("upstream_rate_limited", 1);
    // Past the stale window, one waits, and is answered by the stored one.
    app.advance_s(60);
    app.d7.always(answer(404, "{}"));
    app.balance();

    assert_eq!(
        counted(&app, "d7b_answers_total"),
        counts(
            "cache",
            [
                ("stored", 1),
                ("collapsed", 1),
                ("hit", 3),
                ("stale", 3),
                ("fallback", 1),
            ],
        )
    );
    assert_eq!(
        counted(&app, "d7b_stale_answers_total"),
        counts(
            "reason",
            [
                ("revalidating", 1),
                ("upstream_unavailable", 2),
                ("upstream_unexpected_status", 1),
            ],
        )
    );
}

#[test]
fn a_fresh_balance_after_a_failed_wish_is_no_stale_one() {
    let app = TestApp::start();
    app.balance();
    app.advance_s(5);
    app.d7.always(answer(500, "{}"));

    app.balance_with("no-cache");

    let answers = counts("cache", [("stored", 1), ("fallback", 1)]);
    assert_eq!(counted(&app, "d7b_answers_total"), answers);
    assert!(counted(&app, "d7b_stale_answers_total").is_empty());
}

#[test]
fn a_stale_balance_for_whom_there_is_no_place_to_wait_is_counted_as_such() {
    let app = TestApp::builder()
        .set("D7B_CACHE_MAX_WAITERS", "1")
        .set("D7B_CACHE_STALE_WHILE_REVALIDATE", "0s")
        .start();
    app.balance();
    app.advance_s(60);
    let gate = app.hold_next(answer(200, BALANCE));
    let waits = app.balance_behind();
    app.wait_for_waiters(1);

    let crowded_out = app.balance();

    gate.open();
    waits.join().unwrap();
    assert_eq!(crowded_out.status, 200);
    assert_eq!(
        counted(&app, "d7b_stale_answers_total"),
        counts("reason", [("overloaded", 1)])
    );
}

#[test]
fn requests_are_counted_by_client_and_class_and_timed_by_client() {
    let app = TestApp::builder().set("D7B_RATE_LIMIT", "4/h").start();
    let etag = app.balance().header("etag").unwrap().to_owned();
    app.balance_request().header("if-none-match", &etag).send();
    app.request("HEAD", "/balance").bearer(&app.key).send();
    app.balance_with("only-if-cached");
    assert_eq!(app.balance().status, 429);
    app.request("GET", "/balance").bearer(&app.other_key).send();
    app.request("GET", "/balance").send();
    app.request("GET", "/nowhere").bearer(&app.key).send();
    app.request("POST", "/balance").bearer(&app.key).send();
    app.request("GET", "/livez").send();

    let requests: Vec<_> = counted(&app, "d7b_requests_total").into_iter().collect();
    let expected = [
        ("client=\"\",status_class=\"2xx\"", "1"),
        ("client=\"\",status_class=\"4xx\"", "3"),
        ("client=\"billing\",status_class=\"2xx\"", "3"),
        ("client=\"billing\",status_class=\"3xx\"", "1"),
        ("client=\"billing\",status_class=\"4xx\"", "1"),
        ("client=\"web\",status_class=\"2xx\"", "1"),
    ];
    assert_eq!(
        requests,
        expected.map(|(k, v)| (k.to_owned(), v.to_owned()))
    );
    assert_eq!(
        counted(&app, "d7b_request_duration_seconds_count"),
        counts("client", [("", 4), ("billing", 5), ("web", 1)])
    );
    assert_eq!(
        counted(&app, "d7b_problems_total"),
        counts(
            "code",
            [
                ("rate_limited", 1),
                ("unauthorized", 1),
                ("not_found", 1),
                ("method_not_allowed", 1),
            ],
        )
    );
    assert_eq!(
        counted(&app, "d7b_rate_limited_total"),
        counts("client", [("billing", 1)])
    );
}

#[test]
fn a_caller_that_goes_away_is_counted_and_is_no_answer() {
    let app = TestApp::start();
    let gate = app.hold_next(answer(200, BALANCE));
    let gone = app.balance_unread();
    app.wait_for_waiters(1);

    gone.reset();

    wait_until("it is missed", || {
        app.metric("d7b_requests_abandoned_total") == Some(1.0)
    });
    gate.open();
    app.wait_for_refreshes(1);
    assert!(counted(&app, "d7b_requests_total").is_empty());
}

#[test]
fn each_request_to_d7_is_counted_and_timed_by_its_outcome() {
    for (script, outcome, requests) in [
        (answer(200, BALANCE), "ok", 1),
        (answer(401, REJECTION), "upstream_unauthorized", 2),
        (answer(403, r#"{"detail":"no"}"#), "upstream_forbidden", 2),
        (answer(402, "{}"), "upstream_payment_required", 1),
        (answer(404, "{}"), "upstream_unexpected_status", 1),
        (answer(429, "{}"), "upstream_rate_limited", 1),
        (
            answer_with(503, "retry-after: 5\r\n", ""),
            "upstream_unavailable",
            1,
        ),
        (answer(502, ""), "upstream_unavailable", 2),
        (vec![Step::Reset], "upstream_unreachable", 2),
        (bytes("rubbish\r\n\r\n"), "upstream_invalid_response", 2),
    ] {
        let app = TestApp::start();
        app.d7.always(script);
        if ["upstream_unauthorized", "upstream_forbidden"].contains(&outcome) {
            app.balance_over_confirmation();
        } else {
            app.balance();
        }

        let expected = counts("outcome", [(outcome, requests)]);
        assert_eq!(counted(&app, "d7b_upstream_requests_total"), expected);
        let timed = counted(&app, "d7b_upstream_request_duration_seconds_count");
        assert_eq!(timed, expected);
        let refreshes = counted(&app, "d7b_refreshes_total");
        assert_eq!(refreshes, counts("outcome", [(outcome, 1)]));
        assert_eq!(app.d7.count(), requests as usize, "{outcome}");
    }
}

#[test]
fn a_request_to_d7_lasts_until_its_answer_is_whole() {
    let app = TestApp::start();
    let gate = app.hold_next(answer(200, BALANCE));
    let waits = app.balance_behind();
    app.wait_for_d7(1);
    app.advance(Duration::from_millis(1500));
    gate.open();
    waits.join().unwrap();

    let exported = exported(&app);

    let sum = "d7b_upstream_request_duration_seconds_sum{outcome=\"ok\"}";
    assert_eq!(exported[sum], "1.5");
    let own = "d7b_request_duration_seconds_sum{client=\"billing\"}";
    assert_eq!(exported[own], "1.5");
}
