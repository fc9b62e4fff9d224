//! The page where scripts are off.

use d7_balance::simulator::answer;

use super::{AMOUNT, BADGE, FORM, REASON, Scene, TO_REFRESH};
use crate::browser::Browser;

#[test]
fn signing_in_the_balance_and_signing_out_work_without_script() {
    let scene = Scene::set_with(Browser::set_script_off);
    let browser = &scene.browser;
    browser.wait_for_text(FORM, "Your team’s key");

    scene.sign_in();

    browser.wait_for_text(BADGE, "Fresh when loaded");
    browser.wait_for_text(".times", "All of this is as of when the page was loaded.");
    browser.wait_for_text(".history", "The chart needs JavaScript.");
    browser.assert_fits();
    browser.screenshot("page-without-script");
    browser.click(".sign-out button");
    browser.wait_for_text(FORM, "Your team’s key");
    assert!(browser.cookies().is_empty());
    browser.assert_quiet();
}

#[test]
fn a_figure_whose_time_is_over_is_not_called_fresh_without_script_either() {
    let scene = Scene::set_with(Browser::set_script_off);
    let browser = &scene.browser;
    scene.sign_in();
    // Of its time to live next to nothing is left.
    scene.app.advance_s(59);
    browser.open(&format!("http://{}/", scene.app.addr));
    browser.wait_for_text(BADGE, "Fresh when loaded");
    scene.app.d7.always(answer(500, "{}"));

    scene.app.advance_s(TO_REFRESH);

    browser.wait_for_text(BADGE, "Old");
    browser.wait_for_text(AMOUNT, "99.9999999");
    browser.assert_quiet();
}

#[test]
fn a_fault_is_told_without_script() {
    let scene = Scene::set_with(Browser::set_script_off);
    let browser = &scene.browser;
    scene.sign_in();
    scene.app.d7.always(answer(500, "{}"));
    scene.app.advance_s(TO_REFRESH);

    browser.open(&format!("http://{}/", scene.app.addr));
    scene.app.wait_for_outcomes("upstream_unavailable", 1);
    browser.open(&format!("http://{}/", scene.app.addr));

    browser.wait_for_text(BADGE, "Old");
    browser.wait_for_text(AMOUNT, "99.9999999");
    browser.wait_for_text(REASON, "D7 is unavailable.");
    browser.assert_quiet();
}

#[test]
fn a_key_that_is_not_accepted_is_told_without_script() {
    let scene = Scene::set_with(Browser::set_script_off);

    scene.submit("d7b_00000000_nosuchkey");

    scene
        .browser
        .wait_for_text(FORM, "This key was not accepted.");
    scene.browser.assert_quiet();
}
