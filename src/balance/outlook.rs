//! What is so at one moment, for those who look on: the status and the figures.

use std::{sync::Arc, time::Duration};

use super::{
    Snapshot,
    credential::standing::CredentialState,
    decision::{Asked, Decision, Lifetimes, decide},
    state::{AccountState, Failure},
};
use crate::clock::{Clock, MonoTime};

/// One account at one moment.
#[derive(Debug)]
pub struct Outlook {
    /// What is known.
    pub state: Arc<AccountState>,
    /// The stored balance, if any was ever seen.
    pub stored: Option<Stored>,
    /// How good it is now.
    pub freshness: Freshness,
    /// The failure in force, with what is left of its hold-down.
    pub failure: Option<(Arc<Failure>, Duration)>,
    /// The state of the credential in force.
    pub credential: CredentialState,
    /// How many requests to D7 have begun within the last hour.
    pub requests_last_hour: u64,
}

/// A stored balance, seen from one moment.
#[derive(Debug)]
pub struct Stored {
    /// The balance.
    pub snapshot: Arc<Snapshot>,
    /// Its age.
    pub age: Duration,
    /// Whether it may pass for the balance of now: younger than its time to
    /// live and stale-if-error, and D7 does not refuse the account.
    pub is_current: bool,
}

/// How good a stored balance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// There is none.
    None,
    /// Within its time to live.
    Fresh,
    /// Past that, and still answered: at once, or where a refresh fails.
    Stale,
    /// Not answered any more, but as the last one known.
    Expired,
}

impl Freshness {
    /// Every word.
    pub const ALL: [Self; 4] = [Self::None, Self::Fresh, Self::Stale, Self::Expired];

    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Fresh => "fresh",
            Self::Stale => "stale",
            Self::Expired => "expired",
        }
    }
}

impl Outlook {
    /// Looks at `state` now.
    pub(super) fn of(
        state: Arc<AccountState>,
        clock: &dyn Clock,
        lifetimes: &Lifetimes,
        requests_last_hour: u64,
    ) -> Self {
        let now = clock.mono();
        let failure = state.failure.clone();
        let is_refused = failure
            .as_ref()
            .is_some_and(|failure| failure.is_blocking());
        let longest = lifetimes.ttl.saturating_add(lifetimes.stale_if_error);
        let stored = state.snapshot.clone().map(|snapshot| {
            let age = now.since(snapshot.fetched_at());
            Stored {
                is_current: age < longest && !is_refused,
                age,
                snapshot,
            }
        });
        Self {
            freshness: freshness(&state, now, lifetimes, stored.as_ref()),
            stored,
            failure: failure.map(|failure| {
                let left = failure.left(now);
                (failure, left)
            }),
            credential: state.credential_state(clock.wall()),
            requests_last_hour,
            state,
        }
    }
}

/// What a caller without a wish would be answered. One that waits is answered by
/// the stored balance where its refresh fails, as long as that is current.
fn freshness(
    state: &AccountState,
    now: MonoTime,
    lifetimes: &Lifetimes,
    stored: Option<&Stored>,
) -> Freshness {
    let Some(stored) = stored else {
        return Freshness::None;
    };
    match decide(state, now, lifetimes, &Asked::default()) {
        Decision::Serve(_) if stored.age < lifetimes.ttl => Freshness::Fresh,
        Decision::Serve(_) => Freshness::Stale,
        Decision::Wait(_) if stored.is_current => Freshness::Stale,
        Decision::Wait(_) | Decision::Refuse(_) => Freshness::Expired,
    }
}
