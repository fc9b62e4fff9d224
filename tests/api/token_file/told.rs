//! What the program says of tokens that change and end, and what it does not.

use std::{fs, os::unix::fs::symlink, path::Path, time::SystemTime};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use d7_balance::{
    clock::{Clock, SystemClock},
    simulator::answer,
};
use tempfile::TempDir;

use crate::harness::{process::Service, wait_until};

/// Tokens that look like codes of D7's, so that they could pass for ones.
const OLD: &str = "MARKER_OLD_TOKEN";
const NEW: &str = "MARKER_NEW_TOKEN";
const BAD: &str = "MARKER_BAD_TOKEN";

/// The program, with its token in a file that is looked at often.
fn start(token: &str) -> (TempDir, Service) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    fs::write(&path, token).unwrap();
    let service = Service::start(&[
        ("D7B_TOKEN", ""),
        ("D7B_TOKEN_FILE", path.to_str().unwrap()),
        ("D7B_RELOAD_INTERVAL", "100ms"),
        ("D7B_LOG", "debug"),
    ]);
    (directory, service)
}

fn write(directory: &TempDir, token: &str) {
    fs::write(directory.path().join("token"), token).unwrap();
}

/// A JWT that ends in so many hours.
fn ending_in(hours: i64) -> String {
    let now = SystemClock::new().wall();
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    // Half an hour more, so that it does not matter how long a test takes.
    let end = i64::try_from(now.as_secs()).unwrap() + hours * 3600 + 1800;
    let encode = |text: String| BASE64_URL_SAFE_NO_PAD.encode(text);
    let header = encode(r#"{"alg":"HS256","typ":"JWT"}"#.to_owned());
    let claims = encode(format!(r#"{{"exp":{end}}}"#));
    format!("{header}.{claims}.c2lnbmF0dXJl")
}

#[test]
fn a_token_that_was_tried_is_told_once_with_its_outcome_and_never_by_its_text() {
    let (directory, service) = start(OLD);
    service.d7.reject(BAD);

    write(&directory, BAD);
    let rejected = service.process.wait_for_event("token_rejected");
    write(&directory, NEW);
    let adopted = service.process.wait_for_event("token_adopted");
    write(&directory, "");
    let unusable = service.process.wait_for_event("token_unusable");
    service.process.signal("HUP");
    service.process.wait_for_event("hangup");
    assert_eq!(service.balance_request().send().status, 200);
    let ended = service.stop();

    assert_eq!(
        (&rejected["level"], &rejected["file"]),
        (&"ERROR".into(), &"token".into())
    );
    assert_eq!(rejected["error.kind"], "upstream_unauthorized");
    assert_eq!(adopted["level"], "INFO");
    assert_eq!(
        (&unusable["level"], &unusable["cause"]),
        (&"WARN".into(), &"is empty".into())
    );
    let times = |event: &str| {
        ended
            .stderr
            .matches(&format!("\"event\":\"{event}\""))
            .count()
    };
    assert_eq!((times("token_rejected"), times("token_adopted")), (1, 1));
    for token in [OLD, BAD, NEW] {
        assert!(!ended.said().contains(token), "{}", ended.said());
    }
}

#[test]
fn a_former_token_that_d7_echoes_is_not_seen_either() {
    // One is the beginning of the other: nothing of the longer one may stay.
    let longer = format!("{NEW}_WITH_A_TAIL");
    let (directory, service) = start(&longer);
    assert_eq!(service.balance_request().send().status, 200);
    write(&directory, NEW);
    service.process.wait_for_event("token_adopted");
    let echo =
        format!(r#"{{"detail": {{"code": "{longer}", "message": "not {longer}, not {NEW}"}}}}"#);
    service.d7.always(answer(404, &echo));
    write(&directory, BAD);

    let told = service.process.wait_for_event("token_unproven");
    let metrics = service.admin("/metrics").text();
    let said = service.stop().said();

    assert_eq!(told["cause"], "not [redacted], not [redacted]");
    for token in [NEW, "WITH_A_TAIL", BAD] {
        assert!(!said.contains(token), "{said}");
        assert!(!metrics.contains(token), "{metrics}");
    }
}

#[test]
fn a_link_that_is_swapped_as_kubernetes_does_is_followed() {
    let directory = tempfile::tempdir().unwrap();
    let mount = directory.path();
    let publish = |version: &str, token: &str| {
        fs::create_dir(mount.join(version)).unwrap();
        fs::write(mount.join(version).join("token"), token).unwrap();
        symlink(version, mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    publish("..1", OLD);
    symlink(Path::new("..data/token"), mount.join("token")).unwrap();
    let path = mount.join("token");
    let service = Service::start(&[
        ("D7B_TOKEN", ""),
        ("D7B_TOKEN_FILE", path.to_str().unwrap()),
        ("D7B_RELOAD_INTERVAL", "100ms"),
    ]);

    publish("..2", NEW);
    fs::remove_dir_all(mount.join("..1")).unwrap();
    service.process.wait_for_event("token_adopted");

    assert!(service.d7.heads()[0].contains(&format!("Bearer {NEW}\r\n")));
    assert!(service.process.events_named("token_unusable").is_empty());
}

#[test]
fn a_token_that_says_when_it_ends_is_told_of_in_time() {
    for (hours, level, days) in [
        (24 * 15, None, 0),
        (24 * 13, Some("WARN"), 13),
        (24 * 6, Some("WARN"), 6),
        (23, Some("WARN"), 0),
    ] {
        let (_directory, service) = start(&ending_in(hours));

        assert_eq!(service.balance_request().send().status, 200);
        service.wait_for_requests(1);
        let told = service.process.events_named("token_expiring");

        assert_eq!(
            told.len(),
            usize::from(level.is_some()),
            "{hours} h: {told:?}"
        );
        if let (Some(event), Some(level)) = (told.first(), level) {
            assert_eq!(event["level"], level);
            assert_eq!(event["days"], days, "{event}");
        }
    }
}

#[test]
fn the_end_of_the_token_that_stands_by_is_told_of_too() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("secondary");
    fs::write(&path, ending_in(12)).unwrap();

    let service = Service::start(&[("D7B_TOKEN_SECONDARY_FILE", path.to_str().unwrap())]);

    let told = service.process.wait_for_event("token_expiring");
    assert_eq!(
        (&told["file"], &told["hours"]),
        (&"token_secondary".into(), &12.into())
    );
}

#[test]
fn what_looks_wrong_with_a_changed_token_is_told_when_it_is_tried() {
    let (directory, service) = start(OLD);

    write(&directory, "Bearer MARKER_PASTED");
    let told = service.process.wait_for_event("token_offered");

    let doubt = told["doubt"].as_str().unwrap();
    assert!(doubt.contains("white space"), "{doubt}");
    assert!(!service.stop().said().contains("MARKER_PASTED"));
}

#[test]
fn a_token_that_says_that_it_has_ended_is_told_of_and_tried_all_the_same() {
    let (_directory, service) = start(&ending_in(-2));

    let told = service.process.wait_for_event("token_expired");

    assert_eq!(told["level"], "ERROR");
    assert_eq!(service.balance_request().send().status, 200);
}

#[test]
fn a_token_that_is_changed_starts_its_own_count_of_days() {
    let (directory, service) = start(&ending_in(24 * 6));
    service.process.wait_for_event("token_expiring");

    write(&directory, &ending_in(24 * 5));

    wait_until("the new one is told of too", || {
        service.process.events_named("token_expiring").len() == 2
    });
    let told = &service.process.events_named("token_expiring")[1];
    assert_eq!(told["days"], 5);
}

#[test]
fn no_end_is_made_up_for_a_token_that_has_none() {
    let (_directory, service) = start("eyJhbGciOiJIUzI1NiJ9.bm90LWpzb24.c2ln");

    assert_eq!(service.balance_request().send().status, 200);
    service.wait_for_requests(1);

    let said = service.process.stderr();
    assert!(!said.contains("token_expir"), "{said}");
    assert_eq!(service.stop().code, Some(0));
}

#[test]
fn a_signal_over_unchanged_files_asks_nothing_of_d7() {
    let (_directory, service) = start(OLD);
    let before = service.process.events().len();

    service.process.signal("HUP");
    service.process.wait_for_event("hangup");
    assert_eq!(service.balance_request().send().status, 200);
    service.wait_for_requests(1);

    let events = service.process.events();
    let is_other = |event: &&serde_json::Value| {
        !["hangup", "request"].contains(&event["event"].as_str().unwrap())
    };
    assert_eq!(
        events[before..].iter().filter(is_other).count(),
        0,
        "{events:?}"
    );
    assert_eq!(service.d7.count(), 1);
}

#[test]
fn a_failover_says_why_the_other_token_had_to_give_way() {
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name).to_str().unwrap().to_owned();
    fs::write(path("token"), OLD).unwrap();
    fs::write(path("secondary"), "spare-token").unwrap();
    let service = Service::start(&[
        ("D7B_TOKEN", ""),
        ("D7B_TOKEN_FILE", &path("token")),
        ("D7B_TOKEN_SECONDARY_FILE", &path("secondary")),
    ]);
    service.d7.reject(OLD);

    assert_eq!(service.balance_request().send().status, 200);

    let told = service.process.wait_for_event("token_failed_over");
    assert_eq!(told["file"], "token_secondary");
    assert_eq!(told["error.kind"], "upstream_unauthorized");
    assert_eq!(told["status"], 401);
    assert_eq!(told["code"], "ACCESS_TOKEN_SIGNATURE_VERIFICATION_FAILED");
}
