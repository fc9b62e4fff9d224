//! How long and how often a message is sent, and in whose way it never is.

use std::{collections::BTreeSet, time::Duration};

use d7_balance::{
    app::RunError,
    simulator::{Gate, Script, Step, answer, answer_with, bytes},
};

use super::{
    read,
    receiver::{Receiver, kinds},
    telling,
};
use crate::harness::{TestApp, gated, wait_until};

/// Waits until so many attempts have ended in `outcome`.
pub(super) fn wait_for_attempts(app: &TestApp, outcome: &str, attempts: usize) {
    let series = format!("d7b_alert_attempts_total{{outcome=\"{outcome}\"}}");
    wait_until("the attempt ends", || {
        app.metric(&series) == Some(attempts as f64)
    });
}

/// A service that waits for a receiver's answer for as long as a test may take,
/// and that does not wait for D7's.
pub(super) fn patient(receiver: &Receiver) -> TestApp {
    telling(receiver)
        .set("D7B_ALERT_WEBHOOK_TIMEOUT", "1m")
        .start()
}

/// A service whose first alert, of a low balance, was refused and waits.
fn refused_once(receiver: &Receiver) -> TestApp {
    let app = telling(receiver).start();
    receiver.server.next(answer(500, ""));
    read(&app, "99");
    wait_for_attempts(&app, "failed", 1);
    app.wait_until_parked(1);
    app
}

/// Has a receiver hold its next answer until the gate is opened.
pub(super) fn hold_next(receiver: &Receiver, answer: Script) -> Gate {
    let (gate, script) = gated(answer);
    receiver.server.next(script);
    gate
}

#[test]
fn only_a_2xx_is_a_delivery_and_all_else_is_tried_again_as_the_same_message() {
    let elsewhere = Receiver::new();
    let there = format!("location: {}\r\n", elsewhere.url());
    let failures: [(&str, Script); 12] = [
        ("500", answer(500, "MARKER")),
        ("503", answer_with(503, "retry-after: 3600\r\n", "")),
        ("404", answer(404, "")),
        ("401", answer(401, "")),
        ("410", answer(410, "")),
        ("302", answer_with(302, &there, "")),
        ("307", answer_with(307, &there, "")),
        ("308", answer_with(308, &there, "")),
        ("304", answer(304, "")),
        ("not HTTP", bytes("MARKER\r\n\r\n")),
        ("a reset", vec![Step::Reset]),
        ("nothing", vec![]),
    ];
    for (name, script) in failures {
        let receiver = Receiver::new();
        let app = telling(&receiver).start();
        receiver.server.next(script);

        read(&app, "99");
        wait_for_attempts(&app, "failed", 1);
        app.wait_until_parked(1);
        assert_eq!(app.metric("d7b_alerts_pending"), Some(1.0), "{name}");
        app.advance_s(1);
        wait_for_attempts(&app, "delivered", 1);

        let [first, second] = &receiver.wait_for(2)[..] else {
            panic!("{name}");
        };
        assert_eq!((&first.id, &first.body), (&second.id, &second.body));
        assert_eq!(second.timestamp, first.timestamp + 1, "{name}");
        assert_eq!(app.metric("d7b_alerts_pending"), Some(0.0), "{name}");
    }
    assert_eq!(elsewhere.server.count(), 0, "no redirect is followed");
}

#[test]
fn every_2xx_is_a_delivery_whatever_follows_its_head() {
    for script in [
        answer(200, "ok"),
        answer(202, ""),
        bytes("HTTP/1.1 204 No Content\r\n\r\n"),
        bytes("HTTP/1.1 200 OK\r\ncontent-length: 999\r\n\r\nMARKER"),
        vec![
            Step::Send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n".to_vec()),
            Step::Hang,
        ],
    ] {
        let receiver = Receiver::new();
        let app = telling(&receiver).start();
        receiver.server.next(script);

        read(&app, "99");

        wait_for_attempts(&app, "delivered", 1);
        assert_eq!(app.metric("d7b_alerts_pending"), Some(0.0));
        receiver.wait_for(1);
    }
}

