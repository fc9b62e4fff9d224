//! The refresher's credentials: when their places are looked at, what is told
//! and counted of them, and when a changed one is proved.

use std::{rc::Rc, sync::Arc};

use tokio::task::JoinHandle;
use tracing::{error, warn};

use crate::{
    balance::{
        credential::{
            Credential, Kept, Role,
            choice::{Credentials, Event, Standing, What},
            expiry::ExpiryWatch,
        },
        flight::Crash,
        hold_down::{Draw, Tally},
        source::{BalanceSource, SourceError},
    },
    clock::{Clock, MonoTime},
    metrics::{FailoverMetrics, Metrics, ReloadMetrics},
};

/// What is counted of credentials.
#[derive(Clone)]
pub struct CredentialMetrics {
    /// Of the file of each role.
    files: [ReloadMetrics; 2],
    failover: FailoverMetrics,
}

impl CredentialMetrics {
    /// The handles in `metrics`.
    pub fn new(metrics: &Metrics) -> Self {
        Self {
            files: Role::ALL.map(|role| metrics.for_reloads(role.as_str(), &OUTCOMES)),
            failover: metrics.for_failover(),
        }
    }
}

/// What a look has found.
pub(super) struct Found {
    kept: Kept,
    pub(super) afresh: bool,
}

/// A look at the places, under way.
struct Look {
    task: JoinHandle<Kept>,
    /// Whether what was turned down is to be tried again.
    afresh: bool,
}

