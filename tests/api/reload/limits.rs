//! What a client has, it keeps over a reload.

use super::{Key, Rig, file_of, metric};

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

    let series = "d7b_caller_requests_total{client=\"billing\"}";
    assert_eq!(metric(&rig.service, series), 3.0);
    let gone = rig.service.admin("/metrics").text();
    assert!(!gone.contains("client=\"web\""), "{gone}");
}