#[test]
fn an_attempt_ends_in_time_and_so_does_one_that_nobody_listens_to() {
    let receiver = Receiver::new();
    let app = telling(&receiver)
        .set("D7B_ALERT_WEBHOOK_TIMEOUT", "2s")
        .start();
    receiver.server.next(vec![Step::Hang]);
    receiver.server.next(vec![
        Step::Send(b"HTTP/1.1 200 OK\r\nx: ".to_vec()),
        Step::Hang,
    ]);

    read(&app, "99");
    wait_for_attempts(&app, "failed", 1);
    app.wait_until_parked(1);
    app.advance_s(1);
    wait_for_attempts(&app, "failed", 2);
    app.wait_until_parked(1);
    // A port that nobody can listen to.
    receiver.write("url", "http://127.0.0.1:1/");
    app.advance_s(2);
    wait_for_attempts(&app, "failed", 3);
    app.wait_until_parked(1);
    receiver.write("url", &receiver.url());
    app.advance_s(4);

    wait_for_attempts(&app, "delivered", 1);
    receiver.wait_for(3);
}

#[test]
fn a_receiver_may_take_longer_than_d7() {
    let receiver = Receiver::new();
    let app = telling(&receiver)
        .set("D7B_UPSTREAM_TIMEOUT", "2s")
        .set("D7B_ALERT_WEBHOOK_TIMEOUT", "1m")
        .start();
    let gate = hold_next(&receiver, answer(200, ""));
    read(&app, "99");
    receiver.wait_for(1);

    // D7 has been given up meanwhile, after just that time.
    app.d7.always(vec![Step::Hang]);
    app.advance_s(2000);
    assert_eq!(app.balance().status, 504);
    gate.open();

    wait_for_attempts(&app, "delivered", 1);
    wait_for_attempts(&app, "failed", 0);
    receiver.wait_for(1);
}

#[test]
fn balances_are_answered_while_the_receiver_stalls_and_what_passes_is_told() {
    let receiver = Receiver::new();
    let app = patient(&receiver);
    let gate = hold_next(&receiver, answer(200, ""));

    read(&app, "99");
    receiver.wait_for(1);
    for balance in ["150", "98", "160"] {
        read(&app, balance);
    }
    wait_until("all are heard of", || {
        app.metric("d7b_alerts_pending") == Some(4.0)
    });
    assert_eq!(receiver.server.count(), 1);
    gate.open();

    let told = receiver.wait_for(4);
    let [low, recovered] = ["balance.low", "balance.recovered"];
    assert_eq!(kinds(&told), [low, recovered, low, recovered]);
    let balances = told.iter().map(|message| message.data("balance_text"));
    assert!(balances.eq(["99", "150", "98", "160"]));
}

#[test]
fn the_order_is_kept_where_the_first_message_has_to_wait() {
    let receiver = Receiver::new();
    let app = refused_once(&receiver);
    read(&app, "150");
    wait_until("both wait", || {
        app.metric("d7b_alerts_pending") == Some(2.0)
    });
    app.advance_s(1);

    let told = receiver.wait_for(3);
    assert_eq!(
        kinds(&told),
        ["balance.low", "balance.low", "balance.recovered"]
    );
    assert_ne!(told[1].id, told[2].id);
}

