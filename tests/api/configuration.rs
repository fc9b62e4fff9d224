//! Settings: defaults, limits, and everything that is wrong, told at once.

mod alerts;
mod base_url;
mod browsers;
mod files;
mod program;

use std::{ffi::OsString, os::unix::ffi::OsStringExt, time::Duration};

use d7_balance::{
    app::Prepared,
    callers::key::NewKey,
    config::{Config, Draft, LogFormat},
};

use crate::harness::process::{Variables, variables};

/// What stands wherever a value must not be shown.
const MARKER: &str = "marker-s3cr3t";

/// A good inline key.
fn inline_key() -> String {
    let new = NewKey::generate().unwrap();
    format!("billing:{}:{}", new.id, new.digest)
}

/// The least that a service needs, with settings over it; an empty value takes
/// one away.
fn with(settings: &[(&str, &str)]) -> Variables {
    let keys = inline_key();
    let least = [("D7B_TOKEN", "the-token"), ("D7B_KEYS", &keys)];
    let given = |name: &str| settings.iter().any(|(own, _)| *own == name);
    let mut all = variables(least.into_iter().filter(|(name, _)| !given(name)));
    all.extend(variables(settings.iter().copied()));
    all
}

fn read(variables: Variables) -> Result<Prepared, String> {
    Prepared::new(Draft::read(variables)).map_err(|errors| errors.to_string())
}

/// The settings that a service would run with.
fn good(settings: &[(&str, &str)]) -> Config {
    let draft = Draft::read(with(settings));
    assert!(draft.errors.is_empty(), "{settings:?}: {}", draft.errors);
    draft.config
}

/// Everything that is wrong, as it is told.
fn complaints(variables: Variables) -> String {
    read(variables).err().unwrap()
}

/// Asserts that nothing but `name` is wrong, and that its value is not shown.
fn assert_refused(name: &str, value: &str, why: &str) {
    let told = complaints(with(&[(name, value)]));
    let expected = format!("{name} {why}");
    assert!(
        told.starts_with(&expected) && told.lines().count() == 1,
        "{value:?}: {told:?} instead of {expected:?}"
    );
    assert!(!told.contains("marker"), "{told}");
}

const SECOND: Duration = Duration::from_secs(1);

#[test]
fn what_is_not_set_has_its_default() {
    let Config {
        server,
        upstream,
        cache,
        telemetry,
        rate_limit,
        warnings,
        ..
    } = good(&[]);

    assert_eq!(upstream.base_url, "https://api.d7networks.com");
    assert_eq!(upstream.ca_file, None);
    assert_eq!(upstream.connect_timeout, 2 * SECOND);
    assert_eq!(upstream.timeout, 5 * SECOND);
    assert_eq!(cache.ttl, 60 * SECOND);
    assert_eq!(cache.stale_while_revalidate, 60 * SECOND);
    assert_eq!(cache.stale_if_error, 900 * SECOND);
    assert_eq!(cache.min_refresh, 5 * SECOND);
    assert!(!cache.keep_warm);
    assert_eq!(cache.max_waiters, 4096);
    assert_eq!(server.addr.to_string(), "127.0.0.1:8080");
    assert_eq!(server.admin_addr.to_string(), "127.0.0.1:8081");
    assert!(server.workers >= 1);
    assert_eq!(server.shutdown_delay, Duration::ZERO);
    assert_eq!(server.shutdown_grace, 10 * SECOND);
    assert_eq!(telemetry.format, None);
    assert_eq!(telemetry.filter, "info");
    assert_eq!(rate_limit, None);
    assert_eq!(warnings, Vec::<String>::new());
}

