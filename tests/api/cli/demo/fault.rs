//! `demo --fault`: each error, for those who try their code against it.

use std::{cell::RefCell, ops::RangeInclusive};

use d7_balance::http::problem::Code;
use serde_json::Value;

use super::Demo;
use crate::{
    cli::nothing,
    harness::{
        Connection, Request, Response,
        process::{run, variables},
        wait_until,
    },
};

/// Every fault, and the status of its error.
const FAULTS: [(&str, u16); 13] = [
    ("upstream_unauthorized", 502),
    ("upstream_forbidden", 502),
    ("upstream_payment_required", 502),
    ("upstream_unexpected_status", 502),
    ("upstream_rate_limited", 503),
    ("upstream_unavailable", 502),
    ("upstream_unreachable", 502),
    ("upstream_timeout", 504),
    ("upstream_invalid_response", 502),
    ("internal_error", 500),
    ("rate_limited", 429),
    ("overloaded", 503),
    ("shutting_down", 503),
];

/// The codes that callers can cause alone.
const CALLERS_OWN: [&str; 10] = [
    "bad_request",
    "unauthorized",
    "forbidden",
    "not_found",
    "method_not_allowed",
    "request_timeout",
    "content_too_large",
    "unsupported_media_type",
    "misdirected_request",
    "not_cached",
];

/// Starts a demo with a fault, and asks as it says until something is wrong. Before
/// D7's first answer there is no last known balance: an error that is to have one
/// comes after it.
fn see(name: &str, has_last_known: bool) -> (Demo, Response) {
    let demo = Demo::start_with(&["--fault", name], nothing());
    let found = RefCell::new(None);
    wait_until("the error appears", || {
        // Two requests at once: the fault may be that one waits.
        let mut other = Connection::open(demo.addr);
        other.write(&demo.request().bytes());
        let answers = [demo.request().send(), other.read("GET")];
        let is_error = |answer: &Response| {
            answer.status != 200 && (!has_last_known || answer.text().contains("last_known"))
        };
        *found.borrow_mut() = answers.into_iter().find(is_error);
        found.borrow().is_some()
    });
    (demo, found.take().unwrap())
}

/// Asserts what the error of a fault looks like, and that the demo has said so;
/// returns the demo and the body.
fn assert_seen(
    name: &str,
    retry_after: Option<RangeInclusive<u64>>,
    has_last_known: bool,
) -> (Demo, Response, Value) {
    let (_, status) = FAULTS
        .into_iter()
        .find(|(fault, _)| *fault == name)
        .unwrap();

    let (demo, answer) = see(name, has_last_known);

    let body = answer.problem();
    assert_eq!((&body["code"], answer.status), (&Value::from(name), status));
    let seconds = answer
        .header("retry-after")
        .map(|text| text.parse().unwrap());
    match (seconds, retry_after) {
        (None, None) => {}
        (Some(seconds), Some(range)) => assert!(range.contains(&seconds), "{seconds}"),
        (seconds, _) => panic!("Retry-After: {seconds:?}"),
    }
    assert_eq!(body.get("last_known").is_some(), has_last_known);
    let said = demo.process.stdout();
    assert!(said.contains(&format!("Fault {name}: ")), "{said}");
    assert!(
        said.contains(&format!("Callers get {status} {name} ")),
        "{said}"
    );
    (demo, answer, body)
}

/// The same for an error that D7 is to blame for, of the status that it has sent.
fn assert_of_d7(name: &str, retry_after: Option<RangeInclusive<u64>>, d7: Option<u16>) {
    let (_demo, _, body) = assert_seen(name, retry_after, true);

    let sent = body
        .get("upstream_status")
        .map(|status| status.as_u64().unwrap());
    assert_eq!(sent, d7.map(u64::from));
    assert_eq!(body["last_known"]["balance_text"], "99.9999999");
}

#[test]
fn upstream_unauthorized_is_a_token_that_d7_rejects() {
    assert_of_d7("upstream_unauthorized", None, Some(401));
}

#[test]
fn upstream_forbidden_is_a_403_of_d7() {
    assert_of_d7("upstream_forbidden", None, Some(403));
}

#[test]
fn upstream_payment_required_is_a_402_of_d7() {
    assert_of_d7("upstream_payment_required", None, Some(402));
}

#[test]
fn upstream_unexpected_status_is_a_404_of_d7() {
    assert_of_d7("upstream_unexpected_status", None, Some(404));
}

#[test]
fn upstream_rate_limited_is_a_429_of_d7_whose_pause_is_told() {
    assert_of_d7("upstream_rate_limited", Some(2..=30), Some(429));
}

