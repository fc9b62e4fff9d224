//! The policy: what a request for the balance is answered with.
//!
//! Pure functions over what is stored, the time, the configured lifetimes and
//! what the caller asked for. [`table`] is the table of seven rows that the
//! outward contract prints; [`decide`] lays a caller's request directives over
//! it, [`settle`] says what a request is answered with that waited for a
//! refresh, and [`crowded_out`] what one is that may not even wait.
//!
//! # Design
//! moka's own expiry is not the policy: its clock cannot be driven by a test,
//! and it knows neither failures nor stale windows. It is storage.

use std::{sync::Arc, time::Duration};

use super::{
    Snapshot,
    source::FailureKind,
    state::{AccountState, Failure},
};
use crate::clock::MonoTime;

/// How long a balance is good for what. The two stale windows are those of
/// RFC 5861, both counted from the end of the time to live.
#[derive(Debug, Clone, Copy)]
pub struct Lifetimes {
    /// Younger than this it is fresh.
    pub ttl: Duration,
    /// So long after `ttl` it is served while one refresh runs behind.
    pub stale_while_revalidate: Duration,
    /// So long after `ttl` it is served when a refresh has failed.
    pub stale_if_error: Duration,
    /// However callers insist, D7 is not asked sooner after its last answer.
    pub min_refresh: Duration,
}

/// What a caller asks for by `Cache-Control` (RFC 9111 section 5.2.1).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Asked {
    /// `max-age`, or zero for `no-cache`: a wish for nothing older.
    pub max_age: Option<Duration>,
    /// `only-if-cached`: no refresh is started or awaited.
    pub only_if_cached: bool,
}

/// What becomes of a request.
#[derive(Debug, Clone)]
pub enum Decision {
    /// 200 at once.
    Serve(Serve),
    /// It waits for a refresh, which is started if none is under way.
    Wait(Wait),
    /// A problem at once.
    Refuse(Refusal),
}

/// A stored balance is the answer.
#[derive(Debug, Clone)]
pub struct Serve {
    /// The balance.
    pub snapshot: Arc<Snapshot>,
    /// Whether a refresh is to run behind.
    pub nudge: bool,
    /// What the caller should know about why this and not something newer.
    pub detail: Option<Detail>,
}

/// The `detail` parameter of `Cache-Status` (RFC 9211 section 2.8).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// A refresh has failed.
    Failure(FailureKind),
    /// D7 answered too short a time ago to be asked again.
    MinRefresh,
    /// Too many wait already.
    Overloaded,
}

impl Detail {
    /// Every detail.
    pub fn all() -> impl Iterator<Item = Self> {
        let failures = FailureKind::ALL.map(Self::Failure);
        [Self::MinRefresh, Self::Overloaded]
            .into_iter()
            .chain(failures)
    }

    /// The value of the parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Failure(kind) => kind.as_str(),
            Self::MinRefresh => "min_refresh",
            Self::Overloaded => "overloaded",
        }
    }
}

/// A request has to wait.
#[derive(Debug, Clone)]
pub struct Wait {
    /// Why, in the words of `Cache-Status`.
    pub forward: Forward,
    /// The balance that it would have been served at once, where it waits only
    /// because its directive asks for a newer one.
    pub fallback: Option<Arc<Snapshot>>,
}

/// Why a request went forward to D7: `fwd` of RFC 9211 section 2.2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forward {
    /// Nothing was stored.
    UriMiss,
    /// What was stored was past its time to live.
    Stale,
    /// What was stored was fresh, and the caller asked for newer.
    Request,
}

impl Forward {
    /// The value of the parameter.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UriMiss => "uri-miss",
            Self::Stale => "stale",
            Self::Request => "request",
        }
    }
}

/// No balance for this request.
#[derive(Debug, Clone)]
pub enum Refusal {
    /// The problem is the remembered failure.
    Failed(Arc<Failure>),
    /// `only-if-cached`, and nothing may be served.
    NotCached,
    /// Too many wait already, and nothing may be served.
    Overloaded,
}

/// The stored balance with its age.
struct Stored<'a> {
    snapshot: &'a Arc<Snapshot>,
    age: Duration,
}

fn stored(state: &AccountState, now: MonoTime) -> Option<Stored<'_>> {
    state.snapshot.as_ref().map(|snapshot| Stored {
        snapshot,
        age: now.since(snapshot.fetched_at()),
    })
}

