//! One flight to the source: a refresh, or the proof of a changed credential.
//!
//! At most two requests, one after the other, within one deadline: the second
//! is either a retry, where asking again at once may help, or the confirmation
//! of a rejected credential, never both. Only where a second credential stands
//! by, a confirmed rejection of the first has a third request follow.
//!
//! While the credential in force is rejected there is nothing to confirm: each
//! refresh then asks with all that there are, a changed one first and last the
//! one that stands by.

use std::{rc::Rc, sync::Arc, time::Duration};

use super::{
    Reading,
    credential::{
        Credential,
        choice::{Credentials, Event, Look},
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
    /// Whether the flight has looked at where they are kept.
    pub(super) has_looked: bool,
    /// Whether a changed one was tried, and not accepted.
    pub(super) has_declined: bool,
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
    /// Whether the word that counts is about another credential than the one
    /// in force.
    pub(super) credential_changed: bool,
    /// Whether a credential is left that could not be asked with: there is
    /// reason to come back soon.
    pub(super) has_more: bool,
}

impl Crash {
    fn unconfirmed(error: SourceError) -> Self {
        Self {
            answered: error.is_an_answer(),
            error,
            confirmed: false,
            credential_changed: false,
            has_more: false,
        }
    }

    /// A rejection that the source has confirmed.
    fn confirmed(error: SourceError) -> Self {
        Self {
            confirmed: true,
            ..Self::unconfirmed(error)
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

    /// The same crash, with what became of the attempt with another credential
    /// in its words for the log.
    fn and_with_another(mut self, error: &SourceError) -> Self {
        self.error.cause = format!("{}; with another token {error}", self.error.cause);
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
    /// Whether it has looked at where they are kept.
    pub(super) has_looked: bool,
    pub(super) has_declined: bool,
    pub(super) has_asked_standby: bool,
}

/// A request that was answered by a balance, or not.
type Word = Result<Reading, SourceError>;

impl Flight {
    /// Asks for a balance.
    ///
    /// # Cancel safety
    /// May be dropped: no request is left behind.
    pub(super) async fn refresh(mut self) -> Landing {
        let untried = self.credentials.untried().cloned();
        let outcome = match untried.filter(|_| self.credentials.is_rejected()) {
            Some(changed) => self.with_a_changed_one(&changed).await,
            None if self.credentials.is_standby_next() => self.with_the_standby_first().await,
            None => self.with_the_one_in_force().await,
        };
        let outcome = self.stand_in(outcome).await.map_err(|crash| Crash {
            has_more: self.credentials.is_standby_next(),
            ..crash
        });
        if outcome.as_ref().is_err_and(|crash| crash.confirmed) {
            self.credentials.rejected();
        }
        self.land(outcome)
    }

    /// Asks with the credential offered. Its rejection is put to the test like
    /// that of the one in force.
    ///
    /// # Cancel safety
    /// May be dropped: no request is left behind.
    pub(super) async fn prove(mut self, offered: Credential) -> Landing {
        let outcome = self.with_a_changed_one(&offered).await;
        self.land(outcome)
    }

    fn land(self, outcome: Outcome) -> Landing {
        Landing {
            outcome,
            credentials: self.credentials,
            events: self.events,
            has_looked: self.has_looked,
            has_declined: self.has_declined,
        }
    }

    /// A rejection is put to the test; instead, another credential is given its
    /// chance if it has just been changed, or if this one was rejected before.
    async fn with_the_one_in_force(&mut self) -> Outcome {
        let in_force = self.credentials.in_force().clone();
        let rejection = match self.ask(&in_force).await {
            Err(rejection) if rejection.kind.is_rejection() => rejection,
            first_word => return self.retried(&in_force, first_word).await,
        };
        self.look_again().await;
        let was_rejected = self.credentials.is_rejected();
        let untried = self.credentials.untried();
        let has_changed = untried.is_some();
        let rival = self.credentials.rival().filter(|_| was_rejected);
        let Some(other) = untried.or(rival).cloned() else {
            return self.second_word(&in_force, rejection).await;
        };
        let crash = |rejection| {
            if was_rejected {
                Crash::confirmed(rejection)
            } else {
                Crash::unconfirmed(rejection)
            }
        };
        if !self.has_time(self.clock.mono()) {
            return Err(crash(rejection));
        }
        self.ask(&other).await.map_err(|error| {
            self.decline(&other, &error, false);
            let is_about_d7 = error.is_an_answer() && !error.kind.is_rejection();
            if is_about_d7 && has_changed {
                Crash {
                    credential_changed: true,
                    ..Crash::unconfirmed(error)
                }
            } else {
                crash(rejection).and_with_another(&error)
            }
        })
    }

    async fn with_a_changed_one(&mut self, changed: &Credential) -> Outcome {
        let outcome = match self.ask(changed).await {
            Err(rejection) if rejection.kind.is_rejection() => {
                self.second_word(changed, rejection).await
            }
            first_word => self.retried(changed, first_word).await,
        };
        outcome.map_err(|crash| {
            self.decline(changed, &crash.error, crash.confirmed);
            Crash {
                credential_changed: true,
                ..crash
            }
        })
    }

    /// The one that stands by could not be asked with the last time.
    async fn with_the_standby_first(&mut self) -> Outcome {
        let error = match self.ask_standby().await {
            Some(Ok(reading)) => return Ok(reading),
            Some(Err(error)) => error,
            None => return self.with_the_one_in_force().await,
        };
        if !self.has_time(self.clock.mono()) {
            return Err(Crash::unconfirmed(error));
        }
        let in_force = self.credentials.in_force().clone();
        self.ask(&in_force).await.map_err(|second| {
            let is_rejection = second.kind.is_rejection();
            Crash {
                answered: error.is_an_answer() || second.is_an_answer(),
                confirmed: is_rejection,
                ..Crash::unconfirmed(second).and_with_another(&error)
            }
        })
    }

    /// After a confirmed rejection, asks once with the credential that stands
    /// by. Where that brings nothing, the rejection is the outcome.
    async fn stand_in(&mut self, outcome: Outcome) -> Outcome {
        let crash = match outcome {
            Err(crash) if crash.confirmed && !self.has_asked_standby => crash,
            outcome => return outcome,
        };
        match self.ask_standby().await {
            Some(Ok(reading)) => Ok(reading),
            Some(Err(error)) => Err(crash.and_with_another(&error)),
            None => Err(crash),
        }
    }

    /// Nothing, where none stands by or there is no time for it; in the latter
    /// case the next refresh begins with it.
    async fn ask_standby(&mut self) -> Option<Word> {
        let standby = self.credentials.standby().cloned();
        self.credentials.leave_standby_open(standby.is_some());
        let standby = standby.filter(|_| self.has_time(self.clock.mono()))?;
        self.has_asked_standby = true;
        let word = self.ask(&standby).await;
        if let Err(error) = &word {
            let has_said_no = error.kind.is_rejection();
            self.credentials.leave_standby_open(!has_said_no);
        }
        Some(word)
    }

    /// Asks again at once where that may help.
    async fn retried(&mut self, credential: &Credential, first: Word) -> Outcome {
        match first {
            Err(first) if first.is_worth_a_retry() && self.has_time(self.clock.mono()) => {
                self.ask(credential).await.map_err(|second| Crash {
                    answered: first.is_an_answer() || second.is_an_answer(),
                    ..Crash::unconfirmed(second)
                })
            }
            first => first.map_err(Crash::unconfirmed),
        }
    }

    /// The source's second word on a rejected credential counts, whatever it
    /// is. Where none comes, the rejection stands, but unconfirmed.
    async fn second_word(&mut self, credential: &Credential, rejection: SourceError) -> Outcome {
        let at = self.clock.mono() + (self.draw)(PAUSE.0, PAUSE.1);
        if !self.has_time(at) {
            return Err(Crash::unconfirmed(rejection));
        }
        self.clock.sleep_until(at).await;
        if !self.has_time(self.clock.mono()) {
            return Err(Crash::unconfirmed(rejection));
        }
        self.ask(credential).await.map_err(|error| {
            if error.kind.is_rejection() {
                Crash::confirmed(error)
            } else if error.is_an_answer() {
                Crash::unconfirmed(error)
            } else {
                Crash::unconfirmed(rejection)
            }
        })
    }

    /// Looks at where the credentials are kept, bounded by the deadline: that
    /// may be a mount that hangs.
    async fn look_again(&mut self) {
        let left = self.deadline.since(self.clock.mono());
        if let Ok(kept) = tokio::time::timeout(left, self.source.read_credentials()).await {
            self.events
                .extend(self.credentials.look(kept, Look::Doubting));
            self.has_looked = true;
        }
    }

    /// Notes that a changed credential was not accepted.
    fn decline(&mut self, changed: &Credential, error: &SourceError, is_certain: bool) {
        self.has_declined = true;
        let now = self.clock.mono();
        if let Some(event) = self.credentials.declined(changed, is_certain, now) {
            self.events.push(Event {
                error: Some(error.clone()),
                ..event
            });
        }
    }

    /// Asks once. A credential that is accepted is in force from now on.
    async fn ask(&mut self, credential: &Credential) -> Word {
        let left = self.deadline.since(self.clock.mono());
        let word = self.source.fetch(credential, left).await;
        if word.is_ok() {
            self.events.extend(self.credentials.accepted(credential));
        }
        word
    }

    fn has_time(&self, at: MonoTime) -> bool {
        at < self.deadline
    }
}
