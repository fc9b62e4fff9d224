//! A changed token is proved before it replaces one that works.

use std::time::Duration;

use d7_balance::simulator::{BALANCE, REJECTION, Step, answer};

use super::{Files, is_pending, paste_a_rejected_one, shown, wait_for_reload};
use crate::harness::{TestApp, wait_until};

const NEWER: &str = r#"{"balance": 12.5}"#;

/// A service whose token works, and has brought a balance.
fn working(files: &Files) -> TestApp {
    let app = files.service().start();
    assert_eq!(app.balance().status, 200);
    app
}

#[test]
fn a_changed_token_is_tried_by_itself_and_its_balance_is_stored_at_once() {
    let files = Files::new();
    let app = working(&files);
    app.d7.always(answer(200, NEWER));

    files.write("new-token\n");
    app.hang_up();
    wait_for_reload(&app, "token", "taken", 1);
    let response = app.balance();

    assert_eq!(response.cache_status(), "hit; ttl=60");
    assert_eq!(response.json()["balance_text"], "12.5");
    assert_eq!(shown(&app), ["old-token", "new-token"]);
    assert!(!is_pending(&app, "token"));
}

#[test]
fn a_changed_token_is_found_within_the_interval_without_a_signal() {
    for (interval, millis) in [("8s", 8_000), ("160ms", 160)] {
        let files = Files::new();
        let app = files.service().set("D7B_RELOAD_INTERVAL", interval).start();
        files.write("new-token");

        // It is looked at twice before the interval ends.
        app.advance(Duration::from_millis(millis * 3 / 4));
        app.wait_until_parked(0);
        app.advance(Duration::from_millis(millis / 16));

        wait_for_reload(&app, "token", "taken", 1);
        assert_eq!(shown(&app), ["new-token"]);
    }
}

#[test]
fn an_unchanged_token_is_not_proved_however_often_it_is_read() {
    let files = Files::new();
    let app = working(&files);

    for times in 1..=3 {
        files.write(format!("old-token{}", "\n".repeat(times)));
        app.hang_up();
        app.advance_s(5);
    }
    app.advance_s(60);
    assert_eq!(app.balance_with("no-cache").status, 200);

    assert!(shown(&app).iter().all(|token| token == "old-token"));
    assert!(app.d7.count() <= 2, "{:?}", shown(&app));
}

#[test]
fn neither_a_hold_down_nor_min_refresh_holds_a_proof_back() {
    let files = Files::new();
    let app = files.service().start();
    app.d7.next(answer(429, ""));
    assert_eq!(app.balance().code(), "upstream_rate_limited");

    files.write("new-token");
    app.hang_up();
    wait_for_reload(&app, "token", "taken", 1);

    assert_eq!(app.balance().cache_status(), "hit; ttl=60");
    assert_eq!(shown(&app), ["old-token", "new-token"]);
}

#[test]
fn a_changed_token_that_d7_rejects_leaves_the_old_one_in_force_and_no_caller_notices() {
    let files = Files::new();
    let app = working(&files);

    paste_a_rejected_one(&files, &app);
    let fresh = app.balance();
    app.advance_s(60);
    let stale = app.balance();
    app.wait_for_refreshes(2);
    let refreshed = app.balance();

    assert!(is_pending(&app, "token"), "it is visible");
    assert_eq!(fresh.cache_status(), "hit; ttl=59");
    assert_eq!(stale.cache_status(), "hit; ttl=-1");
    assert_eq!(refreshed.cache_status(), "hit; ttl=60");
    assert_eq!(
        shown(&app),
        ["old-token", "bad-token", "bad-token", "old-token"]
    );
}

#[test]
fn a_changed_token_that_d7_refuses_for_a_moment_only_is_taken() {
    let files = Files::new();
    let app = working(&files);
    app.d7.next(answer(401, REJECTION));

    files.write("new-token");
    app.hang_up();
    app.wait_for_d7(2);
    app.wait_until_parked(1);
    app.advance(Duration::from_millis(500));

    wait_for_reload(&app, "token", "taken", 1);
    assert_eq!(shown(&app), ["old-token", "new-token", "new-token"]);
}

#[test]
fn a_token_that_was_turned_down_is_tried_again_when_somebody_asks_for_it_and_not_before() {
    let files = Files::new();
    let app = working(&files);
    paste_a_rejected_one(&files, &app);
    app.d7.accept("bad-token");

    for _ in 0..5 {
        app.advance_s(5);
        app.wait_until_parked(0);
    }
    let asked = app.d7.count();
    app.hang_up();
    wait_for_reload(&app, "token", "taken", 1);

    assert_eq!(asked, 3);
    assert_eq!(shown(&app)[3..], ["bad-token"]);
    assert!(!is_pending(&app, "token"));
}

#[test]
fn a_good_token_after_a_bad_one_is_taken() {
    let files = Files::new();
    let app = working(&files);
    paste_a_rejected_one(&files, &app);

    files.write("good-token");
    app.hang_up();

    wait_for_reload(&app, "token", "taken", 1);
    assert_eq!(shown(&app).last().unwrap(), "good-token");
    assert!(!is_pending(&app, "token"));
}

