//! The front of the domain: what a handler asks.
//!
//! [`BalanceService::get_now`] answers every hit without waiting for anything.
//! Where a request has to wait, [`BalanceService::get`] joins the flight that
//! the refresher owns; the request itself owns nothing, so a caller that goes
//! away takes nothing with it.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    AccountId, Snapshot,
    decision::{Asked, Decision, Detail, Forward, Lifetimes, Refusal, Serve, decide, settle},
    memory::MemoryCache,
    outlook::Outlook,
    refresher::{Joined, Part, RefreshHandle, Verdict},
    state::{AccountState, Failure},
};
use crate::clock::{Clock, MonoTime};

/// Answers requests for the balance of one account.
#[derive(Clone)]
pub struct BalanceService {
    account: AccountId,
    cache: MemoryCache,
    refresher: RefreshHandle,
    lifetimes: Lifetimes,
    clock: Arc<dyn Clock>,
}

/// What a request is answered with at once.
pub enum Now {
    /// The answer.
    Answer(Result<Served, Refused>),
    /// None yet: see [`BalanceService::get`].
    Wait,
}

/// A balance for a caller.
#[derive(Debug)]
pub struct Served {
    /// The balance.
    pub snapshot: Arc<Snapshot>,
    /// Its age.
    pub age: Duration,
    /// Whether that is past its time to live.
    pub is_stale: bool,
    /// Where it came from.
    pub status: CacheStatus,
}

/// No balance for a caller.
#[derive(Debug)]
pub struct Refused {
    /// Why.
    pub reason: Reason,
    /// The last balance that was ever seen.
    pub last_known: Option<Arc<Snapshot>>,
}

/// Why there is no balance.
#[derive(Debug)]
pub enum Reason {
    /// D7 could not be asked, or said no.
    Upstream {
        /// The failure.
        failure: Arc<Failure>,
        /// What is left of its hold-down.
        left: Duration,
    },
    /// `only-if-cached`, and nothing may be served.
    NotCached,
    /// Too many wait already.
    Overloaded,
    /// The refresher is gone: the process is ending.
    Broken,
}

/// What the cache did for an answer: `Cache-Status` of RFC 9211.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CacheStatus {
    /// Served from the store, or by way of a refresh.
    pub way: Way,
    /// Time to live less age, in seconds, rounded down.
    pub ttl: i64,
    /// What else there is to say.
    pub detail: Option<Detail>,
}

/// The way an answer took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// From the store.
    Hit,
    /// Through a refresh.
    Forwarded {
        /// Why it was needed.
        forward: Forward,
        /// D7's status, if it gave one.
        status: Option<u16>,
        /// Whether this request started it or joined it; nothing where it
        /// brought no balance.
        part: Option<Part>,
    },
}

