//! `D7B_CACHE_KEEP_WARM`: refreshes that nobody asks for.

use std::time::Duration;

use crate::harness::{TestApp, wait_until};
use d7_balance::simulator::{BALANCE, answer};

const TICK: Duration = Duration::from_nanos(1);

fn kept_warm() -> TestApp {
    TestApp::builder()
        .set("D7B_CACHE_KEEP_WARM", "true")
        .start()
}

/// Moves time on to the tick before the next refresh, and sees that the
/// service still sleeps; then over it.
fn sleep_for(app: &TestApp, seconds: u64) {
    app.wait_until_parked(1);
    app.advance(Duration::from_secs(seconds) - TICK);
    assert_eq!(app.clock.parked(), 1, "nothing is due before {seconds} s");
    app.advance(TICK);
}

#[test]
fn a_refresh_runs_at_start_without_a_caller() {
    let app = kept_warm();

    app.wait_for_refreshes(1);

    assert_eq!(app.balance().cache_status(), "hit; ttl=60");
    assert_eq!(app.d7.count(), 1);
}

#[test]
fn a_refresh_runs_whenever_the_age_reaches_the_ttl_and_not_before() {
    let app = kept_warm();
    app.wait_for_refreshes(1);

    for refreshes in 2..5 {
        sleep_for(&app, 60);
        app.wait_for_refreshes(refreshes);
    }

    assert_eq!(app.d7.count(), 4);
    assert_eq!(app.balance().cache_status(), "hit; ttl=60");
}

#[test]
fn the_time_to_the_next_refresh_counts_from_the_last_whoever_wanted_it() {
    let app = kept_warm();
    app.wait_for_refreshes(1);
    app.advance_s(20);

    app.balance_with("no-cache");

    sleep_for(&app, 60);
    app.wait_for_refreshes(3);
    assert_eq!(app.d7.count(), 3);
}

#[test]
fn a_refresh_runs_when_a_hold_down_ends_and_not_before() {
    let d7 = d7_balance::simulator::Simulator::start().unwrap();
    d7.always(answer(500, ""));
    let app = TestApp::builder()
        .set("D7B_CACHE_KEEP_WARM", "true")
        .start_with(d7);

    for (failures, step) in [(1, 1), (2, 2), (3, 4)] {
        app.wait_for_outcomes("upstream_unavailable", failures);
        sleep_for(&app, step);
    }
    app.wait_for_outcomes("upstream_unavailable", 4);
    app.d7.always(answer(200, BALANCE));
    sleep_for(&app, 8);
    app.wait_for_refreshes(1);

    assert_eq!(app.d7.count(), 5);
    assert_eq!(app.balance().cache_status(), "hit; ttl=60");
}

#[test]
fn without_it_nobody_asks_d7_for_a_service_that_nobody_asks() {
    let app = TestApp::start();

    app.advance_s(3600);
    wait_until("the service answers", || app.admin("/livez").status == 200);

    assert_eq!(app.clock.parked(), 0);
    assert_eq!(app.d7.count(), 0);
}
