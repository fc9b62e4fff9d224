//! Keys whose end comes while the service runs.

use std::time::Duration;

use d7_balance::clock::{Clock, SystemClock};

use super::{Key, Rig, file_of};

/// A key that ends so many seconds from now, in the past for less than zero.
fn ending(client: &str, seconds: i64) -> Key {
    let mut key = Key::of(client);
    let now = SystemClock::new().wall();
    let distance = Duration::from_secs(seconds.unsigned_abs());
    let end = if seconds < 0 {
        now - distance
    } else {
        now + distance
    };
    key.record.expires = Some(end);
    key
}

fn told(rig: &Rig) -> Vec<(String, String)> {
    let events = rig.service.process.events_named("key_expired");
    let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
    let told = events
        .iter()
        .map(|event| (text(&event["client"]), text(&event["key_id"])));
    told.collect()
}

fn of(key: &Key) -> (String, String) {
    (key.record.client.clone(), key.record.id.to_string())
}

#[test]
fn the_end_of_a_key_is_told_once_when_it_comes() {
    let long = ending("web", 3600);
    let rig = Rig::start(&file_of([&long]));
    let short = ending("billing", 2);
    rig.replace(file_of([&short, &long]));

    rig.wait_for("key_expired", 1);
    assert_eq!(rig.status(&short), 401);

    // Some more looks.
    let next = Key::of("next");
    rig.replace(file_of([&short, &long, &next]));
    rig.wait_for("keys_reloaded", 2);
    assert_eq!(rig.status(&long), 200);
    assert_eq!(told(&rig), [of(&short)]);
}

#[test]
fn a_key_that_had_ended_before_the_start_is_not_told_and_one_that_is_ended_is() {
    let (old, leaked, kept) = (ending("old", -3600), Key::of("billing"), Key::of("web"));
    let rig = Rig::start(&file_of([&old, &leaked, &kept]));
    assert_eq!(rig.status(&leaked), 200);

    let mut ended = ending("billing", -1);
    ended.record.id = leaked.record.id;
    ended.record.digest = leaked.record.digest;
    rig.replace(file_of([&old, &ended, &kept]));
    rig.wait_for("key_expired", 1);

    assert_eq!(rig.status(&leaked), 401);
    assert_eq!(told(&rig), [of(&ended)]);
}

#[test]
fn an_end_that_is_put_off_can_come_again() {
    let (short, kept) = (ending("billing", -1), Key::of("web"));
    let rig = Rig::start(&file_of([&kept]));
    rig.replace(file_of([&short, &kept]));
    rig.wait_for("key_expired", 1);

    let mut longer = ending("billing", 3600);
    longer.record.id = short.record.id;
    longer.record.digest = short.record.digest;
    rig.replace(file_of([&longer, &kept]));
    rig.wait_for("keys_reloaded", 2);
    rig.replace(file_of([&short, &kept]));
    rig.wait_for("key_expired", 2);

    assert_eq!(told(&rig), [of(&short), of(&short)]);
}
