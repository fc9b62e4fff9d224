//! What the page says where something is wrong, and that it recovers.

use d7_balance::simulator::{answer, answer_with};

use super::{AMOUNT, BADGE, REASON, Scene, TO_NEXT_LOOK, TO_REFRESH, accessible::check_all};
use crate::browser::Browser;

const D7: &str = "[aria-labelledby=d7-title]";
const TOKEN: &str = "[aria-labelledby=token-title]";
const LINK: &str = "[aria-labelledby=link-title]";

/// Past the time in which an error hides behind a stale balance.
const TO_ERROR: u64 = 60 + 15 * 60;

#[test]
fn an_old_figure_is_marked_with_the_reason_and_a_new_one_is_not() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    scene.app.d7.always(answer(500, "{}"));
    scene.app.advance_s(TO_REFRESH);

    browser.elapse_until(BADGE, "Old");

    browser.elapse_until(REASON, "D7 is unavailable.");
    browser.elapse_until(D7, "It is left alone until");
    browser.wait_for_text(AMOUNT, "99.9999999");
    assert!(
        browser
            .execute("return document.title")
            .as_str()
            .unwrap()
            .starts_with("Old: ")
    );
    scene.app.d7.always(answer(200, "{\"balance\": 250.00}"));
    scene.app.advance_s(60);
    browser.elapse_until(AMOUNT, "250.00");
    browser.elapse_until(BADGE, "Fresh");
    assert_eq!(browser.text(REASON).unwrap(), "");
    browser.elapse_until(D7, "Last failure: D7 is unavailable");
    browser.assert_quiet();
}

#[test]
fn beyond_all_windows_the_last_balance_is_still_shown_as_old() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    let busy = answer_with(503, "retry-after: 120\r\n", "{}");
    scene.app.d7.always(busy);
    scene.app.advance_s(TO_ERROR);

    browser.elapse_until(REASON, "D7 is unavailable.");

    browser.wait_for_text(BADGE, "Old");
    browser.wait_for_text(AMOUNT, "99.9999999");
    browser.assert_quiet_but(&["status of 503"]);
}

#[test]
fn a_rejected_token_is_told_with_what_to_do_and_its_recovery() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    scene.reject_token();

    browser.elapse_until(TOKEN, "Rejected");

    browser.wait_for_text(TOKEN, "must replace it");
    browser.wait_for_text(BADGE, "Old");
    browser.elapse_until(
        D7,
        "D7 said 401, ACCESS_TOKEN_SIGNATURE_VERIFICATION_FAILED.",
    );
    browser.assert_quiet_but(&["status of 502"]);
    scene.app.d7.always(answer(200, "{\"balance\": 7}"));
    scene.app.advance_s(300);
    browser.elapse_until(TOKEN, "Accepted");
    browser.elapse_until(BADGE, "Fresh");
    assert_eq!(browser.text(AMOUNT).unwrap(), "7");
}

#[test]
fn where_no_balance_was_ever_seen_the_page_says_so() {
    let scene = Scene::set();
    let browser = &scene.browser;
    scene.app.d7.always(answer(500, "{}"));

    scene.submit(&scene.key.text);

    browser.elapse_until(BADGE, "Not known");
    browser.elapse_until(REASON, "D7 is unavailable.");
    browser.assert_quiet_but(&["status of 502"]);
    check_all(browser, "none");
}

#[test]
fn a_service_that_cannot_be_reached_is_told_and_asked_again() {
    let Scene { app, browser, .. } = Scene::signed_in();
    browser.assert_quiet();
    drop(app);

    browser.elapse_until(LINK, "Cannot reach the service");

    browser.wait_for_text(AMOUNT, "99.9999999");
    browser.wait_for_text(LINK, "It tries again by itself");
    browser.assert_quiet_but(&["ERR_CONNECTION_REFUSED"]);
    check_all(&browser, "offline");
}

#[test]
fn a_pause_is_kept_as_it_is_asked_for_up_to_an_hour() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    // As of a proxy in front of the service.
    for (pause, seconds) in [
        ("'7'", 7.0),
        ("'9999999999'", 3600.0),
        ("'1e99'", 1.0),
        ("'-7'", 1.0),
        ("''", 1.0),
        ("'soon'", 1.0),
        ("new Date(90_000 + Date.parse(sent)).toUTCString()", 90.0),
        ("'Thu, 01 Jan 1970 00:00:00 GMT'", 1.0),
        ("'Fri, 31 Dec 9999 23:59:59 GMT'", 3600.0),
    ] {
        browser.open(&format!("http://{}/", scene.app.addr));
        browser.wait_for_timer_of(TO_NEXT_LOOK);
        browser.execute(&format!(
            "const sent = 'Mon, 23 Nov 2026 01:00:00 GMT';
            const headers = {{ date: sent, 'retry-after': {pause} }};
            answerWith(() => new Response('away', {{ status: 503, headers }}));"
        ));

        browser.elapse();

        browser.wait_for_text(LINK, "has answered 503");
        browser.wait_for_timer_of(seconds..=seconds);
    }
    browser.assert_quiet();
}

