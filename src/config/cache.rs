//! Settings of the cache.

use std::time::Duration;

use super::{HOUR, MINUTE, PREFIX, RawEnv, SECOND, YEAR, ZERO, value::Reader};

/// The cache policy.
#[derive(Debug, Clone, Copy)]
pub struct Cache {
    /// `D7B_CACHE_TTL`, 1 s to 24 h.
    pub ttl: Duration,
    /// `D7B_CACHE_STALE_WHILE_REVALIDATE`, up to a year.
    pub stale_while_revalidate: Duration,
    /// `D7B_CACHE_STALE_IF_ERROR`, up to a year.
    pub stale_if_error: Duration,
    /// `D7B_CACHE_MIN_REFRESH`, up to the TTL.
    pub min_refresh: Duration,
    /// `D7B_CACHE_KEEP_WARM`.
    pub keep_warm: bool,
    /// `D7B_CACHE_MAX_WAITERS`, from 1.
    pub max_waiters: usize,
}

impl Cache {
    pub(super) fn check(read: &mut Reader<'_>, raw: &mut RawEnv) -> Self {
        let ttl = read.duration(
            "CACHE_TTL",
            raw.cache_ttl.take(),
            MINUTE,
            SECOND..=24 * HOUR,
        );
        let cache = Self {
            ttl,
            stale_while_revalidate: read.duration(
                "CACHE_STALE_WHILE_REVALIDATE",
                raw.cache_stale_while_revalidate.take(),
                MINUTE,
                ZERO..=YEAR,
            ),
            stale_if_error: read.duration(
                "CACHE_STALE_IF_ERROR",
                raw.cache_stale_if_error.take(),
                15 * MINUTE,
                ZERO..=YEAR,
            ),
            min_refresh: read.duration(
                "CACHE_MIN_REFRESH",
                raw.cache_min_refresh.take(),
                ttl.min(5 * SECOND),
                ZERO..=24 * HOUR,
            ),
            keep_warm: read.boolean("CACHE_KEEP_WARM", raw.cache_keep_warm.take()),
            max_waiters: read.number(
                "CACHE_MAX_WAITERS",
                raw.cache_max_waiters.take(),
                4096,
                1..=1_000_000,
            ),
        };
        if cache.min_refresh > cache.ttl {
            read.0.add(
                "CACHE_MIN_REFRESH",
                format!("is longer than {PREFIX}CACHE_TTL"),
            );
        }
        cache
    }
}
