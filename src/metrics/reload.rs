//! What is counted of files that are read again.

use prometheus_client::{
    encoding::EncodeLabelSet,
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

use super::{Resolved, count, resolve};

/// The collectors.
#[derive(Clone)]
pub(super) struct ReloadCollectors {
    reloads: Family<Reload, Counter>,
    pending: Family<File, Gauge>,
    failovers: Counter,
    secondary_in_force: Gauge,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Reload {
    file: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct File {
    file: &'static str,
}

impl ReloadCollectors {
    pub(super) fn register(registry: &mut Registry) -> Self {
        let reloads = Family::default();
        registry.register(
            "reloads",
            "Changes found in a file that is read again, by what became of them",
            Family::clone(&reloads),
        );
        let pending = Family::default();
        registry.register(
            "reload_pending",
            "Whether a file holds something that is not in force: it is unusable, or a token that is rejected or not proved yet",
            Family::clone(&pending),
        );
        let failovers = Counter::default();
        registry.register(
            "token_failovers",
            "Times that the token in force was rejected and the other one took its place",
            failovers.clone(),
        );
        let secondary_in_force = Gauge::default();
        registry.register(
            "token_secondary_in_force",
            "Whether the secondary token is in force",
            secondary_in_force.clone(),
        );
        Self {
            reloads,
            pending,
            failovers,
            secondary_in_force,
        }
    }

    pub(super) fn for_file(&self, file: &'static str, outcomes: &[&'static str]) -> ReloadMetrics {
        ReloadMetrics {
            outcomes: resolve(outcomes, |outcome| {
                self.reloads.get_or_create_owned(&Reload { file, outcome })
            }),
            pending: self.pending.get_or_create_owned(&File { file }),
        }
    }

    pub(super) fn for_failover(&self) -> FailoverMetrics {
        FailoverMetrics {
            failovers: self.failovers.clone(),
            secondary_in_force: self.secondary_in_force.clone(),
        }
    }
}

/// What is counted of one file.
#[derive(Clone)]
pub struct ReloadMetrics {
    outcomes: Resolved,
    pending: Gauge,
}

impl ReloadMetrics {
    /// A change was found, and has ended in `outcome`.
    pub fn ended(&self, outcome: &'static str) {
        count(&self.outcomes, outcome);
    }

    /// Whether the file holds something that is not in force.
    pub fn pending(&self, is_pending: bool) {
        self.pending.set(i64::from(is_pending));
    }
}

/// What is counted of tokens that take each other's place.
#[derive(Clone)]
pub struct FailoverMetrics {
    failovers: Counter,
    secondary_in_force: Gauge,
}

impl FailoverMetrics {
    /// One has taken the other's place.
    pub fn failed_over(&self) {
        self.failovers.inc();
    }

    /// Whether the secondary token is in force.
    pub fn secondary_in_force(&self, is_in_force: bool) {
        self.secondary_in_force.set(i64::from(is_in_force));
    }
}
