//! For how many messages the balance is good, by D7's count.

use d7_balance::simulator::answer;

use super::{AMOUNT, Scene};

const MESSAGES: &str = ".messages";

#[test]
fn the_count_of_messages_comes_changes_and_goes_with_the_balance() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    assert_eq!(browser.text(MESSAGES).unwrap(), "");

    for (balance, body, told) in [
        (
            "5.50",
            r#"{"balance": 5.50, "sms_count": 7.50}"#,
            "Good for 7.50 messages, by D7’s count.",
        ),
        (
            "4.50",
            r#"{"balance": 4.50, "sms_count": 6}"#,
            "Good for 6 messages, by D7’s count.",
        ),
        (
            "0.01",
            r#"{"balance": 0.01, "sms_count": 0}"#,
            "Good for 0 messages, by D7’s count.",
        ),
        ("3.50", r#"{"balance": 3.50}"#, ""),
    ] {
        scene.app.d7.always(answer(200, body));
        scene.app.advance_s(61);

        browser.elapse_until(AMOUNT, balance);

        assert_eq!(browser.text(MESSAGES).unwrap(), told);
    }
    let left = browser.execute("return document.querySelector('[data-text=messages]').textContent");
    assert_eq!(left, "", "nothing of it stays behind");
    browser.assert_quiet();
}
