//! What is known of one account, as every worker may see it.
//!
//! An [`AccountState`] is replaced whole by the refresher after every flight;
//! but for the mark that somebody was nudged, nothing in it changes in place, so
//! that a reader needs no lock and never sees half of an event.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use super::{
    Snapshot,
    credential::standing::{CredentialState, Standing},
    source::{FailureKind, UpstreamCode},
};
use crate::clock::MonoTime;

/// The stored balance and the last failure.
#[derive(Debug, Default)]
pub struct AccountState {
    /// The last valid balance. Outlives every window, as `last_known`.
    pub snapshot: Option<Arc<Snapshot>>,
    /// The last failed refresh, until the next valid answer.
    pub failure: Option<Arc<Failure>>,
    /// When D7 last answered anything at all.
    pub answered_at: Option<MonoTime>,
    /// The refresh that failed last, also where D7 has answered well since.
    pub last_failed: Option<Arc<LastFailed>>,
    /// What D7 thinks of the credential.
    pub credential: Standing,
    nudged: AtomicBool,
}

impl AccountState {
    /// A state that nobody has been nudged for yet.
    pub fn new(
        snapshot: Option<Arc<Snapshot>>,
        failure: Option<Arc<Failure>>,
        answered_at: Option<MonoTime>,
    ) -> Self {
        Self {
            snapshot,
            failure,
            answered_at,
            ..Self::default()
        }
    }

    /// The same with what outlives it.
    pub fn with(self, credential: Standing, last_failed: Option<Arc<LastFailed>>) -> Self {
        Self {
            credential,
            last_failed,
            ..self
        }
    }

    /// The state of the credential in force at `now`.
    pub fn credential_state(&self, now: SystemTime) -> CredentialState {
        self.credential.state(now)
    }

    /// True for the first caller that finds this state stale: one message is
    /// enough to start the refresh behind, however many hits come meanwhile.
    pub fn first_to_nudge(&self) -> bool {
        !self.nudged.swap(true, Ordering::Relaxed)
    }
}

/// A refresh that failed, for whoever looks back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LastFailed {
    /// When.
    pub at: SystemTime,
    /// What went wrong.
    pub kind: FailureKind,
    /// The status, if D7 gave one.
    pub status: Option<u16>,
    /// D7's own code, if it sent one.
    pub code: Option<UpstreamCode>,
}

/// A failed refresh, and how long D7 is left alone for it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What went wrong.
    pub kind: FailureKind,
    /// The status, if D7 gave one.
    pub status: Option<u16>,
    /// D7's own code, if it sent one.
    pub code: Option<UpstreamCode>,
    /// For a rejected credential: whether D7 said so twice.
    pub confirmed: bool,
    /// Whether it came after a rejected credential had been changed, and before
    /// D7 accepted the new one: nothing stale is served until it does.
    pub is_on_probation: bool,
    /// The end of the hold-down: before it, nobody asks.
    pub held_until: MonoTime,
}

/// How long a failure can be expected to last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    /// Likely to pass by itself.
    Transient,
    /// Somebody has to do something.
    Lasting,
}

impl Failure {
    /// The class, which sets the steps of the hold-down and `retryable`.
    pub fn class(&self) -> Class {
        match self.kind {
            FailureKind::Unauthorized | FailureKind::Forbidden if !self.confirmed => {
                Class::Transient
            }
            FailureKind::Unauthorized
            | FailureKind::Forbidden
            | FailureKind::PaymentRequired
            | FailureKind::UnexpectedStatus => Class::Lasting,
            FailureKind::RateLimited
            | FailureKind::Unavailable
            | FailureKind::Unreachable
            | FailureKind::Timeout
            | FailureKind::InvalidResponse
            | FailureKind::Panicked => Class::Transient,
        }
    }

    /// Whether it forbids serving a stale balance.
    pub fn is_blocking(&self) -> bool {
        self.is_on_probation || self.is_refusal()
    }

    /// Whether D7 refuses this account: a confirmed rejection of our credential,
    /// or 402.
    pub fn is_refusal(&self) -> bool {
        match self.kind {
            FailureKind::Unauthorized | FailureKind::Forbidden => self.confirmed,
            FailureKind::PaymentRequired => true,
            FailureKind::UnexpectedStatus
            | FailureKind::RateLimited
            | FailureKind::Unavailable
            | FailureKind::Unreachable
            | FailureKind::Timeout
            | FailureKind::InvalidResponse
            | FailureKind::Panicked => false,
        }
    }

    /// What is left of it when the credential that was rejected is changed: no
    /// hold-down, and nothing stale until D7 has accepted the new one.
    pub fn after_change(&self, now: MonoTime) -> Self {
        Self {
            confirmed: false,
            is_on_probation: true,
            held_until: now,
            ..self.clone()
        }
    }

    /// Whether the hold-down still runs.
    pub fn holds(&self, now: MonoTime) -> bool {
        now < self.held_until
    }

    /// What is left of the hold-down.
    pub fn left(&self, now: MonoTime) -> Duration {
        self.held_until.since(now)
    }
}
