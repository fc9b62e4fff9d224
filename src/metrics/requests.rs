//! What is counted of the requests on the public listener.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        counter::Counter,
        family::Family,
        histogram::{Histogram, exponential_buckets},
    },
    registry::{Registry, Unit},
};

use super::{Resolved, count, resolve};

/// The collectors.
#[derive(Clone)]
pub(super) struct RequestCollectors {
    requests: Family<StatusClass, Counter>,
    duration: Histogram,
    answers: Family<CacheOutcome, Counter>,
    denied: Family<Denied, Counter>,
    of_clients: Family<OfClient, Counter>,
    rate_limited: Family<OfClient, Counter>,
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

impl RequestCollectors {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let requests = Family::default();
        registry.register(
            "requests",
            "Requests answered on the public listener, by class of status",
            Family::clone(&requests),
        );
        let duration = Histogram::new(exponential_buckets(0.000_025, 4.0, 10));
        registry.register_with_unit(
            "request_duration",
            "Time from a request's head to its answer",
            Unit::Seconds,
            duration.clone(),
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
        let of_clients = Family::default();
        registry.register(
            "caller_requests",
            "Requests whose credential was accepted, by client",
            Family::clone(&of_clients),
        );
        let rate_limited = Family::default();
        registry.register(
            "rate_limited",
            "Requests refused because their client's limit was reached, by client",
            Family::clone(&rate_limited),
        );
        Self {
            requests,
            duration,
            answers,
            denied,
            of_clients,
            rate_limited,
        }
    }

    /// The handles of the request log.
    pub(super) fn for_log(
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
            duration: self.duration.clone(),
            by_cache: resolve(cache_outcomes, |cache| {
                self.answers.get_or_create_owned(&CacheOutcome { cache })
            }),
            denied: resolve(denials, |reason| {
                self.denied.get_or_create_owned(&Denied { reason })
            }),
        }
    }

    /// The handles of one client, whose series are exported from now on.
    pub(super) fn for_client(&self, client: &str) -> ClientMetrics {
        let of_client = OfClient::named(client);
        ClientMetrics {
            requests: self.of_clients.get_or_create_owned(&of_client),
            rate_limited: self.rate_limited.get_or_create_owned(&of_client),
        }
    }

    /// Exports the series of one client no longer, so that they stay as many as
    /// there are clients. Handles that are still about count for nothing.
    pub(super) fn forget_client(&self, client: &str) {
        let of_client = OfClient::named(client);
        self.of_clients.remove(&of_client);
        self.rate_limited.remove(&of_client);
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
