//! What a caller asks for by `Cache-Control`.

use crate::harness::TestApp;
use d7_balance::simulator::{Step, answer};

const FORWARDED: &str = "fwd=request; fwd-status=200; stored; ttl=60";

/// A balance is stored and so old.
fn stored(seconds: u64) -> TestApp {
    let app = TestApp::start();
    assert_eq!(app.balance().status, 200);
    app.advance_s(seconds);
    app
}

#[test]
fn what_is_older_than_wished_is_asked_for_anew() {
    for (directives, status) in [
        ("no-cache", FORWARDED),
        ("No-Cache", FORWARDED),
        ("max-age=0", FORWARDED),
        ("MAX-AGE=19", FORWARDED),
        ("max-age=\"19\"", FORWARDED),
        ("max-age=99, max-age=19", FORWARDED),
        ("no-cache, max-age=99", FORWARDED),
        ("max-age=oops, max-age=19", FORWARDED),
        ("max-age=20", "hit; ttl=40"),
        ("max-age=99999999999999999999", "hit; ttl=40"),
    ] {
        let app = stored(20);

        assert_eq!(
            app.balance_with(directives).cache_status(),
            status,
            "{directives}"
        );
    }
}

#[test]
fn what_is_malformed_or_meant_for_others_is_ignored() {
    let app = stored(20);

    for directives in [
        "",
        "max-age",
        "max-age=-1",
        "max-age=1.5",
        "no-cache=x",
        "only-if-cached=1",
        "no-store",
        "max-stale=5",
        "min-fresh=50",
        "stale-if-error=0",
        "x=\"no-cache\"",
    ] {
        assert_eq!(
            app.balance_with(directives).cache_status(),
            "hit; ttl=40",
            "{directives}"
        );
    }
    let pragma = app.balance_request().header("pragma", "no-cache").send();
    assert_eq!(pragma.cache_status(), "hit; ttl=40");
    assert_eq!(app.d7.count(), 1);
}

#[test]
fn directives_count_from_every_line() {
    let app = stored(20);

    let request = app.balance_request().header("cache-control", "max-age=99");
    let response = request.header("cache-control", "max-age=5").send();

    assert_eq!(response.cache_status(), FORWARDED);
}

#[test]
fn however_many_insist_d7_is_asked_once_per_min_refresh() {
    let app = stored(0);

    for second in 1..=20 {
        app.advance_s(1);
        for _ in 0..3 {
            app.balance_with("no-cache");
        }
        assert_eq!(app.d7.count(), 1 + second / 5, "after {second} s");
    }
}

#[test]
fn min_refresh_counts_from_a_failed_answer_too() {
    let app = stored(20);
    app.d7.next(answer(500, ""));
    app.balance_with("no-cache");

    // The hold-down is over, `min_refresh` is not.
    app.advance_s(4);
    let too_soon = app.balance_with("no-cache");
    app.advance_s(1);
    let in_time = app.balance_with("no-cache");

    assert_eq!(too_soon.cache_status(), "hit; ttl=36; detail=min_refresh");
    assert_eq!(in_time.cache_status(), FORWARDED);
}

#[test]
fn min_refresh_counts_from_an_answer_whose_retry_got_none() {
    let app = stored(20);
    app.d7.next(answer(502, ""));
    app.d7.next(vec![Step::Reset]);
    app.balance_with("no-cache");

    app.advance_s(4);
    let too_soon = app.balance_with("no-cache");

    assert_eq!(too_soon.cache_status(), "hit; ttl=36; detail=min_refresh");
    assert_eq!(app.d7.count(), 3);
}

#[test]
fn min_refresh_does_not_count_from_what_is_no_answer() {
    let app = stored(20);
    app.d7.next(vec![Step::Reset]);
    app.d7.next(vec![Step::Reset]);
    app.balance_with("no-cache");

    app.advance_s(1);
    let response = app.balance_with("no-cache");

    assert_eq!(response.cache_status(), FORWARDED);
}

#[test]
fn a_directive_never_turns_a_200_into_an_error() {
    let app = TestApp::builder()
        .set("D7B_CACHE_STALE_IF_ERROR", "0s")
        .start();
    app.balance();
    app.d7.always(answer(500, ""));
    app.advance_s(90);

    let response = app.balance_with("no-cache");

    let status = "fwd=stale; fwd-status=500; ttl=-30; detail=upstream_unavailable";
    assert_eq!((response.status, response.cache_status()), (200, status));
}

#[test]
fn only_if_cached_is_not_cached_where_a_refresh_would_be_needed() {
    let app = TestApp::start();

    let cold = app.balance_with("only-if-cached");
    app.balance();
    app.advance_s(120);
    let old = app.balance_with("Only-If-Cached, no-cache");

    for response in [&cold, &old] {
        assert_eq!(
            (response.status, response.code().as_str()),
            (504, "not_cached")
        );
        assert_eq!(response.header("retry-after"), None);
    }
    assert_eq!(old.problem()["last_known"]["balance_text"], "99.9999999");
    assert_eq!(app.d7.count(), 1);
}

#[test]
fn only_if_cached_is_not_cached_where_a_problem_would_be_told() {
    let app = TestApp::start();
    app.d7.always(answer(402, ""));
    app.balance();

    let held = app.balance_with("only-if-cached");
    app.advance_s(30);
    let over = app.balance_with("only-if-cached");

    assert_eq!((held.status, held.code().as_str()), (504, "not_cached"));
    assert_eq!((over.status, over.code().as_str()), (504, "not_cached"));
    assert_eq!(app.d7.count(), 1);
}

#[test]
fn only_if_cached_takes_a_stale_balance_and_starts_no_refresh() {
    let app = stored(72);

    let response = app.balance_with("only-if-cached, no-cache");
    // Had it started one, this would come too late for the next answer of D7.
    app.d7.next(answer(200, r#"{"balance": 7}"#));
    app.balance();
    app.wait_for_refreshes(2);

    assert_eq!(response.cache_status(), "hit; ttl=-12");
    assert_eq!(app.balance().json()["balance_text"], "7");
    assert_eq!(app.d7.count(), 2);
}
