use std::{rc::Rc, time::SystemTime};

use futures_util::FutureExt;

use super::{CAPACITY, Outbox};
use crate::{
    alerts::alert::{Alert, Credential},
    balance::credential::Role,
    clock::MonoTime,
    metrics::{Format, Metrics, Moment},
};

fn outbox() -> (Outbox, Metrics) {
    let metrics = Metrics::new(None);
    (Outbox::new(metrics.for_alerts()), metrics)
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

fn counted(metrics: &Metrics, line: &str) -> bool {
    let text = metrics.render(&Moment::default(), Format::OpenMetrics);
    text.unwrap().contains(&format!("\n{line}\n"))
}

#[test]
fn messages_leave_in_the_order_in_which_they_came() {
    let (outbox, metrics) = outbox();
    assert!(outbox.oldest().now_or_never().is_none());
    put(&outbox, 3);
    assert!(counted(&metrics, "d7b_alerts_pending 3"));

    let mut ids = Vec::new();
    while let Some(message) = outbox.oldest().now_or_never() {
        ids.push(message.id.clone());
        outbox.remove(&message);
    }

    assert_eq!(ids.len(), 3);
    assert!(ids.is_sorted(), "a UUIDv7 rises: {ids:?}");
    assert!(counted(&metrics, "d7b_alerts_pending 0"));
    assert!(counted(&metrics, "d7b_alerts_dropped_total 0"));
}

#[test]
fn where_there_is_no_room_the_oldest_goes_and_is_counted() {
    let (outbox, metrics) = outbox();
    put(&outbox, CAPACITY);
    let first = outbox.oldest().now_or_never().unwrap();
    assert!(counted(&metrics, "d7b_alerts_dropped_total 0"));

    put(&outbox, 1);

    assert!(!outbox.holds(&first));
    let second = outbox.oldest().now_or_never().unwrap();
    assert!(!Rc::ptr_eq(&first, &second));
    assert!(counted(&metrics, &format!("d7b_alerts_pending {CAPACITY}")));
    assert!(counted(&metrics, "d7b_alerts_dropped_total 1"));
    // It may have been under way.
    outbox.remove(&first);
    assert!(counted(&metrics, &format!("d7b_alerts_pending {CAPACITY}")));
}

#[test]
fn each_message_has_an_id_of_its_own() {
    let (outbox, _) = outbox();
    put(&outbox, 2);

    let first = outbox.oldest().now_or_never().unwrap();
    outbox.remove(&first);
    let second = outbox.oldest().now_or_never().unwrap();

    for message in [&first, &second] {
        assert_eq!(message.id.len(), "msg_".len() + 32, "{}", message.id);
        assert_eq!(message.kind, "credential.accepted");
    }
    assert_ne!(first.id, second.id);
}
