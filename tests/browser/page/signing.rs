//! Signing in and out, and the end of a session.

use std::time::Duration;

use super::{AMOUNT, BADGE, FORM, NOT_SIGNED_IN, Scene, accessible::check_all};

#[test]
fn a_key_in_the_form_leads_to_the_balance() {
    let scene = Scene::set();
    let browser = &scene.browser;
    browser.wait_for_text(FORM, "Your team’s key");

    scene.sign_in();

    browser.wait_for_text(BADGE, "Fresh");
    assert_eq!(browser.text(AMOUNT).unwrap(), "99.9999999");
    assert_eq!(browser.text(FORM).unwrap(), "");
    let cookies = browser.cookies();
    assert_eq!(cookies.len(), 1);
    assert_eq!(cookies[0].http_only(), Some(true));
    assert_eq!(cookies[0].secure(), Some(true));
    let page = browser.execute("return document.documentElement.outerHTML");
    assert!(!page.as_str().unwrap().contains(&scene.key.text));
    assert_eq!(scene.app.d7.count(), 1);
    browser.assert_quiet();
}

#[test]
fn a_key_that_is_not_accepted_leads_back_to_the_form_with_the_reason() {
    let scene = Scene::set();
    let browser = &scene.browser;

    scene.submit("d7b_00000000_nosuchkey");

    browser.wait_for_text(FORM, "This key was not accepted.");
    assert_eq!(browser.execute("return location.search"), "");
    assert!(browser.cookies().is_empty());
    assert_eq!(scene.app.d7.count(), 0);
    check_all(browser, "refused");
    browser.assert_quiet();
}

#[test]
fn signing_out_leads_to_the_form_and_going_back_shows_nothing() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    browser.assert_quiet();

    browser.click(".sign-out button");

    browser.wait_for_text(FORM, "You have signed out.");
    assert!(browser.cookies().is_empty());
    browser.back();
    browser.wait_for_text(FORM, "Your team’s key");
    assert_eq!(browser.text(AMOUNT).unwrap(), "");
    let page = browser.execute("return document.documentElement.outerHTML");
    assert!(!page.as_str().unwrap().contains("99.9999999"));
    browser.assert_quiet();
}

#[test]
fn a_session_ends_when_its_key_is_revoked() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    browser.assert_quiet();

    scene.revoke();

    browser.elapse_until(FORM, "Your session has ended.");
    assert_eq!(browser.text(AMOUNT).unwrap(), "");
    assert!(browser.cookies().is_empty());
    browser.assert_quiet_but(&[NOT_SIGNED_IN]);
    check_all(browser, "ended");
}

#[test]
fn a_session_ends_with_its_time() {
    let scene = Scene::signed_in();
    scene.app.advance(Duration::from_hours(12));

    scene.browser.elapse_until(FORM, "Your session has ended.");

    scene.browser.assert_quiet_but(&[NOT_SIGNED_IN]);
}

#[test]
fn a_tab_that_is_seen_again_finds_the_session_of_another_one() {
    let scene = Scene::set();
    let browser = &scene.browser;
    let first = browser.tab();
    browser.hide();
    browser.open_window();
    browser.open(&format!("http://{}/", scene.app.addr));
    scene.sign_in();
    browser.assert_quiet();

    browser.enter(&first);
    browser.show();

    browser.wait_for_text(AMOUNT, "99.9999999");
    browser.assert_quiet();
}
