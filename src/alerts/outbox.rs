//! Alerts that are not delivered yet, in the order in which they arose.

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    time::{Duration, SystemTime},
};

use tokio::sync::Notify;
use tracing::{error, warn};
use uuid::Uuid;

use super::alert::Alert;
use crate::{clock::MonoTime, metrics::AlertMetrics};

/// How many wait at most. Each is a change of something that changes rarely:
/// more of them tell the story of an outage, and the end of it is what counts.
const CAPACITY: usize = 64;
/// How long one is worth being delivered.
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

/// An alert as it is sent, the same at every attempt.
pub(super) struct Message {
    /// By it a receiver knows one that it has seen already.
    pub(super) id: String,
    pub(super) kind: &'static str,
    pub(super) body: String,
    /// When it is given up.
    pub(super) expires: MonoTime,
}

/// The queue. Copies are references.
#[derive(Clone)]
pub struct Outbox {
    messages: Rc<RefCell<VecDeque<Rc<Message>>>>,
    arrived: Rc<Notify>,
    metrics: AlertMetrics,
}

impl Outbox {
    pub(super) fn new(metrics: AlertMetrics) -> Self {
        Self {
            messages: Rc::default(),
            arrived: Rc::default(),
            metrics,
        }
    }

    /// Puts an alert at the end. Where there is no room the oldest one goes: the
    /// newest says what is so now.
    pub(super) fn put(&self, alert: &Alert, now: MonoTime, wall: SystemTime) {
        let message = Message {
            id: format!("msg_{}", Uuid::now_v7().simple()),
            kind: alert.kind(),
            body: alert.body(wall),
            expires: now + LIFETIME,
        };
        let oldest = {
            let mut messages = self.messages.borrow_mut();
            messages.push_back(Rc::new(message));
            let is_over = messages.len() > CAPACITY;
            is_over.then(|| messages.pop_front()).flatten()
        };
        if let Some(oldest) = oldest {
            self.tell_dropped(&oldest, "too many wait");
        }
        self.count();
        self.arrived.notify_one();
    }

    /// The oldest one; waits for it.
    ///
    /// # Cancel safety
    /// May be dropped: it stays where it is.
    pub(super) async fn oldest(&self) -> Rc<Message> {
        loop {
            let oldest = self.messages.borrow().front().cloned();
            match oldest {
                Some(oldest) => return oldest,
                None => self.arrived.notified().await,
            }
        }
    }

    /// Whether a message still waits.
    pub(super) fn holds(&self, message: &Rc<Message>) -> bool {
        let messages = self.messages.borrow();
        messages.iter().any(|known| Rc::ptr_eq(known, message))
    }

    /// Takes a message out, unless it has gone already.
    pub(super) fn remove(&self, message: &Rc<Message>) {
        let mut messages = self.messages.borrow_mut();
        messages.retain(|known| !Rc::ptr_eq(known, message));
        drop(messages);
        self.count();
    }

    /// Takes a message out that nobody will see.
    pub(super) fn give_up(&self, message: &Rc<Message>) {
        self.remove(message);
        self.tell_dropped(message, "not delivered within 24 hours");
    }

    /// Tells how many are lost with the process, where any are.
    pub fn tell_lost(&self) {
        let pending = self.messages.borrow().len();
        if pending > 0 {
            warn!(
                event = "alerts_pending",
                pending, "the process ends before its alerts were delivered"
            );
        }
    }

    fn tell_dropped(&self, message: &Message, why: &'static str) {
        self.metrics.dropped();
        error!(
            event = "alert_dropped",
            r#type = message.kind,
            id = message.id,
            why,
            "an alert was given up"
        );
    }

    fn count(&self) {
        self.metrics.pending(self.messages.borrow().len());
    }
}

#[cfg(test)]
mod tests;
