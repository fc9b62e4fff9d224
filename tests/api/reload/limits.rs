//! What a client has, it keeps over a reload.

use d7_balance::callers::limit::RateLimit;

use super::{Key, Rig, file_of, metric};

/// A key of a client that may ask twice in an hour.
fn limited(client: &str) -> Key {
    let mut key = Key::of(client);
    key.record.rate_limit = RateLimit::parse("2/h");
    key
}

#[test]
fn a_client_that_has_used_up_its_limit_gets_no_new_one_by_a_reload() {
    let (key, second) = (limited("billing"), limited("billing"));
    let rig = Rig::start(&file_of([&key]));
    assert_eq!([rig.status(&key), rig.status(&key)], [200, 200]);

    rig.replace(file_of([&second, &Key::of("web")]));
    rig.wait_for("keys_reloaded", 1);

    assert_eq!(rig.status(&second), 429);
}

#[test]
fn a_client_whose_limit_is_changed_has_the_new_one() {
    let key = limited("billing");
    let rig = Rig::start(&file_of([&key]));
    assert_eq!([rig.status(&key), rig.status(&key)], [200, 200]);
    assert_eq!(rig.status(&key), 429);
    let mut unlimited = Key::of("billing");
    (unlimited.text, unlimited.record.id, unlimited.record.digest) =
        (key.text.clone(), key.record.id, key.record.digest);

    rig.replace(file_of([&unlimited]));
    rig.wait_for("keys_reloaded", 1);

    assert_eq!(rig.status(&key), 200);
}

#[test]
fn the_count_of_a_clients_requests_goes_on_over_a_reload() {
    let (old, new, other) = (Key::of("billing"), Key::of("billing"), Key::of("web"));
    let rig = Rig::start(&file_of([&old, &other]));
    for key in [&old, &old, &other] {
        assert_eq!(rig.status(key), 200);
    }

    rig.replace(file_of([&new]));
    rig.wait_for("keys_reloaded", 1);
    assert_eq!(rig.status(&new), 200);

    let series = "d7b_requests_total{client=\"billing\",status_class=\"2xx\"}";
    assert_eq!(metric(&rig.service, series), 3.0);
    let gone = rig.service.admin("/metrics").text();
    assert!(!gone.contains("client=\"web\""), "{gone}");
}
