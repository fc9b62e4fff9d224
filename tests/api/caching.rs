//! Each row of the cache, once through a socket, with every caching header.

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Request, Response, TestApp};
use d7_balance::simulator::{BALANCE, Step, answer};

/// Asks two services that `arrange` has brought to the same point, one plainly
/// and one so that the answer is a 304, and asserts the caching headers.
#[track_caller]
fn assert_answers(
    arrange: impl Fn(&TestApp),
    directives: Option<&str>,
    age: u64,
    cache_status: &str,
) {
    for (none_match, status) in [(None, 200), (Some("*"), 304)] {
        let app = TestApp::start();
        arrange(&app);
        let mut request = app.balance_request();
        for (name, value) in [("cache-control", directives), ("if-none-match", none_match)] {
            if let Some(value) = value {
                request = request.header(name, value);
            }
        }

        let response = request.send();

        assert_eq!(response.status, status);
        assert_eq!(response.cache_status(), cache_status, "on {status}");
        assert_eq!(response.expect("age"), age.to_string());
        assert_eq!(response.expect("cache-control"), "private, no-cache");
        assert_eq!(response.expect("vary"), "Authorization, Cookie");
        let etag = response.expect("etag").to_owned();
        let stored = app.balance_with("only-if-cached");
        assert_eq!(stored.expect("etag"), etag);
        match status {
            200 => assert_eq!(response.body, stored.body),
            _ => assert_eq!(response.body, b""),
        }
    }
}

/// A balance is stored and so old.
fn stored(seconds: u64) -> impl Fn(&TestApp) {
    move |app| {
        assert_eq!(app.balance().status, 200);
        app.advance_s(seconds);
    }
}

/// A balance is stored and so old, and D7 fails from now on with `status`.
fn stored_before_outage(seconds: u64, status: u16) -> impl Fn(&TestApp) {
    move |app| {
        stored(seconds)(app);
        app.d7.always(answer(status, ""));
    }
}

fn unavailable(app: &TestApp) -> Option<f64> {
    app.metric("d7b_refreshes_total{outcome=\"upstream_unavailable\"}")
}

#[test]
fn row_1_is_a_hit() {
    assert_answers(stored(12), None, 12, "hit; ttl=48");
}

#[test]
fn row_1_stays_a_hit_without_detail_while_a_failure_is_remembered() {
    let arrange = |app: &TestApp| {
        stored_before_outage(5, 500)(app);
        app.balance_with("no-cache");
        assert_eq!(unavailable(app), Some(1.0));
    };

    assert_answers(arrange, None, 5, "hit; ttl=55");
}

#[test]
fn row_4_is_a_stale_hit_that_names_the_failure() {
    let arrange = |app: &TestApp| {
        stored_before_outage(135, 500)(app);
        app.balance();
        assert_eq!(unavailable(app), Some(1.0));
    };

    let status = "hit; ttl=-75; detail=upstream_unavailable";
    assert_answers(arrange, None, 135, status);
}

#[test]
fn row_6_is_a_stale_hit() {
    let arrange = |app: &TestApp| {
        stored(72)(app);
        // The refresh behind does not end.
        app.d7.always(vec![Step::Hang]);
    };

    assert_answers(arrange, None, 72, "hit; ttl=-12");
}

#[test]
fn row_6_names_a_failure_that_is_remembered() {
    let arrange = |app: &TestApp| {
        stored_before_outage(71, 500)(app);
        app.balance();
        app.wait_for_outcomes("upstream_unavailable", 1);
        // The end of the hold-down.
        app.advance_s(1);
    };

    let status = "hit; ttl=-12; detail=upstream_unavailable";
    assert_answers(arrange, None, 72, status);
}

#[test]
fn row_7_waits_where_nothing_is_stored() {
    let status = "fwd=uri-miss; fwd-status=200; stored; ttl=60";
    assert_answers(|_| {}, None, 0, status);
}

#[test]
fn row_7_waits_where_what_is_stored_is_too_old() {
    let status = "fwd=stale; fwd-status=200; stored; ttl=60";
    assert_answers(stored(120), None, 0, status);
}

