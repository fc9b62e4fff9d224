//! The one task that asks D7: single flight by ownership.
//!
//! It lives on the main thread beside awc's client and owns everything that
//! must outlive a request: the flight, its waiters, the last failure, the
//! hold-down. It alone makes account states. Requests send it a message and
//! hold a receiver, nothing more: one that goes away, or panics, takes nothing
//! with it.
//!
//! # Design
//! moka's `try_get_with` was the other candidate for the single flight. It
//! loses the load with the caller that leads it, forgets errors at once, and
//! does not coalesce a miss with a refresh behind a stale hit.

mod custody;
mod handle;
mod ledger;
mod parts;
mod under_way;

use std::{rc::Rc, sync::Arc};

use tokio::sync::{mpsc, oneshot};

pub use self::{
    custody::CredentialMetrics,
    handle::{Inbox, Joined, Part, RefreshHandle, Verdict, channel},
    parts::{Parts, Policy},
};
use self::{
    custody::{Custody, Found},
    handle::Message,
    ledger::Ledger,
    under_way::{Landed, Mission, UnderWay, Waiter, landed},
};
use super::{
    credential::choice::Event,
    decision::{Asked, Decision, Wait, crowded_out, decide},
    flight::{Crash, Flight, Outcome},
    hold_down::Draw,
    recent::RecentRequests,
    source::BalanceSource,
};
use crate::{
    clock::{Clock, MonoTime},
    metrics::RefreshMetrics,
};

/// The task's state.
pub struct Refresher {
    source: Rc<dyn BalanceSource>,
    clock: Arc<dyn Clock>,
    draw: Draw,
    policy: Policy,
    metrics: RefreshMetrics,
    messages: mpsc::UnboundedReceiver<Message>,
    requests: RecentRequests,
    ledger: Ledger,
    custody: Custody,
    flight: Option<UnderWay>,
}

impl Refresher {
    /// A refresher that has seen nothing yet. Its empty state is in the cache
    /// from now on.
    pub fn new(parts: Parts, inbox: Inbox) -> Self {
        let credential = parts.credentials.standing();
        Self {
            ledger: Ledger::new(
                parts.account,
                parts.cache,
                Arc::clone(&parts.clock),
                Arc::clone(&parts.draw),
                credential,
                inbox.history,
                inbox.states,
            ),
            custody: Custody::new(
                Rc::clone(&parts.source),
                Arc::clone(&parts.clock),
                Arc::clone(&parts.draw),
                parts.credentials,
                parts.credential_metrics,
            ),
            source: parts.source,
            clock: parts.clock,
            draw: parts.draw,
            policy: parts.policy,
            metrics: parts.metrics,
            messages: inbox.messages,
            requests: inbox.requests,
            flight: None,
        }
    }

    /// Serves until every [`RefreshHandle`] is gone and the last flight has
    /// landed.
    ///
    /// # Cancel safety
    /// None: dropping it ends single flight, and with it the process.
    pub async fn run(mut self) {
        self.custody.watch_expiry();
        loop {
            self.custody.begin_look();
            let due = self.next_due();
            tokio::select! {
                biased;
                landed = landed(&mut self.flight) => self.land(landed),
                found = self.custody.looked() => self.looked(found),
                // Before callers, of whom there may always be another.
                mission = reached(&*self.clock, due) => self.take_off(mission, Vec::new()),
                message = self.messages.recv() => match message {
                    Some(Message::Nudge) => self.nudged(),
                    Some(Message::Join { asked, reply }) => self.joined(asked, reply),
                    Some(Message::Look { is_ordered }) => self.custody.want_look(is_ordered),
                    None => break,
                },
            }
        }
        if self.flight.is_some() {
            let landed = landed(&mut self.flight).await;
            self.land(landed);
        }
    }

    /// When to take off by itself, and what for.
    fn next_due(&self) -> Option<(MonoTime, Mission)> {
        if self.flight.is_some() {
            return None;
        }
        let proof = self.trial_due();
        let refresh = self.keep_warm_due().map(|due| (due, Mission::Refresh));
        proof.into_iter().chain(refresh).min_by_key(|(due, _)| *due)
    }

