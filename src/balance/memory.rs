//! Where workers find the state of an account: moka, as storage.

use std::{
    cell::RefCell,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use foldhash::fast::RandomState;

use super::{AccountId, state::AccountState};

/// Accounts and their states, shared by all threads.
///
/// moka's time to live is the outer horizon only: past it no stored balance may
/// be served, and what a read then misses the refresher still holds and puts
/// back. Freshness is decided by [`super::decision`], on our clock.
///
/// # Design
/// moka notes every read, for an order of eviction that nobody needs here, and
/// looks at its clock: that was a thirtieth of a hit. So each thread goes on with
/// the state that it has found last until something is put, and keeps that state
/// alive meanwhile.
#[derive(Clone)]
pub struct MemoryCache {
    states: moka::sync::Cache<AccountId, Arc<AccountState>, RandomState>,
    /// Which put was the last one, in all caches: one number, one cache.
    last_put: Arc<AtomicU64>,
}

/// What a thread has found last, and after which put.
struct Found {
    put: u64,
    account: AccountId,
    state: Arc<AccountState>,
}

thread_local! {
    static FOUND: RefCell<Option<Found>> = const { RefCell::new(None) };
}

/// The number of the next put, or of the next cache.
static NEXT_PUT: AtomicU64 = AtomicU64::new(0);

fn next_put() -> u64 {
    NEXT_PUT.fetch_add(1, Ordering::Relaxed)
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
            last_put: Arc::new(AtomicU64::new(next_put())),
        }
    }

    /// The state of an account, unless it has never been put or has expired. One
    /// that this thread knows already may have expired meanwhile.
    pub fn get(&self, account: &AccountId) -> Option<Arc<AccountState>> {
        // Before the look-up: what is put in between will be looked up again.
        let put = self.last_put.load(Ordering::Acquire);
        let known = FOUND.with_borrow(|found| {
            let found = found.as_ref()?;
            let is_it = found.put == put && found.account == *account;
            is_it.then(|| Arc::clone(&found.state))
        });
        known.or_else(|| self.look_up(account, put))
    }

    fn look_up(&self, account: &AccountId, put: u64) -> Option<Arc<AccountState>> {
        let state = self.states.get(account)?;
        FOUND.set(Some(Found {
            put,
            account: account.clone(),
            state: Arc::clone(&state),
        }));
        Some(state)
    }

    /// Replaces the state of an account. Whoever asks from now on gets the new
    /// one.
    pub fn put(&self, account: AccountId, state: Arc<AccountState>) {
        self.states.insert(account, state);
        // Exchanged rather than stored: who sees the later of two sees the other, too.
        self.last_put.swap(next_put(), Ordering::AcqRel);
    }
}

/// moka refuses to be built with more than a thousand years.
const LONGEST_HORIZON: Duration = Duration::from_secs(365 * 24 * 3600);

#[cfg(test)]
mod tests {
    use std::{
        sync::{Arc, mpsc},
        thread,
        time::Duration,
    };

    use super::MemoryCache;
    use crate::balance::{AccountId, state::AccountState};

    fn state() -> Arc<AccountState> {
        Arc::new(AccountState::new(None, None, None))
    }

    fn holds(cache: &MemoryCache, account: &AccountId, state: &Arc<AccountState>) -> bool {
        let found = cache.get(account);
        found.is_some_and(|found| Arc::ptr_eq(&found, state))
    }

    #[test]
    fn what_was_put_is_found_by_threads_that_know_another_state() {
        let cache = MemoryCache::new(Duration::from_secs(60));
        let account = AccountId::default();
        let (old, new) = (state(), state());
        cache.put(account.clone(), Arc::clone(&old));
        let ((tell, told), (say, said)) = (mpsc::channel(), mpsc::channel());

        thread::scope(|scope| {
            // Gone with this closure, so that the thread ends where this one fails.
            let tell = tell;
            let (cache, account, new) = (&cache, &account, &new);
            scope.spawn(move || {
                say.send(holds(cache, account, &old)).unwrap();
                told.recv().unwrap();
                say.send(holds(cache, account, new)).unwrap();
            });
            assert!(said.recv().unwrap());
            cache.put(account.clone(), Arc::clone(new));
            tell.send(()).unwrap();
            assert!(said.recv().unwrap());
        });
    }

    #[test]
    fn a_thread_keeps_accounts_and_caches_apart() {
        let caches = [(); 2].map(|()| MemoryCache::new(Duration::from_secs(60)));
        let accounts = [AccountId::default(), AccountId("another".into())];
        let states = [[state(), state()], [state(), state()]];
        for (cache, states) in caches.iter().zip(&states) {
            for (account, state) in accounts.iter().zip(states) {
                cache.put(account.clone(), Arc::clone(state));
            }
        }
        let empty = MemoryCache::new(Duration::from_secs(60));

        // Twice, so that each of them comes after each other one.
        for _ in 0..2 {
            for (cache, states) in caches.iter().zip(&states) {
                for (account, state) in accounts.iter().zip(states) {
                    assert!(holds(cache, account, state));
                    assert!(holds(cache, account, state));
                    assert!(empty.get(account).is_none());
                }
            }
        }
    }
}