/// The seven rows, first match wins; all intervals are half-open.
fn table(state: &AccountState, now: MonoTime, lifetimes: &Lifetimes) -> Decision {
    let stored = stored(state, now);
    let younger_than = |limit: Duration| stored.as_ref().filter(|stored| stored.age < limit);
    let serve = |stored: &Stored<'_>, nudge, failure: Option<&Arc<Failure>>| {
        Decision::Serve(Serve {
            snapshot: Arc::clone(stored.snapshot),
            nudge,
            detail: failure.map(|failure| Detail::Failure(failure.kind)),
        })
    };
    let refuse = |failure: &Arc<Failure>| Decision::Refuse(Refusal::Failed(Arc::clone(failure)));
    let wait = || {
        Decision::Wait(Wait {
            forward: if stored.is_some() {
                Forward::Stale
            } else {
                Forward::UriMiss
            },
            fallback: None,
        })
    };

    // Row 1: fresh. Whatever has failed since, D7 is not asked.
    if let Some(stored) = younger_than(lifetimes.ttl) {
        return serve(stored, false, None);
    }
    match &state.failure {
        // Row 2: blocking, hold-down running.
        Some(failure) if failure.is_blocking() && failure.holds(now) => refuse(failure),
        // Row 3: blocking, hold-down over.
        Some(failure) if failure.is_blocking() => wait(),
        // Another failure, hold-down running.
        Some(failure) if failure.holds(now) => {
            match younger_than(lifetimes.ttl.saturating_add(lifetimes.stale_if_error)) {
                // Row 4: stale if error.
                Some(stored) => serve(stored, false, Some(failure)),
                // Row 5: nothing young enough.
                None => refuse(failure),
            }
        }
        // No failure, or another one with its hold-down over.
        failure => {
            match younger_than(
                lifetimes
                    .ttl
                    .saturating_add(lifetimes.stale_while_revalidate),
            ) {
                // Row 6: stale while revalidate.
                Some(stored) => serve(stored, true, failure.as_ref()),
                // Row 7: nothing young enough.
                None => wait(),
            }
        }
    }
}

/// What a request is answered with, its directives included.
pub fn decide(
    state: &AccountState,
    now: MonoTime,
    lifetimes: &Lifetimes,
    asked: &Asked,
) -> Decision {
    let mut serve = match table(state, now, lifetimes) {
        Decision::Serve(serve) => serve,
        // Nothing may be served: a wish for something newer changes nothing,
        // and a caller who will not wait gets nothing.
        _ if asked.only_if_cached => return Decision::Refuse(Refusal::NotCached),
        other => return other,
    };
    let age = now.since(serve.snapshot.fetched_at());
    if asked.max_age.is_some_and(|max_age| age > max_age) {
        // A wish, and the three things that can stand in its way.
        if let Some(failure) = state.failure.as_ref().filter(|failure| failure.holds(now)) {
            serve.detail = Some(Detail::Failure(failure.kind));
        } else if answered_lately(state, now, lifetimes) {
            serve.detail = Some(Detail::MinRefresh);
        } else if !asked.only_if_cached {
            return Decision::Wait(Wait {
                forward: if age < lifetimes.ttl {
                    Forward::Request
                } else {
                    Forward::Stale
                },
                fallback: Some(serve.snapshot),
            });
        }
    }
    serve.nudge &= !asked.only_if_cached;
    Decision::Serve(serve)
}

fn answered_lately(state: &AccountState, now: MonoTime, lifetimes: &Lifetimes) -> bool {
    state
        .answered_at
        .is_some_and(|at| now.since(at) < lifetimes.min_refresh)
}

/// What a request that waited is answered with after its refresh has failed:
/// rows 2, 4 and 5, or row 1 where only a directive made it wait.
///
/// # Errors
/// The refusal, where nothing may be served. A directive never turns a 200
/// into an error: a request that would have been served at once without it is
/// served now, unless the failure is one after which nothing stale is served.
pub fn settle(
    state: &AccountState,
    now: MonoTime,
    lifetimes: &Lifetimes,
    wait: Wait,
    failure: Arc<Failure>,
) -> Result<Arc<Snapshot>, Refusal> {
    // The row is not looked up in the table: by the time that the one who
    // waited gets to run, the hold-down of `failure` may be over, and what is
    // past `stale_while_revalidate` would have to wait again.
    let (limit, fallback) = if failure.is_blocking() {
        (lifetimes.ttl, None)
    } else {
        let limit = lifetimes.ttl.saturating_add(lifetimes.stale_if_error);
        (limit, wait.fallback)
    };
    stored(state, now)
        .filter(|stored| stored.age < limit)
        .map(|stored| Arc::clone(stored.snapshot))
        .or(fallback)
        .ok_or(Refusal::Failed(failure))
}

/// What a request is answered with that would have to wait where too many wait
/// already: the stored balance as in row 4 if one is young enough.
///
/// # Errors
/// [`Refusal::Overloaded`] if there is none.
pub fn crowded_out(
    state: &AccountState,
    now: MonoTime,
    lifetimes: &Lifetimes,
    wait: Wait,
) -> Result<Serve, Refusal> {
    let blocked = state
        .failure
        .as_ref()
        .is_some_and(|failure| failure.is_blocking());
    let limit = lifetimes.ttl.saturating_add(lifetimes.stale_if_error);
    let young_enough = stored(state, now)
        .filter(|stored| !blocked && stored.age < limit)
        .map(|stored| Arc::clone(stored.snapshot));
    match wait.fallback.or(young_enough) {
        Some(snapshot) => Ok(Serve {
            snapshot,
            nudge: false,
            detail: Some(Detail::Overloaded),
        }),
        None => Err(Refusal::Overloaded),
    }
}

#[cfg(test)]
mod tests;
