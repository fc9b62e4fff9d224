//! The same as a process: signals, exit codes, and what the log says.

use std::{net::TcpListener, thread};

use d7_balance::simulator::{BALANCE, Step, answer};

use super::is_closed;
use crate::harness::{
    Connection, gated,
    process::{Process, Service, run, variables},
    wait_until,
};

/// The events of a log, by name.
fn events(stderr: &str) -> Vec<String> {
    stderr
        .lines()
        .map(|line| serde_json::from_str::<serde_json::Value>(line).unwrap())
        .filter_map(|event| event["event"].as_str().map(str::to_owned))
        .filter(|event| event != "configuration" && event != "request")
        .collect()
}

#[test]
fn sigterm_and_sigint_end_the_program_well() {
    for signal in ["TERM", "INT"] {
        let service = Service::start(&[]);
        assert_eq!(service.balance_request().send().status, 200);

        service.process.signal(signal);

        let ended = service.process.wait();
        assert_eq!(ended.code, Some(0), "{signal}: {ended:?}");
        assert_eq!(ended.stdout, "");
        assert_eq!(
            events(&ended.stderr),
            [
                "session_secret_random",
                "started",
                "shutting_down",
                "stopped"
            ]
        );
    }
}

#[test]
fn what_is_under_way_is_answered_after_the_signal() {
    for signal in ["TERM", "INT"] {
        let service = Service::start(&[]);
        let (gate, script) = gated(answer(200, BALANCE));
        service.d7.always(script);
        let waiting = service.balance_behind();
        service.wait_for_d7(1);

        service.process.signal(signal);
        wait_until("the public listener ends", || is_closed(service.addr));
        gate.open();

        let response = waiting.join().unwrap();
        assert_eq!(response.status, 200);
        assert_eq!(response.header("connection"), Some("close"));
        let ended = service.process.wait();
        assert_eq!(ended.code, Some(0), "{signal}: {ended:?}");
    }
}

#[test]
fn during_the_delay_the_program_serves() {
    let service = Service::start(&[("D7B_SHUTDOWN_DELAY", "10m")]);
    service.process.signal("TERM");
    service.process.wait_for_event("shutting_down");

    let response = service.balance_request().send();
    let ready = service.admin("/readyz");

    assert_eq!(response.status, 200);
    assert_eq!(response.header("connection"), Some("close"));
    assert_eq!(ready.code(), "shutting_down");
    service.process.signal("TERM");
    assert_eq!(service.process.wait().code, Some(0));
}

/// A request that D7 never answers; the connection has to be kept.
fn hang(service: &Service) -> Connection {
    service.d7.always(vec![Step::Hang]);
    let mut connection = Connection::open(service.addr);
    connection.write(&service.balance_request().bytes());
    service.wait_for_d7(1);
    connection
}

#[test]
fn a_second_signal_ends_the_program_at_once() {
    for (first, second) in [("TERM", "INT"), ("INT", "TERM")] {
        let service = Service::start(&[
            ("D7B_SHUTDOWN_GRACE", "10m"),
            ("D7B_UPSTREAM_TIMEOUT", "5m"),
        ]);
        let _hanging = hang(&service);

        service.process.signal(first);
        wait_until("the public listener ends", || is_closed(service.addr));
        assert!(service.process.runs());
        service.process.signal(second);

        let ended = service.process.wait();
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(
            ended.stderr.contains("a second signal has come"),
            "{ended:?}"
        );
    }
}

#[test]
fn the_grace_ends_even_if_d7_never_answers() {
    for grace in ["1s", "1ms", "0s"] {
        let service = Service::start(&[
            ("D7B_SHUTDOWN_GRACE", grace),
            ("D7B_UPSTREAM_TIMEOUT", "5m"),
        ]);
        let _hanging = hang(&service);
        // Half a request on each listener hangs just as well; actix bounds the
        // time for the first head of a connection, but not for the second.
        let _half = [service.addr, service.admin_addr].map(|addr| {
            let mut half = Connection::open(addr);
            half.write(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n");
            assert_eq!(half.read("GET").status, 200);
            half.write(b"GET /livez HTTP/1.1\r\nhost: ");
            half
        });

        service.process.signal("TERM");

        let ended = service.process.wait();
        assert_eq!(ended.code, Some(0), "{grace}: {ended:?}");
    }
}

#[test]
fn a_hangup_is_told_and_ends_nothing() {
    let service = Service::start(&[]);

    service.process.signal("HUP");

    let event = service.process.wait_for_event("hangup");
    assert_eq!(event["level"], "INFO");
    assert_eq!(service.balance_request().send().status, 200);
    service.process.signal("HUP");
    assert_eq!(service.stop().code, Some(0));
}

#[test]
fn a_taken_port_is_told_by_the_setting_that_names_it() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().map(|addr| (taken, addr.to_string()));
    let (_taken, addr) = taken.unwrap();

    for (name, other) in [
        ("D7B_SERVER_ADDR", "D7B_ADMIN_ADDR"),
        ("D7B_ADMIN_ADDR", "D7B_SERVER_ADDR"),
    ] {
        let keys = format!("billing:aaaaaaaa:{}", "0".repeat(64));
        let ended = run(
            &["serve"],
            variables([
                ("D7B_TOKEN", "the-token"),
                ("D7B_KEYS", &*keys),
                (name, &*addr),
                (other, "127.0.0.1:0"),
            ]),
        );

        assert_eq!(ended.code, Some(1), "{ended:?}");
        let told = format!("d7-balance: {name}: cannot listen on {addr}: another process");
        assert!(ended.stderr.contains(&told), "{}", ended.stderr);
    }
}

#[test]
fn signals_at_any_moment_of_the_start_end_the_program() {
    let starts: Vec<_> = (0..8)
        .map(|_| {
            thread::spawn(|| {
                let keys = format!("billing:aaaaaaaa:{}", "0".repeat(64));
                let process = Process::start(
                    &["serve"],
                    variables([
                        ("D7B_TOKEN", "the-token"),
                        ("D7B_KEYS", &*keys),
                        ("D7B_SERVER_ADDR", "127.0.0.1:0"),
                        ("D7B_ADMIN_ADDR", "127.0.0.1:0"),
                    ]),
                );
                process.signal("TERM");
                process.wait()
            })
        })
        .collect();

    for start in starts {
        let ended = start.join().unwrap();

        // None: before it was caught, which ends a program just as well.
        assert!(matches!(ended.code, Some(0) | None), "{ended:?}");
    }
}
