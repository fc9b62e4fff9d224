//! One flight to the source: a refresh, or the proof of a changed credential.
//!
//! At most two requests, one after the other, within one deadline: the second
//! is either a retry, where asking again at once may help, or the confirmation
//! of a rejected credential, never both. Only where a second credential stands
//! by, a confirmed rejection of the first has a third request follow.

use std::{rc::Rc, sync::Arc, time::Duration};

use super::{
    Reading,
    credential::{
        Credential,
        choice::{Credentials, Event, Standing},
    },
    hold_down::Draw,
    source::{BalanceSource, FailureKind, SourceError},
    state::Failure,
};
use crate::clock::{Clock, MonoTime};

/// What a flight brings.
pub(super) type Outcome = Result<Reading, Crash>;

/// A flight at its end.
pub(super) struct Landing {
    /// What it brings.
    pub(super) outcome: Outcome,
    /// The credentials as they are now.
    pub(super) credentials: Credentials,
    /// What has happened to them on the way.
    pub(super) events: Vec<Event>,
}

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

    /// The same crash, with what became of the attempt with the other
    /// credential in its words for the log.
    fn and_of_the_other(mut self, other: &SourceError) -> Self {
        self.error.cause = format!("{}; with the other token {other}", self.error.cause);
        self
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
    pub(super) credentials: Credentials,
    /// What has happened to the credentials so far.
    pub(super) events: Vec<Event>,
}

impl Flight {
    /// Asks with the credential in force, and once more where that is called
    /// for.
    ///
    /// # Cancel safety
    /// May be dropped: no request is left behind.
    pub(super) async fn refresh(mut self) -> Landing {
        let first = self.credentials.in_force().clone();
        let outcome = match self.fetch(&first).await {
            Err(rejection) if rejection.kind.is_rejection() => {
                let confirmed = self.confirm(first, rejection).await;
                self.stand_in(confirmed).await
            }
            first_word => self.retried(&first, first_word).await,
        };
        self.land(outcome)
    }

    /// Asks with the credential offered. Its rejection is put to the test like
    /// that of the one in force.
    ///
    /// # Cancel safety
    /// May be dropped: no request is left behind.
    pub(super) async fn prove(self, offered: Credential) -> Landing {
        let outcome = match self.fetch(&offered).await {
            Err(rejection) if rejection.kind.is_rejection() => {
                self.second_word(&offered, rejection).await
            }
            first_word => self.retried(&offered, first_word).await,
        };
        self.land(outcome)
    }

    fn land(self, outcome: Outcome) -> Landing {
        Landing {
            outcome,
            credentials: self.credentials,
            events: self.events,
        }
    }

    /// Asks again at once where that may help.
    async fn retried(
        &self,
        credential: &Credential,
        first: Result<Reading, SourceError>,
    ) -> Outcome {
        match first {
            Err(first) if first.is_worth_a_retry() && self.has_time(self.clock.mono()) => {
                self.fetch(credential).await.map_err(|second| Crash {
                    answered: first.is_an_answer() || second.is_an_answer(),
                    ..Crash::unconfirmed(second)
                })
            }
            first => first.map_err(Crash::unconfirmed),
        }
    }

    /// Puts a rejection to the test: a credential that has changed since is
    /// tried at once, else the same one is tried again.
    async fn confirm(&mut self, rejected: Credential, rejection: SourceError) -> Outcome {
        self.look_again().await;
        let changed = self.credentials.in_force().clone();
        if changed == rejected {
            return self.second_word(&rejected, rejection).await;
        }
        let crash = |error, confirmed| Crash {
            confirmed,
            answered: true,
            credential_changed: true,
            error,
        };
        if !self.has_time(self.clock.mono()) {
            return Err(crash(rejection, false));
        }
        // Of the changed one the rejection says nothing.
        self.fetch(&changed).await.map_err(|error| {
            let is_rejection = error.kind.is_rejection();
            crash(error, is_rejection)
        })
    }

    /// The source's second word on a rejected credential counts, whatever it
    /// is. Where none comes, the rejection stands, but unconfirmed.
    async fn second_word(&self, credential: &Credential, rejection: SourceError) -> Outcome {
        let crash = |error, confirmed| Crash {
            confirmed,
            answered: true,
            credential_changed: false,
            error,
        };
        let at = self.clock.mono() + (self.draw)(PAUSE.0, PAUSE.1);
        if !self.has_time(at) {
            return Err(crash(rejection, false));
        }
        self.clock.sleep_until(at).await;
        if !self.has_time(self.clock.mono()) {
            return Err(crash(rejection, false));
        }
        self.fetch(credential).await.map_err(|error| {
            if error.kind.is_rejection() {
                crash(error, true)
            } else if error.is_an_answer() {
                crash(error, false)
            } else {
                crash(rejection, false)
            }
        })
    }

    /// After a confirmed rejection, asks once with the credential that stands
    /// by. Where that brings nothing, the rejection is the outcome.
    async fn stand_in(&mut self, outcome: Outcome) -> Outcome {
        let standby = self.credentials.standby().cloned();
        match (outcome, standby) {
            (Err(crash), Some(standby)) if crash.confirmed && self.has_time(self.clock.mono()) => {
                match self.fetch(&standby).await {
                    Ok(reading) => {
                        self.events.push(self.credentials.fail_over());
                        Ok(reading)
                    }
                    Err(other) => Err(crash.and_of_the_other(&other)),
                }
            }
            (outcome, _) => outcome,
        }
    }

    /// Looks at where the credentials are kept, bounded by the deadline: that
    /// may be a mount that hangs.
    async fn look_again(&mut self) {
        let left = self.deadline.since(self.clock.mono());
        let Ok(kept) = tokio::time::timeout(left, self.source.read_credentials()).await else {
            return;
        };
        let now = self.clock.mono();
        let events = self.credentials.look(kept, Standing::Doubted, now);
        self.events.extend(events);
    }

    async fn fetch(&self, credential: &Credential) -> Result<Reading, SourceError> {
        let left = self.deadline.since(self.clock.mono());
        self.source.fetch(credential, left).await
    }

    fn has_time(&self, at: MonoTime) -> bool {
        at < self.deadline
    }
}
