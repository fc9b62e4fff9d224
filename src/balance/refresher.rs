//! The one task that asks D7: single flight by ownership.
//!
//! It lives on the main thread beside awc's client and owns everything that
//! must outlive a request: the flight, its waiters, the last failure, the
//! hold-down. It alone writes [`AccountState`]. Requests send it a message and
//! hold a receiver, nothing more: one that goes away, or panics, takes nothing
//! with it.
//!
//! # Design
//! moka's `try_get_with` was the other candidate for the single flight. It
//! loses the load with the caller that leads it, forgets errors at once, and
//! does not coalesce a miss with a refresh behind a stale hit.

mod handle;

use std::{rc::Rc, sync::Arc, time::Duration};

use tokio::{sync::oneshot, task::JoinHandle};
use tracing::{debug, error, info, warn};

use self::handle::Message;
pub use self::handle::{Inbox, Joined, Part, RefreshHandle, Verdict, channel};
use super::{
    AccountId, Reading, Snapshot,
    decision::{Asked, Decision, Lifetimes, Wait, crowded_out, decide},
    flight::{Crash, Flight, Outcome},
    hold_down::{Draw, Tally},
    memory::MemoryCache,
    source::{BalanceSource, SourceError},
    state::{AccountState, Failure},
};
use crate::{
    clock::{Clock, MonoTime},
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

/// The task's state.
pub struct Refresher {
    account: AccountId,
    source: Rc<dyn BalanceSource>,
    cache: MemoryCache,
    clock: Arc<dyn Clock>,
    draw: Draw,
    policy: Policy,
    metrics: RefreshMetrics,
    inbox: Inbox,
    state: Arc<AccountState>,
    tally: Tally,
    flight: Option<UnderWay>,
}

/// A flight in the air.
struct UnderWay {
    task: JoinHandle<Outcome>,
    waiters: Vec<Waiter>,
}

/// A request that waits for the flight.
struct Waiter {
    wait: Wait,
    part: Part,
    reply: oneshot::Sender<Joined>,
}

/// What a [`Refresher`] is made of.
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
    /// What it counts.
    pub metrics: RefreshMetrics,
}

impl Refresher {
    /// A refresher that has seen nothing yet. Its empty state is in the cache
    /// from now on.
    pub fn new(parts: Parts, inbox: Inbox) -> Self {
        let state = Arc::new(AccountState::default());
        parts.cache.put(parts.account.clone(), Arc::clone(&state));
        Self {
            account: parts.account,
            source: parts.source,
            cache: parts.cache,
            clock: parts.clock,
            draw: parts.draw,
            policy: parts.policy,
            metrics: parts.metrics,
            inbox,
            state,
            tally: Tally::default(),
            flight: None,
        }
    }

    /// Serves until every [`RefreshHandle`] is gone and the last flight has
    /// landed.
    ///
    /// # Cancel safety
    /// None: dropping it ends single flight, and with it the process.
    pub async fn run(mut self) {
        loop {
            let due = self.keep_warm_due();
            tokio::select! {
                biased;
                landed = landed(&mut self.flight) => self.land(landed),
                message = self.inbox.0.recv() => match message {
                    Some(Message::Nudge) => self.nudged(),
                    Some(Message::Join { asked, reply }) => self.joined(asked, reply),
                    None => break,
                },
                () = reached(&*self.clock, due) => self.take_off(Vec::new()),
            }
        }
        if self.flight.is_some() {
            let landed = landed(&mut self.flight).await;
            self.land(landed);
        }
    }

    /// When to refresh by itself: at start, when the balance's freshness ends,
    /// and when a hold-down does.
    fn keep_warm_due(&self) -> Option<MonoTime> {
        if !self.policy.keep_warm || self.flight.is_some() {
            return None;
        }
        Some(match (&self.state.failure, &self.state.snapshot) {
            (Some(failure), _) => failure.held_until,
            (None, Some(snapshot)) => snapshot.fetched_at() + self.policy.lifetimes.ttl,
            (None, None) => MonoTime::default(),
        })
    }

    fn nudged(&mut self) {
        let due = match self.decide(&Asked::default()) {
            Decision::Serve(serve) => serve.nudge,
            Decision::Wait(_) => true,
            Decision::Refuse(_) => false,
        };
        if due && self.flight.is_none() {
            self.take_off(Vec::new());
        }
    }

