//! What flights leave behind: the stored balance, the last failure, the
//! hold-down. The one place that makes an [`AccountState`].

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use crate::{
    balance::{
        AccountId, Reading, Snapshot,
        credential::standing::Standing,
        flight::Crash,
        history::History,
        hold_down::{Draw, Tally},
        memory::MemoryCache,
        source::SourceError,
        state::{AccountState, Class, Failure, LastFailed},
    },
    clock::{Clock, MonoTime},
};

/// The books of one account.
pub(super) struct Ledger {
    account: AccountId,
    cache: MemoryCache,
    clock: Arc<dyn Clock>,
    draw: Draw,
    state: Arc<AccountState>,
    /// What is known of the credentials, for every state from now on.
    credential: Standing,
    /// The failure that was entered last, over or not.
    last_failed: Option<Arc<LastFailed>>,
    tally: Tally,
    history: History,
    news: watch::Sender<Arc<AccountState>>,
}

impl Ledger {
    /// Empty books. Their state is in the cache from now on.
    pub(super) fn new(
        account: AccountId,
        cache: MemoryCache,
        clock: Arc<dyn Clock>,
        draw: Draw,
        credential: Standing,
        history: History,
        news: watch::Sender<Arc<AccountState>>,
    ) -> Self {
        let state = AccountState::default().with(credential, None);
        let state = Arc::new(state);
        let ledger = Self {
            account,
            cache,
            clock,
            draw,
            history,
            news,
            state,
            credential,
            last_failed: None,
            tally: Tally::default(),
        };
        ledger.publish();
        ledger.news.send_replace(Arc::clone(&ledger.state));
        ledger
    }

    /// What is known now.
    pub(super) fn state(&self) -> &Arc<AccountState> {
        &self.state
    }

    /// Has every state from now on tell this of the credentials.
    pub(super) fn note_credential(&mut self, credential: Standing) {
        self.credential = credential;
    }

    /// Enters what has been noted of the credentials, where no state tells it
    /// yet.
    pub(super) fn enter_credential(&mut self) {
        if self.state.credential != self.credential {
            self.enter(AccountState::new(
                self.state.snapshot.clone(),
                self.state.failure.clone(),
                self.state.answered_at,
            ));
        }
    }

    /// Has workers find the state, also where the cache has let it go.
    pub(super) fn publish(&self) {
        self.cache
            .put(self.account.clone(), Arc::clone(&self.state));
    }

    /// Enters a balance.
    pub(super) fn refreshed(&mut self, reading: &Reading, now: MonoTime) -> Arc<Snapshot> {
        let snapshot = Arc::new(Snapshot::new(reading, self.clock.wall(), now));
        let last = self.state.failure.clone();
        self.tally = Tally::default();
        self.history.record(Arc::clone(&snapshot));
        self.enter(AccountState::new(
            Some(Arc::clone(&snapshot)),
            None,
            Some(now),
        ));
        if let Some(failure) = last {
            info!(event = "upstream_recovered", after = %failure.kind, "D7 answers again");
        }
        snapshot
    }

    /// Enters a failure; returns the one in force.
    pub(super) fn failed(&mut self, crash: Crash, now: MonoTime) -> Arc<Failure> {
        let answered_at = if crash.answered {
            Some(now)
        } else {
            self.state.answered_at
        };
        if crash.credential_changed {
            // What was held against the old one is not the new one's fault.
            self.tally = Tally::default();
        }
        let last = self.state.failure.clone();
        let mut failure = crash.in_force(last.as_deref(), now);
        let error = &crash.error;
        let class = if crash.has_more {
            // Another credential may work: there is reason to come back soon.
            Class::Transient
        } else {
            failure.class()
        };
        let hold_down =
            self.tally
                .hold_down(class, error.retry_after, self.clock.wall(), &self.draw);
        failure.held_until = now + hold_down;
        let failure = Arc::new(failure);
        let last_failed = LastFailed {
            at: self.clock.wall(),
            kind: error.kind,
            status: error.status,
            code: error.code.clone(),
        };
        self.last_failed = Some(Arc::new(last_failed));
        self.enter(AccountState::new(
            self.state.snapshot.clone(),
            Some(Arc::clone(&failure)),
            answered_at,
        ));
        tell(&failure, last.as_deref(), error, hold_down);
        failure
    }

    /// Enters that there is another credential than that which the last failure
    /// is about: it is tried by the next refresh.
    pub(super) fn credential_changed(&mut self, now: MonoTime) {
        self.tally = Tally::default();
        let failure = self.state.failure.as_ref();
        let failure = failure.map(|failure| Arc::new(failure.after_change(now)));
        self.enter(AccountState::new(
            self.state.snapshot.clone(),
            failure,
            self.state.answered_at,
        ));
    }

    /// Enters that a changed credential was not accepted, which is held against
    /// nobody. The next hit on a stale balance asks for a refresh again: one
    /// that did so during the proof was not answered by it.
    pub(super) fn not_proved(&mut self, has_answered: bool, now: MonoTime) {
        let answered_at = has_answered.then_some(now).or(self.state.answered_at);
        self.enter(AccountState::new(
            self.state.snapshot.clone(),
            self.state.failure.clone(),
            answered_at,
        ));
    }

    fn enter(&mut self, state: AccountState) {
        let state = state.with(self.credential, self.last_failed.clone());
        self.state = Arc::new(state);
        self.publish();
        self.news.send_replace(Arc::clone(&self.state));
    }
}

/// Logs a failure when it begins, not each time it lasts.
fn tell(failure: &Failure, last: Option<&Failure>, error: &SourceError, hold_down: Duration) {
    let known =
        last.is_some_and(|last| last.kind == failure.kind && last.confirmed == failure.confirmed);
    // Where a refusal stays in force, this is what went wrong under it.
    let (latest, cause) = (error.kind.as_str(), error.cause.as_str());
    let code = failure.code.as_ref().map(|code| code.as_str());
    let (kind, status, hold_down_s) = (failure.kind.as_str(), failure.status, hold_down.as_secs());
    if known {
        debug!(
            event = "upstream_failing",
            error.kind = kind,
            status,
            code,
            latest,
            cause,
            hold_down_s,
            "D7 still fails"
        );
    } else if failure.is_refusal() {
        let advice = if failure.kind.is_rejection() {
            "D7 rejects the token: write a valid one into its file, no restart is needed; with D7B_TOKEN, restart with another"
        } else {
            "D7 asks for a payment: the account's owner has to act"
        };
        error!(
            event = "upstream_failed",
            error.kind = kind,
            status,
            code,
            cause,
            hold_down_s,
            "{advice}"
        );
    } else {
        warn!(
            event = "upstream_failed",
            error.kind = kind,
            status,
            code,
            cause,
            hold_down_s,
            "no balance from D7"
        );
    }
}