#[test]
fn every_duration_is_read_between_its_limits_and_refused_beyond() {
    type Get = fn(&Config) -> Duration;
    type Row = (
        &'static str,
        &'static str,
        &'static str,
        Option<&'static str>,
        &'static str,
        Get,
    );
    let rows: [Row; 8] = [
        (
            "D7B_CONNECT_TIMEOUT",
            "1ms",
            "1m",
            Some("0s"),
            "60001ms",
            |config| config.upstream.connect_timeout,
        ),
        (
            "D7B_UPSTREAM_TIMEOUT",
            "1ms",
            "5m",
            Some("0ms"),
            "301s",
            |config| config.upstream.timeout,
        ),
        (
            "D7B_CACHE_TTL",
            "1s",
            "24h",
            Some("999ms"),
            "86401s",
            |config| config.cache.ttl,
        ),
        (
            "D7B_CACHE_STALE_WHILE_REVALIDATE",
            "0s",
            "365d",
            None,
            "366d",
            |config| config.cache.stale_while_revalidate,
        ),
        (
            "D7B_CACHE_STALE_IF_ERROR",
            "0s",
            "365d",
            None,
            "366d",
            |config| config.cache.stale_if_error,
        ),
        (
            "D7B_CACHE_MIN_REFRESH",
            "0s",
            "60s",
            None,
            "25h",
            |config| config.cache.min_refresh,
        ),
        ("D7B_SHUTDOWN_DELAY", "0s", "10m", None, "601s", |config| {
            config.server.shutdown_delay
        }),
        ("D7B_SHUTDOWN_GRACE", "0s", "10m", None, "11m", |config| {
            config.server.shutdown_grace
        }),
    ];

    for (name, lowest, highest, below, above, get) in rows {
        for written in [lowest, highest] {
            let expected = d7_balance::config::parse_duration(written).unwrap();
            assert_eq!(get(&good(&[(name, written)])), expected, "{name}={written}");
        }
        for beyond in below.into_iter().chain([above]) {
            assert_refused(name, beyond, "must be between ");
        }
        for bad in ["5", "-1s", "1.5s", "5 s", "5S", "1h30m", MARKER] {
            assert_refused(name, bad, "must be a duration such as ");
        }
    }
}

#[test]
fn the_files_are_looked_at_every_100_ms_to_10_s() {
    for written in ["100ms", "10s"] {
        good(&[("D7B_RELOAD_INTERVAL", written)]);
    }
    for (bad, why) in [
        ("99ms", "must be between 100ms and 10s"),
        ("10001ms", "must be between 100ms and 10s"),
        (MARKER, "must be a duration such as "),
    ] {
        assert_refused("D7B_RELOAD_INTERVAL", bad, why);
    }
}

#[test]
fn the_limit_for_all_is_so_many_in_a_second_a_minute_or_an_hour() {
    for written in ["1/s", "600/m", "1000000/h"] {
        assert!(read(with(&[("D7B_RATE_LIMIT", written)])).is_ok());
    }
    for bad in ["0/s", "1000001/s", "50", "50/d", "-1/s", "1.5/s", MARKER] {
        let why = "must be N/s, N/m or N/h, N from 1 to 1000000, such as 50/s";
        assert_refused("D7B_RATE_LIMIT", bad, why);
    }
}

#[test]
fn numbers_are_whole_and_within_their_limits() {
    type Get = fn(&Config) -> usize;
    let rows: [(&str, &str, &str, Get); 2] = [
        ("D7B_CACHE_MAX_WAITERS", "1000000", "1000001", |config| {
            config.cache.max_waiters
        }),
        ("D7B_SERVER_WORKERS", "512", "513", |config| {
            config.server.workers
        }),
    ];

    for (name, highest, above, get) in rows {
        assert_eq!(get(&good(&[(name, "1")])), 1);
        assert_eq!(
            get(&good(&[(name, highest)])).to_string(),
            highest,
            "{name}"
        );
        for bad in ["0", above, "-1", "1.0", "1e3", " 2", "0x10", MARKER] {
            assert_refused(name, bad, "must be a whole number from 1 to ");
        }
    }
}

#[test]
fn a_switch_is_true_or_false_and_nothing_like_it() {
    assert!(good(&[("D7B_CACHE_KEEP_WARM", "true")]).cache.keep_warm);
    assert!(!good(&[("D7B_CACHE_KEEP_WARM", "false")]).cache.keep_warm);

    for name in ["D7B_CACHE_KEEP_WARM", "D7B_ALLOW_INSECURE_UPSTREAM"] {
        for bad in ["yes", "1", "TRUE", "True", " true", "on", MARKER] {
            assert_refused(name, bad, "must be true or false");
        }
    }
}

#[test]
fn addresses_are_an_ip_address_and_a_port() {
    let server = good(&[
        ("D7B_SERVER_ADDR", "[::1]:9000"),
        ("D7B_ADMIN_ADDR", "127.0.0.2:9000"),
    ])
    .server;
    assert_eq!(server.addr.to_string(), "[::1]:9000");
    assert_eq!(server.admin_addr.to_string(), "127.0.0.2:9000");

    for name in ["D7B_SERVER_ADDR", "D7B_ADMIN_ADDR"] {
        for bad in ["localhost:80", ":80", "127.0.0.1", "127.0.0.1:70000"] {
            assert_refused(name, bad, "must be an IP address and a port");
        }
    }
}