    /// When to try a changed credential. Where the one in force is rejected, a
    /// refresh does, at once; after that all are tried by each refresh.
    fn trial_due(&self) -> Option<(MonoTime, Mission)> {
        let credentials = self.custody.credentials();
        let (offered, due) = credentials.offered()?;
        let at = due.unwrap_or_default();
        match (credentials.is_rejected(), due) {
            (false, _) => Some((at, Mission::Proof(offered.clone()))),
            (true, None) => Some((at, Mission::Refresh)),
            (true, Some(_)) => None,
        }
    }

    /// When to refresh by itself: at start, when the balance's freshness ends,
    /// and when a hold-down does.
    fn keep_warm_due(&self) -> Option<MonoTime> {
        let state = self.ledger.state();
        self.policy
            .keep_warm
            .then(|| match (&state.failure, &state.snapshot) {
                (Some(failure), _) => failure.held_until,
                (None, Some(snapshot)) => snapshot.fetched_at() + self.policy.lifetimes.ttl,
                (None, None) => MonoTime::default(),
            })
    }

    /// Takes in what stands where the credentials are kept.
    fn looked(&mut self, found: Option<Found>) {
        let Some(found) = found else { return };
        if self.flight.is_some() {
            return self.custody.put_by(found);
        }
        let (events, is_changed) = self.custody.take_in(found);
        let credentials = self.custody.credentials();
        self.ledger.note_credential(credentials.standing());
        if is_changed && credentials.is_rejected() {
            self.ledger.credential_changed(self.clock.mono());
        } else {
            self.ledger.enter_credential();
        }
        self.custody.tell_all(&events);
    }

    fn nudged(&mut self) {
        let due = match self.decide(&Asked::default()) {
            Decision::Serve(serve) => serve.nudge,
            Decision::Wait(_) => true,
            Decision::Refuse(_) => false,
        };
        if due && self.flight.is_none() {
            self.take_off(Mission::Refresh, Vec::new());
        }
    }

    fn joined(&mut self, asked: Asked, reply: oneshot::Sender<Joined>) {
        // Workers look here when the cache has let the state go.
        self.ledger.publish();
        let verdict = match self.decide(&asked) {
            Decision::Serve(serve) => {
                if serve.nudge && self.flight.is_none() {
                    self.take_off(Mission::Refresh, Vec::new());
                }
                Verdict::Serve(serve)
            }
            Decision::Refuse(refusal) => Verdict::Refuse(refusal),
            Decision::Wait(wait) => return self.wait(wait, reply),
        };
        self.answer(reply, verdict);
    }

    /// Joins the flight, or starts one, unless too many wait already.
    fn wait(&mut self, wait: Wait, reply: oneshot::Sender<Joined>) {
        let max_waiters = self.policy.max_waiters;
        let Some(flight) = &mut self.flight else {
            let part = Part::Started;
            return self.take_off(Mission::Refresh, vec![Waiter { wait, part, reply }]);
        };
        if flight.waiters.len() >= max_waiters {
            // Those whose connection has broken hold no place. One that the
            // caller has only ended may still read its answer, and waits.
            flight.waiters.retain(|waiter| !waiter.reply.is_closed());
        }
        if flight.waiters.len() < max_waiters {
            let part = Part::Joined;
            flight.waiters.push(Waiter { wait, part, reply });
            self.metrics.waiting(flight.waiters.len());
            return;
        }
        let now = self.clock.mono();
        let verdict = match crowded_out(self.ledger.state(), now, &self.policy.lifetimes, wait) {
            Ok(serve) => Verdict::Serve(serve),
            Err(refusal) => Verdict::Refuse(refusal),
        };
        self.answer(reply, verdict);
    }

