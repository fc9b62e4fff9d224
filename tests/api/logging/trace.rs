//! Traces of callers: found again in the log, and not passed on.

use serde_json::{Value, json};

use crate::harness::process::Service;

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PARENT: &str = "00f067aa0ba902b7";

#[test]
fn a_callers_trace_stands_in_the_events_of_its_requests_and_goes_no_further() {
    let service = Service::start(&[]);
    let traceparent = format!("00-{TRACE}-{PARENT}-01");
    let traced = |path: &str| {
        service
            .request("GET", path)
            .header("traceparent", &traceparent)
            .header("tracestate", "vendor=leak")
    };

    assert_eq!(traced("/balance").bearer(&service.key).send().status, 200);
    assert_eq!(traced("/balance").send().status, 401);
    assert_eq!(traced("/nowhere").send().status, 404);
    assert_eq!(service.balance_request().send().status, 200);

    let events = service.wait_for_requests(4);
    for event in &events[..3] {
        assert_eq!(event["trace_id"], TRACE, "{event}");
        assert_eq!(event["parent_id"], PARENT, "{event}");
    }
    assert_eq!(events[3].get("trace_id"), None);
    assert_eq!(events[3].get("parent_id"), None);
    let head = service.d7.heads().remove(0).to_lowercase();
    for leak in ["traceparent", "tracestate", TRACE] {
        assert!(!head.contains(leak), "{head}");
    }
}

#[test]
fn what_is_no_traceparent_leaves_no_trace_in_the_log() {
    let service = Service::start(&[]);
    for odd in [
        format!("00-{TRACE}-{PARENT}-01-leak"),
        format!("00-leak{}-{PARENT}-01", &TRACE[4..]),
        "leak".to_owned(),
    ] {
        let request = service.balance_request().header("traceparent", &odd);
        assert_eq!(request.send().status, 200);
    }

    for event in service.wait_for_requests(3) {
        assert_eq!(json!(event.get("trace_id")), Value::Null);
    }
    assert!(!service.stop().stderr.contains("leak"));
}