#[test]
fn the_pauses_double_to_five_minutes_and_a_message_is_given_up_after_a_day() {
    let receiver = Receiver::new();
    let app = telling(&receiver).start();
    receiver.server.always(answer(500, ""));
    read(&app, "99");

    let mut failed = 1;
    for pause in [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        wait_for_attempts(&app, "failed", failed);
        app.wait_until_parked(1);
        app.advance(Duration::from_secs(pause) - Duration::from_millis(1));
        app.wait_until_parked(1);
        assert_eq!(receiver.server.count(), failed, "before {pause} s");
        app.advance(Duration::from_millis(1));
        failed += 1;
    }
    wait_for_attempts(&app, "failed", failed);
    app.wait_until_parked(1);
    assert_eq!(app.metric("d7b_alerts_dropped_total"), Some(0.0));
    app.advance_s(24 * 3600);
    wait_for_attempts(&app, "failed", failed + 1);

    wait_until("it is given up", || {
        app.metric("d7b_alerts_dropped_total") == Some(1.0)
    });
    app.wait_until_parked(0);
    assert_eq!(app.metric("d7b_alerts_pending"), Some(0.0));
    // The next one is sent as if nothing had been.
    receiver.server.always(answer(200, ""));
    read(&app, "150");
    wait_for_attempts(&app, "delivered", 1);
    let last = receiver.messages().pop().unwrap();
    assert_eq!(kinds(&[last]), ["balance.recovered"]);
}

#[test]
fn pauses_are_drawn_from_the_upper_half_of_their_step() {
    let receiver = Receiver::new();
    let app = telling(&receiver).draw(|low, _| low).start();
    receiver.server.always(answer(500, ""));
    read(&app, "99");

    for (attempts, pause_ms) in [(1, 500), (2, 1000), (3, 2000)] {
        wait_for_attempts(&app, "failed", attempts);
        app.wait_until_parked(1);
        app.advance(Duration::from_millis(pause_ms));
    }

    wait_for_attempts(&app, "failed", 4);
}

#[test]
fn where_too_many_wait_the_oldest_goes_that_is_not_being_sent() {
    let receiver = Receiver::new();
    let app = patient(&receiver);
    let gate = hold_next(&receiver, answer(200, ""));

    for turn in 1..=17 {
        read(&app, &format!("99.{turn}"));
        read(&app, &format!("150.{turn}"));
    }

    wait_until("two are dropped", || {
        app.metric("d7b_alerts_dropped_total") == Some(2.0)
    });
    assert_eq!(app.metric("d7b_alerts_pending"), Some(32.0));
    gate.open();
    // The one under way stays, and the two after it are gone: none is counted
    // as dropped and as delivered.
    wait_for_attempts(&app, "delivered", 32);
    let told = receiver.wait_for(32);
    let first = &kinds(&told)[..3];
    assert_eq!(first, ["balance.low", "balance.recovered", "balance.low"]);
    let balances = told.iter().map(|message| message.data("balance_text"));
    assert!(balances.take(3).eq(["99.1", "150.2", "99.3"]));
    assert_eq!(app.metric("d7b_alerts_pending"), Some(0.0));
    assert_eq!(app.metric("d7b_alerts_dropped_total"), Some(2.0));
}

#[test]
fn a_message_that_gave_way_to_newer_ones_is_not_sent_again() {
    let receiver = Receiver::new();
    let app = refused_once(&receiver);

    read(&app, "150");
    for _ in 0..16 {
        read(&app, "99");
        read(&app, "150");
    }
    wait_until("two are dropped", || {
        app.metric("d7b_alerts_dropped_total") == Some(2.0)
    });
    app.advance_s(1);

    let told = receiver.wait_for(33);
    let ids: BTreeSet<_> = told.iter().map(|message| &message.id).collect();
    assert_eq!(ids.len(), 33, "none came twice");
    assert_eq!(app.metric("d7b_alerts_dropped_total"), Some(2.0));
}

#[test]
fn without_alerts_the_service_does_not_go_on() {
    let receiver = Receiver::new();
    let mut app = telling(&receiver)
        .draw(|_, _| panic!("as a bug would"))
        .start();
    receiver.server.always(answer(500, ""));

    read(&app, "99");

    assert!(matches!(app.join(), Err(RunError::Alerts)));
}