#[test]
fn upstream_unavailable_is_a_500_of_d7() {
    assert_of_d7("upstream_unavailable", Some(1..=30), Some(500));
}

#[test]
fn upstream_unreachable_is_a_connection_that_d7_resets() {
    assert_of_d7("upstream_unreachable", Some(1..=30), None);
}

#[test]
fn upstream_timeout_is_a_d7_that_never_answers() {
    assert_of_d7("upstream_timeout", Some(1..=30), None);
}

#[test]
fn upstream_invalid_response_is_an_answer_of_d7_without_a_balance() {
    assert_of_d7("upstream_invalid_response", Some(1..=30), Some(200));
}

#[test]
fn internal_error_is_a_refresh_that_panics() {
    let (demo, ..) = assert_seen("internal_error", Some(1..=1), false);

    demo.process.wait_for_event("panic");
}

#[test]
fn rate_limited_is_the_second_request_of_a_minute() {
    let (_demo, answer, _) = assert_seen("rate_limited", Some(2..=60), false);

    assert_eq!(answer.expect("ratelimit-policy"), "\"client\";q=1;w=60");
}

#[test]
fn overloaded_is_the_request_beside_one_that_waits() {
    let (demo, ..) = assert_seen("overloaded", Some(1..=1), true);

    let line = demo.process.stdout();
    let line = line.lines().find(|line| line.contains("curl ")).unwrap();
    assert_eq!(line.matches("http://").count(), 2, "{line}");
}

#[test]
fn shutting_down_is_told_by_readyz_while_all_else_is_answered() {
    let (demo, answer, _) = assert_seen("shutting_down", Some(1..=1), false);

    assert_eq!(
        (&*demo.path, answer.expect("connection")),
        ("/readyz", "close")
    );
    let (name, value) = &demo.header;
    let balance = Request::new(demo.addr, "GET", "/balance").header(name, value);
    let balance = balance.send();
    assert_eq!(
        (balance.status, balance.expect("connection")),
        (200, "close")
    );
    demo.process.signal("INT");
    assert_eq!(demo.process.wait().code, Some(0), "the next signal ends it");
}

#[test]
fn a_fault_holds_whatever_the_environment_says_of_its_own_settings() {
    let limits = variables([("D7B_RATE_LIMIT", "100/s"), ("D7B_CACHE_TTL", "1h")]);
    let demo = Demo::start_with(&["--fault", "rate_limited"], limits);

    let answers = [(); 2].map(|()| demo.request().send());

    let [first, second] = answers;
    assert_eq!((first.status, second.status), (200, 429));
    let (_, ttl) = first.cache_status().split_once("ttl=").unwrap();
    assert!(
        ttl.parse::<i64>().unwrap() > 3000,
        "the rest is heeded: {ttl}"
    );
}

#[test]
fn an_error_that_callers_cause_alone_is_no_fault_but_the_demo_says_how() {
    for code in CALLERS_OWN {
        let ended = run(&["demo", "--fault", code], nothing());

        assert_eq!((ended.code, &*ended.stdout), (Some(64), ""), "{code}");
        let how = format!("{code} needs no fault: ");
        assert!(ended.stderr.contains(&how), "{}", ended.stderr);
    }
}

#[test]
fn an_unknown_fault_is_misuse_and_those_that_there_are_are_listed() {
    for name in ["", "upstream", "UPSTREAM_TIMEOUT", "starting"] {
        let ended = run(&["demo", "--fault", name], nothing());

        assert_eq!((ended.code, &*ended.stdout), (Some(64), ""), "{name:?}");
        for (fault, _) in FAULTS {
            let is_listed = ended.stderr.contains(&format!("\n  {fault}\n"));
            assert_eq!(is_listed, name != "starting", "{fault}: {}", ended.stderr);
        }
    }
}

#[test]
fn every_code_is_a_fault_or_the_callers_own_and_the_manual_has_them() {
    let manual = include_str!("../../../../README.md");
    let help = run(&["demo", "--help"], nothing()).stdout;

    for code in Code::ALL.map(Code::as_str) {
        let is_fault = FAULTS.iter().any(|(fault, _)| *fault == code);
        let is_known = is_fault || CALLERS_OWN.contains(&code) || code == "starting";
        assert!(is_known, "{code}");
    }
    for (fault, status) in FAULTS {
        assert!(
            manual.contains(&format!("\n| `{fault}` | {status} | ")),
            "{fault}"
        );
        let mut words = help.split(|c: char| !c.is_ascii_lowercase() && c != '_');
        assert!(words.any(|word| word == fault), "{fault} in {help}");
    }
}
