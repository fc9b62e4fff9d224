//! The program and its settings: what it says, where, and how it ends.

use std::{ffi::OsString, os::unix::ffi::OsStringExt};

use super::{MARKER, with};
use crate::harness::process::{Process, Service, run, variables};

#[test]
fn three_wrong_settings_are_told_at_once_by_name_and_without_their_values() {
    for command in [&["serve"][..], &[], &["check-config"]] {
        let ended = run(
            command,
            with(&[
                ("D7B_CACHE_TTL", MARKER),
                ("D7B_TOKEN", "marker-s3cr3t\u{1}"),
                ("D7B_UNHEARD_OF", MARKER),
            ]),
        );

        assert_eq!(ended.code, Some(64), "{ended:?}");
        assert_eq!(ended.stdout, "");
        for name in ["D7B_CACHE_TTL", "D7B_TOKEN", "D7B_UNHEARD_OF"] {
            let line = format!("\n{name} ");
            assert_eq!(ended.stderr.matches(&line).count(), 1, "{}", ended.stderr);
        }
        assert!(!ended.stderr.contains(MARKER), "{}", ended.stderr);
    }
}

#[test]
fn a_foreign_variable_that_is_no_text_does_no_harm_to_the_program() {
    let not_text = OsString::from_vec(vec![b'x', 0xff]);
    let mut foreign = with(&[]);
    foreign.push(("LANG".into(), not_text.clone()));
    foreign.push((not_text.clone(), not_text.clone()));
    let mut ours = with(&[]);
    ours.push(("D7B_LOG".into(), not_text));

    assert_eq!(run(&["check-config"], foreign).code, Some(0));
    let ended = run(&["check-config"], ours);

    assert_eq!(ended.code, Some(64));
    assert!(ended.stderr.contains("D7B_LOG is not UTF-8"), "{ended:?}");
}

/// The rows of the contract's table; of a secret and its file one is set.
const NAMES: [&str; 32] = [
    "D7B_ADMIN_ADDR",
    "D7B_ALERT_BELOW",
    "D7B_ALERT_WEBHOOK_CA_FILE",
    "D7B_ALERT_WEBHOOK_SECRET_FILE",
    "D7B_ALERT_WEBHOOK_TIMEOUT",
    "D7B_ALERT_WEBHOOK_URL_FILE",
    "D7B_ALLOW_INSECURE_UPSTREAM",
    "D7B_BASE_URL",
    "D7B_CACHE_KEEP_WARM",
    "D7B_CACHE_MAX_WAITERS",
    "D7B_CACHE_MIN_REFRESH",
    "D7B_CACHE_STALE_IF_ERROR",
    "D7B_CACHE_STALE_WHILE_REVALIDATE",
    "D7B_CACHE_TTL",
    "D7B_CA_FILE",
    "D7B_CONNECT_TIMEOUT",
    "D7B_CORS_ORIGINS",
    "D7B_KEYS",
    "D7B_LOG",
    "D7B_LOG_FORMAT",
    "D7B_PUBLIC_ORIGINS",
    "D7B_RATE_LIMIT",
    "D7B_RELOAD_INTERVAL",
    "D7B_SERVER_ADDR",
    "D7B_SERVER_WORKERS",
    "D7B_SESSION_SECRET_FILE",
    "D7B_SESSION_TTL",
    "D7B_SHUTDOWN_DELAY",
    "D7B_SHUTDOWN_GRACE",
    "D7B_TOKEN",
    "D7B_TOKEN_SECONDARY_FILE",
    "D7B_UPSTREAM_TIMEOUT",
];

/// What `check-config` prints: names and values.
fn effective(settings: &[(&str, &str)]) -> Vec<(String, String)> {
    let ended = run(&["check-config"], with(settings));
    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
    let mut lines: Vec<_> = ended
        .stdout
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (name, value) = line.split_once('=').unwrap();
            (name.to_owned(), value.to_owned())
        })
        .collect();
    lines.sort();
    lines
}

#[test]
fn check_config_prints_every_setting_in_force() {
    let lines = effective(&[]);

    let names: Vec<_> = lines.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(names, NAMES);
    let value = |wanted: &str| {
        let (_, value) = lines.iter().find(|(name, _)| name == wanted).unwrap();
        value.as_str()
    };
    assert_eq!(value("D7B_BASE_URL"), "https://api.d7networks.com");
    assert_eq!(value("D7B_CACHE_TTL"), "1m");
    assert_eq!(value("D7B_CACHE_STALE_IF_ERROR"), "15m");
    assert_eq!(value("D7B_SHUTDOWN_DELAY"), "0s");
    assert_eq!(value("D7B_ALLOW_INSECURE_UPSTREAM"), "false");
    assert_eq!(value("D7B_RATE_LIMIT"), "", "empty means unset");
    assert_eq!(value("D7B_RELOAD_INTERVAL"), "5s");
}

