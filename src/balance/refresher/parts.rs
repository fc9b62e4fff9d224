//! What a refresher is made of.

use std::{rc::Rc, sync::Arc, time::Duration};

use super::CredentialMetrics;
use crate::{
    balance::{
        AccountId, credential::choice::Credentials, decision::Lifetimes, hold_down::Draw,
        memory::MemoryCache, source::BalanceSource,
    },
    clock::Clock,
    metrics::RefreshMetrics,
};

/// How a refresher behaves.
#[derive(Debug, Clone, Copy)]
pub struct Policy {
    /// How long a balance is good for what.
    pub lifetimes: Lifetimes,
    /// The time for one refresh: every request of it, head and body.
    pub timeout: Duration,
    /// Whether to refresh even if nobody asks.
    pub keep_warm: bool,
    /// How many requests may wait for one refresh.
    pub max_waiters: usize,
}

/// What a [`Refresher`](super::Refresher) is made of.
pub struct Parts {
    /// The account whose balance it keeps.
    pub account: AccountId,
    /// Where balances come from.
    pub source: Rc<dyn BalanceSource>,
    /// Where its states go to.
    pub cache: MemoryCache,
    /// Its time.
    pub clock: Arc<dyn Clock>,
    /// Its randomness.
    pub draw: Draw,
    /// How it behaves.
    pub policy: Policy,
    /// What it asks with.
    pub credentials: Credentials,
    /// What it counts.
    pub metrics: RefreshMetrics,
    /// What it counts of credentials.
    pub credential_metrics: CredentialMetrics,
}
