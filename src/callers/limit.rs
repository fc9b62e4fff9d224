//! How often a client may ask: its limit, and the bucket that holds it to it.
//!
//! A bucket holds as many requests as the limit names, each takes one out, and
//! they come back one by one, evenly over the window. governor decides; what
//! callers are told of it is computed here, in whole nanoseconds.

mod bucket;

use std::{fmt, num::NonZeroU32, sync::Arc, time::Duration};

use governor::{Quota, RateLimiter, middleware::NoOpMiddleware};

use self::bucket::{Bucket, Missing, Ticks};
use crate::clock::Clock;

/// So many requests in a second, a minute or an hour; as many may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many requests.
    pub requests: NonZeroU32,
    /// In what time.
    pub per: Per,
}

/// The window of a [`RateLimit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// One second.
    Second,
    /// 60 seconds.
    Minute,
    /// 3600 seconds.
    Hour,
}

impl Per {
    /// Its length in seconds.
    pub fn seconds(self) -> u64 {
        match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        }
    }
}

/// The most requests that a limit may name: more is no limit.
const MOST: u32 = 1_000_000;

impl RateLimit {
    /// Reads `N/s`, `N/m` or `N/h`, N from 1 to 1 000 000.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_once('/')?;
        let per = match unit {
            "s" => Per::Second,
            "m" => Per::Minute,
            "h" => Per::Hour,
            _ => return None,
        };
        // `parse` alone would take a sign.
        let is_number = number.bytes().all(|b| b.is_ascii_digit());
        let requests = number.parse().ok().filter(|_| is_number)?;
        NonZeroU32::new(requests)
            .filter(|requests| requests.get() <= MOST)
            .map(|requests| Self { requests, per })
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per {
            Per::Second => 's',
            Per::Minute => 'm',
            Per::Hour => 'h',
        };
        write!(f, "{}/{unit}", self.requests)
    }
}

/// What a request found of its client's limit, itself counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict {
    /// The limit.
    pub limit: RateLimit,
    /// How many more would be allowed at once.
    pub remaining: u32,
    /// Whole seconds, rounded up, until as many are allowed at once as ever: at
    /// least 1, since the request itself has taken one, or has found none.
    pub full_after_s: u64,
    /// Where the request is refused: whole seconds, rounded up and so at least
    /// 1, until one is allowed.
    pub refused_for_s: Option<u64>,
}

/// A bucket: one for each client, over all its keys.
pub struct Limiter {
    limit: RateLimit,
    /// After how many nanoseconds a request comes back: the window divided by
    /// the number, rounded down.
    interval: u64,
    governor: RateLimiter<Missing, Bucket, Ticks, NoOpMiddleware<Duration>>,
}

impl Limiter {
    /// A full bucket.
    pub fn new(limit: RateLimit, clock: Arc<dyn Clock>) -> Self {
        let quota = match limit.per {
            Per::Second => Quota::per_second(limit.requests),
            Per::Minute => Quota::per_minute(limit.requests),
            Per::Hour => Quota::per_hour(limit.requests),
        };
        let interval = quota.replenish_interval().as_nanos();
        // An hour has fewer nanoseconds; governor, too, takes 0 for 1.
        let interval = u64::try_from(interval).unwrap_or(u64::MAX).max(1);
        Self {
            limit,
            interval,
            governor: RateLimiter::new(quota, Bucket::new(interval), Ticks(clock)),
        }
    }

    /// What it holds its client to.
    pub fn limit(&self) -> RateLimit {
        self.limit
    }

    /// Takes a request out of the bucket, if there is one in it.
    pub fn check(&self) -> Verdict {
        let missing = Missing::default();
        let is_allowed = self.governor.check_key(&missing).is_ok();
        self.verdict(is_allowed, missing.nanos())
    }

    /// `missing` is how many nanoseconds the bucket is from being full.
    fn verdict(&self, is_allowed: bool, missing: u64) -> Verdict {
        let requests = self.limit.requests.get();
        let taken = u32::try_from(missing.div_ceil(self.interval)).unwrap_or(u32::MAX);
        // One is allowed as soon as no more than all but one are missing.
        let all_but_one = self.interval.saturating_mul(u64::from(requests - 1));
        Verdict {
            limit: self.limit,
            remaining: requests.saturating_sub(taken),
            full_after_s: whole_seconds(missing),
            refused_for_s: (!is_allowed)
                .then(|| whole_seconds(missing.saturating_sub(all_but_one))),
        }
    }
}

/// Rounded up, and at least one.
fn whole_seconds(nanos: u64) -> u64 {
    nanos.div_ceil(1_000_000_000).max(1)
}

#[cfg(test)]
mod tests;
