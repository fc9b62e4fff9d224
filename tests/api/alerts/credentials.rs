//! A token that D7 rejects, and that it accepts again.

use std::fs;

use serde_json::json;

use super::{
    read,
    receiver::{Receiver, kinds},
    telling,
};
use crate::harness::TestApp;

/// Has the service find out what D7 thinks of its tokens now.
fn ask(app: &TestApp, status: u16) {
    app.advance_s(1000);
    let answer = app.balance_behind();
    app.wait_until_parked(1);
    app.advance_s(1);
    assert_eq!(answer.join().unwrap().status, status);
}

#[test]
fn a_rejected_token_is_told_of_once_and_so_is_its_acceptance() {
    let receiver = Receiver::new();
    let app = telling(&receiver).start();
    read(&app, "150");

    app.d7.reject("the-token");
    ask(&app, 502);
    ask(&app, 502);
    app.d7.accept("the-token");
    app.advance_s(1000);
    read(&app, "150");

    let told = receiver.wait_for(2);
    assert_eq!(kinds(&told), ["credential.rejected", "credential.accepted"]);
    assert_eq!(
        told[0].json()["data"],
        json!({"file": "token", "failed_over": false, "code": "upstream_unauthorized"})
    );
    assert_eq!(
        told[1].json()["data"],
        json!({"file": "token", "failed_over": false})
    );
}

#[test]
fn a_token_that_is_rejected_at_start_is_told_of_and_one_that_is_accepted_is_not() {
    let receiver = Receiver::new();
    let app = telling(&receiver).start();
    app.d7.reject("the-token");

    ask(&app, 502);

    assert_eq!(kinds(&receiver.wait_for(1)), ["credential.rejected"]);
    app.d7.accept("the-token");
    app.advance_s(1000);
    read(&app, "99");
    let mut told = kinds(&receiver.wait_for(3)).split_off(1);
    // They have nothing to do with each other, and no order either.
    told.sort();
    assert_eq!(told, ["balance.low", "credential.accepted"]);
}

#[test]
fn a_rejection_that_is_not_confirmed_is_not_told_of() {
    let receiver = Receiver::new();
    let app = telling(&receiver).start();
    read(&app, "150");
    let rejection = d7_balance::simulator::answer(401, d7_balance::simulator::REJECTION);

    app.d7.next(rejection);
    ask(&app, 200);
    read(&app, "99");

    assert_eq!(kinds(&receiver.wait_for(1)), ["balance.low"]);
}

#[test]
fn a_second_token_in_use_means_that_the_first_is_to_be_replaced() {
    let receiver = Receiver::new();
    let (first, second) = (receiver.path("first"), receiver.path("second"));
    fs::write(&first, "first-token").unwrap();
    fs::write(&second, "second-token").unwrap();
    let app = telling(&receiver)
        .set("D7B_TOKEN_FILE", first.to_str().unwrap())
        .set("D7B_TOKEN_SECONDARY_FILE", second.to_str().unwrap())
        .start();
    read(&app, "150");

    app.d7.reject("first-token");
    ask(&app, 200);
    let rejected = receiver.wait_for(1).remove(0);
    fs::write(&first, "new-token").unwrap();
    app.hang_up();

    let told = receiver.wait_for(2);
    assert_eq!(kinds(&told), ["credential.rejected", "credential.accepted"]);
    assert_eq!(
        rejected.json()["data"],
        json!({"file": "token", "failed_over": true})
    );
    assert_eq!(
        told[1].json()["data"],
        json!({"file": "token", "failed_over": false})
    );
}
