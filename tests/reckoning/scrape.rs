//! `/metrics`, read as Prometheus would, once a second: what has to hold of the
//! figures at every moment, without a count to hold them against.

use std::{
    collections::BTreeMap,
    time::{Duration, SystemTime},
};

use crate::{
    Run, SIE, TIMEOUT, TTL,
    d7::Sent,
    harness::{Request, wait_until},
    tally::is_of_name,
};

const EVERY: Duration = Duration::from_secs(1);

/// The two formats: what is asked for, and what then comes.
const FORMATS: [(&str, &str); 2] = [
    (
        "application/openmetrics-text;version=1.0.0",
        "application/openmetrics-text",
    ),
    ("text/plain;version=0.0.4", "text/plain"),
];

/// What a busy machine may need to come to the end of a refresh.
const SPARE: Duration = Duration::from_millis(500);

/// How far the machine's two clocks may drift apart.
const DRIFT: Duration = Duration::from_millis(50);

/// All samples of one scrape.
pub(crate) struct Samples(BTreeMap<String, f64>);

impl Samples {
    pub(crate) fn read(run: &Run) -> Self {
        Self::read_as(run, 0)
    }

    fn read_as(run: &Run, format: usize) -> Self {
        let (accept, comes) = FORMATS[format];
        let request = Request::new(run.service.admin_addr, "GET", "/metrics");
        let response = request.header("accept", accept).send();
        let content_type = response.expect("content-type");
        assert!(content_type.starts_with(comes), "{content_type}");
        let text = response.text();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let samples = samples.map(|line| {
            let (series, value) = line.rsplit_once(' ').unwrap();
            (series.to_owned(), value.parse().unwrap())
        });
        Self(samples.collect())
    }

    pub(crate) fn get(&self, series: &str) -> Option<f64> {
        self.0.get(series).copied()
    }

    /// The value of a series that has to be there.
    pub(crate) fn of(&self, series: &str) -> f64 {
        let value = self.get(series);
        value.unwrap_or_else(|| panic!("there is no {series}"))
    }

    /// All series of a name.
    pub(crate) fn of_name(&self, name: &str) -> impl Iterator<Item = (&String, f64)> {
        let all = self.0.iter();
        all.filter(move |(series, _)| is_of_name(series, name))
            .map(|(series, value)| (series, *value))
    }

    /// The sum of all series of a name.
    pub(crate) fn sum(&self, name: &str) -> f64 {
        self.of_name(name).map(|(_, value)| value).sum()
    }

    fn counters(&self) -> impl Iterator<Item = (&String, f64)> {
        let is_counter = |series: &str| {
            let name = series.split('{').next().unwrap();
            let ends = ["_total", "_count", "_sum", "_bucket"];
            ends.iter().any(|end| name.ends_with(end))
        };
        let all = self.0.iter();
        all.filter(move |(series, _)| is_counter(series))
            .map(|(series, value)| (series, *value))
    }
}

/// What has been seen of the figures.
#[derive(Default)]
pub(crate) struct Seen {
    pub(crate) scrapes: usize,
    /// How many of them had a balance.
    pub(crate) balances: usize,
    pub(crate) wrong: Vec<String>,
}

/// Scrapes until the run is over.
pub(crate) fn scrape(run: &Run) -> Seen {
    let mut seen = Seen::default();
    let mut last: Option<Samples> = None;
    while !run.is_over() {
        let now = Samples::read_as(run, seen.scrapes % FORMATS.len());
        let sent = run.d7.sent();
        seen.scrapes += 1;
        seen.balances += usize::from(now.get(BALANCE).is_some());
        let mut wrong = check_moment(run, &now, &sent);
        if let Some(last) = &last {
            wrong.extend(check_counters(last, &now));
        }
        let at = run.watch.now();
        let told = wrong.into_iter().map(|what| format!("{at:.3?}: {what}"));
        seen.wrong.extend(told);
        last = Some(now);
        run.watch.pause(EVERY);
    }
    seen
}

/// Counters never fall, and never go.
fn check_counters(last: &Samples, now: &Samples) -> Vec<String> {
    let fallen = last.counters().filter_map(|(series, before)| {
        let value = now.get(series);
        let is_well = value.is_some_and(|value| value >= before);
        (!is_well).then(|| format!("{series} was {before} and is {value:?}"))
    });
    fallen.collect()
}

const BALANCE: &str = "d7b_balance";
const AGE: &str = "d7b_balance_age_seconds";
const LAST_SUCCESS: &str = "d7b_last_success_timestamp_seconds";

/// What is told of now is so: the balance is one that D7 has sent, came when it
/// says, and is not too old to be shown.
fn check_moment(run: &Run, now: &Samples, sent: &[Sent]) -> Vec<String> {
    let mut wrong = Vec::new();
    let (balance, age) = (now.get(BALANCE), now.get(AGE));
    let last_success = now.get(LAST_SUCCESS);
    if age.is_some() != last_success.is_some() || (balance.is_some() && age.is_none()) {
        wrong.push(format!("{balance:?}, {age:?} and {last_success:?}"));
    }
    if balance.is_some() && age.is_some_and(|age| age >= (TTL + SIE).as_secs_f64()) {
        wrong.push(format!("the balance is shown at the age of {age:?}"));
    }
    // It moves when a good answer is taken over, and so shows when that was.
    if let Some(at) = last_success {
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs_f64(at);
        let moment = run.watch.moment_of(wall);
        let is_of_then =
            |sent: &&Sent| sent.asked <= moment + DRIFT && moment <= sent.asked + TIMEOUT + DRIFT;
        let answers: Vec<_> = sent.iter().filter(is_of_then).collect();
        if answers.is_empty() {
            wrong.push(format!("no good answer was given at {moment:.3?}"));
        }
        let is_one = |balance: f64| answers.iter().any(|sent| sent.balance == balance);
        if balance.is_some_and(|balance| !is_one(balance)) {
            wrong.push(format!("{balance:?} was not sent at {moment:.3?}"));
        }
    }
    let states: Vec<_> = now.of_name("d7b_credential_state").collect();
    let is_one = |state: &&(&String, f64)| state.1 == 1.0;
    if states.iter().filter(is_one).count() != 1 || now.sum("d7b_credential_state") != 1.0 {
        wrong.push(format!("not one state: {states:?}"));
    }
    wrong
}

/// Waits until the service does nothing more, and scrapes it then.
///
/// The last word of D7 may have more follow it, by the half second that lies
/// before a confirmation; a whole refresh takes no longer than its timeout.
pub(crate) fn read_at_rest(run: &Run) -> Samples {
    let asked = || run.service.d7.count();
    wait_until("the service comes to rest", || {
        let before = asked();
        run.watch.pause(TIMEOUT + SPARE);
        asked() == before && Samples::read(run).of("d7b_waiters") == 0.0
    });
    Samples::read(run)
}