impl BalanceService {
    /// A service over the cache that `refresher` fills.
    pub fn new(
        account: AccountId,
        cache: MemoryCache,
        refresher: RefreshHandle,
        lifetimes: Lifetimes,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            account,
            cache,
            refresher,
            lifetimes,
            clock,
        }
    }

    /// How long a balance is fresh.
    pub fn ttl(&self) -> Duration {
        self.lifetimes.ttl
    }

    /// What is so now, for those who look on. Asks D7 for nothing.
    pub fn outlook(&self) -> Outlook {
        let state = self.refresher.state();
        let requests = self.refresher.requests_last_hour(self.clock.mono());
        Outlook::of(state, &*self.clock, &self.lifetimes, requests)
    }

    /// What was seen of the balance later than `since`, or all, the oldest first.
    pub fn history(&self, since: Option<SystemTime>) -> Vec<Arc<Snapshot>> {
        self.refresher.history(since)
    }

    /// Answers a request that came `now`, without waiting where that is possible:
    /// every hit ends here.
    pub fn get_now(&self, asked: &Asked, now: MonoTime) -> Now {
        let Some(state) = self.cache.get(&self.account) else {
            return Now::Wait;
        };
        match decide(&state, now, &self.lifetimes, asked) {
            Decision::Serve(serve) => {
                if serve.nudge && state.first_to_nudge() {
                    self.refresher.nudge();
                }
                Now::Answer(Ok(self.hit(now, serve)))
            }
            Decision::Refuse(refusal) => Now::Answer(Err(refused(&state, now, refusal))),
            Decision::Wait(_) => Now::Wait,
        }
    }

    /// Has the balance refreshed as a request that came `now` would have it, and
    /// waits for nothing.
    pub fn refresh_behind(&self, now: MonoTime) {
        let must_wait = matches!(self.get_now(&Asked::default(), now), Now::Wait);
        if must_wait && self.refresher.state().first_to_nudge() {
            self.refresher.nudge();
        }
    }

    /// Answers by way of the refresher, which decides again on what it knows,
    /// and has the request wait for a flight if there is no other way.
    ///
    /// # Errors
    /// The reason why there is no balance.
    ///
    /// There is no deadline here: every flight ends within the upstream
    /// timeout, and its end, of whatever kind, answers all who wait for it; but
    /// that of a changed credential which was not accepted, after which they
    /// wait for one more.
    ///
    /// # Cancel safety
    /// May be dropped at any time: the flight goes on for the others.
    pub async fn get(&self, asked: &Asked) -> Result<Served, Refused> {
        let Some(Joined { state, verdict }) = self.refresher.join(*asked).await else {
            return Err(Refused {
                reason: Reason::Broken,
                last_known: None,
            });
        };
        let now = self.clock.mono();
        match verdict {
            Verdict::Serve(serve) => Ok(self.hit(now, serve)),
            Verdict::Refuse(refusal) => Err(refused(&state, now, refusal)),
            Verdict::Refreshed {
                snapshot,
                forward,
                part,
            } => {
                let way = Way::Forwarded {
                    forward,
                    status: Some(200),
                    part: Some(part),
                };
                // What has just arrived is as old as it was then: none.
                let arrived = snapshot.fetched_at();
                Ok(self.served(arrived, snapshot, way, None))
            }
            Verdict::Failed {
                failure,
                status,
                wait,
            } => {
                let way = Way::Forwarded {
                    forward: wait.forward,
                    status,
                    part: None,
                };
                let detail = Some(Detail::Failure(failure.kind));
                match settle(&state, now, &self.lifetimes, wait, failure) {
                    Ok(snapshot) => Ok(self.served(now, snapshot, way, detail)),
                    Err(refusal) => Err(refused(&state, now, refusal)),
                }
            }
        }
    }

    fn hit(&self, now: MonoTime, serve: Serve) -> Served {
        self.served(now, serve.snapshot, Way::Hit, serve.detail)
    }

    fn served(
        &self,
        now: MonoTime,
        snapshot: Arc<Snapshot>,
        way: Way,
        detail: Option<Detail>,
    ) -> Served {
        let age = now.since(snapshot.fetched_at());
        Served {
            snapshot,
            age,
            is_stale: age >= self.lifetimes.ttl,
            status: CacheStatus {
                way,
                ttl: seconds_left(self.lifetimes.ttl, age),
                detail,
            },
        }
    }
}

/// `ttl - age` in whole seconds, rounded down, below zero too.
pub fn seconds_left(ttl: Duration, age: Duration) -> i64 {
    let whole = |duration: Duration| i64::try_from(duration.as_secs()).unwrap_or(i64::MAX);
    match ttl.checked_sub(age) {
        Some(left) => whole(left),
        None => {
            let over = age.saturating_sub(ttl);
            -whole(over) - i64::from(over.subsec_nanos() > 0)
        }
    }
}

fn refused(state: &AccountState, now: MonoTime, refusal: Refusal) -> Refused {
    Refused {
        reason: match refusal {
            Refusal::Failed(failure) => Reason::Upstream {
                left: failure.left(now),
                failure,
            },
            Refusal::NotCached => Reason::NotCached,
            Refusal::Overloaded => Reason::Overloaded,
        },
        last_known: state.snapshot.clone(),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::seconds_left;

    #[test]
    fn the_time_left_is_rounded_down_on_both_sides_of_zero() {
        let left = |age| seconds_left(Duration::from_secs(60), Duration::from_millis(age));

        assert_eq!(left(0), 60);
        assert_eq!(left(1), 59);
        assert_eq!(left(12_000), 48);
        assert_eq!(left(59_999), 0);
        assert_eq!(left(60_000), 0);
        assert_eq!(left(60_001), -1);
        assert_eq!(left(72_000), -12);
        assert_eq!(left(72_500), -13);
        assert_eq!(seconds_left(Duration::ZERO, Duration::MAX), -i64::MAX - 1);
    }
}
