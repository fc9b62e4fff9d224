//! What is counted of files that are read again.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::SystemTime,
};

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
    now: Arc<Mutex<Vec<ReloadNow>>>,
}

/// A file that is read again, and what became of its last change.
#[derive(Debug, Clone, Copy)]
pub struct ReloadNow {
    /// Which file.
    pub file: &'static str,
    /// What became of the last change, and when; none before the first.
    pub last: Option<(&'static str, SystemTime)>,
    /// Whether it holds something that is not in force.
    pub is_pending: bool,
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
            now: Arc::default(),
        }
    }

    pub(super) fn for_file(&self, file: &'static str, outcomes: &[&'static str]) -> ReloadMetrics {
        let mut now = lock(&self.now);
        now.push(ReloadNow {
            file,
            last: None,
            is_pending: false,
        });
        ReloadMetrics {
            place: now.len() - 1,
            now: Arc::clone(&self.now),
            outcomes: resolve(outcomes, |outcome| {
                self.reloads.get_or_create_owned(&Reload { file, outcome })
            }),
            pending: self.pending.get_or_create_owned(&File { file }),
        }
    }

    pub(super) fn now(&self) -> Vec<ReloadNow> {
        lock(&self.now).clone()
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
    now: Arc<Mutex<Vec<ReloadNow>>>,
    place: usize,
}

impl ReloadMetrics {
    /// A change was found, and has ended in `outcome`.
    pub fn ended(&self, outcome: &'static str, at: SystemTime) {
        count(&self.outcomes, outcome);
        self.note(|now| now.last = Some((outcome, at)));
    }

    /// Whether the file holds something that is not in force.
    pub fn pending(&self, is_pending: bool) {
        self.pending.set(i64::from(is_pending));
        self.note(|now| now.is_pending = is_pending);
    }

    fn note(&self, note: impl FnOnce(&mut ReloadNow)) {
        if let Some(now) = lock(&self.now).get_mut(self.place) {
            note(now);
        }
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

fn lock(now: &Mutex<Vec<ReloadNow>>) -> MutexGuard<'_, Vec<ReloadNow>> {
    // Each change of it is one step: a panic leaves it whole.
    now.lock().unwrap_or_else(PoisonError::into_inner)
}
