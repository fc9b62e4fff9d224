//! A second token that stands by.

use std::time::Duration;

use d7_balance::simulator::{REJECTION, answer};

use super::{Files, is_pending, shown, wait_for_reload};
use crate::{
    harness::{TestApp, wait_until},
    rejections::assert_rejected,
};

/// Whether the secondary token is in force.
fn is_in_force(app: &TestApp) -> bool {
    app.metric("d7b_token_secondary_in_force") == Some(1.0)
}

/// A service whose first token is rejected and whose second one is in force.
fn failed_over(files: &Files) -> TestApp {
    let app = files.service_with_secondary().start();
    app.d7.reject("old-token");
    assert_eq!(app.balance_over_confirmation().status, 200);
    app
}

#[test]
fn the_second_token_is_asked_with_once_the_first_is_confirmed_rejected() {
    let files = Files::new();
    let app = failed_over(&files);

    assert_eq!(shown(&app), ["old-token", "old-token", "spare-token"]);
    assert!(is_in_force(&app));
    assert_eq!(app.metric("d7b_token_failovers_total"), Some(1.0));
}

#[test]
fn the_second_token_stays_in_use_until_the_first_file_changes() {
    let files = Files::new();
    let app = failed_over(&files);

    for _ in 0..3 {
        app.advance_s(200);
        assert_eq!(app.balance().status, 200);
    }
    let meanwhile = shown(&app)[3..].to_vec();
    files.write("new-token");
    app.hang_up();
    wait_for_reload(&app, "token", "taken", 1);

    assert_eq!(meanwhile, ["spare-token"; 3]);
    assert_eq!(shown(&app)[6..], ["new-token"]);
    wait_until("the first is in force", || !is_in_force(&app));
}

#[test]
fn a_first_token_that_is_changed_badly_leaves_the_second_in_use() {
    let files = Files::new();
    let app = failed_over(&files);
    app.d7.reject("bad-token");

    files.write("bad-token");
    app.hang_up();
    app.wait_for_d7(4);
    app.wait_until_parked(1);
    app.advance_s(1);
    wait_for_reload(&app, "token", "rejected", 1);
    app.advance_s(200);

    assert_eq!(app.balance().status, 200);
    assert!(is_in_force(&app) && is_pending(&app, "token"));
    assert_eq!(shown(&app).last().unwrap(), "spare-token");
}

#[test]
fn where_both_are_rejected_the_problem_is_the_rejection_and_three_requests_were_made() {
    let files = Files::new();
    let app = files.service_with_secondary().start();
    app.d7.always(answer(401, REJECTION));

    let response = app.balance_over_confirmation();
    let held = app.balance();

    assert_rejected(&response);
    assert_rejected(&held);
    assert_eq!(shown(&app), ["old-token", "old-token", "spare-token"]);
    assert!(!is_in_force(&app));
}

#[test]
fn a_second_token_that_gets_no_answer_leaves_the_rejection_of_the_first() {
    let files = Files::new();
    let app = files.service_with_secondary().start();
    app.d7.next(answer(401, REJECTION));
    app.d7.next(answer(401, REJECTION));
    app.d7.next(answer(503, ""));

    let response = app.balance_over_confirmation();

    assert_rejected(&response);
    assert_eq!(app.d7.count(), 3);
}

#[test]
fn the_second_token_is_not_asked_with_where_the_first_is_not_rejected_for_certain() {
    let files = Files::new();
    let app = files.service_with_secondary().start();
    app.d7.next(answer(401, REJECTION));

    assert_eq!(app.balance_over_confirmation().status, 200);
    app.advance_s(1000);
    app.d7.next(answer(404, ""));
    assert_eq!(app.balance().code(), "upstream_unexpected_status");
    app.advance_s(30);
    app.d7.next(answer(401, REJECTION));
    app.d7.next(answer(429, ""));
    let taken_back = app.balance_over_confirmation();

    assert_eq!(taken_back.code(), "upstream_rate_limited");
    assert!(shown(&app).iter().all(|token| token == "old-token"));
}

#[test]
fn where_the_second_is_rejected_in_turn_the_first_is_tried_again() {
    let files = Files::new();
    let app = failed_over(&files);
    app.d7.accept("old-token");
    app.d7.reject("spare-token");
    app.advance_s(200);

    let response = app.balance_over_confirmation();

    assert_eq!(response.status, 200);
    assert_eq!(
        shown(&app)[3..],
        ["spare-token", "spare-token", "old-token"]
    );
    assert!(!is_in_force(&app));
}

#[test]
fn a_changed_second_token_ends_the_hold_down_where_both_were_rejected() {
    let files = Files::new();
    let app = files.service_with_secondary().start();
    app.d7.reject("old-token");
    app.d7.reject("spare-token");
    assert_rejected(&app.balance_over_confirmation());

    files.write_secondary("new-spare-token");
    app.hang_up();
    wait_for_reload(&app, "token_secondary", "taken", 1);
    let response = app.balance();

    assert_eq!(response.status, 200);
    assert_eq!(shown(&app)[3..], ["new-spare-token"]);
}

#[test]
fn a_changed_second_token_that_only_stands_by_is_not_shown_to_d7() {
    let files = Files::new();
    let app = files.service_with_secondary().start();

    files.write_secondary("new-spare-token");
    app.hang_up();
    wait_for_reload(&app, "token_secondary", "taken", 1);

    assert_eq!(app.d7.count(), 0);
    app.d7.reject("old-token");
    assert_eq!(app.balance_over_confirmation().status, 200);
    assert_eq!(shown(&app).last().unwrap(), "new-spare-token");
}

#[test]
fn a_first_token_from_a_setting_can_have_a_second_one_in_a_file() {
    let files = Files::new();
    files.write_secondary("spare-token");
    let path = files.path("secondary");
    let app = TestApp::builder()
        .set("D7B_TOKEN_SECONDARY_FILE", path.to_str().unwrap())
        .start();
    app.d7.reject("the-token");

    let response = app.balance_over_confirmation();

    assert_eq!(response.status, 200);
    assert_eq!(shown(&app), ["the-token", "the-token", "spare-token"]);
}

#[test]
fn a_bad_token_in_both_files_is_asked_with_once_and_then_left_alone() {
    for is_rejected in [false, true] {
        let files = Files::new();
        let app = files.service_with_secondary().start();
        app.d7.reject("old-token");
        app.d7.reject("bad-token");
        assert_eq!(app.balance_over_confirmation().status, 200);
        assert!(is_in_force(&app), "the second one");
        if is_rejected {
            app.d7.reject("spare-token");
            app.advance_s(120);
            assert_rejected(&app.balance_over_confirmation());
        }
        let before = app.d7.count();

        files.write("bad-token");
        files.write_secondary("bad-token");
        app.hang_up();
        wait_until("it is tried", || app.d7.count() > before);
        app.wait_until_parked(1);
        app.advance(Duration::from_millis(500));
        wait_for_reload(&app, "token", "rejected", 1);
        wait_for_reload(&app, "token_secondary", "rejected", 1);

        let asked = app.d7.count();
        for _ in 0..20 {
            app.advance_s(1);
            app.request("GET", "/status").bearer(&app.key).send();
        }
        assert_eq!(app.d7.count(), asked, "it is left alone");
        assert!(asked - before <= 4, "{:?}", shown(&app));
    }
}
