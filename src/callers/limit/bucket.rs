//! What stands between governor and the rest: its clock is ours, and its bucket
//! also tells how full it is.
//!
//! # Design
//! Callers are told when their bucket is full again. governor knows the moment
//! but keeps it to itself: its outcome tells the whole requests that are left,
//! which for a limit of a few an hour is many minutes too coarse. Its store may
//! be another one, though, and sees the moment. A second look at the store
//! after the check would see what other threads have taken since, so each check
//! brings the place where its own finding is noted, as the key that governor
//! hands through to a store. An own bucket would be as long as this, and its
//! races would be ours.

use std::{
    cell::Cell,
    hash::{Hash, Hasher},
    sync::Arc,
    time::Duration,
};

use governor::{
    clock,
    nanos::Nanos,
    state::{InMemoryState, NotKeyed, StateStore},
};

use crate::clock::{Clock, MonoTime};

/// Our monotonic clock, as governor reads it.
pub(super) struct Ticks(pub(super) Arc<dyn Clock>);

impl clock::Clock for Ticks {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.mono().since(MonoTime::default())
    }
}

/// Where one check notes how far its bucket is from being full.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Missing(Cell<u64>);

impl Missing {
    /// The time until the bucket is full, in nanoseconds.
    pub(super) fn nanos(&self) -> u64 {
        self.0.get()
    }
}

impl Hash for Missing {
    /// Nothing: all checks are of one bucket. governor wants it of every key,
    /// and never asks for it where the store is none of its maps.
    fn hash<H: Hasher>(&self, _: &mut H) {}
}

/// One bucket.
pub(super) struct Bucket {
    full_at: InMemoryState,
    /// After how many nanoseconds a request comes back.
    interval: u64,
}

impl Bucket {
    pub(super) fn new(interval: u64) -> Self {
        Self {
            full_at: InMemoryState::default(),
            interval,
        }
    }
}

impl StateStore for Bucket {
    type Key = Missing;

    fn measure_and_replace<T, F, E>(&self, missing: &Missing, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        // May run several times, where other threads were quicker; the last
        // run is the one that counts, and the one whose finding stays.
        let decide_and_note = |full_at: Option<Nanos>| {
            // A bucket that nobody has used yet would miss just this request:
            // so the moment of the check is known, on governor's own scale.
            let (_, after_the_first) = decide(None)?;
            let now = after_the_first.as_u64().saturating_sub(self.interval);
            let decided = decide(full_at);
            let full_at = match &decided {
                Ok((_, full_at)) => Some(*full_at),
                Err(_) => full_at,
            };
            let full_at = full_at.map_or(0, Nanos::as_u64);
            missing.0.set(full_at.saturating_sub(now));
            decided
        };
        self.full_at
            .measure_and_replace(&NotKeyed::NonKey, decide_and_note)
    }
}
