//! A flood costs no memory: the program's own, as the system counts it.
//!
//! Of a process and not of a [`TestApp`](crate::harness::TestApp): that one's
//! memory is the memory of every test that runs beside it.

use crate::harness::process::Service;
use d7_balance::simulator::{BALANCE, Script, Step, answer, bytes};

/// What a refresh may add to the program's peak: its own code, touched for the
/// first time, the buffers of one connection, and 64 KiB of a body. That is some
/// 200 KiB; the smallest of the bodies has 5 MiB.
const GROWTH: u64 = 2 << 20;

const CHUNKED: &str = "transfer-encoding: chunked\r\n";

/// A D7 that does not stop: a head, then the same bytes for ever.
fn flood(status: u16, headers: &str, begun: &str, flood: impl Into<Vec<u8>>) -> Script {
    let mut script = bytes(format!(
        "HTTP/1.1 {status} Scripted\r\n{headers}\r\n{begun}"
    ));
    script.push(Step::Flood(flood.into()));
    script
}

/// 64 KiB of white space, which JSON may begin with.
fn filler() -> String {
    " ".repeat(0x10000)
}

/// A chunk of [`filler`].
fn chunk() -> String {
    format!("10000\r\n{}\r\n", filler())
}

/// A service that has done once what every refresh does.
fn warmed_up() -> Service {
    let service = Service::start(&[
        ("D7B_CACHE_MIN_REFRESH", "0s"),
        // Bounds what is read where nothing else does.
        ("D7B_UPSTREAM_TIMEOUT", "5s"),
    ]);
    assert_eq!(service.balance_request().send().status, 200);
    service
}

/// Has the service ask D7 so many times, one after the other, and looks at how
/// the peak of its memory has grown over that. Every answer says `told`.
fn assert_flat(name: &str, script: Script, times: usize, told: &str) {
    let service = warmed_up();
    service.d7.always(script);
    let before = service.process.peak_memory();

    for _ in 0..times {
        let request = service.balance_request();
        let response = request.header("cache-control", "no-cache").send();

        let growth = service.process.peak_memory() - before;
        assert!(growth < GROWTH, "{name}: {growth} bytes");
        let status = response.cache_status();
        assert!(status.contains(told), "{name}: {status}");
    }
    assert!(service.d7.count() > times, "{name}: D7 was asked");
}

#[test]
fn a_body_that_is_too_large_is_not_kept_in_memory() {
    let chunked = |status| flood(status, CHUNKED, "", chunk());
    let promised = "content-length: 1099511627776\r\n";
    let five_mib = answer(200, &filler().repeat(80));
    for (name, script, told) in [
        // First, so that a limit that is gone shows before a flood drowns us.
        ("5 MiB", five_mib, "upstream_invalid_response"),
        ("chunks", chunked(200), "upstream_invalid_response"),
        ("401", chunked(401), "upstream_unauthorized"),
        ("500", chunked(500), "upstream_unavailable"),
        (
            "one chunk",
            flood(200, CHUNKED, "fffffffffff\r\n", filler()),
            "upstream_invalid_response",
        ),
        (
            "1 TiB promised",
            flood(200, promised, "", filler()),
            "upstream_invalid_response",
        ),
    ] {
        // One time: after a failure D7 is left alone for a while.
        assert_flat(name, script, 1, told);
    }
}

#[test]
fn what_comes_after_a_whole_answer_is_not_kept_in_memory() {
    let length = format!("content-length: {}\r\n", BALANCE.len());
    let whole = format!("{:x}\r\n{BALANCE}\r\n0\r\n\r\n", BALANCE.len());
    for (name, script) in [
        ("length", flood(200, &length, BALANCE, filler())),
        ("chunked", flood(200, CHUNKED, &whole, filler())),
    ] {
        assert_flat(name, script, 20, "fwd-status=200; stored");
    }
}

#[test]
fn a_head_that_does_not_end_is_not_kept_in_memory() {
    let header = "x-filler: 0123456789\r\n";
    let script = vec![
        Step::Send("HTTP/1.1 200 OK\r\n".into()),
        Step::Flood(header.repeat(0x1000).into()),
    ];

    assert_flat("head", script, 1, "upstream_invalid_response");
}