#[test]
fn a_directive_forwards_a_fresh_balance_by_request() {
    let status = "fwd=request; fwd-status=200; stored; ttl=60";
    assert_answers(stored(5), Some("no-cache"), 0, status);
}

#[test]
fn a_directive_forwards_a_stale_balance_as_stale() {
    let status = "fwd=stale; fwd-status=200; stored; ttl=60";
    assert_answers(stored(72), Some("no-cache"), 0, status);
}

#[test]
fn a_directive_that_comes_too_soon_is_told_so() {
    let status = "hit; ttl=57; detail=min_refresh";
    assert_answers(stored(3), Some("max-age=2"), 3, status);
}

#[test]
fn a_directive_that_meets_a_hold_down_is_told_its_code() {
    let arrange = |app: &TestApp| {
        stored_before_outage(5, 500)(app);
        app.balance_with("no-cache");
        assert_eq!(unavailable(app), Some(1.0));
    };

    let status = "hit; ttl=55; detail=upstream_unavailable";
    assert_answers(arrange, Some("no-cache"), 5, status);
}

#[test]
fn a_failed_refresh_leaves_the_stored_balance_and_d7s_status() {
    let status = "fwd=stale; fwd-status=503; ttl=-75; detail=upstream_unavailable";
    assert_answers(stored_before_outage(135, 503), None, 135, status);
}

#[test]
fn a_failed_refresh_without_an_answer_has_no_status() {
    let arrange = |app: &TestApp| {
        stored(135)(app);
        app.d7.always(vec![Step::Reset]);
    };

    let status = "fwd=stale; ttl=-75; detail=upstream_unreachable";
    assert_answers(arrange, None, 135, status);
}

#[test]
fn a_failed_refresh_by_directive_leaves_the_fresh_balance() {
    let status = "fwd=request; fwd-status=500; ttl=55; detail=upstream_unavailable";
    assert_answers(stored_before_outage(5, 500), Some("no-cache"), 5, status);
}

#[test]
fn a_request_that_joins_a_refresh_is_collapsed() {
    for (seconds, directives, forward) in [
        (0, "", "uri-miss"),
        (120, "", "stale"),
        (5, "no-cache", "request"),
    ] {
        let app = TestApp::start();
        if seconds > 0 {
            stored(seconds)(&app);
        }
        let gate = app.hold_next(answer(200, BALANCE));
        let ask = |request: Request| {
            let request = request.header("cache-control", directives);
            std::thread::spawn(move || request.send())
        };

        let first = ask(app.balance_request());
        app.wait_for_waiters(1);
        let second = ask(app.balance_request());
        let third = ask(app.balance_request().header("if-none-match", "*"));
        app.wait_for_waiters(3);
        gate.open();

        let line = |part| format!("fwd={forward}; fwd-status=200; {part}; ttl=60");
        assert_eq!(first.join().unwrap().cache_status(), line("stored"));
        assert_eq!(second.join().unwrap().cache_status(), line("collapsed"));
        let third = third.join().unwrap();
        assert_eq!(
            (third.status, third.cache_status()),
            (304, &*line("collapsed"))
        );
        assert_eq!(third.expect("age"), "0");
    }
}

#[test]
fn age_and_ttl_are_rounded_down() {
    let app = TestApp::start();
    app.balance();
    let mut now = Duration::ZERO;
    let mut at = |millis| {
        let then = Duration::from_millis(millis);
        app.advance(then - now);
        now = then;
        let response = app.balance_with("only-if-cached");
        let age = response.expect("age").to_owned();
        (age, response.cache_status().to_owned())
    };

    for (millis, age, status) in [
        (0, "0", "hit; ttl=60"),
        (1, "0", "hit; ttl=59"),
        (999, "0", "hit; ttl=59"),
        (1_000, "1", "hit; ttl=59"),
        (12_001, "12", "hit; ttl=47"),
        (59_999, "59", "hit; ttl=0"),
        (60_000, "60", "hit; ttl=0"),
        (60_001, "60", "hit; ttl=-1"),
        (72_000, "72", "hit; ttl=-12"),
        (72_500, "72", "hit; ttl=-13"),
    ] {
        assert_eq!(at(millis), (age.to_owned(), status.to_owned()), "{millis}");
    }
}

