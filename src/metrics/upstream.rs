//! What is counted of refreshes and of requests to D7.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{Resolved, count, resolve};

/// The collectors.
#[derive(Clone)]
pub(super) struct UpstreamCollectors {
    refreshes: Family<Outcome, Counter>,
    requests: Family<Outcome, Counter>,
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
            sms_count_ignored,
            waiters,
        }
    }

    /// The handles of a refresher.
    pub(super) fn for_refresher(&self, failures: &[&'static str]) -> RefreshMetrics {
        RefreshMetrics {
            outcomes: OutcomeCounters::new(&self.refreshes, failures),
            waiters: self.waiters.clone(),
        }
    }

    /// The handles of the upstream client.
    pub(super) fn for_upstream(&self, failures: &[&'static str]) -> UpstreamMetrics {
        UpstreamMetrics {
            outcomes: OutcomeCounters::new(&self.requests, failures),
            sms_count_ignored: self.sms_count_ignored.clone(),
        }
    }
}

#[derive(Clone)]
struct OutcomeCounters {
    ok: Counter,
    failures: Resolved,
}

impl OutcomeCounters {
    fn new(family: &Family<Outcome, Counter>, failures: &[&'static str]) -> Self {
        let counter = |outcome| family.get_or_create_owned(&Outcome { outcome });
        Self {
            ok: counter(OK),
            failures: resolve(failures, counter),
        }
    }
}

/// What is counted of refreshes.
#[derive(Clone)]
pub struct RefreshMetrics {
    outcomes: OutcomeCounters,
    waiters: Gauge,
}

impl RefreshMetrics {
    /// A refresh brought a balance.
    pub fn refreshed(&self) {
        self.outcomes.ok.inc();
    }

    /// A refresh failed.
    pub fn failed(&self, outcome: &'static str) {
        count(&self.outcomes.failures, outcome);
    }

    /// So many requests wait now.
    pub fn waiting(&self, waiters: usize) {
        self.waiters.set(i64::try_from(waiters).unwrap_or(i64::MAX));
    }
}

/// What is counted of requests to D7.
#[derive(Clone)]
pub struct UpstreamMetrics {
    outcomes: OutcomeCounters,
    sms_count_ignored: Counter,
}

impl UpstreamMetrics {
    /// A request brought a balance.
    pub fn succeeded(&self) {
        self.outcomes.ok.inc();
    }

    /// A request failed.
    pub fn failed(&self, outcome: &'static str) {
        count(&self.outcomes.failures, outcome);
    }

    /// An `sms_count` was no number.
    pub fn ignored_sms_count(&self) {
        self.sms_count_ignored.inc();
    }
}