#[test]
fn what_check_config_prints_can_be_set() {
    let given = [
        ("D7B_ADMIN_ADDR", "[::1]:9001"),
        ("D7B_ALERT_BELOW", "99.50"),
        ("D7B_ALLOW_INSECURE_UPSTREAM", "true"),
        ("D7B_BASE_URL", "http://d7.example/prefix"),
        ("D7B_CACHE_KEEP_WARM", "true"),
        ("D7B_CACHE_MAX_WAITERS", "7"),
        ("D7B_CORS_ORIGINS", "https://a.example,http://b.example:81"),
        ("D7B_PUBLIC_ORIGINS", "https://balance.example.com"),
        ("D7B_SESSION_TTL", "90m"),
        ("D7B_CACHE_MIN_REFRESH", "1500ms"),
        ("D7B_CACHE_STALE_IF_ERROR", "90m"),
        ("D7B_CACHE_STALE_WHILE_REVALIDATE", "2m"),
        ("D7B_CACHE_TTL", "90s"),
        ("D7B_CONNECT_TIMEOUT", "2ms"),
        ("D7B_LOG", "d7_balance=debug,info"),
        ("D7B_LOG_FORMAT", "json"),
        ("D7B_RATE_LIMIT", "50/s"),
        ("D7B_RELOAD_INTERVAL", "2500ms"),
        ("D7B_SERVER_ADDR", "0.0.0.0:9000"),
        ("D7B_SERVER_WORKERS", "3"),
        ("D7B_SHUTDOWN_DELAY", "250ms"),
        ("D7B_SHUTDOWN_GRACE", "1m"),
        ("D7B_UPSTREAM_TIMEOUT", "1ms"),
    ];

    let once = effective(&given);

    for (name, value) in given {
        let printed = once.iter().find(|(known, _)| known == name).unwrap();
        assert_eq!(printed.1, value, "{name}");
    }
    let is_no_secret = |name: &str| !["D7B_TOKEN", "D7B_KEYS", "D7B_CA_FILE"].contains(&name);
    let pasted: Vec<_> = once
        .iter()
        .map(|(name, value)| (name.as_str(), value.as_str()))
        .filter(|(name, _)| is_no_secret(name))
        .collect();
    assert_eq!(effective(&pasted), once);
}

#[test]
fn check_config_shows_no_secret_but_where_it_stands() {
    let directory = tempfile::tempdir().unwrap();
    let token_file = directory.path().join("token");
    std::fs::write(&token_file, MARKER).unwrap();
    let token_file = token_file.to_str().unwrap();
    let sets = [
        &[("D7B_TOKEN", MARKER)][..],
        &[("D7B_TOKEN", ""), ("D7B_TOKEN_FILE", token_file)],
    ];

    let [inline, file] = sets.map(|settings| {
        let variables = with(settings);
        let keys = variables.iter().find(|(name, _)| name == "D7B_KEYS");
        let digest = keys.unwrap().1.to_str().unwrap()[17..].to_owned();
        let ended = run(&["check-config"], variables);
        assert_eq!(ended.code, Some(0), "{ended:?}");
        assert!(!ended.stdout.contains(MARKER), "{}", ended.stdout);
        assert!(!ended.stdout.contains(&digest), "{}", ended.stdout);
        ended.stdout
    });

    assert!(inline.contains("D7B_TOKEN=(set, not shown)\n"), "{inline}");
    let line = format!("D7B_TOKEN_FILE={token_file}\n");
    assert!(file.contains(&line), "{file}");
}

#[test]
fn warnings_are_told_by_check_config_and_once_in_the_log() {
    let settings = [("D7B_ADMIN_ADDR", "0.0.0.0:0")];

    let checked = run(&["check-config"], with(&settings));
    let service = Service::start(&settings);

    assert_eq!(checked.code, Some(0));
    let told = "D7B_ADMIN_ADDR is not a loopback address";
    assert!(checked.stdout.contains(told), "{}", checked.stdout);
    let warnings = service.process.events_named("configuration");
    let about = |name: &str| {
        let text = |event: &serde_json::Value| event["message"].as_str().unwrap().to_owned();
        let warnings = warnings.iter().map(text);
        warnings.filter(|text| text.starts_with(name)).count()
    };
    assert_eq!(about("D7B_ADMIN_ADDR "), 1, "{warnings:?}");
    // The simulated D7 is not D7.
    assert_eq!(about("D7B_BASE_URL "), 1, "{warnings:?}");
}

#[test]
fn proxy_variables_are_passed_over() {
    let d7 = d7_balance::simulator::Simulator::start().unwrap();
    let dead = "http://127.0.0.1:9";
    let mut all = with(&[
        ("D7B_BASE_URL", &d7.base_url()),
        ("D7B_SERVER_ADDR", "127.0.0.1:0"),
        ("D7B_ADMIN_ADDR", "127.0.0.1:0"),
        ("D7B_CACHE_KEEP_WARM", "true"),
    ]);
    all.extend(variables([
        ("HTTP_PROXY", dead),
        ("http_proxy", dead),
        ("HTTPS_PROXY", dead),
        ("ALL_PROXY", dead),
    ]));

    let process = Process::start(&["serve"], all);

    process.wait_for_event("started");
    crate::harness::wait_until("D7 is asked", || d7.count() > 0);
    assert!(d7.heads()[0].starts_with("GET /messages/v1/balance HTTP/1.1\r\n"));
}
