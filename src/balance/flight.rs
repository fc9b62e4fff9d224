//! One flight to the source: a refresh, or the proof of a changed credential.
//!
//! At most two requests, one after the other, within one deadline: the second
//! is either a retry, where asking again at once may help, or the confirmation
//! of a rejected credential, never both. Only where a second credential stands
//! by, a confirmed rejection of the first has a third request follow.
//!
//! While the credential in force is rejected and there are others, there is
//! nothing to confirm: each refresh then asks with all that there are, by turns,
//! a changed one first.

mod count;
mod crash;

use std::{rc::Rc, sync::Arc, time::Duration};

use self::count::Count;
pub(super) use self::crash::Crash;
use super::{
    Reading,
    credential::{
        Credential,
        choice::{Credentials, Event, Look, What},
    },
    hold_down::Draw,
    recent::RecentRequests,
    source::{BalanceSource, SourceError},
};
use crate::{
    clock::{Clock, MonoTime},
    metrics::RefreshMetrics,
};

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
    /// Whether a changed one was tried, and not accepted.
    pub(super) has_declined: bool,
}

/// The pause before a rejection is put to the test: D7 has been seen to refuse
/// good tokens for a moment.
const PAUSE: (Duration, Duration) = (Duration::from_millis(250), Duration::from_millis(500));

/// How long a look at where the credentials are kept may take, at most.
const LONGEST_LOOK: Duration = Duration::from_secs(2);

/// What a flight needs.
pub(super) struct Flight {
    pub(super) source: Rc<dyn BalanceSource>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) draw: Draw,
    pub(super) metrics: RefreshMetrics,
    pub(super) recent: RecentRequests,
    pub(super) deadline: MonoTime,
    pub(super) credentials: Credentials,
    /// What has happened to the credentials so far.
    pub(super) events: Vec<Event>,
    /// Whether a changed one was tried, and not accepted.
    pub(super) has_declined: bool,
    /// How many requests have been made.
    pub(super) requests: u32,
    /// The credentials that D7 has had something to say about.
    pub(super) heard: Vec<Credential>,
}

/// A request that was answered by a balance, or not.
type Word = Result<Reading, SourceError>;