    fn take_off(&mut self, mission: Mission, waiters: Vec<Waiter>) {
        let flight = Flight {
            source: Rc::clone(&self.source),
            clock: Arc::clone(&self.clock),
            draw: Arc::clone(&self.draw),
            metrics: self.metrics.clone(),
            recent: self.requests.clone(),
            deadline: self.clock.mono() + self.policy.timeout,
            credentials: self.custody.credentials().clone(),
            events: Vec::new(),
            has_declined: false,
            requests: 0,
            heard: Vec::new(),
        };
        // A task of its own, so that a panic in it is an outcome.
        let task = match &mission {
            Mission::Refresh => actix_rt::spawn(flight.refresh()),
            Mission::Proof(offered) => actix_rt::spawn(flight.prove(offered.clone())),
        };
        self.metrics.waiting(waiters.len());
        self.flight = Some(UnderWay {
            mission,
            task,
            waiters,
        });
    }

    /// Takes a flight's outcome in.
    fn land(&mut self, landed: Landed) {
        let Landed {
            mission,
            landing,
            waiters,
        } = landed;
        let found = self.custody.was_put_by();
        let (outcome, events) = match landing {
            Some(landing) => {
                self.custody.take_back(landing.credentials);
                let standing = self.custody.credentials().standing();
                self.ledger.note_credential(standing);
                if let (true, Err(crash)) = (landing.has_declined, &landing.outcome) {
                    self.custody.postpone(crash);
                }
                (landing.outcome, landing.events)
            }
            None => {
                let crash = Crash::panicked();
                let events = self.custody.panicked(mission.on_trial(), &crash);
                (Err(crash), events)
            }
        };
        match (mission, outcome) {
            (Mission::Refresh, outcome) => self.refreshed(outcome, &events, waiters),
            (Mission::Proof(_), Ok(reading)) => self.refreshed(Ok(reading), &events, waiters),
            (Mission::Proof(_), Err(crash)) => self.not_proved(&crash, &events, waiters),
        }
        self.looked(found);
    }

    /// A changed credential was not accepted: nothing is held against the one
    /// in force, which those who waited are now served by.
    fn not_proved(&mut self, crash: &Crash, events: &[Event], waiters: Vec<Waiter>) {
        self.ledger.not_proved(crash.answered, self.clock.mono());
        self.custody.tell_all(events);
        if waiters.is_empty() {
            self.metrics.waiting(0);
        } else {
            self.take_off(Mission::Refresh, waiters);
        }
    }

    /// Enters a refresh's outcome, and tells all who waited for it.
    fn refreshed(&mut self, outcome: Outcome, events: &[Event], waiters: Vec<Waiter>) {
        let now = self.clock.mono();
        // What went wrong now, whichever failure stays in force.
        let went_wrong = outcome.as_ref().err().map(|crash| crash.error.kind);
        let status = outcome.as_ref().err().and_then(|crash| crash.error.status);
        let result = match outcome {
            Ok(reading) => Ok(self.ledger.refreshed(&reading, now)),
            Err(crash) => Err(self.ledger.failed(crash, now)),
        };
        // Whoever sees it told or counted is to find its outcome in the cache.
        self.custody.tell_all(events);
        match went_wrong {
            None => self.metrics.refreshed(),
            Some(kind) => self.metrics.failed(kind.as_str()),
        }
        self.metrics.waiting(0);
        for waiter in waiters {
            let verdict = match &result {
                Ok(snapshot) => Verdict::Refreshed {
                    snapshot: Arc::clone(snapshot),
                    forward: waiter.wait.forward,
                    part: waiter.part,
                },
                Err(failure) => Verdict::Failed {
                    failure: Arc::clone(failure),
                    status,
                    wait: waiter.wait,
                },
            };
            self.answer(waiter.reply, verdict);
        }
    }

    fn decide(&self, asked: &Asked) -> Decision {
        let now = self.clock.mono();
        decide(self.ledger.state(), now, &self.policy.lifetimes, asked)
    }

    fn answer(&self, reply: oneshot::Sender<Joined>, verdict: Verdict) {
        // The caller may have gone away meanwhile.
        drop(reply.send(Joined {
            state: Arc::clone(self.ledger.state()),
            verdict,
        }));
    }
}

/// Ends when it is time for what is due; never, if nothing is.
async fn reached(clock: &dyn Clock, due: Option<(MonoTime, Mission)>) -> Mission {
    match due {
        Some((at, mission)) => {
            clock.sleep_until(at).await;
            mission
        }
        None => std::future::pending().await,
    }
}
