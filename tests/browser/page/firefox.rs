//! The page in Firefox, over plain HTTP on loopback.

use d7_balance::simulator::answer;

use super::{AMOUNT, BADGE, FORM, REASON, Scene, TO_NEXT_LOOK, TO_REFRESH, accessible::check_all};
use crate::browser::Browser;

impl Scene {
    /// Not signed in.
    fn set_in_firefox() -> Self {
        Self::set_in(Browser::start_firefox(), Browser::hold_timers)
    }

    fn set_in_firefox_without_script() -> Self {
        Self::set_in(Browser::start_firefox(), Browser::set_script_off)
    }
}

#[test]
fn a_visit_works_in_firefox() {
    let scene = Scene::set_in_firefox();
    let browser = &scene.browser;
    browser.wait_for_text(FORM, "Your team’s key");

    scene.sign_in();

    browser.wait_for_text(BADGE, "Fresh");
    scene.assert_has_session();
    browser.wait_for_timer_of(TO_NEXT_LOOK);
    browser.click(".sign-out button");
    browser.wait_for_text(FORM, "You have signed out.");
    assert!(browser.cookies().is_empty());
    browser.back();
    browser.wait_for_text(FORM, "Your team’s key");
    assert_eq!(browser.text(AMOUNT).unwrap(), "");
    browser.assert_quiet();
}

#[test]
fn a_fault_is_told_in_firefox_and_so_is_its_end() {
    let scene = Scene::set_in_firefox();
    let browser = &scene.browser;
    scene.sign_in();
    scene.app.d7.always(answer(500, "{}"));
    scene.app.advance_s(TO_REFRESH);

    browser.elapse_until(BADGE, "Old");

    browser.elapse_until(REASON, "D7 is unavailable.");
    browser.wait_for_text(AMOUNT, "99.9999999");
    scene.app.d7.always(answer(200, "{\"balance\": 250.00}"));
    scene.app.advance_s(60);
    browser.elapse_until(AMOUNT, "250.00");
    browser.elapse_until(BADGE, "Fresh");
    assert_eq!(browser.text(REASON).unwrap(), "");
    browser.assert_quiet();
}

#[test]
fn the_page_suits_everyone_in_firefox() {
    let scene = Scene::set_in_firefox();
    let browser = &scene.browser;
    scene.see(&["100.5", "80.25", "120"]);
    scene.submit(&scene.key.text);
    browser.wait_for_text("#readout", "From 100.5 to 120.");

    check_all(browser, "firefox");

    let drawn = "return document.querySelector('#plot canvas').width > 0";
    assert_eq!(browser.execute(drawn), true);
    browser.assert_quiet();
    // The silence means something.
    browser.execute("document.body.setAttribute('style', 'color: red')");
    browser.assert_quiet_but(&["Content-Security-Policy"]);
}

#[test]
fn the_history_has_its_place_before_all_of_the_page_is_there_in_firefox() {
    let scene = Scene::set_in_firefox();
    let browser = &scene.browser;
    scene.sign_in();
    browser.wait_for_timer_of(TO_NEXT_LOOK);
    let place =
        "const { x, y, width } = document.querySelector('.history').getBoundingClientRect();
        return [x, y, width]";
    let whole = browser.execute(place);

    browser.execute("document.querySelector('.states').remove()");

    assert_eq!(browser.execute(place), whole);
}

#[test]
fn a_visit_and_a_fault_work_in_firefox_without_script() {
    let scene = Scene::set_in_firefox_without_script();
    let browser = &scene.browser;
    let page = format!("http://{}/", scene.app.addr);

    scene.sign_in();

    browser.wait_for_text(BADGE, "Fresh");
    browser.wait_for_text(".history", "The chart needs JavaScript.");
    scene.assert_has_session();
    scene.app.d7.always(answer(500, "{}"));
    scene.app.advance_s(TO_REFRESH);
    browser.open(&page);
    scene.app.wait_for_outcomes("upstream_unavailable", 1);
    browser.open(&page);
    browser.wait_for_text(BADGE, "Old");
    browser.wait_for_text(AMOUNT, "99.9999999");
    browser.wait_for_text(REASON, "D7 is unavailable.");
    browser.screenshot("page-firefox-without-script");
    scene.app.d7.always(answer(200, "{\"balance\": 250.00}"));
    scene.app.advance_s(60);
    browser.open(&page);
    scene.app.wait_for_outcomes("ok", 2);
    browser.open(&page);
    browser.wait_for_text(AMOUNT, "250.00");
    browser.wait_for_text(BADGE, "Fresh");
    browser.click(".sign-out button");
    browser.wait_for_text(FORM, "Your team’s key");
    assert!(browser.cookies().is_empty());
    browser.assert_quiet();
}
