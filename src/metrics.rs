//! Every figure the service exports: names, labels, help texts.
//!
//! Label values come from closed sets only, and handles are resolved before
//! the first request: a look-up by label takes a lock that the hit path must
//! not wait for.

mod reload;

use std::sync::Arc;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabelSet, EncodeMetric, text::encode},
    metrics::{
        counter::{ConstCounter, Counter},
        family::Family,
        gauge::Gauge,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};
use tracing_appender::non_blocking::ErrorCounter;

use self::reload::ReloadCollectors;
pub use self::reload::{FailoverMetrics, ReloadMetrics};

/// The collectors, and the registry that names them.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: Family<StatusClass, Counter>,
    request_duration: Histogram,
    answers: Family<CacheOutcome, Counter>,
    denied: Family<Denied, Counter>,
    caller_requests: Family<OfClient, Counter>,
    rate_limited: Family<OfClient, Counter>,
    refreshes: Family<Outcome, Counter>,
    upstream_requests: Family<Outcome, Counter>,
    sms_count_ignored: Counter,
    waiters: Gauge,
    reloads: ReloadCollectors,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct StatusClass {
    status_class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheOutcome {
    cache: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Denied {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OfClient {
    client: String,
}

impl OfClient {
    fn named(client: &str) -> Self {
        Self {
            client: client.to_owned(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Outcome {
    outcome: &'static str,
}

/// The outcome of a request or refresh that brought a balance.
const OK: &str = "ok";

impl Metrics {
    /// All collectors, at zero. `log_lines_dropped` is the log's own count,
    /// where there is a log.
    pub fn new(log_lines_dropped: Option<ErrorCounter>) -> Self {
        let mut registry = Registry::with_prefix("d7b");
        let requests = Family::default();
        registry.register(
            "requests",
            "Requests answered on the public listener, by class of status",
            Family::clone(&requests),
        );
        let request_duration = Histogram::new(exponential_buckets(0.000_025, 4.0, 10));
        registry.register_with_unit(
            "request_duration",
            "Time from a request's head to its answer",
            Unit::Seconds,
            request_duration.clone(),
        );
        let answers = Family::default();
        registry.register(
            "answers",
            "Balances answered, by what the cache did for them",
            Family::clone(&answers),
        );
        let denied = Family::default();
        registry.register(
            "denied",
            "Requests whose credential was not accepted, by reason",
            Family::clone(&denied),
        );
        let caller_requests = Family::default();
        registry.register(
            "caller_requests",
            "Requests whose credential was accepted, by client",
            Family::clone(&caller_requests),
        );
        let rate_limited = Family::default();
        registry.register(
            "rate_limited",
            "Requests refused because their client's limit was reached, by client",
            Family::clone(&rate_limited),
        );
        let refreshes = Family::default();
        registry.register(
            "refreshes",
            "Refreshes, by outcome",
            Family::clone(&refreshes),
        );
        let upstream_requests = Family::default();
        registry.register(
            "upstream_requests",
            "Requests to D7, by outcome",
            Family::clone(&upstream_requests),
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
        let reloads = ReloadCollectors::register(&mut registry);
        if let Some(dropped) = log_lines_dropped {
            registry.register_collector(Box::new(DroppedLines(dropped)));
        }
        Self {
            registry: Arc::new(registry),
            requests,
            request_duration,
            answers,
            denied,
            caller_requests,
            rate_limited,
            refreshes,
            upstream_requests,
            sms_count_ignored,
            waiters,
            reloads,
        }
    }

    /// The exposition in OpenMetrics text format.
    ///
    /// # Errors
    /// None that a `String` as the target could cause.
    pub fn render(&self) -> Result<String, std::fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }

    /// The handles of the request log.
    pub fn for_requests(
        &self,
        cache_outcomes: &[&'static str],
        denials: &[&'static str],
    ) -> RequestMetrics {
        let class = |status_class| {
            self.requests
                .get_or_create_owned(&StatusClass { status_class })
        };
        RequestMetrics {
            by_class: [
                class("1xx"),
                class("2xx"),
                class("3xx"),
                class("4xx"),
                class("5xx"),
            ],
            duration: self.request_duration.clone(),
            by_cache: resolve(cache_outcomes, |cache| {
                self.answers.get_or_create_owned(&CacheOutcome { cache })
            }),
            denied: resolve(denials, |reason| {
                self.denied.get_or_create_owned(&Denied { reason })
            }),
        }
    }

    /// The handles of one client, whose series are exported from now on.
    pub fn for_client(&self, client: &str) -> ClientMetrics {
        let of_client = OfClient::named(client);
        ClientMetrics {
            requests: self.caller_requests.get_or_create_owned(&of_client),
            rate_limited: self.rate_limited.get_or_create_owned(&of_client),
        }
    }

    /// Exports the series of one client no longer, so that they stay as many as
    /// there are clients. Handles that are still about count for nothing.
    pub fn forget_client(&self, client: &str) {
        let of_client = OfClient::named(client);
        self.caller_requests.remove(&of_client);
        self.rate_limited.remove(&of_client);
    }

    /// The handles of a file that is read again.
    pub fn for_reloads(&self, file: &'static str, outcomes: &[&'static str]) -> ReloadMetrics {
        self.reloads.for_file(file, outcomes)
    }

    /// The handles of tokens that take each other's place.
    pub fn for_failover(&self) -> FailoverMetrics {
        self.reloads.for_failover()
    }

    /// The handles of a refresher.
    pub fn for_refresher(&self, failures: &[&'static str]) -> RefreshMetrics {
        RefreshMetrics {
            outcomes: OutcomeCounters::new(&self.refreshes, failures),
            waiters: self.waiters.clone(),
        }
    }

    /// The handles of the upstream client.
    pub fn for_upstream(&self, failures: &[&'static str]) -> UpstreamMetrics {
        UpstreamMetrics {
            outcomes: OutcomeCounters::new(&self.upstream_requests, failures),
            sms_count_ignored: self.sms_count_ignored.clone(),
        }
    }
}

/// A counter for each value of a closed label set, found by the value.
type Resolved = Vec<(&'static str, Counter)>;

fn resolve(values: &[&'static str], counter: impl Fn(&'static str) -> Counter) -> Resolved {
    values
        .iter()
        .map(|value| (*value, counter(value)))
        .collect()
}

fn count(counters: &Resolved, value: &str) {
    if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == value) {
        counter.inc();
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

/// What is counted of every request on the public listener.
#[derive(Clone)]
pub struct RequestMetrics {
    by_class: [Counter; 5],
    duration: Histogram,
    by_cache: Resolved,
    denied: Resolved,
}

impl RequestMetrics {
    /// An answer with `status` after `seconds`.
    pub fn answered(&self, status: u16, seconds: f64) {
        let class = usize::from(status / 100).saturating_sub(1);
        if let Some(counter) = self.by_class.get(class) {
            counter.inc();
        }
        self.duration.observe(seconds);
    }

    /// A balance was answered by way of `outcome`.
    pub fn served(&self, outcome: &'static str) {
        count(&self.by_cache, outcome);
    }

    /// A credential was not accepted.
    pub fn denied(&self, reason: &'static str) {
        count(&self.denied, reason);
    }
}

/// What is counted of one client.
#[derive(Clone)]
pub struct ClientMetrics {
    requests: Counter,
    rate_limited: Counter,
}

impl ClientMetrics {
    /// One of its keys was accepted.
    pub fn requested(&self) {
        self.requests.inc();
    }

    /// Its limit was reached, and a request refused.
    pub fn rate_limited(&self) {
        self.rate_limited.inc();
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

/// Reads the log's own count of lost lines when it is asked for.
#[derive(Debug)]
struct DroppedLines(ErrorCounter);

impl Collector for DroppedLines {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), std::fmt::Error> {
        let dropped = u64::try_from(self.0.dropped_lines()).unwrap_or(u64::MAX);
        let counter = ConstCounter::new(dropped);
        let descriptor = encoder.encode_descriptor(
            "log_lines_dropped",
            "Log lines lost because the reader of the log was too slow",
            None,
            counter.metric_type(),
        )?;
        counter.encode(descriptor)
    }
}
