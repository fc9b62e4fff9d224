//! What both sides have counted, side by side, and whether it is the same.

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write},
};

use serde_json::Value;

use crate::{
    Run,
    harness::process::Ended,
    scrape::{Samples, Seen},
    scripts::{
        FORBIDDEN, INVALID, LIMITED, OUTCOMES, PAYMENT, REJECTED, UNAVAILABLE, UNEXPECTED,
        UNREACHABLE,
    },
    tally::{Tally, series},
};

/// What is held against the counts of this side.
const COMPARED: [&str; 14] = [
    "d7b_requests_total",
    "d7b_request_duration_seconds_count",
    "d7b_requests_abandoned_total",
    "d7b_answers_total",
    "d7b_stale_answers_total",
    PROBLEMS,
    "d7b_denied_total",
    "d7b_rate_limited_total",
    "d7b_refreshes_total",
    "d7b_upstream_requests_total",
    "d7b_upstream_request_duration_seconds_count",
    "d7b_sms_count_ignored_total",
    "d7b_reloads_total",
    "d7b_token_failovers_total",
];

const PROBLEMS: &str = "d7b_problems_total";

// The codes that an error to HEAD may have, by its status.
const ONLY_502: &[&str] = &[
    REJECTED,
    FORBIDDEN,
    PAYMENT,
    UNEXPECTED,
    UNREACHABLE,
    INVALID,
];
const ONLY_503: &[&str] = &[LIMITED, "overloaded"];
const EITHER: &[&str] = &[UNAVAILABLE];

/// How many complaints of one sort are told.
const TOLD: usize = 10;

/// A row of the table.
struct Row {
    series: String,
    exported: f64,
    counted: u64,
}

impl Row {
    fn is_equal(&self) -> bool {
        self.exported == self.counted as f64
    }

    /// The value of its only label.
    fn code(&self) -> &str {
        self.series.split('"').nth(1).unwrap()
    }
}

fn rows_of(name: &str, exported: &Samples, counted: &Tally) -> Vec<Row> {
    let known = exported.of_name(name).map(|(series, _)| series);
    let all: BTreeSet<_> = known
        .chain(counted.of_name(name).map(|(series, _)| series))
        .collect();
    let rows = all.into_iter().map(|series| Row {
        exported: exported.get(series).unwrap_or_default(),
        counted: counted.of(series),
        series: series.clone(),
    });
    rows.collect()
}

/// Errors to HEAD tell no code, but their status leaves a few to choose from. By
/// so many the exported ones may be more than those counted, no less and no
/// others.
fn check_untold(rows: &[Row], untold: &BTreeMap<u16, u64>) -> Option<String> {
    let more = |may_be: &[&[&str]]| -> f64 {
        let is_meant = |code: &&str| may_be.iter().any(|codes| codes.contains(code));
        let rows = rows.iter().filter(|row| is_meant(&row.code()));
        rows.map(|row| row.exported - row.counted as f64).sum()
    };
    let of = |status| untold.get(&status).copied().unwrap_or_default() as f64;
    let is_less = |row: &Row| row.exported < row.counted as f64;
    let is_other = |row: &Row| {
        let may_be = [ONLY_502, ONLY_503, EITHER].concat();
        !row.is_equal() && !may_be.contains(&row.code())
    };
    let is_wrong = rows.iter().any(|row| is_less(row) || is_other(row))
        || more(&[ONLY_502]) > of(502)
        || more(&[ONLY_503]) > of(503)
        || more(&[ONLY_502, ONLY_503, EITHER]) != of(502) + of(503);
    let rows = || {
        rows.iter()
            .map(|row| (row.code(), row.exported, row.counted))
    };
    is_wrong.then(|| {
        format!(
            "{PROBLEMS}: {untold:?} to HEAD, {:?}",
            rows().collect::<Vec<_>>()
        )
    })
}

