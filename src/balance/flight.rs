//! One refresh: at most two requests, one after the other, within one deadline.
//!
//! The second is either a retry, where asking again at once may help, or the
//! confirmation of a rejected credential, never both.

use std::{rc::Rc, sync::Arc, time::Duration};

use super::{
    Reading,
    hold_down::Draw,
    source::{BalanceSource, FailureKind, Reloaded, SourceError},
    state::Failure,
};
use crate::clock::{Clock, MonoTime};

/// What a flight brings.
pub(super) type Outcome = Result<Reading, Crash>;

/// A flight that brought no balance.
#[derive(Debug)]
pub(super) struct Crash {
    /// The word that counts.
    pub(super) error: SourceError,
    /// For a rejected credential: whether D7 said so twice.
    pub(super) confirmed: bool,
    /// Whether D7 answered anything, to whichever request.
    pub(super) answered: bool,
    /// Whether the last request was made with another credential than the one
    /// before.
    pub(super) credential_changed: bool,
}

impl Crash {
    fn unconfirmed(error: SourceError) -> Self {
        Self {
            answered: error.is_an_answer(),
            error,
            confirmed: false,
            credential_changed: false,
        }
    }

    /// The failure to remember after this crash.
    ///
    /// A refusal is lifted by D7's word only: what fails after it, however it
    /// fails, leaves it in force. A changed credential lifts a rejection, but
    /// not the ban on stale balances, which ends when D7 accepts it.
    pub(super) fn in_force(&self, last: Option<&Failure>, now: MonoTime) -> Failure {
        let new = Failure {
            kind: self.error.kind,
            status: self.error.status,
            code: self.error.code.clone(),
            confirmed: self.confirmed,
            is_on_probation: false,
            held_until: now,
        };
        let blocking = last.filter(|last| last.is_blocking() && !new.is_refusal());
        match blocking {
            None => new,
            Some(last) if last.is_refusal() && !self.lifts(last) => last.clone(),
            Some(_) => Failure {
                is_on_probation: true,
                ..new
            },
        }
    }

    fn lifts(&self, last: &Failure) -> bool {
        self.credential_changed && last.kind.is_rejection()
    }

    /// The crash of a flight whose task has panicked.
    pub(super) fn panicked() -> Self {
        Self::unconfirmed(SourceError {
            kind: FailureKind::Panicked,
            status: None,
            code: None,
            retry_after: None,
            cause: "the refresh panicked".to_owned(),
        })
    }
}

/// The pause before a rejection is put to the test: D7 has been seen to refuse
/// good tokens for a moment.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_millis(500));

/// What a flight needs.
pub(super) struct Flight {
    pub(super) source: Rc<dyn BalanceSource>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) draw: Draw,
    pub(super) deadline: MonoTime,
}

impl Flight {
    /// Asks, and asks once more where that is called for.
    ///
    /// # Cancel safety
    /// May be dropped: no request is left behind.
    pub(super) async fn fly(self) -> Outcome {
        match self.fetch().await {
            Ok(reading) => Ok(reading),
            Err(rejection) if rejection.kind.is_rejection() => self.confirm(rejection).await,
            Err(first) if first.is_worth_a_retry() && self.has_time(self.clock.mono()) => {
                self.fetch().await.map_err(|second| Crash {
                    answered: first.is_an_answer() || second.is_an_answer(),
                    ..Crash::unconfirmed(second)
                })
            }
            Err(error) => Err(Crash::unconfirmed(error)),
        }
    }

    /// Puts a rejection to the test: D7's second word counts, whatever it is.
    /// Where none comes, the rejection stands, but unconfirmed.
    async fn confirm(&self, rejection: SourceError) -> Outcome {
        let credential_changed = self.reload_credential().await == Reloaded::Changed;
        let crash = |error: SourceError, confirmed| Crash {
            confirmed,
            answered: true,
            credential_changed,
            error,
        };
        if !credential_changed {
            let at = self.clock.mono() + (self.draw)(PAUSE.0, PAUSE.1);
            if !self.has_time(at) {
                return Err(crash(rejection, false));
            }
            self.clock.sleep_until(at).await;
        }
        if !self.has_time(self.clock.mono()) {
            return Err(crash(rejection, false));
        }
        self.fetch().await.map_err(|error| {
            if error.kind.is_rejection() {
                crash(error, true)
            } else if error.is_an_answer() || credential_changed {
                // Of a changed credential the rejection says nothing.
                crash(error, false)
            } else {
                crash(rejection, false)
            }
        })
    }

    /// Bounded by the flight's deadline: a file may lie on a mount that hangs.
    async fn reload_credential(&self) -> Reloaded {
        let left = self.deadline.since(self.clock.mono());
        let reloaded = tokio::time::timeout(left, self.source.reload_credential());
        reloaded.await.unwrap_or(Reloaded::Same)
    }

    async fn fetch(&self) -> Result<Reading, SourceError> {
        self.source
            .fetch(self.deadline.since(self.clock.mono()))
            .await
    }

    fn has_time(&self, at: MonoTime) -> bool {
        at < self.deadline
    }
}
