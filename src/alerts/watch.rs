//! When there is something to tell: policy only, from states to alerts.
//!
//! Each condition is told of once, when it begins and when it ends. Before the
//! first word of D7's nothing is known: what is well then is not told of, what
//! is not well is.

use std::sync::Arc;

use super::{
    alert::{Alert, Credential, Reading},
    threshold::Threshold,
};
use crate::balance::{
    Snapshot,
    credential::{Role, standing::Trust},
    source::FailureKind,
    state::AccountState,
};

/// What has been told of one account so far.
pub(super) struct Watch {
    threshold: Option<Threshold>,
    level: Level,
    /// The balance that was looked at last.
    seen: Option<Arc<Snapshot>>,
    credential: Condition,
}

/// How high the balance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Level {
    Unknown,
    Enough,
    Low,
}

/// How the credentials fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Condition {
    /// D7 has not been asked.
    Unknown,
    /// The primary one is in force and accepted.
    Well,
    /// It was rejected, and the secondary one is accepted.
    FailedOver,
    /// The one in force is rejected, and no other is accepted.
    Rejected(Role),
}

impl Watch {
    /// Knows nothing yet. A balance that `begun` holds already was not read by
    /// this process, and does not count.
    pub(super) fn new(threshold: Option<Threshold>, begun: &AccountState) -> Self {
        Self {
            threshold,
            level: Level::Unknown,
            seen: begun.snapshot.clone(),
            credential: Condition::Unknown,
        }
    }

    /// What there is to tell of `state`.
    pub(super) fn see(&mut self, state: &AccountState) -> Vec<Alert> {
        let credential = self.see_credential(state);
        let balance = self.see_balance(state);
        credential.into_iter().chain(balance).collect()
    }

    /// Only a balance that is new counts: an error says nothing of it, and 402
    /// is no balance of 0.
    fn see_balance(&mut self, state: &AccountState) -> Option<Alert> {
        let (threshold, snapshot) = (self.threshold.as_ref()?, state.snapshot.as_ref()?);
        let is_seen = |seen: &Arc<Snapshot>| Arc::ptr_eq(seen, snapshot);
        if self.seen.as_ref().is_some_and(is_seen) {
            return None;
        }
        self.seen = Some(Arc::clone(snapshot));
        let balance = snapshot.balance();
        let level = match self.level {
            _ if threshold.is_low(balance) => Level::Low,
            Level::Low if !threshold.has_recovered(balance) => Level::Low,
            Level::Low | Level::Enough | Level::Unknown => Level::Enough,
        };
        let before = std::mem::replace(&mut self.level, level);
        let reading = || Reading {
            snapshot: Arc::clone(snapshot),
            below: threshold.below().clone(),
        };
        match (before, level) {
            (Level::Unknown | Level::Enough, Level::Low) => Some(Alert::BalanceLow(reading())),
            (Level::Low, Level::Enough) => Some(Alert::BalanceRecovered(reading())),
            _ => None,
        }
    }

    fn see_credential(&mut self, state: &AccountState) -> Option<Alert> {
        let standing = state.credential;
        let condition = match (standing.trust, standing.in_force) {
            // Neither takes back what D7 has said for certain.
            (Trust::Unproven | Trust::Doubted, _) => return None,
            (Trust::Rejected, role) => Condition::Rejected(role),
            (Trust::Accepted, Role::Primary) => Condition::Well,
            (Trust::Accepted, Role::Secondary) => Condition::FailedOver,
        };
        let before = std::mem::replace(&mut self.credential, condition);
        let told = |file, failed_over, code| Credential {
            file,
            failed_over,
            code,
        };
        match (before, condition) {
            (before, now) if before == now => None,
            (Condition::Unknown, Condition::Well | Condition::Unknown) => None,
            (_, Condition::Unknown) => None,
            (_, Condition::Rejected(role)) => {
                let code = state.failure.as_ref().map(|failure| failure.kind);
                let code = code.filter(|kind| FailureKind::is_rejection(*kind));
                Some(Alert::CredentialRejected(told(role, false, code)))
            }
            (Condition::Rejected(_), Condition::FailedOver) => {
                let secondary = told(Role::Secondary, true, None);
                Some(Alert::CredentialAccepted(secondary))
            }
            // The primary one has to be replaced, though callers notice nothing.
            (_, Condition::FailedOver) => {
                Some(Alert::CredentialRejected(told(Role::Primary, true, None)))
            }
            (_, Condition::Well) => {
                let primary = told(Role::Primary, false, None);
                Some(Alert::CredentialAccepted(primary))
            }
        }
    }
}

#[cfg(test)]
mod tests;
