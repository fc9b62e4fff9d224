//! `D7B_ALERT_*`: what is told, and to whom.

use std::time::Duration;

use super::{MARKER, assert_refused, complaints, files::file, good, read, with};
use crate::harness::process::run;

const URL: &str = "D7B_ALERT_WEBHOOK_URL_FILE";
const SECRET: &str = "D7B_ALERT_WEBHOOK_SECRET_FILE";
const CA: &str = "D7B_ALERT_WEBHOOK_CA_FILE";
const TIMEOUT: &str = "D7B_ALERT_WEBHOOK_TIMEOUT";
const BELOW: &str = "D7B_ALERT_BELOW";

const GOOD_URL: &str = "https://hooks.example/marker-s3cr3t?key=marker-s3cr3t\n";
const GOOD_SECRET: &str = "whsec_bWFya2VyLXMzY3IzdC1vZi0zMi1ieXRlcy1sb25n\n";

/// What is said of a receiver whose two files hold this.
fn told(url: &str, secret: &str) -> Result<(), String> {
    let ((_a, url), (_b, secret)) = (file(url), file(secret));
    read(with(&[(URL, &url), (SECRET, &secret)])).map(drop)
}

#[test]
fn a_threshold_is_a_number_with_or_without_a_receiver() {
    for below in ["100", "99.50", "0", "-5", "1e3", "0.00000001"] {
        let config = good(&[(BELOW, below)]);
        assert_eq!(config.alerts.below.as_deref(), Some(below));
        assert!(read(with(&[(BELOW, below)])).is_ok(), "{below}");
    }
    let long = "9".repeat(65);
    for bad in ["100 EUR", "1,5", "+5", ".5", "NaN", "1e999", &long, MARKER] {
        assert_refused(BELOW, bad, "must be a number such as 100 or 99.50");
    }
}

#[test]
fn a_receiver_is_a_url_and_a_secret_each_in_a_file() {
    assert_eq!(told(GOOD_URL, GOOD_SECRET), Ok(()));
    assert_eq!(told("http://127.0.0.1:9/x", GOOD_SECRET), Ok(()));

    let long = format!("https://hooks.example/{}", "x".repeat(8 * 1024));
    for (bad, why) in [
        ("", "is empty"),
        (&*long, "is longer than 8 KiB"),
        ("hooks.example/marker", "holds no URL"),
        ("ftp://hooks.example/marker", "must hold a URL that begins"),
        ("http://hooks.example/marker", "must hold a URL of https://"),
        (
            "https://[2001:db8::1]/marker",
            "must hold a URL of https:// that names a host",
        ),
        (
            "https://marker@hooks.example",
            "must hold a URL without user",
        ),
        (
            "https://hooks.example/#marker",
            "must hold a URL without a fragment",
        ),
    ] {
        let told = told(bad, GOOD_SECRET).unwrap_err();
        assert!(told.starts_with(&format!("{URL} {why}")), "{told}");
        assert!(
            told.lines().count() == 1 && !told.contains("marker"),
            "{told}"
        );
    }
    for (bad, why) in [
        ("", "must hold whsec_"),
        ("marker-s3cr3t", "must hold whsec_"),
        ("whsec_marker-s3cr3t", "holds what is not base64"),
        ("whsec_bWFya2Vy", "holds a secret of less than 24"),
    ] {
        let told = told(GOOD_URL, bad).unwrap_err();
        assert!(told.starts_with(&format!("{SECRET} {why}")), "{told}");
        assert!(
            told.lines().count() == 1 && !told.contains("marker"),
            "{told}"
        );
    }
}

#[test]
fn what_belongs_to_a_receiver_is_of_no_use_without_one() {
    let (_directory, url) = file(GOOD_URL);

    let why = "is of no use without D7B_ALERT_WEBHOOK_URL_FILE";
    for (name, value) in [(SECRET, MARKER), (CA, MARKER), (TIMEOUT, "5s")] {
        assert_refused(name, value, why);
    }
    let told = complaints(with(&[(URL, &url)]));

    let why = "must be set with D7B_ALERT_WEBHOOK_URL_FILE: alerts are signed";
    assert_eq!(told, format!("{SECRET} {why}\n"));
}

