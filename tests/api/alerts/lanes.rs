//! What is told of the balance and what is told of the credential never wait
//! for each other.

use d7_balance::simulator::answer;

use super::{
    delivery::{hold_next, patient, wait_for_attempts},
    read,
    receiver::{Receiver, kinds},
    telling,
};
use crate::harness::wait_until;

#[test]
fn a_rejected_token_is_told_of_while_a_balance_cannot_be_delivered() {
    let receiver = Receiver::new();
    let app = patient(&receiver);
    let gate = hold_next(&receiver, answer(413, ""));
    read(&app, "99");
    receiver.wait_for(1);

    app.d7.reject("the-token");
    app.advance_s(1000);
    assert_eq!(app.balance_over_confirmation().status, 502);
    wait_for_attempts(&app, "delivered", 1);

    let told = receiver.wait_for(2);
    assert_eq!(kinds(&told), ["balance.low", "credential.rejected"]);
    wait_until("the balance is still to be told of", || {
        app.metric("d7b_alerts_pending") == Some(1.0)
    });
    gate.open();
    wait_for_attempts(&app, "failed", 1);
    app.wait_until_parked(1);
    app.advance_s(1);
    wait_for_attempts(&app, "delivered", 2);
    assert_eq!(kinds(&receiver.wait_for(3))[2], "balance.low");
}

#[test]
fn each_lane_has_pauses_of_its_own() {
    let receiver = Receiver::new();
    let app = telling(&receiver).start();
    receiver.server.always(answer(500, ""));
    app.d7.reject("the-token");
    assert_eq!(app.balance_over_confirmation().status, 502);
    for (failed, pause_s) in [(1, 1), (2, 2), (3, 4)] {
        wait_for_attempts(&app, "failed", failed);
        app.wait_until_parked(1);
        app.advance_s(pause_s);
    }
    // Over the time in which D7 is not asked.
    app.d7.accept("the-token");
    wait_for_attempts(&app, "failed", 4);
    app.wait_until_parked(1);
    app.advance_s(1000);
    wait_for_attempts(&app, "failed", 5);
    app.wait_until_parked(1);

    read(&app, "99");
    wait_for_attempts(&app, "failed", 6);
    app.wait_until_parked(2);
    app.advance_s(1);
    wait_for_attempts(&app, "failed", 7);
    app.wait_until_parked(2);

    let told = kinds(&receiver.wait_for(7));
    assert_eq!(told[..5], ["credential.rejected"; 5]);
    assert_eq!(told[5..], ["balance.low"; 2], "after one second");
    // The acceptance waits for its turn.
    assert_eq!(app.metric("d7b_alerts_pending"), Some(3.0));
}
