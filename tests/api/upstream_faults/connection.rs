//! Connections that are not made, break, or stall.

use std::{sync::Arc, time::Duration};

use tokio::net::TcpSocket;

use super::{Asks, Fault, outcomes};
use crate::harness::TestApp;
use d7_balance::{
    clock::SystemClock,
    simulator::{BALANCE, Script, Simulator, Step, bytes},
};

/// A head that promises a balance, and the beginning of one.
const BEGUN: &str = "HTTP/1.1 200 OK\r\ncontent-length: 23\r\n\r\n{\"bal";

fn then(begun: &str, step: Step) -> Script {
    vec![Step::Send(begun.into()), step]
}

#[test]
fn a_reset_before_the_head_is_unreachable_and_asked_for_once_more() {
    Fault::unreachable(vec![Step::Reset]).check("reset");
}

#[test]
fn a_reset_within_the_body_is_unreachable_and_not_asked_for_again() {
    let fault = Fault::unreachable(then(BEGUN, Step::Reset)).asks(Asks::Once);

    fault.upstream(200).check("reset");
}

#[test]
fn a_connection_closed_before_a_head_is_unreachable_and_asked_for_once_more() {
    Fault::unreachable(Script::new()).check("closed");
}

#[test]
fn a_head_cut_in_the_middle_is_unreachable() {
    for head in ["H", "HTTP/1.1 200 OK", "HTTP/1.1 200 OK\r\ncontent-le"] {
        Fault::unreachable(bytes(head)).check(head);
    }
}

#[test]
fn a_connection_that_is_lost_once_is_made_again_without_a_word() {
    for lost in [vec![Step::Reset], Script::new(), bytes("HTTP/1.1 200")] {
        let app = TestApp::start();
        app.d7.next(lost);

        let response = app.balance();

        assert_eq!(response.status, 200);
        assert_eq!(app.d7.count(), 2);
        assert_eq!(outcomes(&app, "upstream_requests", "ok"), 1.0);
        let lost = outcomes(&app, "upstream_requests", "upstream_unreachable");
        assert_eq!(lost, 1.0);
        assert_eq!(outcomes(&app, "refreshes", "ok"), 1.0);
    }
}

#[test]
fn a_port_that_nobody_listens_on_is_unreachable() {
    // Bound, so that nobody else can have it, but not listening.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let base_url = format!("http://{}", socket.local_addr().unwrap());
    let app = TestApp::builder().set("D7B_BASE_URL", &base_url).start();

    let response = app.balance();

    let refused = Fault::unreachable(Script::new());
    refused.assert_told(&response, "refused");
    assert_eq!(refused.counted(&app, "upstream_requests"), 2.0);
}

#[test]
fn a_host_without_an_address_is_unreachable() {
    // A label has 63 bytes at the most: no resolver asks anybody for this.
    let base_url = format!("https://{}.invalid", "a".repeat(64));
    let app = TestApp::builder().set("D7B_BASE_URL", &base_url).start();

    let response = app.balance();

    Fault::unreachable(Script::new()).assert_told(&response, "no address");
}

fn in_a_hurry(d7: Simulator) -> TestApp {
    TestApp::builder()
        .set("D7B_UPSTREAM_TIMEOUT", "2s")
        .start_with(d7)
}

#[test]
fn an_answer_that_is_slow_to_begin_times_out() {
    let fault = Fault::new(vec![Step::Hang], 504, "upstream_timeout");
    let app = in_a_hurry(Simulator::start().unwrap());

    // The clock stands still: for the flight there is time left for another.
    fault.asks(Asks::Retried).check_on(&app, "no head");
}

#[test]
fn a_body_that_stalls_times_out_with_the_status_that_came() {
    let fault = Fault::new(then(BEGUN, Step::Hang), 504, "upstream_timeout");
    let app = in_a_hurry(Simulator::start().unwrap());

    fault.upstream(200).check_on(&app, "no body");
}

#[test]
fn a_body_that_drips_times_out_although_each_byte_comes_soon() {
    let mut script = bytes(format!(
        "HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n",
        BALANCE.len()
    ));
    for byte in BALANCE.bytes() {
        script.push(Step::Pause(Duration::from_millis(200)));
        script.push(Step::Send(vec![byte]));
    }
    let fault = Fault::new(script, 504, "upstream_timeout");
    let app = in_a_hurry(Simulator::start().unwrap());

    fault.upstream(200).check_on(&app, "dripping");
}

#[test]
fn a_timeout_leaves_no_time_for_a_second_request() {
    let app = TestApp::builder()
        .clock(Arc::new(SystemClock::new()))
        .set("D7B_UPSTREAM_TIMEOUT", "2s")
        .start();
    app.d7.always(vec![Step::Hang]);

    let response = app.balance();

    assert_eq!(response.code(), "upstream_timeout");
    app.wait_for_d7(1);
    assert_eq!(app.d7.count(), 1);
}

#[test]
fn a_second_request_that_stalls_times_out_too() {
    let app = TestApp::builder()
        .clock(Arc::new(SystemClock::new()))
        .set("D7B_UPSTREAM_TIMEOUT", "3s")
        .start();
    app.d7.next(vec![Step::Reset]);
    app.d7.always(vec![Step::Hang]);

    let response = app.balance();

    assert_eq!(response.code(), "upstream_timeout");
    app.wait_for_d7(2);
    assert_eq!(app.d7.count(), 2);
}
