//! The figures of what is so at the moment of asking. They are read then, and
//! stand nowhere in between: none can be an old one that looks new.

use std::time::{Duration, SystemTime};

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{
        family::Family,
        gauge::{ConstGauge, Gauge},
    },
    registry::{Registry, Unit},
};

/// What is so at the moment of asking.
#[derive(Debug, Default)]
pub struct Moment<'a> {
    /// The balance in D7's own digits, while it may pass for one of now.
    pub balance: Option<&'a str>,
    /// The digits of what it should not fall below, where that is set.
    pub alert_below: Option<&'a str>,
    /// How old the stored balance is, however old.
    pub age: Option<Duration>,
    /// When D7 last answered with a balance.
    pub last_success: Option<SystemTime>,
    /// How long D7 is still left alone.
    pub hold_down: Duration,
    /// Every state that a credential can have, and whether it has it.
    pub credential_states: Vec<(&'static str, bool)>,
    /// By file, when the token in it ends, where it says so itself.
    pub credential_ends: Vec<(&'static str, SystemTime)>,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct State {
    state: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct File {
    file: &'static str,
}

impl Moment<'_> {
    /// Registers what there is. What is not known has no series.
    pub(super) fn register(&self, registry: &mut Registry) {
        if let Some(balance) = self.balance.and_then(number) {
            registry.register(
                "balance",
                "The credit left; absent where it is not known any more: past the time to live and stale-if-error, or while D7 rejects the token or asks for a payment",
                ConstGauge::new(balance),
            );
        }
        if let Some(below) = self.alert_below.and_then(number) {
            registry.register(
                "alert_below",
                "What the balance should not fall below: D7B_ALERT_BELOW",
                ConstGauge::new(below),
            );
        }
        if let Some(age) = self.age {
            registry.register_with_unit(
                "balance_age",
                "Time since D7's answer that the stored balance is from",
                Unit::Seconds,
                ConstGauge::new(age.as_secs_f64()),
            );
        }
        if let Some(at) = self.last_success {
            registry.register_with_unit(
                "last_success_timestamp",
                "When D7 last answered with a balance, since 1970",
                Unit::Seconds,
                ConstGauge::new(since_1970(at)),
            );
        }
        registry.register_with_unit(
            "hold_down",
            "How long D7 is still left alone after a failure",
            Unit::Seconds,
            ConstGauge::new(self.hold_down.as_secs_f64()),
        );
        let states = Family::<State, Gauge>::default();
        for (state, is_so) in &self.credential_states {
            let gauge = states.get_or_create_owned(&State { state });
            gauge.set(i64::from(*is_so));
        }
        registry.register(
            "credential_state",
            "What D7 thinks of the token in force: 1 for the state that it has",
            states,
        );
        if self.credential_ends.is_empty() {
            return;
        }
        let ends = Family::<File, Gauge<f64, std::sync::atomic::AtomicU64>>::default();
        for (file, end) in &self.credential_ends {
            ends.get_or_create_owned(&File { file })
                .set(since_1970(*end));
        }
        registry.register_with_unit(
            "credential_expires_timestamp",
            "When a token ends by its own word, since 1970",
            Unit::Seconds,
            ends,
        );
    }
}

/// What Prometheus can hold of `digits`, which need not be all of them: a number
/// that is beyond it is none.
fn number(digits: &str) -> Option<f64> {
    digits
        .parse()
        .ok()
        .filter(|number: &f64| number.is_finite())
}

fn since_1970(at: SystemTime) -> f64 {
    match at.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => after.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::number;

    #[test]
    fn a_number_that_prometheus_cannot_hold_is_none() {
        assert_eq!(number("99.9999999"), Some(99.9999999));
        assert_eq!(number("-0.5"), Some(-0.5));
        assert_eq!(number("1e3"), Some(1000.0));
        assert_eq!(number("1e400"), None);
        assert_eq!(number("-1e400"), None);
    }
}
