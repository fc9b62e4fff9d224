//! Where workers find the state of an account: moka, as storage.

use std::{sync::Arc, time::Duration};

use foldhash::fast::RandomState;

use super::{AccountId, state::AccountState};

/// Accounts and their states, shared by all threads.
///
/// moka's time to live is the outer horizon only: past it no stored balance may
/// be served, and what a read then misses the refresher still holds and puts
/// back. Freshness is decided by [`super::decision`], on our clock.
#[derive(Clone)]
pub struct MemoryCache {
    states: moka::sync::Cache<AccountId, Arc<AccountState>, RandomState>,
}

/// Far above the number of accounts, so that no entry competes for its place.
const CAPACITY: u64 = 1024;

impl MemoryCache {
    /// A cache whose entries live for `horizon` after each write.
    pub fn new(horizon: Duration) -> Self {
        Self {
            states: moka::sync::Cache::builder()
                .max_capacity(CAPACITY)
                .time_to_live(horizon.min(LONGEST_HORIZON))
                .build_with_hasher(RandomState::default()),
        }
    }

    /// The state of an account, unless it has never been put or has expired.
    pub fn get(&self, account: &AccountId) -> Option<Arc<AccountState>> {
        self.states.get(account)
    }

    /// Replaces the state of an account.
    pub fn put(&self, account: AccountId, state: Arc<AccountState>) {
        self.states.insert(account, state);
    }
}

/// moka refuses to be built with more than a thousand years.
const LONGEST_HORIZON: Duration = Duration::from_secs(365 * 24 * 3600);
