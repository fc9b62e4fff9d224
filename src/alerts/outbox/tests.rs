use std::{rc::Rc, time::SystemTime};

use futures_util::FutureExt;

use super::{CAPACITY, Lane, Outbox};
use crate::{
    alerts::{
        Threshold,
        alert::{Alert, Credential, Reading, Subject},
    },
    balance::{self, Amount, Snapshot, credential::Role},
    clock::MonoTime,
    metrics::{Format, Metrics, Moment},
};

fn outbox() -> (Outbox, Metrics) {
    let metrics = Metrics::new(None);
    (Outbox::new(&metrics.for_alerts()), metrics)
}

/// An outbox's lane of the credential, which is what [`put`] puts into.
fn lane() -> (Outbox, Lane, Metrics) {
    let (outbox, metrics) = outbox();
    let lane = outbox.lane(Subject::Credential).clone();
    (outbox, lane, metrics)
}

fn put(outbox: &Outbox, times: usize) {
    let credential = Credential {
        file: Role::Primary,
        failed_over: false,
        code: None,
    };
    let alert = Alert::CredentialAccepted(credential);
    for _ in 0..times {
        outbox.put(&alert, MonoTime::default(), SystemTime::UNIX_EPOCH);
    }
}

fn put_balance(outbox: &Outbox, times: usize) {
    let reading = balance::Reading {
        balance: Amount::parse("1").unwrap(),
        sms_count: None,
    };
    let snapshot = Snapshot::new(&reading, SystemTime::UNIX_EPOCH, MonoTime::default());
    let alert = Alert::BalanceLow(Reading {
        snapshot: snapshot.into(),
        below: Threshold::parse("2").unwrap().below().clone(),
    });
    for _ in 0..times {
        outbox.put(&alert, MonoTime::default(), SystemTime::UNIX_EPOCH);
    }
}

fn counted(metrics: &Metrics, line: &str) -> bool {
    let text = metrics.render(&Moment::default(), Format::OpenMetrics);
    text.unwrap().contains(&format!("\n{line}\n"))
}

#[test]
fn messages_leave_a_lane_in_the_order_in_which_they_came() {
    let (outbox, lane, metrics) = lane();
    assert!(lane.oldest().now_or_never().is_none());
    put(&outbox, 3);
    assert!(counted(&metrics, "d7b_alerts_pending 3"));

    let mut ids = Vec::new();
    while let Some(message) = lane.oldest().now_or_never() {
        ids.push(message.id.clone());
        lane.remove(&message);
    }

    assert_eq!(ids.len(), 3);
    assert!(ids.is_sorted(), "a UUIDv7 rises: {ids:?}");
    assert!(counted(&metrics, "d7b_alerts_pending 0"));
    assert!(counted(&metrics, "d7b_alerts_dropped_total 0"));
}

#[test]
fn each_subject_has_a_lane_that_takes_no_room_from_the_other() {
    let (outbox, lane, metrics) = lane();
    put(&outbox, 1);

    put_balance(&outbox, CAPACITY + 1);

    let credential = lane.oldest().now_or_never().unwrap();
    assert_eq!(credential.kind, "credential.accepted");
    let balance = outbox.lane(Subject::Balance).oldest().now_or_never();
    assert_eq!(balance.unwrap().kind, "balance.low");
    let both = CAPACITY + 1;
    assert!(counted(&metrics, &format!("d7b_alerts_pending {both}")));
    assert!(counted(&metrics, "d7b_alerts_dropped_total 1"));
}

#[test]
fn where_there_is_no_room_the_oldest_goes_and_is_counted() {
    let (outbox, lane, metrics) = lane();
    put(&outbox, CAPACITY);
    let first = lane.oldest().now_or_never().unwrap();
    assert!(counted(&metrics, "d7b_alerts_dropped_total 0"));

    put(&outbox, 1);

    assert!(!lane.holds(&first));
    let second = lane.oldest().now_or_never().unwrap();
    assert!(!Rc::ptr_eq(&first, &second));
    assert!(counted(&metrics, &format!("d7b_alerts_pending {CAPACITY}")));
    assert!(counted(&metrics, "d7b_alerts_dropped_total 1"));
    // One that has gone is not counted out once more.
    lane.remove(&first);
    assert!(counted(&metrics, &format!("d7b_alerts_pending {CAPACITY}")));
}

#[test]
fn a_message_that_is_being_sent_stays_and_the_next_oldest_goes() {
    let (outbox, lane, metrics) = lane();
    put(&outbox, CAPACITY);
    let first = lane.oldest().now_or_never().unwrap();
    let second = Rc::clone(&lane.0.messages.borrow()[1]);
    lane.under_way(true);

    put(&outbox, 1);

    assert!(lane.holds(&first));
    assert!(!lane.holds(&second));
    assert!(counted(&metrics, "d7b_alerts_dropped_total 1"));
    lane.under_way(false);
    put(&outbox, 1);
    assert!(!lane.holds(&first));
    assert!(counted(&metrics, &format!("d7b_alerts_pending {CAPACITY}")));
}

#[test]
fn each_message_has_an_id_of_its_own() {
    let (outbox, lane, _) = lane();
    put(&outbox, 2);

    let first = lane.oldest().now_or_never().unwrap();
    lane.remove(&first);
    let second = lane.oldest().now_or_never().unwrap();

    for message in [&first, &second] {
        assert_eq!(message.id.len(), "msg_".len() + 32, "{}", message.id);
        assert_eq!(message.kind, "credential.accepted");
    }
    assert_ne!(first.id, second.id);
}