    fn joined(&mut self, asked: Asked, reply: oneshot::Sender<Joined>) {
        // Workers look here when the cache has let the state go.
        self.cache
            .put(self.account.clone(), Arc::clone(&self.state));
        let verdict = match self.decide(&asked) {
            Decision::Serve(serve) => {
                if serve.nudge && self.flight.is_none() {
                    self.take_off(Vec::new());
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
            return self.take_off(vec![Waiter { wait, part, reply }]);
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
        let verdict = match crowded_out(&self.state, now, &self.policy.lifetimes, wait) {
            Ok(serve) => Verdict::Serve(serve),
            Err(refusal) => Verdict::Refuse(refusal),
        };
        self.answer(reply, verdict);
    }

    fn take_off(&mut self, waiters: Vec<Waiter>) {
        let flight = Flight {
            source: Rc::clone(&self.source),
            clock: Arc::clone(&self.clock),
            draw: Arc::clone(&self.draw),
            deadline: self.clock.mono() + self.policy.timeout,
        };
        self.metrics.waiting(waiters.len());
        self.flight = Some(UnderWay {
            // A task of its own, so that a panic in it is an outcome.
            task: actix_rt::spawn(flight.fly()),
            waiters,
        });
    }

    /// Takes a flight's outcome in, and tells all who waited for it.
    fn land(&mut self, (outcome, waiters): (Outcome, Vec<Waiter>)) {
        let now = self.clock.mono();
        // What went wrong now, whichever failure stays in force.
        let went_wrong = outcome.as_ref().err().map(|crash| crash.error.kind);
        let status = outcome.as_ref().err().and_then(|crash| crash.error.status);
        let result = match outcome {
            Ok(reading) => Ok(self.refreshed(&reading, now)),
            Err(crash) => Err(self.failed(crash, now)),
        };
        self.cache
            .put(self.account.clone(), Arc::clone(&self.state));
        // Whoever sees it counted is to find its outcome in the cache.
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

    fn refreshed(&mut self, reading: &Reading, now: MonoTime) -> Arc<Snapshot> {
        let snapshot = Arc::new(Snapshot::new(reading, self.clock.wall(), now));
        if let Some(failure) = &self.state.failure {
            info!(event = "upstream_recovered", after = %failure.kind, "D7 answers again");
        }
        self.tally = Tally::default();
        self.state = Arc::new(AccountState::new(
            Some(Arc::clone(&snapshot)),
            None,
            Some(now),
        ));
        snapshot
    }

    fn failed(&mut self, crash: Crash, now: MonoTime) -> Arc<Failure> {
        let answered_at = if crash.answered {
            Some(now)
        } else {
            self.state.answered_at
        };
        if crash.credential_changed {
            // What was held against the old one is not the new one's fault.
            self.tally = Tally::default();
        }
        let mut failure = crash.in_force(self.state.failure.as_deref(), now);
        let error = crash.error;
        let hold_down = self.tally.hold_down(
            failure.class(),
            error.retry_after,
            self.clock.wall(),
            &self.draw,
        );
        failure.held_until = now + hold_down;
        self.tell(&failure, &error, hold_down);
        let failure = Arc::new(failure);
        self.state = Arc::new(AccountState::new(
            self.state.snapshot.clone(),
            Some(Arc::clone(&failure)),
            answered_at,
        ));
        failure
    }

    /// Logs a failure when it begins, not each time it lasts.
    fn tell(&self, failure: &Failure, error: &SourceError, hold_down: Duration) {
        let is_same =
            |last: &Arc<Failure>| last.kind == failure.kind && last.confirmed == failure.confirmed;
        let known = self.state.failure.as_ref().is_some_and(is_same);
        // Where a refusal stays in force, this is what went wrong under it.
        let (latest, cause) = (error.kind.as_str(), error.cause.as_str());
        let code = failure.code.as_ref().map(|code| code.as_str());
        let (kind, status, hold_down_s) =
            (failure.kind.as_str(), failure.status, hold_down.as_secs());
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
            error!(
                event = "upstream_failed",
                error.kind = kind,
                status,
                code,
                cause,
                hold_down_s,
                "D7 refuses this account: somebody has to act"
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

    fn decide(&self, asked: &Asked) -> Decision {
        decide(
            &self.state,
            self.clock.mono(),
            &self.policy.lifetimes,
            asked,
        )
    }

    fn answer(&self, reply: oneshot::Sender<Joined>, verdict: Verdict) {
        // The caller may have gone away meanwhile.
        drop(reply.send(Joined {
            state: Arc::clone(&self.state),
            verdict,
        }));
    }
}

/// The end of the flight under way; never, if there is none.
///
/// # Cancel safety
/// May be dropped: the flight stays where it is until it has landed.
async fn landed(flight: &mut Option<UnderWay>) -> (Outcome, Vec<Waiter>) {
    let ended = match flight {
        Some(under_way) => (&mut under_way.task).await,
        None => std::future::pending().await,
    };
    let outcome = ended.unwrap_or_else(|_| Err(Crash::panicked()));
    let waiters = flight
        .take()
        .map(|landed| landed.waiters)
        .unwrap_or_default();
    (outcome, waiters)
}

async fn reached(clock: &dyn Clock, due: Option<MonoTime>) {
    match due {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}