#[test]
fn both_listeners_on_one_address_is_an_error() {
    for (public, admin) in [
        ("127.0.0.1:8080", "127.0.0.1:8080"),
        ("0.0.0.0:8080", "127.0.0.1:8080"),
        ("127.0.0.1:8080", "0.0.0.0:8080"),
        ("[::]:8080", "127.0.0.1:8080"),
        ("127.0.0.1:8081", ""),
    ] {
        let told = complaints(with(&[
            ("D7B_SERVER_ADDR", public),
            ("D7B_ADMIN_ADDR", admin),
        ]));
        assert!(
            told.starts_with("D7B_ADMIN_ADDR is the address of the public listener"),
            "{public} {admin}: {told}"
        );
    }
    // Any port is another port.
    good(&[
        ("D7B_SERVER_ADDR", "127.0.0.1:0"),
        ("D7B_ADMIN_ADDR", "127.0.0.1:0"),
    ]);
}

#[test]
fn a_listener_that_others_can_reach_is_a_warning() {
    for name in ["D7B_ADMIN_ADDR", "D7B_SERVER_ADDR"] {
        for addr in ["0.0.0.0:9000", "10.0.0.1:9000", "[::]:9000"] {
            let warnings = good(&[(name, addr)]).warnings;
            assert_eq!(warnings.len(), 1);
            assert!(warnings[0].starts_with(name), "{warnings:?}");
        }
    }
}

#[test]
fn d7_is_not_asked_sooner_than_every_5_s_or_every_ttl_if_that_is_shorter() {
    for (ttl, min_refresh) in [("1s", 1), ("4s", 4), ("5s", 5), ("24h", 5)] {
        let cache = good(&[("D7B_CACHE_TTL", ttl)]).cache;
        assert_eq!(cache.min_refresh, min_refresh * SECOND, "{ttl}");
    }
    good(&[("D7B_CACHE_TTL", "10s"), ("D7B_CACHE_MIN_REFRESH", "10s")]);

    let told = complaints(with(&[
        ("D7B_CACHE_TTL", "10s"),
        ("D7B_CACHE_MIN_REFRESH", "10001ms"),
    ]));

    assert_eq!(told, "D7B_CACHE_MIN_REFRESH is longer than D7B_CACHE_TTL\n");
}

#[test]
fn the_log_is_pretty_or_json_and_its_filter_one() {
    for (text, format) in [("pretty", LogFormat::Pretty), ("json", LogFormat::Json)] {
        let telemetry = good(&[("D7B_LOG_FORMAT", text)]).telemetry;
        assert_eq!(telemetry.format, Some(format));
    }
    let filter = "d7_balance=debug,info";
    assert_eq!(good(&[("D7B_LOG", filter)]).telemetry.filter, filter);

    for bad in ["JSON", "text", MARKER] {
        assert_refused("D7B_LOG_FORMAT", bad, "must be pretty or json");
    }
    assert_refused("D7B_LOG", "a=b=marker", "must be a tracing filter");
}

#[test]
fn names_that_are_no_setting_are_refused_whatever_their_case() {
    for name in [
        "D7B_TOKN",
        "D7B_Cache_ttl",
        "D7B_cache_ttl",
        "D7B_",
        "D7B_É",
    ] {
        let told = complaints(with(&[(name, MARKER)]));
        assert!(told.contains(" is not a setting"), "{name}: {told}");
        assert!(told.to_uppercase().starts_with(&name.to_uppercase()));
        assert_eq!(told.lines().count(), 1, "{told}");
        assert!(!told.contains(MARKER), "{told}");
    }
    let mut all = with(&[]);
    all.push((OsString::from_vec(b"D7B_\xff".to_vec()), MARKER.into()));
    assert!(complaints(all).contains(" is not a setting"));
}

#[test]
fn empty_is_unset() {
    let names = [
        "D7B_TOKEN_FILE",
        "D7B_BASE_URL",
        "D7B_ALLOW_INSECURE_UPSTREAM",
        "D7B_CA_FILE",
        "D7B_CACHE_TTL",
        "D7B_CACHE_KEEP_WARM",
        "D7B_CACHE_MAX_WAITERS",
        "D7B_KEYS_FILE",
        "D7B_SERVER_ADDR",
        "D7B_LOG_FORMAT",
        "D7B_LOG",
    ];

    let config = good(&names.map(|name| (name, "")));

    assert_eq!(config.cache.ttl, 60 * SECOND);
    assert_eq!(config.upstream.base_url, "https://api.d7networks.com");
    assert_refused("D7B_TOKEN", "", "must be set");
}