#[test]
fn a_stale_balance_is_served_while_one_refresh_runs_behind() {
    let app = TestApp::start();
    stored(60)(&app);
    let gate = app.hold_next(answer(200, r#"{"balance": 7}"#));

    for _ in 0..20 {
        let response = app.balance();
        assert_eq!(response.cache_status(), "hit; ttl=0");
        assert_eq!(response.json()["balance_text"], "99.9999999");
    }
    app.wait_for_d7(2);
    gate.open();
    app.wait_for_refreshes(2);

    let response = app.balance();
    assert_eq!(response.cache_status(), "hit; ttl=60");
    assert_eq!(
        response.text(),
        r#"{"balance":7,"balance_text":"7","as_of":"2026-11-23T01:01:00.123Z"}"#
    );
    assert_eq!(app.d7.count(), 2);
}

#[test]
fn without_stale_while_revalidate_a_stale_balance_waits() {
    let app = TestApp::builder()
        .set("D7B_CACHE_STALE_WHILE_REVALIDATE", "0s")
        .start();
    stored(60)(&app);

    let response = app.balance();

    let status = "fwd=stale; fwd-status=200; stored; ttl=60";
    assert_eq!(response.cache_status(), status);
}

#[test]
fn stale_if_error_ends_on_its_last_tick() {
    let app = TestApp::start();
    stored(0)(&app);
    app.d7.always(answer(500, ""));
    app.advance(Duration::from_secs(960) - Duration::from_nanos(1));

    let last = app.balance();
    app.advance(Duration::from_nanos(1));
    let after = app.balance();

    let status = "fwd=stale; fwd-status=500; ttl=-900; detail=upstream_unavailable";
    assert_eq!((last.status, last.cache_status()), (200, status));
    assert_eq!(
        (after.status, after.code().as_str()),
        (502, "upstream_unavailable")
    );
    assert_eq!(app.d7.count(), 2);
}

#[test]
fn without_stale_if_error_a_failure_is_a_problem_past_the_ttl() {
    let app = TestApp::builder()
        .set("D7B_CACHE_STALE_IF_ERROR", "0s")
        .start();
    stored_before_outage(61, 500)(&app);

    let before = app.balance();
    app.wait_for_outcomes("upstream_unavailable", 1);
    let after = app.balance();

    assert_eq!(before.cache_status(), "hit; ttl=-1");
    assert_eq!(
        (after.status, after.code().as_str()),
        (502, "upstream_unavailable")
    );
}

#[test]
fn only_a_valid_answer_replaces_the_stored_balance() {
    let app = TestApp::start();
    let first = app.balance();
    for script in [
        answer(200, "{}"),
        answer(200, "<html>"),
        answer(404, BALANCE),
        answer(204, ""),
        answer(500, BALANCE),
        vec![Step::Reset],
    ] {
        app.d7.always(script);
        app.advance_s(3600);

        let problem = app.balance().problem();

        let known: Value = first.json();
        assert_eq!(problem["last_known"], known);
    }
    assert_eq!(
        app.balance_with("only-if-cached").problem()["last_known"],
        first.json()
    );
}

#[test]
fn last_known_is_on_errors_only_and_only_if_a_balance_was_ever_seen() {
    let app = TestApp::start();
    app.d7.next(answer(500, ""));
    let has_it = |response: &Response| response.json().get("last_known").is_some();

    assert!(!has_it(&app.balance()));
    assert!(!has_it(&app.balance_with("only-if-cached")));
    app.advance_s(1);
    assert!(!has_it(&app.balance()), "a 200");
    app.d7.always(answer(500, ""));
    app.advance_s(3600);
    assert!(has_it(&app.balance_with("only-if-cached")), "not_cached");
    assert!(has_it(&app.balance()), "upstream_*");
    assert!(
        !has_it(&app.request("GET", "/balance").send()),
        "unauthorized"
    );
    assert!(!has_it(&app.request("GET", "/nowhere").send()), "not_found");
}
