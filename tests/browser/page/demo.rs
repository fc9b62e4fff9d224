//! What a newcomer sees first: the page of a demo.

use super::{AMOUNT, FORM};
use crate::{
    browser::Browser,
    harness::{
        process::{Process, variables},
        wait_until,
    },
};

/// What stands in the demo's announcement after `name`.
fn announced(demo: &Process, name: &str) -> String {
    let said = demo.stdout();
    let mut words = said.split_whitespace();
    words.find(|word| *word == name);
    words.next().unwrap_or_default().to_owned()
}

#[test]
fn the_account_of_a_demo_falls_and_the_chart_shows_it() {
    let demo = Process::start(&["demo"], variables([("D7B_CACHE_TTL", "1s")]));
    demo.wait_for("the demo tells what to try", || {
        demo.stdout().contains("curl ").then_some(())
    });
    let browser = Browser::start();
    browser.open(&announced(&demo, "page"));

    browser.wait_for_text(FORM, "Your team’s key");
    browser.type_into("#key", &announced(&demo, "key"));
    browser.click(".sign-in button");

    browser.wait_for_text(AMOUNT, ".");
    let rows = "return [...document.querySelectorAll('#rows tr td:last-child')]
        .map((cell) => Number(cell.textContent))";
    wait_until("there are samples", || {
        browser.execute(rows).as_array().unwrap().len() >= 3
    });
    let falls: Vec<_> = browser.execute(rows).as_array().unwrap().clone();
    let falls = falls.iter().map(|value| value.as_f64().unwrap());
    assert!(falls.is_sorted(), "the latest is the first, and the lowest");
    let drawn = "return document.querySelector('#plot canvas').width > 0";
    assert_eq!(browser.execute(drawn), true);
    browser.assert_quiet();
}
