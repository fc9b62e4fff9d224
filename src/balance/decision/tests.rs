//! The table, row by row: each boundary and one tick on either side of it.

mod directives;
mod restated;
mod rows;
mod settled;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    Asked, Decision, Detail, Forward, Lifetimes, Refusal, Wait, crowded_out, decide, settle,
};
use crate::{
    balance::{
        Amount, Reading, Snapshot,
        source::FailureKind,
        state::{AccountState, Failure},
    },
    clock::MonoTime,
};

/// One second, in ticks of the clock.
const S: u64 = 1_000_000_000;
/// The present of every test.
const NOW: u64 = 1_000_000 * S;

/// What a request meets. All times are ticks, seen from now.
#[derive(Debug, Clone, Copy)]
struct World {
    ttl: u64,
    swr: u64,
    sie: u64,
    min_refresh: u64,
    /// Of the stored balance.
    age: Option<u64>,
    last: Option<Last>,
    /// How long ago D7 answered anything.
    answered: Option<u64>,
}

/// The last failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Last {
    kind: FailureKind,
    confirmed: bool,
    /// What is left of its hold-down.
    left: i64,
}

/// A decision that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Answer {
    Hit(Option<Detail>),
    HitAndRefreshBehind(Option<Detail>),
    Waits(Forward),
    /// Only because of a directive.
    WaitsForNewer(Forward),
    Problem(FailureKind),
    NotCached,
    Overloaded,
}
use Answer::{Hit, HitAndRefreshBehind, NotCached, Overloaded, Problem, Waits, WaitsForNewer};

const FRESH: Answer = Hit(None);
const BEHIND: Answer = HitAndRefreshBehind(None);

/// A world with the default windows and nothing in it.
const EMPTY: World = World {
    ttl: 60 * S,
    swr: 60 * S,
    sie: 900 * S,
    min_refresh: 5 * S,
    age: None,
    last: None,
    answered: None,
};

fn last(kind: FailureKind, left: i64) -> Option<Last> {
    let confirmed = kind.is_rejection();
    Some(Last {
        kind,
        confirmed,
        left,
    })
}

fn at(ticks: u64) -> MonoTime {
    MonoTime::default() + Duration::from_nanos(ticks)
}

fn ticks(max_age: u64) -> Asked {
    Asked {
        max_age: Some(Duration::from_nanos(max_age)),
        only_if_cached: false,
    }
}

const ONLY_IF_CACHED: Asked = Asked {
    max_age: None,
    only_if_cached: true,
};

impl World {
    fn aged(self, age: u64) -> Self {
        Self {
            age: Some(age),
            ..self
        }
    }

    fn with(self, last: Option<Last>) -> Self {
        Self { last, ..self }
    }

    fn lifetimes(&self) -> Lifetimes {
        Lifetimes {
            ttl: Duration::from_nanos(self.ttl),
            stale_while_revalidate: Duration::from_nanos(self.swr),
            stale_if_error: Duration::from_nanos(self.sie),
            min_refresh: Duration::from_nanos(self.min_refresh),
        }
    }

    fn failure(&self) -> Option<Arc<Failure>> {
        self.last.map(|last| {
            Arc::new(Failure {
                kind: last.kind,
                status: None,
                code: None,
                confirmed: last.confirmed,
                is_on_probation: false,
                held_until: at(NOW.saturating_add_signed(last.left)),
            })
        })
    }

    fn state(&self) -> AccountState {
        let reading = Reading {
            balance: Amount::parse("1").unwrap(),
            sms_count: None,
        };
        let snapshot = self
            .age
            .map(|age| Snapshot::new(&reading, SystemTime::UNIX_EPOCH, at(NOW - age)));
        AccountState::new(
            snapshot.map(Arc::new),
            self.failure(),
            self.answered.map(|ago| at(NOW - ago)),
        )
    }

    fn decide(&self, asked: Asked) -> Answer {
        match decide(&self.state(), at(NOW), &self.lifetimes(), &asked) {
            Decision::Serve(serve) if serve.nudge => HitAndRefreshBehind(serve.detail),
            Decision::Serve(serve) => Hit(serve.detail),
            Decision::Wait(wait) if wait.fallback.is_some() => WaitsForNewer(wait.forward),
            Decision::Wait(wait) => Waits(wait.forward),
            Decision::Refuse(refusal) => refusal.into(),
        }
    }

    fn answer(&self) -> Answer {
        self.decide(Asked::default())
    }

    fn wait(&self, has_fallback: bool) -> Wait {
        Wait {
            forward: Forward::Stale,
            fallback: self.state().snapshot.filter(|_| has_fallback),
        }
    }

    /// Whether the stored balance is served after a refresh ended as `last`.
    fn settles(&self, has_fallback: bool) -> bool {
        let failure = self.failure().unwrap();
        let (wait, lifetimes) = (self.wait(has_fallback), self.lifetimes());
        match settle(&self.state(), at(NOW), &lifetimes, wait, failure) {
            Ok(_) => true,
            Err(refusal) => {
                let kind = self.last.unwrap().kind;
                assert_eq!(Answer::from(refusal), Problem(kind), "{self:?}");
                false
            }
        }
    }

    fn crowded_out(&self, has_fallback: bool) -> Answer {
        let (wait, lifetimes) = (self.wait(has_fallback), self.lifetimes());
        match crowded_out(&self.state(), at(NOW), &lifetimes, wait) {
            Ok(serve) if serve.nudge => HitAndRefreshBehind(serve.detail),
            Ok(serve) => Hit(serve.detail),
            Err(refusal) => refusal.into(),
        }
    }
}

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Failed(failure) => Problem(failure.kind),
            Refusal::NotCached => NotCached,
            Refusal::Overloaded => Overloaded,
        }
    }
}
