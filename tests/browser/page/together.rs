//! All that one answer tells changes at once: no figure stands beside words of
//! another one.

use d7_balance::simulator::answer;
use serde_json::{Value, json};

use super::{AMOUNT, BADGE, REASON, Scene, TO_NEXT_LOOK, TO_REFRESH};
use crate::harness::wait_until;

const D7: &str = "[aria-labelledby=d7-title]";

/// Notes down what is to be seen of the figure and of D7, and what a screen reader is
/// told, each time that it changes.
const WATCH: &str = "
    const words = (css) => {
        const element = document.querySelector(css);
        return element.checkVisibility() ? element.innerText : '';
    };
    const figure = ['.badge', '[data-text=balance]', '.messages', '[data-text=reason]'];
    window.seen = { figure: [], d7: [], news: [] };
    const look = () => {
        const now = {
            figure: [document.title, ...figure.map(words)].join(' | '),
            d7: words('[aria-labelledby=d7-title]'),
            news: document.getElementById('news').textContent,
        };
        for (const [part, text] of Object.entries(now)) {
            if (text !== seen[part].at(-1)) seen[part].push(text);
        }
    };
    const all = { subtree: true, childList: true, characterData: true, attributes: true };
    new MutationObserver(look).observe(document.body, all);
    look();";

impl Scene {
    /// What was to be seen of a part, in its order.
    fn seen(&self, part: &str) -> Value {
        self.browser.execute(&format!("return seen.{part}"))
    }

    /// Has the page show what it knows, as it does each second.
    fn tick(&self) {
        let seen_again = "document.dispatchEvent(new Event('visibilitychange'))";
        self.browser.execute(seen_again);
    }
}

#[test]
fn a_new_figure_comes_with_its_state_and_waits_for_no_other_answer() {
    let scene = Scene::set();
    let browser = &scene.browser;
    let counted = answer(200, "{\"balance\": 5.50, \"sms_count\": 7}");
    scene.app.d7.always(counted);
    scene.submit(&scene.key.text);
    browser.wait_for_text(AMOUNT, "5.50");
    browser.wait_for_timer_of(TO_NEXT_LOOK);
    browser.execute("answerWith(() => { throw new TypeError('cut off'); })");
    browser.elapse_until(BADGE, "Unconfirmed");
    scene.app.d7.always(answer(200, "{\"balance\": 4.25}"));
    scene.app.advance_s(TO_REFRESH);
    browser.execute(WATCH);

    browser.execute("answerWith(null); holdAnswers('/status')");
    browser.wait_for_held_answer();

    let expected = json!([
        "Unconfirmed: 5.50 – d7-balance | Unconfirmed | 5.50 \
         | Good for 7 messages, by D7’s count. | The service cannot be reached.",
        "4.25 – d7-balance | Fresh | 4.25 |  | ",
    ]);
    assert_eq!(scene.seen("figure"), expected);
    browser.execute("releaseAnswers()");
    browser.wait_for_timer_of(TO_NEXT_LOOK);
    assert_eq!(scene.seen("figure"), expected);
    browser.assert_quiet();
}

#[test]
fn an_old_figure_comes_with_its_reason() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    // Whatever the sign-in has for news is told.
    browser.elapse();
    browser.wait_for_timer_of(TO_NEXT_LOOK);
    scene.app.d7.always(answer(500, "{}"));
    scene.app.advance_s(TO_REFRESH);
    browser.execute(WATCH);

    // What errors mean is asked for when there is one.
    browser.execute("holdAnswers('/problems')");
    browser.wait_for_held_answer();
    scene.tick();
    browser.elapse();
    browser.execute("releaseAnswers()");

    browser.wait_for_text(D7, "It is left alone until");
    wait_until("it is told", || {
        browser.elapse();
        scene.seen("news").as_array().unwrap().len() > 1
    });
    let news = scene.seen("news");
    let told = "Balance 99.9999999, old. D7 is unavailable.";
    assert_eq!(
        news.as_array().unwrap()[1..],
        [told],
        "after what there was before"
    );
    assert_eq!(
        scene.seen("figure"),
        json!([
            "99.9999999 – d7-balance | Fresh | 99.9999999 |  | ",
            "Old: 99.9999999 – d7-balance | Old | 99.9999999 |  | D7 is unavailable.",
        ])
    );
    browser.assert_quiet();
}

#[test]
fn a_failure_of_d7_comes_with_its_words() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    let gate = scene.app.hold(answer(500, "{}"));
    scene.app.advance_s(75);
    browser.execute(WATCH);
    // The balance comes before D7 has failed, and what stands behind it after that.
    browser.hold_an_answer();
    gate.open();
    scene.app.wait_for_outcomes("upstream_unavailable", 1);

    browser.execute("releaseAnswers(); holdAnswers('/problems')");
    browser.wait_for_held_answer();
    scene.tick();
    browser.execute("releaseAnswers()");

    browser.wait_for_text(REASON, "D7 is unavailable.");
    assert_eq!(
        scene.seen("figure"),
        json!([
            "99.9999999 – d7-balance | Fresh | 99.9999999 |  | ",
            "Old: 99.9999999 – d7-balance | Old | 99.9999999 |  | A newer one is on its way.",
            "Old: 99.9999999 – d7-balance | Old | 99.9999999 |  | D7 is unavailable.",
        ])
    );
    let of_d7 = scene.seen("d7");
    let [before, after] = of_d7.as_array().unwrap().as_slice() else {
        panic!("it changes once: {of_d7}");
    };
    assert!(before.as_str().unwrap().contains("\nAnswers\n"), "{before}");
    for words in [
        "D7 is unavailable",
        "D7 said 500.",
        "It is left alone until",
    ] {
        assert!(after.as_str().unwrap().contains(words), "{after}");
    }
    browser.assert_quiet();
}

#[test]
fn a_figure_comes_with_the_name_of_its_fault_where_no_words_are_to_be_had() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    scene.app.d7.always(answer(500, "{}"));
    scene.app.advance_s(TO_REFRESH);
    browser.execute(
        "answerWith((path) => { if (path === '/problems') throw new TypeError('cut off'); })",
    );

    browser.elapse_until(BADGE, "Old");

    browser.elapse_until(REASON, "upstream_unavailable.");
    browser.wait_for_text(D7, "It is left alone until");
    browser.execute("answerWith(null)");
    browser.elapse_until(REASON, "D7 is unavailable.");
    browser.assert_quiet();
}
