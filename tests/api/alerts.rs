//! Who has to know is told: what of, once, and in which words.

mod credentials;
mod delivery;
mod described;
mod files;
mod lanes;
mod log;
pub(crate) mod receiver;
mod transport;

use std::time::Duration;

use d7_balance::simulator::{Step, answer};

use self::{
    delivery::wait_for_attempts,
    receiver::{Receiver, kinds},
};
use crate::harness::{Builder, TestApp};

/// A service that tells `receiver` of a balance below 100, and that asks D7 as
/// often as it is asked to.
fn telling(receiver: &Receiver) -> Builder {
    receiver
        .known_to(TestApp::builder())
        .set("D7B_ALERT_BELOW", "100")
        .set("D7B_CACHE_MIN_REFRESH", "0s")
}

/// Has the service read a balance.
fn read(app: &TestApp, balance: &str) {
    app.d7
        .always(answer(200, &format!(r#"{{"balance": {balance}}}"#)));
    // What has no age is new enough for everybody.
    app.advance(Duration::from_millis(1));
    let answer = app.balance_with("no-cache");
    assert_eq!(answer.json()["balance_text"], balance);
}

#[test]
fn a_balance_that_falls_is_told_once_however_often_it_is_read() {
    let receiver = Receiver::new();
    let app = telling(&receiver).start();

    for balance in ["150", "99.5", "99.4", "20", "99.5", "150", "160", "1"] {
        read(&app, balance);
    }

    let told = receiver.wait_for(3);
    assert_eq!(
        kinds(&told),
        ["balance.low", "balance.recovered", "balance.low"]
    );
    let balances: Vec<_> = told
        .iter()
        .map(|message| message.data("balance_text"))
        .collect();
    assert_eq!(balances, ["99.5", "150", "1"]);
}

#[test]
fn a_balance_that_moves_about_the_threshold_is_told_of_once() {
    let receiver = Receiver::new();
    let app = telling(&receiver).start();

    for balance in ["99", "100", "99", "109.99999999999999999999", "99", "110"] {
        read(&app, balance);
    }

    let told = receiver.wait_for(2);
    assert_eq!(kinds(&told), ["balance.low", "balance.recovered"]);
    assert_eq!(told[1].data("balance_text"), "110");
}

#[test]
fn the_last_digit_decides_and_every_digit_is_sent() {
    let receiver = Receiver::new();
    let app = telling(&receiver).set("D7B_ALERT_BELOW", "1.00e2").start();
    for balance in ["100", "1e2", "100.00000000000000000000"] {
        read(&app, balance);
    }
    app.advance_s(7);

    read(&app, "99.99999999999999999999");

    let told = receiver.wait_for(1);
    let [message] = &told[..] else {
        panic!("{told:?}")
    };
    assert_eq!(
        message.body,
        concat!(
            r#"{"type":"balance.low","timestamp":"2026-11-23T01:00:07.127Z","#,
            r#""text":"The D7 balance is low: 99.99999999999999999999, below 1.00e2. (2026-11-23T01:00:07.127Z)","#,
            r#""data":{"balance":99.99999999999999999999,"#,
            r#""balance_text":"99.99999999999999999999","#,
            r#""as_of":"2026-11-23T01:00:07.127Z","below":1.00e2}}"#,
        )
    );
    assert_eq!(message.timestamp, 1_795_395_607);
}

#[test]
fn neither_a_402_nor_an_outage_is_a_low_balance() {
    let receiver = Receiver::new();
    let app = telling(&receiver).start();
    read(&app, "150");

    for failure in [
        answer(402, ""),
        answer(500, ""),
        answer(200, r#"{"balance": null}"#),
        answer(404, r#"{"balance": 0}"#),
        vec![Step::Reset],
    ] {
        app.d7.always(failure);
        app.advance_s(2000);
        assert_ne!(app.balance().status, 200);
    }
    app.advance_s(2000);
    read(&app, "150");
    read(&app, "99");

    let told = receiver.wait_for(1);
    assert_eq!(kinds(&told), ["balance.low"]);
    assert_eq!(told[0].data("balance_text"), "99");
    wait_for_attempts(&app, "delivered", 1);
    assert_eq!(app.metric("d7b_alerts_pending"), Some(0.0));
}

#[test]
fn without_a_threshold_only_the_credential_is_told_of() {
    let receiver = Receiver::new();
    let app = telling(&receiver).set("D7B_ALERT_BELOW", "").start();
    read(&app, "-5");

    app.d7.reject("the-token");
    app.advance_s(1000);
    assert_eq!(app.balance_over_confirmation().status, 502);

    assert_eq!(kinds(&receiver.wait_for(1)), ["credential.rejected"]);
}
