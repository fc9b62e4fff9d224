//! The page by the keyboard alone.

use fantoccini::key::Key;

use super::{AMOUNT, FORM, Scene, TO_NEXT_LOOK};

/// What has the focus, as a person would call it.
fn focus(scene: &Scene) -> String {
    let words = scene.browser.execute(
        "const at = document.activeElement;
        if (at === document.body) return 'nothing';
        return at.getAttribute('aria-label') ?? at.labels?.[0]?.innerText ?? at.innerText",
    );
    words.as_str().unwrap().to_owned()
}

fn press(scene: &Scene, key: Key) {
    scene.browser.press(&char::from(key).to_string());
}

#[test]
fn everything_is_reached_in_its_order_and_works_by_the_keyboard() {
    let scene = Scene::set();
    let browser = &scene.browser;

    browser.wait_for_text(FORM, "Your team’s key");
    press(&scene, Key::Tab);
    assert_eq!(focus(&scene), "Your team’s key");
    browser.press(&scene.key.text);
    press(&scene, Key::Enter);
    browser.wait_for_text(AMOUNT, "99.9999999");
    browser.wait_for_timer_of(TO_NEXT_LOOK);

    let mut order = Vec::new();
    for _ in 0..11 {
        press(&scene, Key::Tab);
        order.push(focus(&scene));
    }
    assert_eq!(
        order,
        [
            "Sign out",
            "15 min",
            "1 h",
            "24 h",
            "7 d",
            "All",
            "Balance over time: the arrow keys move from sample to sample",
            "The samples as a table",
            "What each error means",
            "The interface",
            "nothing",
        ]
    );
    browser.assert_quiet();
}

#[test]
fn a_range_is_chosen_and_a_sample_is_read_by_the_keyboard() {
    let scene = Scene::set();
    let browser = &scene.browser;
    scene.see(&["100.5", "80.25"]);
    scene.submit(&scene.key.text);
    browser.wait_for_text(AMOUNT, "80.25");
    browser.wait_for_text("#readout", "From 100.5 to 80.25.");
    browser.execute("document.querySelector('[data-range=\"900\"]').focus()");

    press(&scene, Key::Enter);

    let pressed = "return document.querySelector('[aria-pressed=true]').innerText";
    assert_eq!(browser.execute(pressed), "15 min");
    browser.execute("document.getElementById('plot').focus()");
    for sample in ["80.25 at ", "100.5 at "] {
        press(&scene, Key::Left);
        let read = "return document.getElementById('plot').getAttribute('aria-valuetext')";
        let told = browser.execute(read);
        assert!(told.as_str().unwrap().starts_with(sample), "{told}");
    }
    browser.assert_quiet();
}

#[test]
fn signing_out_leaves_the_focus_in_the_form() {
    let scene = Scene::signed_in();
    scene
        .browser
        .execute("document.querySelector('.sign-out button').focus()");

    press(&scene, Key::Enter);

    scene.browser.wait_for_text(FORM, "You have signed out.");
    assert_eq!(focus(&scene), "Your team’s key");
}

#[test]
fn the_end_of_a_session_takes_the_focus_to_the_form() {
    let scene = Scene::signed_in();
    scene
        .browser
        .execute("document.querySelector('[data-range=all]').focus()");

    scene.revoke();

    scene.browser.elapse_until(FORM, "Your session has ended.");
    assert_eq!(focus(&scene), "Your team’s key");
}
