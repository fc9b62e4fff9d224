//! The command line, as a process: what is printed where, and exit codes.

mod demo;
mod keys;

use std::net::TcpListener;

use crate::harness::process::{Process, Service, Variables, run, variables};

fn nothing() -> Variables {
    Variables::new()
}

#[test]
fn help_and_version_are_had_everywhere() {
    for command in [
        &[][..],
        &["serve"],
        &["demo"],
        &["key"],
        &["key", "new"],
        &["key", "list"],
        &["key", "rotate"],
        &["key", "revoke"],
        &["key", "verify"],
        &["healthcheck"],
        &["check-config"],
    ] {
        for flag in ["--help", "-h", "--version", "-V"] {
            let arguments = [command, &[flag]].concat();

            let ended = run(&arguments, nothing());

            assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{arguments:?}");
            let told = match flag {
                "--help" | "-h" => "Usage: d7-balance",
                _ => env!("CARGO_PKG_VERSION"),
            };
            assert!(ended.stdout.contains(told), "{arguments:?}: {ended:?}");
        }
    }
}

#[test]
fn help_names_every_command() {
    let help = run(&["--help"], nothing()).stdout;

    for command in ["serve", "demo", "key", "healthcheck", "check-config"] {
        let line = format!("\n  {command} ");
        assert!(help.contains(&line), "{command} in {help}");
    }
}

#[test]
fn what_is_no_command_or_flag_is_misuse() {
    for arguments in [
        &["start"][..],
        &["--port", "80"],
        &["serve", "now"],
        &["key"],
        &["key", "old"],
        &["key", "new"],
        &["key", "new", "--client"],
        &["key", "new", "--client", "a", "--expires", "soon"],
        &["key", "new", "--client", "a", "--expires", "999ms"],
        &["key", "list", "all"],
        &["key", "rotate", "--file", "keys.toml"],
        &["key", "rotate", "--id", "k3j9x2a"],
        &["key", "rotate", "--id", "k3j9x2ab", "--grace", "soon"],
        &["key", "rotate", "--id", "k3j9x2ab", "--expires", "0s"],
        &["key", "revoke", "--file", "keys.toml"],
        &["key", "revoke", "--id", "K3J9X2AB"],
        &["key", "verify", "k3j9x2ab"],
        &["healthcheck", "127.0.0.1:8081"],
    ] {
        let ended = run(arguments, nothing());

        assert_eq!(ended.code, Some(64), "{arguments:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{arguments:?}");
        assert!(ended.stderr.contains("--help"), "{arguments:?}: {ended:?}");
    }
}

/// `healthcheck`, with the admin listener's address and nothing more.
fn healthcheck(admin_addr: &str) -> crate::harness::process::Ended {
    run(
        &["healthcheck"],
        variables([("D7B_ADMIN_ADDR", admin_addr)]),
    )
}

#[test]
fn a_running_service_is_healthy_and_its_admin_address_is_all_that_is_needed() {
    let service = Service::start(&[("D7B_ADMIN_ADDR", "0.0.0.0:0")]);
    let port = service.admin_addr.port();

    for addr in [format!("127.0.0.1:{port}"), format!("0.0.0.0:{port}")] {
        let ended = healthcheck(&addr);

        assert_eq!(ended.code, Some(0), "{addr}: {ended:?}");
        assert_eq!((&*ended.stdout, &*ended.stderr), ("", ""));
    }
    // What else is set may be as wrong as it likes.
    let ended = run(
        &["healthcheck"],
        variables([
            ("D7B_ADMIN_ADDR", &*format!("127.0.0.1:{port}")),
            ("D7B_CACHE_TTL", "rubbish"),
            ("D7B_TYPO", "rubbish"),
        ]),
    );
    assert_eq!(ended.code, Some(0), "{ended:?}");
}

#[test]
fn a_service_that_shuts_down_is_not_healthy() {
    let service = Service::start(&[("D7B_SHUTDOWN_DELAY", "10m")]);
    service.process.signal("TERM");
    service.process.wait_for_event("shutting_down");

    let ended = healthcheck(&service.admin_addr.to_string());

    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("not ready"), "{ended:?}");
}

#[test]
fn nobody_and_somebody_else_are_not_healthy() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let addr = listener.local_addr().unwrap().to_string();

    let mute = Process::start(&["healthcheck"], variables([("D7B_ADMIN_ADDR", &addr)]));
    // Taken and dropped: a connection that ends without a word.
    drop(listener.accept().unwrap());
    let mute = mute.wait();
    drop(listener);
    let nobody = healthcheck(&addr);

    assert_eq!(mute.code, Some(1), "{mute:?}");
    assert_eq!(nobody.code, Some(1), "{nobody:?}");
    let told = format!("the admin listener at {addr} does not answer");
    assert!(nobody.stderr.contains(&told), "{nobody:?}");
}

#[test]
fn a_health_check_of_no_address_is_misuse() {
    let ended = healthcheck("localhost");

    assert_eq!(ended.code, Some(64), "{ended:?}");
    assert!(ended.stderr.contains("D7B_ADMIN_ADDR must be"), "{ended:?}");
}
