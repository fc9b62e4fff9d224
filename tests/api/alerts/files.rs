//! The receiver's URL and secret, replaced while the service runs.

use std::{fs, process::Command};

use d7_balance::simulator::answer;

use super::{
    read,
    receiver::{Receiver, kinds},
    telling,
};
use crate::harness::wait_until;

#[test]
fn the_next_attempt_goes_where_the_file_says_then_and_is_signed_anew() {
    let mut receiver = Receiver::new();
    let other = Receiver::new();
    let app = telling(&receiver).start();
    receiver.server.next(answer(500, ""));
    read(&app, "99");
    let first = receiver.wait_for(1).remove(0);
    app.wait_until_parked(1);

    let key = [7; 32];
    receiver.rotate(key);
    receiver.write("url", &other.url());
    app.advance_s(1);

    wait_until("the other one hears of it", || other.server.count() == 1);
    let second = other.messages().remove(0);
    second.assert_signed(&key);
    assert_eq!((&first.id, &first.body), (&second.id, &second.body));
    assert_eq!(receiver.server.count(), 1);
}

#[test]
fn a_file_that_is_unusable_leaves_what_was_read_before_in_use() {
    let receiver = Receiver::new();
    let app = telling(&receiver).start();
    let mut balances = ["99", "150"].into_iter().cycle();
    let mut told = 0;
    let mut next = || {
        read(&app, balances.next().unwrap());
        told += 1;
        // Checks its signature.
        receiver.wait_for(told);
    };
    next();

    for bad in [
        "",
        "http://hooks.example/x",
        "https://user:pass@hooks.example",
        "\u{0}",
        &"x".repeat(9 * 1024),
    ] {
        receiver.write("url", bad);
        next();
    }
    for bad in ["", "whsec_", "whsec_c2hvcnQ=", "no secret"] {
        receiver.write("secret", bad);
        next();
    }
    for name in ["url", "secret"] {
        fs::remove_file(receiver.path(name)).unwrap();
        next();
        fs::create_dir(receiver.path(name)).unwrap();
        next();
        fs::remove_dir(receiver.path(name)).unwrap();
        // Nobody ever writes into it.
        let mut mkfifo = Command::new("mkfifo");
        assert!(mkfifo.arg(receiver.path(name)).status().unwrap().success());
        next();
    }

    assert_eq!(kinds(&receiver.messages()).len(), 16);
}
