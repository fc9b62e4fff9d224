//! Alerts that are not delivered yet, in two lanes: what is told of the balance
//! never stands in the way of what is told of the credential, nor the reverse.
//! Each lane keeps the order in which its alerts arose.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::{Duration, SystemTime},
};

use tokio::sync::Notify;
use tracing::{error, warn};
use uuid::Uuid;

use super::alert::{Alert, Subject};
use crate::{clock::MonoTime, metrics::AlertMetrics};

/// How many wait in a lane at most. Each is a change of something that changes
/// rarely: more of them tell the story of an outage, and the end of it is what
/// counts. For each lane, not for both: one that is full takes no room from the
/// other.
const CAPACITY: usize = 32;
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

/// Both queues. Copies are references.
#[derive(Clone)]
pub struct Outbox {
    balance: Lane,
    credential: Lane,
}

impl Outbox {
    pub(super) fn new(metrics: &AlertMetrics) -> Self {
        Self {
            balance: Lane::new(metrics.clone()),
            credential: Lane::new(metrics.clone()),
        }
    }

    /// Puts an alert at the end of its lane.
    pub(super) fn put(&self, alert: &Alert, now: MonoTime, wall: SystemTime) {
        self.lane(alert.subject()).put(Message {
            id: format!("msg_{}", Uuid::now_v7().simple()),
            kind: alert.kind(),
            body: alert.body(wall),
            expires: now + LIFETIME,
        });
    }

    /// What is told of a subject.
    pub(super) fn lane(&self, subject: Subject) -> &Lane {
        match subject {
            Subject::Balance => &self.balance,
            Subject::Credential => &self.credential,
        }
    }

    /// Tells how many are lost with the process, where any are.
    pub fn tell_lost(&self) {
        let pending = self.balance.len() + self.credential.len();
        if pending > 0 {
            warn!(
                event = "alerts_pending",
                pending, "the process ends before its alerts were delivered"
            );
        }
    }
}

/// The queue of what is told of one subject. Copies are references.
#[derive(Clone)]
pub(super) struct Lane(Rc<Queue>);

struct Queue {
    messages: RefCell<VecDeque<Rc<Message>>>,
    /// Whether the oldest one is being sent at this moment.
    is_under_way: Cell<bool>,
    arrived: Notify,
    metrics: AlertMetrics,
}

impl Lane {
    fn new(metrics: AlertMetrics) -> Self {
        Self(Rc::new(Queue {
            messages: RefCell::default(),
            is_under_way: Cell::new(false),
            arrived: Notify::new(),
            metrics,
        }))
    }

    /// Where there is no room the oldest one goes: the newest says what is so
    /// now. Not one that is being sent, which may have arrived already: the next
    /// oldest goes instead, so that none is dropped while it is delivered.
    fn put(&self, message: Message) {
        let dropped = {
            let mut messages = self.0.messages.borrow_mut();
            messages.push_back(Rc::new(message));
            let is_over = messages.len() > CAPACITY;
            let oldest = usize::from(self.0.is_under_way.get());
            is_over.then(|| messages.remove(oldest)).flatten()
        };
        match dropped {
            Some(dropped) => self.tell_dropped(&dropped, "too many wait"),
            None => self.0.metrics.one_more_pending(),
        }
        self.0.arrived.notify_one();
    }

    /// The oldest one; waits for it.
    ///
    /// # Cancel safety
    /// May be dropped: it stays where it is.
    pub(super) async fn oldest(&self) -> Rc<Message> {
        loop {
            let oldest = self.0.messages.borrow().front().cloned();
            match oldest {
                Some(oldest) => return oldest,
                None => self.0.arrived.notified().await,
            }
        }
    }

    /// Has the oldest one stay for as long as it is being sent.
    pub(super) fn under_way(&self, is_under_way: bool) {
        self.0.is_under_way.set(is_under_way);
    }

    /// Whether a message still waits.
    pub(super) fn holds(&self, message: &Rc<Message>) -> bool {
        let messages = self.0.messages.borrow();
        messages.iter().any(|known| Rc::ptr_eq(known, message))
    }

    /// Takes a message out.
    pub(super) fn remove(&self, message: &Rc<Message>) {
        let before = self.len();
        let is_other = |known: &Rc<Message>| !Rc::ptr_eq(known, message);
        self.0.messages.borrow_mut().retain(is_other);
        if self.len() < before {
            self.0.metrics.one_less_pending();
        }
    }

    /// Takes a message out that nobody will see.
    pub(super) fn give_up(&self, message: &Rc<Message>) {
        self.remove(message);
        self.tell_dropped(message, "not delivered within 24 hours");
    }

    fn len(&self) -> usize {
        self.0.messages.borrow().len()
    }

    fn tell_dropped(&self, message: &Message, why: &'static str) {
        self.0.metrics.dropped();
        error!(
            event = "alert_dropped",
            r#type = message.kind,
            id = message.id,
            why,
            "an alert was given up"
        );
    }
}

#[cfg(test)]
mod tests;
