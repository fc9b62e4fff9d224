//! Delivers what is in one lane of the outbox: in order, one at a time, again
//! and again until the receiver has it. The other lane has a delivery and pauses
//! of its own.

use std::{panic::AssertUnwindSafe, rc::Rc, sync::Arc, time::Duration};

use futures_util::FutureExt;
use tracing::{debug, info, warn};

use super::{
    outbox::{Lane, Message},
    webhook::{Refusal, Webhook},
};
use crate::{balance::hold_down::Draw, clock::Clock, metrics::AlertMetrics};

const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(300);

/// What delivers.
pub(super) struct Delivery {
    pub(super) lane: Lane,
    pub(super) webhook: Rc<Webhook>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) draw: Draw,
    pub(super) metrics: AlertMetrics,
}

impl Delivery {
    /// Never ends.
    ///
    /// # Cancel safety
    /// May be dropped: a message that was being sent may have arrived.
    pub(super) async fn run(self) {
        loop {
            let message = self.lane.oldest().await;
            self.deliver(&message).await;
        }
    }

    /// Sends a message until it has arrived, or is given up, or has given way to
    /// newer ones.
    async fn deliver(&self, message: &Rc<Message>) {
        let mut attempts = 0_u32;
        let mut told = None;
        loop {
            attempts += 1;
            // Nothing awaits between its end and what becomes of the message.
            self.lane.under_way(true);
            let sent = self.attempt(message).await;
            self.lane.under_way(false);
            match sent {
                Ok(()) => {
                    // First, so that whoever sees it counted finds it gone.
                    self.lane.remove(message);
                    self.metrics.delivered();
                    info!(
                        event = "alert_delivered",
                        r#type = message.kind,
                        id = message.id,
                        attempts,
                        "an alert was delivered"
                    );
                    return;
                }
                Err(refusal) => {
                    self.metrics.failed();
                    let is_new = told.replace(refusal) != Some(refusal);
                    tell(message, refusal, attempts, is_new);
                }
            }
            let next = self.clock.mono() + self.pause(attempts);
            if next >= message.expires {
                return self.lane.give_up(message);
            }
            self.clock.sleep_until(next).await;
            if !self.lane.holds(message) {
                return;
            }
        }
    }

    /// Sends once. A panic is a bug in that, or in what it uses: an attempt that
    /// failed, and no reason to end a service that answers balances.
    async fn attempt(&self, message: &Message) -> Result<(), Refusal> {
        let sending = async { self.webhook.send(message, self.clock.wall()).await };
        // What a panic leaves half done is not used again: the connection is
        // gone with it, and of the files only what was read whole is kept.
        let sent = AssertUnwindSafe(sending).catch_unwind().await;
        sent.unwrap_or(Err(Refusal {
            status: None,
            cause: "the attempt panicked, which the event before this tells of",
        }))
    }

    /// How long to wait after so many attempts: drawn from the upper half of
    /// steps that double, so that replicas do not come together.
    fn pause(&self, attempts: u32) -> Duration {
        let doubled = 1_u32.checked_shl(attempts - 1).unwrap_or(u32::MAX);
        let step = FIRST_PAUSE.saturating_mul(doubled).min(LONGEST_PAUSE);
        (self.draw)(step / 2, step)
    }
}

/// Logs a failure when it begins, and not each time it lasts.
fn tell(message: &Message, refusal: Refusal, attempts: u32, is_new: bool) {
    let Refusal { status, cause } = refusal;
    let (kind, id) = (message.kind, message.id.as_str());
    if is_new {
        warn!(
            event = "alert_failed",
            r#type = kind,
            id,
            status,
            cause,
            attempts,
            "an alert could not be delivered: it is tried again, for 24 hours in all"
        );
    } else {
        debug!(
            event = "alert_failed",
            r#type = kind,
            id,
            status,
            cause,
            attempts,
            "an alert still cannot be delivered"
        );
    }
}

#[cfg(test)]
mod tests;