#[test]
fn a_token_that_gets_neither_yes_nor_no_is_tried_again_after_a_hold_down_of_its_own() {
    let files = Files::new();
    let app = working(&files);
    app.d7.next(answer(500, ""));
    app.d7.next(answer(404, ""));

    files.write("new-token");
    app.hang_up();
    wait_for_reload(&app, "token", "unproven", 1);
    let meanwhile = app.balance();
    app.wait_until_parked(1);
    app.advance_s(1);
    app.wait_for_d7(3);
    app.wait_until_parked(1);
    app.advance_s(29);
    app.wait_until_parked(1);
    let asked = app.d7.count();
    app.advance_s(1);

    wait_for_reload(&app, "token", "taken", 1);
    assert_eq!(
        meanwhile.cache_status(),
        "hit; ttl=60",
        "no failure of D7's"
    );
    assert_eq!(asked, 3, "a status that lasts is waited out for longer");
    assert_eq!(
        shown(&app),
        ["old-token", "new-token", "new-token", "new-token"]
    );
}

#[test]
fn a_token_that_is_not_proved_yet_leaves_refreshes_to_the_old_one() {
    let files = Files::new();
    let app = working(&files);
    app.d7.next(answer(404, ""));
    files.write("new-token");
    app.hang_up();
    wait_for_reload(&app, "token", "unproven", 1);

    app.advance_s(6);
    let forced = app.balance_with("no-cache");

    assert_eq!(forced.status, 200);
    assert_eq!(shown(&app), ["old-token", "new-token", "old-token"]);
}

#[test]
fn callers_that_wait_during_a_failing_proof_are_served_by_the_old_token() {
    let files = Files::new();
    let app = files.service().start();
    let gate = app.hold_next(answer(404, ""));
    files.write("bad-token");
    app.hang_up();
    app.wait_for_d7(1);

    let callers: Vec<_> = (0..10).map(|_| app.balance_behind()).collect();
    app.wait_for_waiters(10);
    gate.open();

    for caller in callers {
        assert_eq!(caller.join().unwrap().status, 200);
    }
    assert_eq!(shown(&app), ["bad-token", "old-token"]);
}

#[test]
fn callers_that_wait_during_a_proof_that_succeeds_are_served_by_it() {
    let files = Files::new();
    let app = files.service().start();
    let gate = app.hold_next(answer(200, BALANCE));
    files.write("new-token");
    app.hang_up();
    app.wait_for_d7(1);

    let caller = app.balance_behind();
    app.wait_for_waiters(1);
    gate.open();

    assert_eq!(
        caller.join().unwrap().cache_status(),
        "fwd=uri-miss; fwd-status=200; collapsed; ttl=60"
    );
    assert_eq!(shown(&app), ["new-token"]);
}

#[test]
fn a_refresh_that_was_due_during_a_failing_proof_is_not_lost() {
    let files = Files::new();
    let app = working(&files);
    app.advance_s(61);
    let gate = app.hold_next(answer(404, ""));
    files.write("bad-token");
    app.hang_up();
    app.wait_for_d7(2);

    let during = app.balance();
    gate.open();
    wait_for_reload(&app, "token", "unproven", 1);
    wait_until("a hit has a refresh started", || {
        app.balance().cache_status() == "hit; ttl=60"
    });

    assert_eq!(during.cache_status(), "hit; ttl=-1");
    assert_eq!(shown(&app), ["old-token", "bad-token", "old-token"]);
}

#[test]
fn a_proof_waits_for_the_refresh_under_way() {
    let files = Files::new();
    let app = files.service().start();
    let gate = app.hold_next(answer(200, BALANCE));
    let caller = app.balance_behind();
    app.wait_for_d7(1);

    files.write("new-token");
    app.hang_up();
    app.advance_s(5);
    let during = app.d7.count();
    gate.open();

    assert_eq!(caller.join().unwrap().status, 200);
    wait_for_reload(&app, "token", "taken", 1);
    assert_eq!(during, 1);
    assert_eq!(shown(&app), ["old-token", "new-token"]);
}

#[test]
fn a_proof_that_hangs_ends_with_the_time_for_a_refresh() {
    let files = Files::new();
    let app = files.service().set("D7B_UPSTREAM_TIMEOUT", "2s").start();
    assert_eq!(app.balance().status, 200);
    app.d7.always(vec![Step::Hang]);

    files.write("new-token");
    app.hang_up();

    wait_for_reload(&app, "token", "unproven", 1);
    assert_eq!(app.balance().status, 200);
    assert!(is_pending(&app, "token"));
}

#[test]
fn a_token_that_changes_back_is_forgotten() {
    let files = Files::new();
    let app = working(&files);
    app.d7.next(answer(404, ""));
    files.write("new-token");
    app.hang_up();
    wait_for_reload(&app, "token", "unproven", 1);

    files.write("old-token");
    app.hang_up();
    wait_until("nothing is pending", || !is_pending(&app, "token"));
    app.advance_s(300);

    app.wait_until_parked(0);
    assert_eq!(shown(&app), ["old-token", "new-token"]);
}