/// Ends the service, tells what has been seen, and fails if anything was wrong.
pub(crate) fn close(run: Run, counted: &Tally, exported: &Samples, seen: &Seen) {
    let untold = counted.untold();
    let mut lines = Vec::new();
    let mut wrong = Vec::new();
    for name in COMPARED {
        let rows = rows_of(name, exported, counted);
        let is_told = name != PROBLEMS || untold.is_empty();
        if !is_told {
            wrong.extend(check_untold(&rows, untold));
        }
        for row in rows
            .iter()
            .filter(|row| row.exported > 0.0 || row.counted > 0)
        {
            let Row {
                series,
                exported,
                counted,
            } = row;
            let mark = match row.is_equal() {
                true => "",
                false if is_told => " DIFFERS",
                false => " (the rest were HEAD)",
            };
            lines.push(format!("{exported:>9} {counted:>9}  {series}{mark}"));
        }
        let differing = rows.iter().filter(|row| is_told && !row.is_equal());
        wrong.extend(differing.map(|row| {
            let Row {
                series,
                exported,
                counted,
            } = row;
            format!("{series}: exported {exported}, counted {counted}")
        }));
    }
    wrong.extend(check_hour(&run));
    wrong.extend(what_never_occurred(counted));
    wrong.extend(seen.wrong.iter().take(TOLD).cloned());
    let surprises = counted.surprises();
    wrong.extend(surprises.iter().take(TOLD).cloned());
    let head = [
        format!("\nreckoning: {:?} of load, seed {}", run.length, run.seed),
        format!("requests answered: {}", counted.sum("d7b_requests_total")),
        format!("errors to HEAD, which tell no code: {untold:?}"),
        format!("requests to D7: {}", run.service.d7.count()),
        format!("what D7 did: {:?}", run.d7.played()),
        format!(
            "scrapes: {}, with a balance: {}",
            seen.scrapes, seen.balances
        ),
        format!("{:>9} {:>9}", "/metrics", "counted"),
    ];
    let ended = run.service.stop();
    wrong.extend(complaints_of_log(&ended));
    let differences = format!("wrong: {}", wrong.len());
    let wrong_lines = wrong.iter().map(|what| format!("  {what}"));
    let all = head.into_iter().chain(lines).chain([differences]);
    let told: Vec<_> = all.chain(wrong_lines).collect();
    // Past the test harness, which would keep it to itself.
    let told = told.join("\n") + "\n\n";
    io::stderr().write_all(told.as_bytes()).unwrap();
    assert!(wrong.is_empty(), "the report tells what is wrong");
}

/// `/status` counts requests to D7, too, for an hour.
fn check_hour(run: &Run) -> Option<String> {
    let key = &run.keys.good[0].text;
    let status = run.service.request("GET", "/status").bearer(key).send();
    let told = status.json()["upstream"]["requests_last_hour"].clone();
    let counted = run.service.d7.count();
    (told != counted).then(|| format!("/status: {told} requests to D7, counted {counted}"))
}

/// A run that has not seen everything proves less than it says.
fn what_never_occurred(counted: &Tally) -> Vec<String> {
    let outcomes = OUTCOMES.map(|outcome| ("d7b_upstream_requests_total", "outcome", outcome));
    let answers = ["hit", "stale", "stored", "collapsed", "fallback"]
        .map(|cache| ("d7b_answers_total", "cache", cache));
    let denials = [
        "missing",
        "ambiguous",
        "malformed",
        "unknown",
        "wrong_secret",
        "expired",
    ]
    .map(|reason| ("d7b_denied_total", "reason", reason));
    let all = outcomes.into_iter().chain(answers).chain(denials);
    let mut all: Vec<_> = all
        .map(|(name, label, value)| series(name, &[(label, value)]))
        .collect();
    all.push("d7b_requests_abandoned_total".to_owned());
    all.retain(|series| counted.of(series) == 0);
    let missed = all.iter().map(|series| format!("{series} never occurred"));
    missed.collect()
}

fn complaints_of_log(ended: &Ended) -> Vec<String> {
    let mut complaints = Vec::new();
    if ended.code != Some(0) {
        complaints.push(format!("it ended with {:?}", ended.code));
    }
    for line in ended.stderr.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        if !event["event"].is_string() || event["event"] == "panic" {
            complaints.push(format!("in the log: {line}"));
        }
    }
    complaints
}
