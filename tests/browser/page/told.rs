//! What the page tells of the chart and of changes, to whoever cannot see them.

use super::{AMOUNT, BADGE, Scene, TO_NEXT_LOOK, TO_REFRESH};
use crate::harness::wait_until;
use d7_balance::simulator::answer;

const NEWS: &str = "return document.getElementById('news').textContent";

#[test]
fn a_pointer_over_the_chart_reads_the_sample_there() {
    let scene = Scene::set();
    let browser = &scene.browser;
    scene.see(&["100.5", "80.25", "70"]);
    scene.submit(&scene.key.text);
    browser.wait_for_text("#readout", "From 100.5 to 70.");
    browser.click("[data-range=all]");

    for (part, sample) in [(0.2, "100.5 at "), (0.7, "80.25 at ")] {
        browser.point_at(".u-over", part);
        browser.wait_for_text("#readout", sample);
    }
    browser.point_at("h1", 0.5);
    browser.wait_for_text("#readout", "From 100.5 to 70.");
    browser.assert_quiet();
}

#[test]
fn a_screen_reader_is_told_of_changes_and_of_no_ticks() {
    let scene = Scene::set();
    let browser = &scene.browser;
    scene.see(&["6.25"]);
    scene.submit(&scene.key.text);
    browser.wait_for_text(AMOUNT, "6.25");
    browser.elapse();
    assert_eq!(
        browser.execute(NEWS),
        "",
        "what the page came with is no news"
    );

    scene.app.d7.always(answer(200, "{\"balance\": 5.50}"));
    scene.app.advance_s(61);

    wait_until("the new balance is told", || {
        browser.elapse();
        browser.execute(NEWS) == "Balance 5.50."
    });
    browser.wait_for_text(AMOUNT, "5.50");
    let live = "return ['[data-text=age]', '#readout', '[data-text=balance]'].filter(
        (css) => document.querySelector(css).closest('[aria-live], [role=status], [role=alert]'))";
    assert_eq!(browser.execute(live), serde_json::json!([]));
    browser.assert_quiet();
}

#[test]
fn a_screen_reader_is_told_once_that_the_service_cannot_be_reached() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    browser.wait_for_text(BADGE, "Fresh");

    browser.execute("answerWith(() => { throw new TypeError('cut off'); })");

    let told = "The service cannot be reached. Balance 99.9999999, unconfirmed.";
    browser.elapse_until(BADGE, "Unconfirmed");
    wait_until("it is told", || {
        browser.elapse();
        browser.execute(NEWS) != ""
    });
    assert_eq!(browser.execute(NEWS), told);
    browser.assert_quiet();
}

#[test]
fn of_samples_that_say_the_same_the_first_and_the_latest_are_in_the_table() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    for refreshes in 2..5 {
        // Where a look is under way, nothing begins another one.
        browser.wait_for_timer_of(TO_NEXT_LOOK);
        scene.app.advance_s(TO_REFRESH);
        browser.elapse();
        scene.app.wait_for_refreshes(refreshes);
        browser.elapse_until(BADGE, "Fresh");
    }
    scene.app.d7.always(answer(200, "{\"balance\": 7.50}"));
    scene.app.advance_s(TO_REFRESH);

    browser.elapse_until(AMOUNT, "7.50");

    // In a part of the page that is closed.
    let rows =
        "return [...document.querySelectorAll('#rows tr')].map((row) => row.lastChild.textContent)";
    let expected = serde_json::json!(["7.50", "99.9999999", "99.9999999"]);
    wait_until("the samples are in the table", || {
        browser.execute(rows) == expected
    });
}
