//! A client: what its keys have in common.

use std::sync::Arc;

use super::limit::{Limiter, RateLimit, Verdict};
use crate::{
    clock::Clock,
    metrics::{AnswerMetrics, ClientMetrics},
};

/// A team or service.
pub struct Client {
    name: Box<str>,
    limiter: Option<Limiter>,
    metrics: ClientMetrics,
}

impl Client {
    /// A client that has asked nothing yet, as far as its limit goes.
    pub(super) fn new(
        name: &str,
        limit: Option<RateLimit>,
        clock: &Arc<dyn Clock>,
        metrics: ClientMetrics,
    ) -> Self {
        Self {
            name: name.into(),
            limiter: limit.map(|limit| Limiter::new(limit, Arc::clone(clock))),
            metrics,
        }
    }

    /// Its name, as the key file has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How often it may ask; none: as often as it likes.
    pub fn limit(&self) -> Option<RateLimit> {
        self.limiter.as_ref().map(Limiter::limit)
    }

    /// Its counters.
    pub(super) fn metrics(&self) -> &ClientMetrics {
        &self.metrics
    }

    /// What is counted of the answers to it.
    pub fn answers(&self) -> &AnswerMetrics {
        self.metrics.answers()
    }

    /// Takes one request of this client out of its limit, and says what that
    /// makes of it, if there is one.
    pub fn take_request(&self) -> Option<Verdict> {
        let verdict = self.limiter.as_ref()?.check();
        if verdict.refused_for_s.is_some() {
            self.metrics.rate_limited();
        }
        Some(verdict)
    }
}
