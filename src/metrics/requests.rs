//! What is counted of the requests on the public listener.

use std::time::Duration;

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family},
    registry::{Registry, Unit},
};

use super::{Resolved, count, durations::Durations, resolve};

/// The collectors.
#[derive(Clone)]
pub(super) struct RequestCollectors {
    requests: Family<Answered, Counter>,
    duration: Family<OfClient, Durations, fn() -> Durations>,
    abandoned: Counter,
    answers: Family<CacheOutcome, Counter>,
    stale_answers: Family<Reason, Counter>,
    problems: Family<Problem, Counter>,
    denied: Family<Reason, Counter>,
    rate_limited: Family<OfClient, Counter>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Answered {
    client: String,
    status_class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct CacheOutcome {
    cache: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reason {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Problem {
    code: &'static str,
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

/// Requests without an accepted key: of no client, as Prometheus has it.
const NOBODY: &str = "";

/// The classes of status that there are: no answer is an interim one.
const CLASSES: [&str; 4] = ["2xx", "3xx", "4xx", "5xx"];

/// The words that the figures of requests use.
pub struct RequestWords<'a> {
    /// What the cache may have done for an answer.
    pub cache: &'a [&'static str],
    /// Why an answer may have been stale.
    pub stale: &'a [&'static str],
    /// The codes of errors.
    pub problems: &'a [&'static str],
    /// Why a credential may not have been accepted.
    pub denials: &'a [&'static str],
}

impl RequestCollectors {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let requests = Family::default();
        registry.register(
            "requests",
            "Requests answered on the public listener, by client and by class of status; the client is empty where no key was accepted",
            Family::clone(&requests),
        );
        // From 25 µs, a hit, to 6.6 s, longer than a refresh takes by default.
        let none: fn() -> Durations = || Durations::new(Duration::from_micros(25), 4, 10);
        let duration = Family::new_with_constructor(none);
        registry.register_with_unit(
            "request_duration",
            "Time from a request's head to its answer, by client",
            Unit::Seconds,
            Family::clone(&duration),
        );
        let abandoned = Counter::default();
        registry.register(
            "requests_abandoned",
            "Requests whose caller went away before the answer",
            abandoned.clone(),
        );
        let answers = Family::default();
        registry.register(
            "answers",
            "Balances answered, by what the cache did for them",
            Family::clone(&answers),
        );
        let stale_answers = Family::default();
        registry.register(
            "stale_answers",
            "Balances answered past their time to live, by why none was newer: a refresh behind, or what went wrong",
            Family::clone(&stale_answers),
        );
        let problems = Family::default();
        registry.register(
            "problems",
            "Errors answered, by their code",
            Family::clone(&problems),
        );
        let denied = Family::default();
        registry.register(
            "denied",
            "Requests whose credential was not accepted, by reason",
            Family::clone(&denied),
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
            abandoned,
            answers,
            stale_answers,
            problems,
            denied,
            rate_limited,
        }
    }

    pub(super) fn for_log(&self, words: &RequestWords<'_>) -> RequestMetrics {
        let reasons = |family: &Family<Reason, Counter>, words| {
            resolve(words, |reason| {
                family.get_or_create_owned(&Reason { reason })
            })
        };
        RequestMetrics {
            of_nobody: self.answered(NOBODY),
            abandoned: self.abandoned.clone(),
            by_cache: resolve(words.cache, |cache| {
                self.answers.get_or_create_owned(&CacheOutcome { cache })
            }),
            stale: reasons(&self.stale_answers, words.stale),
            problems: resolve(words.problems, |code| {
                self.problems.get_or_create_owned(&Problem { code })
            }),
            denied: reasons(&self.denied, words.denials),
        }
    }

    fn answered(&self, client: &str) -> AnswerMetrics {
        let class = |status_class| {
            self.requests.get_or_create_owned(&Answered {
                client: client.to_owned(),
                status_class,
            })
        };
        AnswerMetrics {
            by_class: CLASSES.map(class),
            duration: self.duration.get_or_create_owned(&OfClient::named(client)),
        }
    }

    pub(super) fn for_client(&self, client: &str) -> ClientMetrics {
        let of_client = OfClient::named(client);
        ClientMetrics {
            answers: self.answered(client),
            rate_limited: self.rate_limited.get_or_create_owned(&of_client),
        }
    }

    pub(super) fn forget_client(&self, client: &str) {
        for status_class in CLASSES {
            self.requests.remove(&Answered {
                client: client.to_owned(),
                status_class,
            });
        }
        let of_client = OfClient::named(client);
        self.duration.remove(&of_client);
        self.rate_limited.remove(&of_client);
    }
}

/// What is counted of every request on the public listener.
#[derive(Clone)]
pub struct RequestMetrics {
    /// Where no key was accepted.
    pub of_nobody: AnswerMetrics,
    abandoned: Counter,
    by_cache: Resolved,
    stale: Resolved,
    problems: Resolved,
    denied: Resolved,
}

impl RequestMetrics {
    /// A balance was answered by way of `outcome`.
    pub fn served(&self, outcome: &'static str) {
        count(&self.by_cache, outcome);
    }

    /// The balance that was answered was past its time to live.
    pub fn served_stale(&self, reason: &'static str) {
        count(&self.stale, reason);
    }

    /// An error was answered.
    pub fn problem(&self, code: &'static str) {
        count(&self.problems, code);
    }

    /// A credential was not accepted.
    pub fn denied(&self, reason: &'static str) {
        count(&self.denied, reason);
    }

    /// A caller went away before its answer.
    pub fn abandoned(&self) {
        self.abandoned.inc();
    }
}

/// What is counted of answers to one client, or to nobody.
#[derive(Clone)]
pub struct AnswerMetrics {
    by_class: [Counter; 4],
    duration: Durations,
}

impl AnswerMetrics {
    /// An answer with `status`, so long `after` its request.
    pub fn answered(&self, status: u16, after: Duration) {
        let class = usize::from(status / 100).checked_sub(2);
        if let Some(counter) = class.and_then(|class| self.by_class.get(class)) {
            counter.inc();
        }
        self.duration.observe(after);
    }
}

/// What is counted of one client.
#[derive(Clone)]
pub struct ClientMetrics {
    answers: AnswerMetrics,
    rate_limited: Counter,
}

impl ClientMetrics {
    /// What is counted of the answers to it.
    pub fn answers(&self) -> &AnswerMetrics {
        &self.answers
    }

    /// Its limit was reached, and a request refused.
    pub fn rate_limited(&self) {
        self.rate_limited.inc();
    }
}
