//! The refresher's credentials: when their places are looked at, what is told
//! and counted of them, and when a changed one is proved.

use std::{rc::Rc, sync::Arc};

use tokio::task::JoinHandle;
use tracing::{error, warn};

use crate::{
    balance::{
        credential::{
            Credential, Kept, Role,
            choice::{self, Credentials, Event, What},
            expiry::ExpiryWatch,
        },
        flight::Crash,
        hold_down::{Draw, Tally},
        source::{BalanceSource, UpstreamCode},
    },
    clock::Clock,
    metrics::{FailoverMetrics, Metrics, ReloadMetrics},
};

/// What is counted of credentials.
#[derive(Clone)]
pub struct CredentialMetrics {
    /// Of the file of each role, where there is one.
    files: [Option<ReloadMetrics>; 2],
    failover: FailoverMetrics,
}

impl CredentialMetrics {
    /// The handles in `metrics`; `in_files` says of which role there is a file,
    /// in the order of [`Role::ALL`].
    pub fn new(metrics: &Metrics, in_files: [bool; 2]) -> Self {
        let of = |role: Role| metrics.for_reloads(role.as_str(), &OUTCOMES);
        let [primary, secondary] = in_files;
        Self {
            files: [
                primary.then(|| of(Role::Primary)),
                secondary.then(|| of(Role::Secondary)),
            ],
            failover: metrics.for_failover(),
        }
    }
}

/// What a look has found.
pub(super) struct Found {
    kept: Kept,
    look: choice::Look,
}

/// A look at the places, under way.
struct UnderWay {
    task: JoinHandle<Kept>,
    look: choice::Look,
}

/// The credentials and everything about them.
pub(super) struct Custody {
    source: Rc<dyn BalanceSource>,
    clock: Arc<dyn Clock>,
    draw: Draw,
    credentials: Credentials,
    look: Option<UnderWay>,
    /// A look that was asked for and has not begun: whether somebody ordered
    /// it.
    wanted: Option<bool>,
    /// What a look has found during a flight.
    found: Option<Found>,
    /// The trials of the one offered that brought neither a yes nor a no.
    tally: Tally,
    expiry: [ExpiryWatch; 2],
    metrics: CredentialMetrics,
}

impl Custody {
    pub(super) fn new(
        source: Rc<dyn BalanceSource>,
        clock: Arc<dyn Clock>,
        draw: Draw,
        credentials: Credentials,
        metrics: CredentialMetrics,
    ) -> Self {
        Self {
            source,
            clock,
            draw,
            credentials,
            look: None,
            wanted: None,
            found: None,
            tally: Tally::default(),
            expiry: Default::default(),
            metrics,
        }
    }

    /// The credentials, for a flight.
    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// Asks for a look at the places; what was found before is tried and told
    /// again where somebody has ordered it.
    pub(super) fn want_look(&mut self, is_ordered: bool) {
        self.wanted = Some(self.wanted.unwrap_or_default() | is_ordered);
    }

    /// Begins the look that was asked for, on a task of its own: the places may
    /// be slow.
    pub(super) fn begin_look(&mut self) {
        if self.look.is_none()
            && let Some(is_ordered) = self.wanted.take()
        {
            self.look = Some(UnderWay {
                task: actix_rt::spawn(self.source.read_credentials()),
                look: if is_ordered {
                    choice::Look::Ordered
                } else {
                    choice::Look::Passing
                },
            });
        }
    }

    /// The end of the look under way; never, if there is none.
    ///
    /// # Cancel safety
    /// May be dropped: the look goes on.
    pub(super) async fn looked(&mut self) -> Option<Found> {
        if let Some(under_way) = &mut self.look {
            let ended = (&mut under_way.task).await;
            if let Some(UnderWay { look, .. }) = self.look.take() {
                return match ended {
                    Ok(kept) => Some(Found { kept, look }),
                    Err(error) => {
                        error!(event = "panic", %error, "reading the token files failed");
                        None
                    }
                };
            }
        }
        std::future::pending().await
    }

    /// Keeps what was found during a flight for when that has landed: what it
    /// brings back would overwrite it.
    pub(super) fn put_by(&mut self, mut found: Found) {
        if let Some(Found {
            look: choice::Look::Ordered,
            ..
        }) = self.found
        {
            // Somebody waits for it.
            found.look = choice::Look::Ordered;
        }
        self.found = Some(found);
    }

    /// What was found during the flight that has just landed.
    pub(super) fn was_put_by(&mut self) -> Option<Found> {
        self.found.take()
    }

    /// Takes in what a look has found. Returns what is to be told of it, and
    /// whether there is a credential to ask with that was not there before.
    pub(super) fn take_in(&mut self, found: Found) -> (Vec<Event>, bool) {
        let events = self.credentials.look(found.kept, found.look);
        let has = |what| events.iter().any(|event| event.what == what);
        if has(What::Offered) {
            self.tally = Tally::default();
        }
        let is_changed = has(What::Offered) || has(What::Replaced);
        (events, is_changed)
    }

    /// Takes over what a flight has made of the credentials.
    pub(super) fn take_back(&mut self, credentials: Credentials) {
        self.credentials = credentials;
    }

