//! What has been seen, and whether it is all that was promised.

use std::{
    collections::BTreeMap,
    io::{self, Write},
    sync::{
        Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use serde_json::Value;

use crate::{
    IN_FORCE_WITHIN, INTERVAL, MIN_REFRESH, Run,
    book::{End, Ends},
    harness::process::Ended,
    promises::Ages,
    tokens::{TokenRotation, reloads},
};

/// How often a broken promise is told in full.
const TOLD: usize = 3;

/// A promise that was broken.
#[derive(Debug)]
pub(crate) struct Broken {
    pub(crate) promise: &'static str,
    pub(crate) how: String,
}

impl Broken {
    pub(crate) fn new(promise: &'static str, how: impl Into<String>) -> Self {
        let how = how.into();
        Self { promise, how }
    }
}

/// What is noted while the run lasts.
#[derive(Default)]
pub(crate) struct Report {
    asked: Mutex<BTreeMap<&'static str, usize>>,
    statuses: Mutex<BTreeMap<u16, usize>>,
    ages: Mutex<Ages>,
    rotations: AtomicUsize,
    /// By promise: how often it was broken, and the first few times.
    broken: Mutex<BTreeMap<&'static str, (usize, Vec<String>)>>,
}

impl Report {
    /// A client has asked with a valid key.
    pub(crate) fn asked(&self, client: &'static str) {
        *self.asked.lock().unwrap().entry(client).or_default() += 1;
    }

    /// A balance was served.
    pub(crate) fn saw(&self, status: u16, ages: Ages) {
        *self.statuses.lock().unwrap().entry(status).or_default() += 1;
        let mut oldest = self.ages.lock().unwrap();
        *oldest = oldest.max(ages);
    }

    /// The keys of a client were changed.
    pub(crate) fn rotated(&self) {
        self.rotations.fetch_add(1, Ordering::Relaxed);
    }

    /// A promise was broken.
    pub(crate) fn broken(&self, at: Duration, what: &Broken) {
        let mut broken = self.broken.lock().unwrap();
        let (times, told) = broken.entry(what.promise).or_default();
        *times += 1;
        if *times <= TOLD {
            told.push(format!("    {at:.3?}: {}", what.how));
        }
    }
}

/// Ends the service, tells what has been seen, and fails if anything was wrong.
pub(crate) fn close(run: Run, tokens: &TokenRotation) {
    let mut summary = summary(&run, tokens);
    for complaint in complaints(&run, tokens) {
        run.broken(&complaint);
    }
    let metrics = run.service.admin("/metrics").text();
    let at = run.watch.now();
    let ended = run.service.stop();
    let keys = run.book.all();
    let secrets = keys.iter().map(|key| &key.text).chain(tokens.secrets());
    let said = ended.said() + &metrics;
    if secrets.into_iter().any(|secret| said.contains(secret)) {
        let told = Broken::new("no secret is told", "one was");
        run.report.broken(at, &told);
    }
    for complaint in complaints_of_log(&ended) {
        run.report.broken(at, &complaint);
    }
    let broken = run.report.broken.into_inner().unwrap();
    summary.push(format!("broken promises: {}", broken.len()));
    for (promise, (times, told)) in &broken {
        summary.push(format!("  {promise}: broken {times} times, such as"));
        summary.extend_from_slice(told);
    }
    // Past the test harness, which would keep it to itself.
    let summary = format!("\n{}\n\n", summary.join("\n"));
    io::stderr().write_all(summary.as_bytes()).unwrap();
    assert!(
        broken.is_empty(),
        "the summary tells which promises were broken"
    );
}

fn summary(run: &Run, tokens: &TokenRotation) -> Vec<String> {
    let report = &run.report;
    let ages = *report.ages.lock().unwrap();
    let ends = |Ends { keys, longest }: Ends| format!("{keys}, the last use {longest:.3?} after");
    let outcomes = |file: &str, outcomes: &[&str]| {
        let counted = outcomes.iter().map(|one| (reloads(run, file, one), one));
        let told = counted.map(|(times, one)| format!("{times} {one}"));
        told.collect::<Vec<_>>().join(", ")
    };
    vec![
        format!("rotation under load: {:?}", run.length),
        format!(
            "requests with valid keys: {:?}",
            report.asked.lock().unwrap()
        ),
        format!(
            "balances served, by status: {:?}",
            report.statuses.lock().unwrap()
        ),
        format!(
            "changes of keys: {}",
            report.rotations.load(Ordering::Relaxed)
        ),
        format!("key file: {}", outcomes("keys", &["taken", "refused"])),
        format!("keys revoked: {}", ends(run.book.ends(End::Revoked))),
        format!(
            "keys whose grace ended: {}",
            ends(run.book.ends(End::Expired))
        ),
        format!("promised: {IN_FORCE_WITHIN:?} at the most, with an interval of {INTERVAL:?}"),
        format!(
            "token file: {}",
            outcomes("token", &["taken", "refused", "rejected", "unproven"])
        ),
        format!(
            "oldest answer: age {:?}; {:.3?} by D7's figure",
            ages.told, ages.by_figure
        ),
        format!(
            "requests to D7: {}, {} allowed",
            run.service.d7.count(),
            allowed(run, tokens)
        ),
    ]
}

/// The most requests to D7 that callers who insist and tokens that change can
/// be a reason for.
fn allowed(run: &Run, tokens: &TokenRotation) -> usize {
    let refreshes = run.watch.now().as_millis() / MIN_REFRESH.as_millis() + 1;
    usize::try_from(refreshes).unwrap() + tokens.requests()
}

fn complaints(run: &Run, tokens: &TokenRotation) -> Vec<Broken> {
    let mut complaints = tokens.complaints(run);
    if run.service.d7.count() > allowed(run, tokens) {
        let asked = format!("{} times", run.service.d7.count());
        complaints.push(Broken::new("D7 is asked seldom", asked));
    }
    complaints
}

/// Says what should not be in the log.
fn complaints_of_log(ended: &Ended) -> Vec<Broken> {
    let mut complaints = Vec::new();
    if ended.code != Some(0) {
        let code = format!("{:?}", ended.code);
        complaints.push(Broken::new("it ends in order", code));
    }
    for line in ended.stderr.lines() {
        let event: Value = serde_json::from_str(line).unwrap_or_default();
        let is_error = event["level"] == "ERROR" && event["event"] != "token_rejected";
        let is_known = event["event"].is_string() && event["event"] != "panic";
        if is_error || !is_known {
            complaints.push(Broken::new("the log tells of nothing bad", line));
        }
    }
    complaints
}
