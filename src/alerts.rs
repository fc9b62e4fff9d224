//! Who has to know is told: of a low balance, and of a credential that D7
//! rejects, by one signed request each when it begins and when it ends.
//!
//! [`Watch`] says what there is to tell, [`Threshold`] what low is, and the
//! rest brings it to one receiver. Nobody who asks for a balance ever waits for
//! that: it is heard of from the refresher, which does not wait either.
//!
//! Runs on the main thread, beside awc. Hears while it delivers: a state that
//! passes while a receiver stalls counts as well.
//!
//! # Design
//! States are heard by a watch channel, which keeps the latest only. A queue
//! would need a bound, and somebody to wait where it is full. The watch suffices
//! because refresher and alerts are tasks of one thread, and hearing awaits
//! nothing but the next state: what there is to tell is put into the outbox, not
//! sent. Between two words of D7's the refresher awaits a flight, which is a task
//! that is spawned after the first word has woken this one, and so runs after it.
//!
//! Heard as one is only what the refresher enters without awaiting: a landing,
//! and a changed credential that was found meanwhile. Nothing is missed then:
//! what a look finds changes neither the balance nor D7's verdict.

mod alert;
mod delivery;
mod files;
mod outbox;
mod signing;
mod target;
mod threshold;
mod watch;
mod webhook;

use std::{rc::Rc, sync::Arc};

use futures_util::future;
use tokio::sync::watch::Receiver;

use self::{alert::Subject, delivery::Delivery, watch::Watch, webhook::Webhook};
pub use self::{
    files::Places,
    outbox::Outbox,
    signing::{SigningKey, SigningKeyError},
    target::{Target, TargetError},
    threshold::Threshold,
    webhook::Hook,
};
use crate::{
    balance::{hold_down::Draw, state::AccountState},
    clock::Clock,
    metrics::AlertMetrics,
};

/// What is watched, and who is told.
#[derive(Default)]
pub struct Plan {
    /// What a low balance is, if that is watched.
    pub threshold: Option<Threshold>,
    /// Who is told, if anybody is; else only the log is.
    pub hook: Option<Hook>,
}

/// What alerts are made of, beside their plan.
pub struct Parts {
    /// Where each state is heard of.
    pub news: Receiver<Arc<AccountState>>,
    /// Their time.
    pub clock: Arc<dyn Clock>,
    /// Their randomness.
    pub draw: Draw,
    /// What they count.
    pub metrics: AlertMetrics,
}

/// The task's state.
pub struct Alerts {
    news: Receiver<Arc<AccountState>>,
    watch: Watch,
    clock: Arc<dyn Clock>,
    outbox: Outbox,
    /// One for each lane, where anybody is told.
    deliveries: Option<[Delivery; 2]>,
}

impl Alerts {
    /// Alerts that have heard nothing yet. To be called within an actix
    /// `System`, for awc.
    pub fn new(plan: Plan, parts: Parts) -> Self {
        let Parts {
            mut news,
            clock,
            draw,
            metrics,
        } = parts;
        let outbox = Outbox::new(&metrics);
        let deliveries = plan.hook.map(|hook| {
            let webhook = Rc::new(Webhook::new(hook));
            [Subject::Credential, Subject::Balance].map(|subject| Delivery {
                lane: outbox.lane(subject).clone(),
                webhook: Rc::clone(&webhook),
                clock: Arc::clone(&clock),
                draw: Arc::clone(&draw),
                metrics: metrics.clone(),
            })
        });
        let begun = Arc::clone(&news.borrow_and_update());
        Self {
            watch: Watch::new(plan.threshold, &begun),
            news,
            clock,
            outbox,
            deliveries,
        }
    }

    /// What waits to be delivered.
    pub fn outbox(&self) -> &Outbox {
        &self.outbox
    }

    /// Never ends.
    ///
    /// # Cancel safety
    /// May be dropped: what waits to be delivered is lost.
    pub async fn run(self) {
        let Self {
            mut news,
            mut watch,
            clock,
            outbox,
            deliveries,
        } = self;
        let is_delivered = deliveries.is_some();
        let hear = async {
            // A refresher that is gone ends the process, not this.
            while news.changed().await.is_ok() {
                let state = Arc::clone(&news.borrow_and_update());
                for alert in watch.see(&state) {
                    alert.log();
                    if is_delivered {
                        outbox.put(&alert, clock.mono(), clock.wall());
                    }
                }
            }
            future::pending::<()>().await;
        };
        let deliver = async {
            match deliveries {
                Some(deliveries) => future::join_all(deliveries.map(Delivery::run)).await,
                None => future::pending().await,
            }
        };
        future::join(hear, deliver).await;
    }
}