    /// A flight has panicked: a proof, or a refresh that began with a changed
    /// credential where the one in force is rejected. Returns what is to be told.
    pub(super) fn panicked(&mut self, on_trial: Option<&Credential>, crash: &Crash) -> Vec<Event> {
        let is_rejected = self.credentials.is_rejected();
        let leading = self.credentials.untried().filter(|_| is_rejected);
        let Some(changed) = on_trial.or(leading).cloned() else {
            return Vec::new();
        };
        let events = self
            .credentials
            .declined(&changed, false, self.clock.mono());
        self.postpone(crash);
        events
    }

    /// Puts off the next trial of one that got neither a yes nor a no, by
    /// `crash`.
    pub(super) fn postpone(&mut self, crash: &Crash) {
        let now = self.clock.mono();
        let class = crash.in_force(None, now).class();
        let retry_after = crash.error.retry_after;
        let wall = self.clock.wall();
        let pause = self.tally.hold_down(class, retry_after, wall, &self.draw);
        self.credentials.postpone(now + pause);
    }

    /// Logs and counts what has happened. Comes after all that it brings about:
    /// whoever sees it told is to find it so.
    pub(super) fn tell_all(&mut self, events: &[Event]) {
        self.count_standing();
        for event in events {
            self.tell(event);
        }
        self.watch_expiry();
    }

    /// Logs and counts one event.
    fn tell(&self, event: &Event) {
        let file = event.role.as_str();
        let doubt = event.doubt;
        let error = event.error.as_ref();
        let kind = error.map(|error| error.kind.as_str());
        let status = error.and_then(|error| error.status);
        let code = error.and_then(|error| error.code.as_ref());
        let code = code.map(UpstreamCode::as_str);
        let cause = match &event.what {
            What::Unusable(problem) => Some(problem.as_str()),
            _ => error.map(|error| error.cause.as_str()),
        };
        macro_rules! tell {
            ($level:ident, $name:literal, $words:literal) => {
                tracing::$level!(
                    event = $name,
                    file,
                    error.kind = kind,
                    status,
                    code,
                    cause,
                    doubt,
                    $words
                )
            };
        }
        match event.what {
            What::Unusable(_) => tell!(
                warn,
                "token_unusable",
                "a token file was not taken over: what was read of it before stays in use, it is read again when it changes"
            ),
            What::Restored => tell!(
                info,
                "token_restored",
                "a token file holds again what is in use"
            ),
            What::Replaced => tell!(
                info,
                "token_changed",
                "a changed token stands by; it is tried when the one in force is rejected"
            ),
            What::Offered => tell!(
                info,
                "token_offered",
                "a changed token is tried before it replaces another"
            ),
            What::Adopted => tell!(
                info,
                "token_adopted",
                "D7 accepts the changed token: it is in force"
            ),
            What::TurnedDown => tell!(
                error,
                "token_rejected",
                "D7 rejects the changed token: the one before stays in force; write a valid one into the file, or have this one tried again by SIGHUP"
            ),
            What::Unproven => tell!(
                warn,
                "token_unproven",
                "D7 neither accepts nor rejects the changed token: the one before stays in force, this one is tried again later, or at once by SIGHUP"
            ),
            What::FailedOver { .. } => tell!(
                error,
                "token_failed_over",
                "D7 rejects the other token: this one has taken its place; write a valid one into the other's file"
            ),
        }
        if matches!(event.what, What::FailedOver { .. }) {
            self.metrics.failover.failed_over();
        }
        let [primary, secondary] = &self.metrics.files;
        let file = match event.role {
            Role::Primary => primary,
            Role::Secondary => secondary,
        };
        if let (Some(file), Some(outcome)) = (file, fate(&event.what)) {
            file.ended(outcome, self.clock.wall());
        }
    }

    /// Shows what is so now, whatever has happened.
    fn count_standing(&self) {
        for (role, file) in Role::ALL.into_iter().zip(&self.metrics.files) {
            if let Some(file) = file {
                file.pending(self.credentials.is_pending(role));
            }
        }
        let is_secondary = self.credentials.role_in_force() == Role::Secondary;
        self.metrics.failover.secondary_in_force(is_secondary);
    }

    /// Warns of the end of credentials, where they say so themselves.
    pub(super) fn watch_expiry(&mut self) {
        let now = self.clock.wall();
        for (role, watch) in Role::ALL.into_iter().zip(&mut self.expiry) {
            let credential = self.credentials.of(role);
            let Some(left) = credential.and_then(|credential| watch.look(credential, now)) else {
                continue;
            };
            let file = role.as_str();
            // Rounded down: nobody is to think that there is more.
            let (days, hours) = (left.as_secs() / 86_400, left.as_secs() / 3600 % 24);
            if left.is_zero() {
                error!(
                    event = "token_expired",
                    file, "a token says that it has expired: write a new one into its file"
                );
            } else {
                warn!(
                    event = "token_expiring",
                    file, days, hours, "a token is about to expire: write a new one into its file"
                );
            }
        }
    }
}

/// Every outcome that is counted of a token file.
const OUTCOMES: [&str; 4] = ["taken", "refused", "rejected", "unproven"];

fn fate(what: &What) -> Option<&'static str> {
    let [taken, refused, rejected, unproven] = OUTCOMES;
    match what {
        What::Replaced | What::Adopted | What::Restored | What::FailedOver { is_changed: true } => {
            Some(taken)
        }
        What::Unusable(_) => Some(refused),
        What::TurnedDown => Some(rejected),
        What::Unproven => Some(unproven),
        What::Offered | What::FailedOver { is_changed: false } => None,
    }
}
