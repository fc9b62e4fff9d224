//! What is counted of refreshes and of requests to D7.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};

use super::{Resolved, count, durations::Durations, resolve};

/// The collectors.
#[derive(Clone)]
pub(super) struct UpstreamCollectors {
    refreshes: Family<Outcome, Counter>,
    requests: Family<Outcome, Counter>,
    durations: Family<Outcome, Durations, fn() -> Durations>,
    sms_count_ignored: Counter,
    waiters: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The outcome of a request or refresh that brought a balance.
const OK: &str = "ok";

impl UpstreamCollectors {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let refreshes = Family::default();
        registry.register(
            "refreshes",
            "Refreshes, by outcome",
            Family::clone(&refreshes),
        );
        let requests = Family::default();
        registry.register(
            "upstream_requests",
            "Requests to D7, by outcome",
            Family::clone(&requests),
        );
        // From 5 ms to 10.24 s, twice the default of D7B_UPSTREAM_TIMEOUT.
        let none: fn() -> Durations = || Durations::new(Duration::from_millis(5), 2, 12);
        let durations = Family::new_with_constructor(none);
        registry.register_with_unit(
            "upstream_request_duration",
            "Time from the begin of a request to D7 to the end of its answer, by outcome",
            Unit::Seconds,
            Family::clone(&durations),
        );
        let sms_count_ignored = Counter::default();
        registry.register(
            "sms_count_ignored",
            "Answers of D7 whose sms_count was no number and was left out",
            sms_count_ignored.clone(),
        );
        let waiters = Gauge::default();
        registry.register(
            "waiters",
            "Requests that wait for the refresh under way",
            waiters.clone(),
        );
        Self {
            refreshes,
            requests,
            durations,
            sms_count_ignored,
            waiters,
        }
    }

    pub(super) fn for_refresher(&self, failures: &[&'static str]) -> RefreshMetrics {
        let of = |outcome| Outcome { outcome };
        let asked = |outcome| AskedMetrics {
            requests: self.requests.get_or_create_owned(&of(outcome)),
            duration: self.durations.get_or_create_owned(&of(outcome)),
        };
        RefreshMetrics {
            ok: self.refreshes.get_or_create_owned(&of(OK)),
            failures: resolve(failures, |outcome| {
                self.refreshes.get_or_create_owned(&of(outcome))
            }),
            asked_well: asked(OK),
            asked_in_vain: failures
                .iter()
                .map(|outcome| (*outcome, asked(outcome)))
                .collect(),
            waiters: self.waiters.clone(),
        }
    }

    pub(super) fn for_client(&self) -> UpstreamMetrics {
        UpstreamMetrics {
            sms_count_ignored: self.sms_count_ignored.clone(),
        }
    }
}

/// What is counted of refreshes, and of the requests that they make.
#[derive(Clone)]
pub struct RefreshMetrics {
    ok: Counter,
    failures: Resolved,
    asked_well: AskedMetrics,
    asked_in_vain: Vec<(&'static str, AskedMetrics)>,
    waiters: Gauge,
}

/// What is counted of requests with one outcome.
#[derive(Clone)]
struct AskedMetrics {
    requests: Counter,
    duration: Durations,
}

impl RefreshMetrics {
    /// A refresh brought a balance.
    pub fn refreshed(&self) {
        self.ok.inc();
    }

    /// A refresh failed.
    pub fn failed(&self, outcome: &'static str) {
        count(&self.failures, outcome);
    }

    /// A request to D7 has ended `after` it began: with a balance, or with the
    /// failure that is named.
    pub fn asked(&self, failure: Option<&'static str>, after: Duration) {
        let of_failure = |outcome| {
            let mut known = self.asked_in_vain.iter();
            known.find_map(|(known, asked)| (*known == outcome).then_some(asked))
        };
        let asked = failure.map_or(Some(&self.asked_well), of_failure);
        if let Some(AskedMetrics { requests, duration }) = asked {
            requests.inc();
            duration.observe(after);
        }
    }

    /// So many requests wait now.
    pub fn waiting(&self, waiters: usize) {
        self.waiters.set(i64::try_from(waiters).unwrap_or(i64::MAX));
    }
}

/// What is counted of D7's answers.
#[derive(Clone)]
pub struct UpstreamMetrics {
    sms_count_ignored: Counter,
}

impl UpstreamMetrics {
    /// An `sms_count` was no number.
    pub fn ignored_sms_count(&self) {
        self.sms_count_ignored.inc();
    }
}
