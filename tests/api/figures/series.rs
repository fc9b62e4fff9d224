//! Which series there are, and that strangers cannot make more of them.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, SystemTime},
};

use d7_balance::{
    clock::{Clock, SystemClock},
    simulator::{answer, answer_with},
};

use super::exported;
use crate::{
    harness::{Request, TestApp},
    token_file::Files,
};

#[test]
fn whatever_strangers_send_makes_no_new_series() {
    let app = TestApp::start();
    app.balance();
    let before: BTreeSet<_> = exported(&app).into_keys().collect();

    for odd in ["x", "d7b_aaaaaaaa_b", "{client=\"x\"}", "\"\\", "%0a# EOF"] {
        for method in ["GET", "BREW", "POST"] {
            app.request(method, &format!("/balance?{odd}"))
                .bearer(odd)
                .header("x-request-id", odd)
                .header("traceparent", odd)
                .header("cache-control", odd)
                .send();
            app.request(method, &format!("/{odd}")).send();
        }
    }
    app.d7
        .always(answer(599, r#"{"detail":{"code":"ODD_CODE"}}"#));
    app.advance_s(1000);
    app.balance();
    app.d7.always(answer_with(299, "odd: odd\r\n", "{}"));
    app.advance_s(1);
    app.balance();

    let after: BTreeSet<_> = exported(&app).into_keys().collect();
    let new: Vec<_> = after.difference(&before).collect();
    assert!(new.is_empty(), "{new:?}");
}

#[test]
fn every_label_of_a_closed_set_begins_at_zero() {
    let app = TestApp::start();

    let exported = exported(&app);

    for series in [
        "d7b_requests_total{client=\"billing\",status_class=\"5xx\"}",
        "d7b_requests_total{client=\"\",status_class=\"2xx\"}",
        "d7b_answers_total{cache=\"stale\"}",
        "d7b_stale_answers_total{reason=\"revalidating\"}",
        "d7b_stale_answers_total{reason=\"internal_error\"}",
        "d7b_problems_total{code=\"overloaded\"}",
        "d7b_denied_total{reason=\"wrong_secret\"}",
        "d7b_upstream_requests_total{outcome=\"upstream_timeout\"}",
        "d7b_upstream_request_duration_seconds_count{outcome=\"ok\"}",
        "d7b_refreshes_total{outcome=\"internal_error\"}",
        "d7b_alert_attempts_total{outcome=\"delivered\"}",
        "d7b_alert_attempts_total{outcome=\"failed\"}",
        "d7b_alerts_dropped_total",
        "d7b_alerts_pending",
        "d7b_requests_abandoned_total",
        "d7b_waiters",
    ] {
        assert_eq!(
            exported.get(series).map(String::as_str),
            Some("0"),
            "{series}"
        );
    }
}

#[test]
fn the_process_tells_of_itself_under_the_usual_names() {
    let app = TestApp::start();
    let exported = exported(&app);
    let value = |name: &str| exported[name].parse::<f64>().unwrap();

    let now = SystemClock::new().wall();
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap();
    let started = Duration::from_secs_f64(value("process_start_time_seconds"));
    let lasted = now.saturating_sub(started);
    assert!(lasted < Duration::from_secs(3600), "{started:?}");
    assert!(value("process_cpu_seconds_total") >= 0.0);
    assert!(value("process_resident_memory_bytes") > 1e6);
    assert!(value("process_virtual_memory_bytes") > value("process_resident_memory_bytes"));
    assert!(value("process_open_fds") > 3.0);
    assert!(value("process_max_fds") >= value("process_open_fds"));
    assert!(value("process_threads") > 2.0);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(
        value(&format!("d7b_build_info{{version=\"{version}\"}}")),
        1.0
    );
}

#[test]
fn the_format_is_openmetrics_unless_only_the_older_one_is_asked_for() {
    let app = TestApp::start();
    let open = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    let older = "text/plain; version=0.0.4; charset=utf-8";
    let prometheus =
        "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    for (accept, format) in [
        (None, open),
        (Some("*/*"), open),
        (Some(prometheus), open),
        (Some("text/plain"), older),
        (Some("Text/Plain;version=0.0.4;q=0.9, */*"), older),
    ] {
        let mut request = Request::new(app.admin_addr, "GET", "/metrics");
        if let Some(accept) = accept {
            request = request.header("accept", accept);
        }

        let answer = request.send();

        assert_eq!(answer.header("content-type"), Some(format), "{accept:?}");
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        let is_open = answer.text().ends_with("\n# EOF\n");
        assert_eq!(is_open, format == open);
    }
}

#[test]
fn both_formats_have_the_same_samples() {
    let app = TestApp::start();
    app.balance();
    let samples = |accept: &str| -> BTreeMap<String, String> {
        let request = Request::new(app.admin_addr, "GET", "/metrics").header("accept", accept);
        let text = request.send().text();
        let lines = text.lines().filter(|line| !line.starts_with('#'));
        let lines = lines.filter(|line| !line.starts_with("process_"));
        lines
            .map(|line| line.rsplit_once(' ').unwrap())
            .map(|(series, value)| (series.to_owned(), value.to_owned()))
            .collect()
    };

    assert_eq!(samples("text/plain"), samples("*/*"));
}

/// Every name of a figure in `text`, without what samples add to it.
fn names(text: &str) -> BTreeSet<&str> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let words = text.split(|c| !is_part(c));
    words
        .filter(|word| word.starts_with("d7b_") || word.starts_with("process_"))
        .collect()
}

#[test]
fn the_manual_lists_the_figures_that_there_are_and_no_others() {
    let manual = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md"));
    let (_, section) = manual.split_once("\n## Figures\n").unwrap();
    let rows = section.lines().take_while(|line| !line.starts_with("## "));
    let listed: String = rows
        .filter_map(|row| row.strip_prefix("| `")?.split(" | ").next())
        .collect();
    let files = Files::new();
    files.write("e30.eyJleHAiOjF9.c2ln");
    let app = files.service().set("D7B_ALERT_BELOW", "1").start();
    app.balance();

    let text = app.admin("/metrics").text();
    let families = text.lines().filter_map(|line| {
        let (name, kind) = line.strip_prefix("# TYPE ")?.split_once(' ')?;
        let end = if kind == "counter" { "_total" } else { "" };
        Some(format!("{name}{end}"))
    });
    let families: BTreeSet<_> = families.collect();
    assert_eq!(
        names(&listed),
        families.iter().map(String::as_str).collect()
    );
}