#[test]
fn json_of_somebody_else_is_no_answer_and_leaves_the_last_balance() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    browser.wait_for_text(BADGE, "Fresh");
    for body in [
        "{}",
        "7",
        "{ balance_text: 7 }",
        "{ balance_text: '7' }",
        "{ balance_text: '7', as_of: 'soon' }",
        "{ code: 7 }",
    ] {
        browser.execute(&format!("answerWith(() => Response.json({body}))"));

        browser.elapse_until(LINK, "The answer was not the service’s own");

        browser.wait_for_text(LINK, "has answered 200");
        browser.wait_for_text(BADGE, "Unconfirmed");
        browser.wait_for_text(AMOUNT, "99.9999999");
        browser.execute("answerWith(null)");
        browser.elapse_until(BADGE, "Fresh");
    }
    browser.assert_quiet();
}

#[test]
fn what_is_shown_is_from_when_the_service_has_answered_itself() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    let page = format!("http://{}/", scene.app.addr);
    // The service's time stands still; the browser's does not.
    let moment = "return document.querySelector('[data-time=seen]').dateTime";
    browser.prepare("answerWith(() => { throw new TypeError('cut off'); })");
    browser.open(&page);
    browser.wait_for_text(LINK, "Cannot reach the service");
    assert_eq!(browser.execute(moment), "2026-11-23T01:00:00.123Z");
    browser.execute("answerWith(null)");
    browser.elapse_until(BADGE, "Fresh");

    // A proxy that answers for the service is not the service.
    browser.execute("pass(1000); answerWith(() => new Response('away', { status: 502 }))");
    browser.elapse_until(LINK, "has answered 502");
    browser.execute("answerWith(() => { throw new TypeError('cut off'); })");
    browser.elapse_until(LINK, "Cannot reach the service");

    let ago = "return Date.now() - new Date(document.querySelector('[data-time=seen]').dateTime)";
    let ago = browser.execute(ago).as_f64().unwrap() / 1000.0;
    assert!(ago >= 1000.0, "{ago} s");
    browser.assert_quiet();
}

#[test]
fn over_the_limit_the_page_waits_as_long_as_it_was_told() {
    let scene = Scene::with(&[("D7B_RATE_LIMIT", "2/h")], Browser::hold_timers);
    let browser = &scene.browser;
    let page = format!("http://{}/", scene.app.addr);
    scene.submit(&scene.key.text);
    // The page may have come before or after the first balance.
    browser.wait_for_text(LINK, "Asking too often");

    browser.open(&page);

    browser.wait_for_timer_of(1700.0..=1800.0);
    browser.wait_for_text(LINK, "Asking too often");
    browser.wait_for_text(REASON, "Your team’s limit is reached.");
    assert!(
        browser
            .wait_for_title("Asking")
            .starts_with("Asking too often –")
    );
    let denied = "d7b_problems_total{code=\"rate_limited\"}";
    let before = scene.app.metric(denied);
    browser.execute("document.dispatchEvent(new Event('visibilitychange'))");
    browser.wait_for_timer_of(1700.0..=1800.0);
    assert_eq!(
        before,
        Some(2.0),
        "the first answer to the script, and the page"
    );
    assert_eq!(scene.app.metric(denied), before, "nothing is asked for");
}

#[test]
fn a_session_of_another_tab_waits_over_the_limit_as_well() {
    let scene = Scene::with(&[("D7B_RATE_LIMIT", "2/h")], Browser::hold_timers);
    let browser = &scene.browser;
    let first = browser.tab();
    browser.hide();
    browser.open_window();
    browser.open(&format!("http://{}/", scene.app.addr));
    scene.submit(&scene.key.text);
    browser.wait_for_text(LINK, "Asking too often");

    browser.enter(&first);
    browser.show();

    browser.wait_for_text(REASON, "Your team’s limit is reached.");
    browser.wait_for_text(LINK, "Asking too often");
    browser.wait_for_timer_of(1700.0..=1800.0);
}
