//! What is counted of alerts.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Attempt {
    outcome: &'static str,
}

/// What is counted of alerts.
#[derive(Clone)]
pub struct AlertMetrics {
    delivered: Counter,
    failed: Counter,
    dropped: Counter,
    pending: Gauge,
}

impl AlertMetrics {
    /// All at zero.
    pub(super) fn register(registry: &mut Registry) -> Self {
        let attempts = Family::<Attempt, Counter>::default();
        registry.register(
            "alert_attempts",
            "Attempts to deliver an alert, by outcome",
            Family::clone(&attempts),
        );
        let dropped = Counter::default();
        registry.register(
            "alerts_dropped",
            "Alerts that were given up: the receiver refused them for a day, or too many waited",
            dropped.clone(),
        );
        let pending = Gauge::default();
        registry.register(
            "alerts_pending",
            "Alerts that are not delivered yet",
            pending.clone(),
        );
        let attempts = |outcome| attempts.get_or_create_owned(&Attempt { outcome });
        Self {
            delivered: attempts("delivered"),
            failed: attempts("failed"),
            dropped,
            pending,
        }
    }

    /// The receiver has taken one.
    pub fn delivered(&self) {
        self.delivered.inc();
    }

    /// An attempt has failed.
    pub fn failed(&self) {
        self.failed.inc();
    }

    /// One was given up.
    pub fn dropped(&self) {
        self.dropped.inc();
    }

    /// One more is not delivered yet.
    pub fn one_more_pending(&self) {
        self.pending.inc();
    }

    /// One less is.
    pub fn one_less_pending(&self) {
        self.pending.dec();
    }
}
