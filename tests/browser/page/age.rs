//! How old a figure is, as the page counts it: never younger than it is.

use d7_balance::simulator::answer;

use super::{AMOUNT, BADGE, REASON, Scene, TO_REFRESH};
use crate::browser::Browser;

const AGE: &str = "[data-text=age]";

/// Beyond the time to live.
const TOO_LATE: &str = "pass(61)";

impl Scene {
    /// Loads the page again. Nothing that it asks for comes back.
    fn load_again(&self) {
        self.browser.prepare("holdAnswers()");
        self.browser.open(&format!("http://{}/", self.app.addr));
    }
}

/// Has the tab's pages have come as `entry` of the navigation says.
fn navigated(browser: &Browser, entry: &str) {
    browser.prepare(&format!(
        "const entries = performance.getEntriesByType.bind(performance);
        performance.getEntriesByType = (kind) =>
            kind === 'navigation' ? [{{ ...entries(kind)[0].toJSON(), ...{entry} }}] : entries(kind);"
    ));
}

#[test]
fn a_figure_ages_while_its_answer_is_on_the_way() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    scene.app.d7.always(answer(200, "{\"balance\": 5.50}"));
    scene.app.advance_s(TO_REFRESH);
    browser.hold_an_answer();

    browser.execute(TOO_LATE);
    browser.execute("releaseAnswers()");

    let title = browser.wait_for_title("5.50");
    assert!(title.starts_with("Old: "), "{title}");
    browser.wait_for_text(BADGE, "Old");
    browser.assert_quiet();
}

#[test]
fn what_the_page_came_with_ages_while_it_is_on_the_way() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    browser.prepare(TOO_LATE);

    scene.load_again();

    browser.wait_for_text(BADGE, "Old");
    browser.wait_for_text(AMOUNT, "99.9999999");
    browser.wait_for_text(AGE, "past its time");
    browser.execute("releaseAnswers()");
    browser.wait_for_text(BADGE, "Fresh");
    browser.assert_quiet();
}

#[test]
fn a_page_that_the_browser_had_kept_is_old_until_it_has_asked() {
    let kept = [
        "{ type: 'back_forward' }",
        // As a tab that is restored or duplicated.
        "{ type: 'navigate', transferSize: 0, decodedBodySize: 9000 }",
    ];
    for entry in kept {
        let scene = Scene::signed_in();
        let browser = &scene.browser;
        navigated(browser, entry);

        scene.load_again();

        browser.wait_for_text(BADGE, "Old");
        browser.wait_for_text(AGE, "past its time");
        browser.execute("releaseAnswers()");
        browser.wait_for_text(BADGE, "Fresh");
        browser.assert_quiet();
    }
}

#[test]
fn a_page_that_was_just_asked_for_is_fresh() {
    let scene = Scene::signed_in();

    // The second time, the answer is a 304.
    for _ in 0..2 {
        scene.load_again();

        scene.browser.wait_for_text(AGE, "fresh for");
        scene.browser.wait_for_text(BADGE, "Fresh");
        let title = scene.browser.wait_for_title("99.9999999");
        assert!(title.starts_with("99"), "{title}");
    }
    scene.browser.assert_quiet();
}

#[test]
fn a_figure_that_cannot_be_confirmed_is_not_called_fresh() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    browser.wait_for_text(BADGE, "Fresh");

    browser.execute("answerWith(() => { throw new TypeError('cut off'); })");

    browser.elapse_until(BADGE, "Unconfirmed");
    browser.wait_for_text(AMOUNT, "99.9999999");
    browser.wait_for_text(REASON, "The service cannot be reached.");
    let title = browser.wait_for_title("99.9999999");
    assert!(title.starts_with("Unconfirmed: "), "{title}");
    browser.execute(TOO_LATE);
    browser.wait_for_text(BADGE, "Old");
    browser.execute("answerWith(null)");
    browser.elapse_until(BADGE, "Fresh");
    browser.assert_quiet();
}

#[test]
fn the_title_of_a_tab_that_nobody_looks_at_grows_old_in_time() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    browser.hide();
    browser.execute(TOO_LATE);
    browser.execute("holdAnswers()");

    browser.elapse();

    let title = browser.wait_for_title("99.9999999");
    assert!(title.starts_with("Old: "), "{title}");
    assert_eq!(browser.execute("return heldAnswers()"), 0);
    browser.assert_quiet();
}

#[test]
fn the_title_of_a_hidden_tab_is_looked_at_however_long_its_figure_is_fresh() {
    let scene = Scene::with(&[("D7B_CACHE_TTL", "1h")], Browser::hold_timers);
    let browser = &scene.browser;
    scene.sign_in();
    browser.wait_for_timer_of(60.0..=60.0);
    browser.hide();
    browser.wait_for_timer_of(60.0..=60.0);

    browser.elapse();

    browser.wait_for_timer_of(60.0..=60.0);
    let title = browser.wait_for_title("99.9999999");
    assert!(title.starts_with("99"), "{title}");
    // As of a machine that was asleep meanwhile.
    browser.execute("pass(3601)");
    browser.elapse();
    let title = browser.wait_for_title("99.9999999");
    assert!(title.starts_with("Old: "), "{title}");
    browser.assert_quiet();
}

#[test]
fn a_figure_is_being_renewed_for_a_moment_before_it_is_old() {
    let scene = Scene::set_with(|browser| {
        browser.hold_timers();
        browser.prepare("stopClocks()");
    });
    let browser = &scene.browser;
    scene.sign_in();
    // The figure's whole time to live is left.
    browser.wait_for_timer_of(60.0..=60.0);
    browser.hold_an_answer();

    browser.execute("pass(61)");

    browser.wait_for_text(BADGE, "Renewing");
    let title = browser.wait_for_title("99.9999999");
    assert!(title.starts_with("Renewing: "), "{title}");
    browser.wait_for_text(REASON, "A newer one is on its way.");
    browser.execute("pass(5)");
    browser.wait_for_text(BADGE, "Old");
    browser.assert_quiet();
}
