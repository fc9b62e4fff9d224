//! Figures of what is so now: an old one never passes for a new one.

use std::time::Duration;

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use d7_balance::simulator::{BALANCE, REJECTION, Step, answer};

use super::{counted, exported};
use crate::{
    harness::{TestApp, start_of_time, wait_until},
    token_file::Files,
};

const TICK: Duration = Duration::from_nanos(1);

fn balance(app: &TestApp) -> Option<String> {
    exported(app).remove("d7b_balance")
}

fn credential_state(app: &TestApp) -> String {
    let states = counted(app, "d7b_credential_state");
    assert_eq!(states.len(), 1, "{states:?}");
    let (state, _) = states.into_iter().next().unwrap();
    let state = state.strip_prefix("state=\"").unwrap();
    state.strip_suffix('"').unwrap().to_owned()
}

/// A token that says that it ends so long after the clock's start.
fn ending_after(seconds: u64) -> String {
    let start = start_of_time().duration_since(std::time::SystemTime::UNIX_EPOCH);
    let end = start.unwrap().as_secs() + seconds;
    let claims = BASE64_URL_SAFE_NO_PAD.encode(format!(r#"{{"exp":{end}}}"#));
    format!("e30.{claims}.c2ln")
}

#[test]
fn before_the_first_answer_there_is_no_balance_no_age_and_no_success() {
    let app = TestApp::start();

    let exported = exported(&app);

    for name in [
        "d7b_balance",
        "d7b_balance_age_seconds",
        "d7b_last_success_timestamp_seconds",
    ] {
        assert_eq!(exported.get(name), None);
    }
    assert_eq!(exported["d7b_hold_down_seconds"], "0.0");
    assert_eq!(credential_state(&app), "unproven");
}

#[test]
fn the_balance_is_there_until_its_age_reaches_the_ttl_and_stale_if_error() {
    let app = TestApp::start();
    app.balance();
    assert_eq!(balance(&app).as_deref(), Some("99.9999999"));

    app.advance(Duration::from_secs(60 + 900) - TICK);
    assert_eq!(balance(&app).as_deref(), Some("99.9999999"));
    app.advance(TICK);
    assert_eq!(balance(&app), None);

    // The age goes on being told, and the time of the last success stands.
    let exported = exported(&app);
    assert_eq!(exported["d7b_balance_age_seconds"], "960.0");
    assert_eq!(
        exported["d7b_last_success_timestamp_seconds"],
        "1795395600.123"
    );
}

#[test]
fn while_d7_refuses_the_account_a_fresh_balance_is_no_figure() {
    for (status, body) in [(401, REJECTION), (402, "{}")] {
        let app = TestApp::start();
        app.balance();
        app.advance_s(5);
        app.d7.always(answer(status, body));
        let insisting = app.balance_request().header("cache-control", "no-cache");
        let asked = std::thread::spawn(move || insisting.send());
        if status == 401 {
            app.wait_until_parked(1);
            app.advance(Duration::from_millis(500));
        }
        assert_eq!(asked.join().unwrap().status, 200, "it is fresh");

        assert_eq!(balance(&app), None, "{status}");

        app.d7.always(answer(200, r#"{"balance": 12.50}"#));
        app.advance_s(60);
        app.balance();
        assert_eq!(balance(&app).as_deref(), Some("12.5"));
    }
}

#[test]
fn what_the_balance_should_not_fall_below_is_a_figure_where_it_is_set() {
    let app = TestApp::builder().set("D7B_ALERT_BELOW", "99.50").start();

    assert_eq!(exported(&app)["d7b_alert_below"], "99.5");
    assert_eq!(exported(&TestApp::start()).get("d7b_alert_below"), None);
}

#[test]
fn a_failure_that_passes_leaves_the_balance_and_its_time_as_they_were() {
    let app = TestApp::start();
    app.balance();
    app.advance_s(121);
    app.d7.always(answer(500, "{}"));
    assert_eq!(app.balance().status, 200, "stale, since D7 fails");

    let failing = exported(&app);
    assert_eq!(failing["d7b_balance"], "99.9999999");
    assert_eq!(failing["d7b_balance_age_seconds"], "121.0");
    assert_eq!(
        failing["d7b_last_success_timestamp_seconds"],
        "1795395600.123"
    );
    assert_eq!(failing["d7b_hold_down_seconds"], "1.0");

    app.advance_s(1);
    app.d7.always(answer(200, BALANCE));
    app.balance();
    app.wait_for_refreshes(2);
    let recovered = exported(&app);
    assert_eq!(recovered["d7b_balance_age_seconds"], "0.0");
    assert_eq!(
        recovered["d7b_last_success_timestamp_seconds"],
        "1795395722.123"
    );
    assert_eq!(recovered["d7b_hold_down_seconds"], "0.0");
}

#[test]
fn a_number_beyond_what_prometheus_holds_is_no_figure() {
    let app = TestApp::start();
    app.d7.always(answer(200, r#"{"balance": 1e400}"#));

    assert_eq!(app.balance().status, 200);

    assert_eq!(balance(&app), None);
    assert!(exported(&app).contains_key("d7b_last_success_timestamp_seconds"));
}

#[test]
fn the_state_of_the_credential_follows_what_d7_says_of_it() {
    let app = TestApp::start();
    app.balance();
    assert_eq!(credential_state(&app), "ok");

    // Rejected once, and no answer to the second word.
    app.advance_s(121);
    app.d7.next(answer(401, REJECTION));
    app.d7.next(vec![Step::Reset]);
    app.balance_over_confirmation();
    assert_eq!(credential_state(&app), "suspect");

    // Another failure says nothing of the token, and lifts no doubt.
    app.advance_s(1);
    app.d7.next(answer(404, "{}"));
    app.balance();
    app.wait_for_outcomes("upstream_unexpected_status", 1);
    assert_eq!(credential_state(&app), "suspect");

    // A balance does.
    app.advance_s(30);
    app.d7.next(answer(200, BALANCE));
    app.balance();
    app.wait_for_refreshes(2);
    assert_eq!(credential_state(&app), "ok");

    // Nor does another failure as the second word.
    app.advance_s(121);
    app.d7.next(answer(401, REJECTION));
    app.d7.next(answer(500, "{}"));
    app.balance_over_confirmation();
    assert_eq!(credential_state(&app), "suspect");

    app.advance_s(1);
    app.d7.always(answer(401, REJECTION));
    app.balance_over_confirmation();
    assert_eq!(credential_state(&app), "rejected");

    app.advance_s(60);
    app.d7.always(answer(200, BALANCE));
    app.balance();
    assert_eq!(credential_state(&app), "ok");
}

#[test]
fn a_token_that_is_about_to_end_is_expiring_from_fourteen_days_before_on() {
    let files = Files::new();
    let day = 24 * 3600;
    files.write(ending_after(15 * day));
    let app = files.service().start();
    app.balance();
    assert_eq!(credential_state(&app), "ok");
    let series = "d7b_credential_expires_timestamp_seconds{file=\"token\"}";
    let end = 1_795_395_600 + 15 * day;
    assert_eq!(app.metric(series), Some(end as f64));

    app.advance_s(day);
    assert_eq!(credential_state(&app), "expiring");

    files.write("one-that-does-not-say");
    app.hang_up();
    wait_until("the new one is in force", || credential_state(&app) == "ok");
    assert_eq!(app.metric(series), None);
}

#[test]
fn each_token_that_says_when_it_ends_has_its_figure() {
    let files = Files::new();
    let app = files.service_with_secondary();
    files.write_secondary(&ending_after(100));
    let app = app.start();

    let series = |file| format!("d7b_credential_expires_timestamp_seconds{{file=\"{file}\"}}");

    assert_eq!(app.metric(&series("token")), None);
    assert_eq!(
        app.metric(&series("token_secondary")),
        Some(1_795_395_700.0)
    );
    // It only stands by: the one in force does not say.
    assert_eq!(credential_state(&app), "unproven");
}

#[test]
fn a_token_that_is_changed_while_it_stands_by_has_its_figure_at_once() {
    let files = Files::new();
    let app = files.service_with_secondary().start();
    let series = "d7b_credential_expires_timestamp_seconds{file=\"token_secondary\"}";
    assert_eq!(app.metric(series), None);

    files.write_secondary(&ending_after(100));
    app.hang_up();

    wait_until("its end is told", || {
        app.metric(series) == Some(1_795_395_700.0)
    });
    assert_eq!(app.d7.count(), 0);
}