/// The credentials and everything about them.
pub(super) struct Custody {
    source: Rc<dyn BalanceSource>,
    clock: Arc<dyn Clock>,
    draw: Draw,
    credentials: Credentials,
    look: Option<Look>,
    /// A look that could not be had during a flight: whether it is one afresh.
    wanted: Option<bool>,
    /// The failed proofs of the one offered.
    tally: Tally,
    expiry: ExpiryWatch,
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
            tally: Tally::default(),
            expiry: ExpiryWatch::default(),
            metrics,
        }
    }

    /// The credentials, for a flight.
    pub(super) fn credentials(&self) -> &Credentials {
        &self.credentials
    }

    /// The one to be proved, and when.
    pub(super) fn offered(&self) -> Option<(&Credential, MonoTime)> {
        self.credentials.offered()
    }

    /// Asks for a look at the places; `afresh` where what was turned down is to
    /// be tried again.
    pub(super) fn want_look(&mut self, afresh: bool) {
        self.wanted = Some(self.wanted.unwrap_or_default() | afresh);
    }

    /// Begins the look that was asked for, on a task of its own: the places may
    /// be slow. Not during a flight, which may look by itself.
    pub(super) fn begin_look(&mut self) {
        if self.look.is_none()
            && let Some(afresh) = self.wanted.take()
        {
            self.look = Some(Look {
                task: actix_rt::spawn(self.source.read_credentials()),
                afresh,
            });
        }
    }

    /// The end of the look under way; never, if there is none.
    ///
    /// # Cancel safety
    /// May be dropped: the look goes on.
    pub(super) async fn looked(&mut self) -> Option<Found> {
        let ended = match &mut self.look {
            Some(look) => (&mut look.task).await,
            None => std::future::pending().await,
        };
        let afresh = self.look.take().is_some_and(|look| look.afresh);
        match ended {
            Ok(kept) => Some(Found { kept, afresh }),
            Err(error) => {
                error!(event = "panic", %error, "reading the token files failed");
                None
            }
        }
    }

    /// Takes in what a look has found. Says whether a credential is another one
    /// now.
    pub(super) fn take_in(&mut self, found: Found, standing: Standing) -> bool {
        if found.afresh {
            self.credentials.forget_refusals();
        }
        let now = self.clock.mono();
        let events = self.credentials.look(found.kept, standing, now);
        let has = |what| events.iter().any(|event| event.what == what);
        if has(What::Offered) {
            self.tally = Tally::default();
        }
        self.tell_all(&events);
        has(What::Replaced)
    }

    /// Takes over what a flight has made of the credentials.
    pub(super) fn take_back(&mut self, credentials: Credentials, events: &[Event]) {
        self.credentials = credentials;
        self.tell_all(events);
    }

    /// The one offered has been accepted.
    pub(super) fn adopt(&mut self) {
        let event = self.credentials.adopt();
        self.tell_all(event.as_slice());
    }

    /// The one offered has not been accepted.
    pub(super) fn decline(&mut self, crash: &Crash) {
        let now = self.clock.mono();
        let event = if crash.confirmed {
            self.credentials.turn_down()
        } else {
            let class = crash.in_force(None, now).class();
            let retry_after = crash.error.retry_after;
            let wall = self.clock.wall();
            let pause = self.tally.hold_down(class, retry_after, wall, &self.draw);
            self.credentials.postpone(now + pause)
        };
        if let Some(event) = event {
            self.tell(&event, Some(&crash.error));
        }
        self.count_standing();
    }

    fn tell_all(&mut self, events: &[Event]) {
        for event in events {
            self.tell(event, None);
        }
        self.count_standing();
        self.watch_expiry();
    }

    /// Logs and counts one event; `error` is what D7 had to say.
    fn tell(&self, event: &Event, error: Option<&SourceError>) {
        let file = event.role.as_str();
        let kind = error.map(|error| error.kind.as_str());
        let cause = match &event.what {
            What::Unusable(problem) => Some(problem.as_str()),
            _ => error.map(|error| error.cause.as_str()),
        };
        macro_rules! tell {
            ($level:ident, $name:literal, $words:literal) => {
                tracing::$level!(event = $name, file, error.kind = kind, cause, $words)
            };
        }
        match event.what {
            What::Unusable(_) => {
                tell!(warn, "token_unusable", "a token file was not taken over");
            }
            What::Restored => {
                tell!(
                    info,
                    "token_restored",
                    "a token file holds again what it held"
                );
            }
            What::Replaced => tell!(info, "token_changed", "a changed token was taken over"),
            What::Offered => tell!(
                info,
                "token_offered",
                "a changed token is tried before it replaces the one in force"
            ),
            What::Adopted => tell!(
                info,
                "token_adopted",
                "D7 accepts the changed token: it is in force"
            ),
            What::TurnedDown => tell!(
                error,
                "token_rejected",
                "D7 rejects the changed token: the old one stays in force"
            ),
            What::Unproven => tell!(
                warn,
                "token_unproven",
                "D7 neither accepts nor rejects the changed token: the old one stays in force meanwhile"
            ),
            What::FailedOver => tell!(
                error,
                "token_failed_over",
                "D7 rejects the token in force: the other one has taken its place"
            ),
        }
        match event.what {
            What::FailedOver => self.metrics.failover.failed_over(),
            _ => {
                let [primary, secondary] = &self.metrics.files;
                let file = match event.role {
                    Role::Primary => primary,
                    Role::Secondary => secondary,
                };
                fate(&event.what).inspect(|outcome| file.ended(outcome));
            }
        }
    }

    /// Shows what is so now, whatever has happened.
    fn count_standing(&self) {
        for (role, file) in Role::ALL.into_iter().zip(&self.metrics.files) {
            file.pending(self.credentials.is_pending(role));
        }
        let is_secondary = self.credentials.role_in_force() == Role::Secondary;
        self.metrics.failover.secondary_in_force(is_secondary);
    }

    /// Warns of the end of the credential in force, where it says so itself.
    pub(super) fn watch_expiry(&mut self) {
        let now = self.clock.wall();
        let in_force = self.credentials.in_force();
        let Some(left) = self.expiry.look(in_force, now) else {
            return;
        };
        let file = self.credentials.role_in_force().as_str();
        // Rounded down: nobody is to think that there is more.
        let (days, hours) = (left.as_secs() / 86_400, left.as_secs() / 3600 % 24);
        if left.is_zero() {
            error!(
                event = "token_expired",
                file, "the token in force says that it has expired"
            );
        } else {
            warn!(
                event = "token_expiring",
                file, days, hours, "the token in force is about to expire: replace it"
            );
        }
    }
}

/// Every outcome that is counted of a token file.
const OUTCOMES: [&str; 4] = ["taken", "refused", "rejected", "unproven"];

fn fate(what: &What) -> Option<&'static str> {
    let [taken, refused, rejected, unproven] = OUTCOMES;
    match what {
        What::Replaced | What::Adopted => Some(taken),
        What::Unusable(_) => Some(refused),
        What::TurnedDown => Some(rejected),
        What::Unproven => Some(unproven),
        What::Restored | What::Offered | What::FailedOver => None,
    }
}