impl Flight {
    /// Asks for a balance.
    ///
    /// # Cancel safety
    /// May be dropped: no request is left behind.
    pub(super) async fn refresh(mut self) -> Landing {
        let outcome = if self.credentials.is_rejected() && self.credentials.turns().len() > 1 {
            self.with_each_in_turn().await
        } else {
            let in_force = self.credentials.in_force().clone();
            self.credentials.leads(&in_force);
            let outcome = self.with_the_one_in_force(in_force).await;
            self.stand_in(outcome).await
        };
        if outcome.as_ref().is_err_and(|crash| crash.confirmed) {
            self.credentials.rejected();
        }
        let has_more = self.has_more();
        self.land(outcome.map_err(|crash| Crash { has_more, ..crash }))
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
            has_declined: self.has_declined,
        }
    }

    /// A rejection is put to the test; instead, one that has changed since is
    /// given its chance.
    async fn with_the_one_in_force(&mut self, in_force: Credential) -> Outcome {
        let rejection = match self.ask(&in_force).await {
            Err(rejection) if rejection.kind.is_rejection() => rejection,
            first_word => return self.retried(&in_force, first_word).await,
        };
        self.look_again().await;
        let Some(changed) = self.credentials.untried().cloned() else {
            return self.second_word(&in_force, rejection).await;
        };
        if !self.has_time(self.clock.mono()) {
            return Err(Crash::unconfirmed(rejection));
        }
        self.ask(&changed).await.map_err(|error| {
            self.decline(&changed, &error, false);
            if error.is_an_answer() && !error.kind.is_rejection() {
                Crash {
                    credential_changed: true,
                    ..Crash::unconfirmed(error)
                }
            } else {
                Crash::unconfirmed(rejection).and_with_another(&error)
            }
        })
    }

    /// While the one in force is rejected all get their chance, as long as there
    /// is time and D7 has something to say; a changed one gets its second word.
    async fn with_each_in_turn(&mut self) -> Outcome {
        self.look_again().await;
        let most = 2 + u32::from(self.credentials.standby().is_some());
        let mut turns = self.credentials.turns().into_iter();
        let in_force = self.credentials.in_force().clone();
        let leader = turns.next().unwrap_or(in_force);
        self.credentials.leads(&leader);
        let mut crash = match self.with_one_of_all(&leader).await {
            Ok(reading) => return Ok(reading),
            Err(crash) => crash,
        };
        let mut goes_on = crash.error.is_about_the_account();
        for credential in turns {
            let is_over = self.requests >= most || !self.has_time(self.clock.mono());
            if is_over || !goes_on {
                break;
            }
            match self.with_one_of_all(&credential).await {
                Ok(reading) => {
                    self.explain(&crash.error);
                    return Ok(reading);
                }
                Err(next) => {
                    goes_on = next.error.is_about_the_account();
                    crash = crash.and_with_another(&next.error);
                }
            }
        }
        Err(crash)
    }

    async fn with_one_of_all(&mut self, credential: &Credential) -> Outcome {
        if self.credentials.untried() == Some(credential) {
            return self.with_a_changed_one(credential).await;
        }
        self.ask(credential).await.map_err(|error| {
            self.decline(credential, &error, false);
            if error.kind.is_rejection() {
                // It was rejected before: nothing is left to be confirmed.
                Crash::confirmed(error)
            } else {
                Crash::unconfirmed(error)
            }
        })
    }

    /// Whether one has had no chance yet: there is reason to come back soon.
    fn has_more(&self) -> bool {
        let has_waited = |credential: &Credential| {
            !self.credentials.has_led(credential) && !self.heard.contains(credential)
        };
        self.credentials.is_rejected() && self.credentials.turns().iter().any(has_waited)
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

    /// After a confirmed rejection, asks once with the credential that stands
    /// by. Where that brings nothing, the rejection is the outcome.
    async fn stand_in(&mut self, outcome: Outcome) -> Outcome {
        let standby = self.credentials.standby().cloned();
        match (outcome, standby) {
            (Err(crash), Some(standby)) if crash.confirmed && self.has_time(self.clock.mono()) => {
                let word = self.ask(&standby).await;
                self.explain(&crash.error);
                word.map_err(|error| crash.and_with_another(&error))
            }
            (outcome, _) => outcome,
        }
    }

    /// Has a failover, if one has just come, say why the other had to give way.
    fn explain(&mut self, error: &SourceError) {
        if let Some(event) = self.events.last_mut()
            && matches!(event.what, What::FailedOver { .. })
        {
            event.error = Some(error.clone());
        }
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

    /// Looks at where the credentials are kept. Bounded, since that may be a
    /// mount that hangs, and what comes after it needs half of the time left.
    async fn look_again(&mut self) {
        let left = self.deadline.since(self.clock.mono());
        let bound = LONGEST_LOOK.min(left / 2);
        if let Ok(kept) = tokio::time::timeout(bound, self.source.read_credentials()).await {
            self.events
                .extend(self.credentials.look(kept, Look::Doubting));
        }
    }

    /// Notes that a changed credential was not accepted.
    fn decline(&mut self, changed: &Credential, error: &SourceError, is_certain: bool) {
        self.has_declined = true;
        let now = self.clock.mono();
        let events = self.credentials.declined(changed, is_certain, now);
        self.events.extend(events.into_iter().map(|event| Event {
            error: Some(error.clone()),
            ..event
        }));
    }

    /// Asks once. A credential that is accepted is in force from now on.
    async fn ask(&mut self, credential: &Credential) -> Word {
        let began = self.clock.mono();
        self.requests += 1;
        self.recent.record(began);
        let count = Count::begin(&self.metrics, &*self.clock);
        let left = self.deadline.since(began);
        let word = self.source.fetch(credential, left).await;
        count.end(word.as_ref().err().map(|error| error.kind));
        match &word {
            Ok(_) => self.events.extend(self.credentials.accepted(credential)),
            Err(error) if error.is_an_answer() => {
                self.heard.push(credential.clone());
                if error.kind.is_rejection() && self.credentials.in_force() == credential {
                    self.credentials.doubted();
                }
            }
            Err(_) => {}
        }
        word
    }

    fn has_time(&self, at: MonoTime) -> bool {
        at < self.deadline
    }
}
