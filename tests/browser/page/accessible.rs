//! Every state of the page, in both colour schemes and two widths: nothing keeps
//! people out, sticks out, or jumps.

use d7_balance::simulator::answer;

use super::{AMOUNT, BADGE, FORM, Scene, TO_NEXT_LOOK, TO_REFRESH};
use crate::browser::Browser;

const LOOKS: [(u32, &str); 4] = [
    (360, "light"),
    (360, "dark"),
    (1280, "light"),
    (1280, "dark"),
];

impl Scene {
    /// Loads the page in each look, and checks it when `css` says `text`.
    fn look_at(&self, state: &str, css: &str, text: &str) {
        let browser = &self.browser;
        for (width, scheme) in LOOKS {
            browser.set_width(width);
            browser.set_scheme(scheme);
            browser.open(&format!("http://{}/", self.app.addr));
            browser.elapse_until(css, text);
            browser.assert_still();
            check(browser, &format!("{state}-{width}-{scheme}"));
        }
    }
}

/// Checks the page as it is, in each look.
pub(super) fn check_all(browser: &Browser, state: &str) {
    for (width, scheme) in LOOKS {
        browser.set_width(width);
        browser.set_scheme(scheme);
        check(browser, &format!("{state}-{width}-{scheme}"));
    }
}

fn check(browser: &Browser, name: &str) {
    browser.execute("document.querySelectorAll('details').forEach((at) => { at.open = true; })");
    browser.assert_fits();
    browser.assert_accessible();
    browser.screenshot(&format!("page-{name}"));
}

#[test]
fn the_form_suits_everyone() {
    let scene = Scene::set();

    scene.look_at("signed-out", FORM, "Your team’s key");

    scene.browser.assert_quiet();
}

#[test]
fn a_fresh_balance_suits_everyone() {
    let scene = Scene::set();
    scene.see(&["100.5", "80.25", "120"]);
    scene.submit(&scene.key.text);
    scene.browser.wait_for_text(AMOUNT, "120");

    scene.look_at("fresh", BADGE, "Fresh");

    scene.browser.assert_quiet();
}

#[test]
fn a_page_that_comes_bit_by_bit_stays_where_it_is() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    // Its files are there already: what takes seconds is the page itself.
    browser.set_speed(4_000);
    for width in [360, 1280] {
        browser.set_width(width);

        browser.open(&format!("http://{}/", scene.app.addr));

        browser.wait_for_timer_of(TO_NEXT_LOOK);
        browser.assert_still();
    }
    browser.assert_quiet();
}

#[test]
fn a_balance_of_a_hundred_digits_suits_everyone() {
    let scene = Scene::set();
    let digits = format!("-{}.5", "9".repeat(100));
    let body = format!("{{\"balance\": {digits}}}");
    scene.app.d7.always(answer(200, &body));
    scene.submit(&scene.key.text);
    scene.browser.wait_for_text(AMOUNT, &digits);

    scene.look_at("long", AMOUNT, &digits);

    scene.browser.assert_quiet();
}

#[test]
fn a_fault_suits_everyone() {
    let scene = Scene::signed_in();
    scene.app.d7.always(answer(500, "{}"));
    scene.app.advance_s(TO_REFRESH);

    scene.look_at("fault", "[aria-labelledby=d7-title]", "D7 is unavailable");

    scene.browser.assert_quiet();
}

#[test]
fn a_rejected_token_suits_everyone() {
    let scene = Scene::signed_in();
    scene.reject_token();

    scene.look_at("token", "[aria-labelledby=token-title]", "Rejected");

    scene.browser.assert_quiet_but(&["status of 502"]);
}