#[test]
fn an_attempt_has_a_time_limit_that_is_not_d7s() {
    let ((_a, url), (_b, secret)) = (file(GOOD_URL), file(GOOD_SECRET));
    let receiver = [(URL, &*url), (SECRET, &*secret)];
    let given = |value| [&receiver[..], &[(TIMEOUT, value)]].concat();
    let limit = |settings: &[(&str, &str)]| good(settings).alerts.webhook.unwrap().timeout;

    let other = ("D7B_UPSTREAM_TIMEOUT", "1s");
    let default = limit(&[&receiver[..], &[other]].concat());
    assert_eq!(default, Duration::from_secs(10));
    assert_eq!(limit(&given("1ms")), Duration::from_millis(1));
    assert_eq!(limit(&given("1m")), Duration::from_secs(60));
    for (bad, why) in [
        ("0s", "must be between 1ms and 1m"),
        ("60001ms", "must be between 1ms and 1m"),
        (MARKER, "must be a duration such as"),
    ] {
        let told = complaints(with(&given(bad)));
        assert!(told.starts_with(&format!("{TIMEOUT} {why}")), "{told}");
        assert!(!told.contains(MARKER), "{told}");
    }
    for (settings, shown) in [(&receiver[..], "10s"), (&given("1500ms"), "1500ms")] {
        let ended = run(&["check-config"], with(settings));
        let line = format!("{TIMEOUT}={shown}\n");
        assert!(ended.stdout.contains(&line), "{}", ended.stdout);
    }
}

#[test]
fn all_that_is_wrong_with_alerts_is_told_at_once_and_not_shown() {
    let ((_a, secret), (_b, roots)) = (file("marker-s3cr3t"), file("marker-s3cr3t"));
    let settings = [
        (BELOW, MARKER),
        (URL, "/nowhere/marker-s3cr3t"),
        (SECRET, &*secret),
        (CA, &*roots),
        ("D7B_CACHE_TTL", MARKER),
    ];

    for command in ["serve", "check-config"] {
        let ended = run(&[command], with(&settings));

        assert_eq!(ended.code, Some(64), "{ended:?}");
        for (name, _) in settings {
            let line = format!("\n{name} ");
            assert_eq!(ended.stderr.matches(&line).count(), 1, "{}", ended.stderr);
        }
        assert!(!ended.said().contains("marker"), "{ended:?}");
    }
}

#[test]
fn check_config_prints_where_the_receiver_is_kept_and_not_what() {
    let ((_a, url), (_b, secret)) = (file(GOOD_URL), file(GOOD_SECRET));
    let settings = [(BELOW, "99.50"), (URL, &*url), (SECRET, &*secret)];

    let ended = run(&["check-config"], with(&settings));
    let debug = format!("{:?}", good(&settings));

    assert_eq!(ended.code, Some(0), "{ended:?}");
    for (name, value) in settings {
        let line = format!("{name}={value}\n");
        assert!(ended.stdout.contains(&line), "{}", ended.stdout);
    }
    let line = format!("{CA}=(the public roots compiled in)\n");
    assert!(ended.stdout.contains(&line), "{}", ended.stdout);
    for shown in [ended.stdout, debug] {
        // The files' own names hold the marker.
        let rest = shown.replace(&url, "").replace(&secret, "");
        assert!(
            !rest.contains("marker") && !rest.contains("whsec"),
            "{rest}"
        );
    }
}

#[test]
fn alerts_without_a_balance_that_is_kept_warm_are_a_warning() {
    let ((_a, url), (_b, secret)) = (file(GOOD_URL), file(GOOD_SECRET));
    let warm = ("D7B_CACHE_KEEP_WARM", "true");

    for settings in [&[(BELOW, "100")][..], &[(URL, &*url), (SECRET, &*secret)]] {
        let warnings = good(settings).warnings;
        assert_eq!(warnings.len(), 1, "{warnings:?}");
        assert!(warnings[0].contains("D7B_CACHE_KEEP_WARM=true"));
        let warnings = good(&[settings, &[warm]].concat()).warnings;
        assert_eq!(warnings, Vec::<String>::new());
    }
}
