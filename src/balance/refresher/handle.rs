//! What the refresher is told, and what it answers.

use std::{sync::Arc, time::SystemTime};

use tokio::sync::{mpsc, oneshot, watch};

use crate::balance::{
    Snapshot,
    decision::{Asked, Forward, Refusal, Serve, Wait},
    history::History,
    recent::RecentRequests,
    state::{AccountState, Failure},
};
use crate::clock::MonoTime;

/// Where requests reach the refresher of one account.
#[derive(Clone)]
pub struct RefreshHandle {
    messages: mpsc::UnboundedSender<Message>,
    states: watch::Receiver<Arc<AccountState>>,
    requests: RecentRequests,
    history: History,
}

/// The refresher's end: where its messages arrive, and what it tells.
pub struct Inbox {
    pub(super) messages: mpsc::UnboundedReceiver<Message>,
    pub(super) states: watch::Sender<Arc<AccountState>>,
    pub(super) requests: RecentRequests,
    pub(super) history: History,
}

/// A refresher's address, before it lives.
pub fn channel() -> (RefreshHandle, Inbox) {
    // Unbounded, but not without bounds: a stale state is nudged for once, and
    // a request sends one message and waits for its answer.
    let (messages, received) = mpsc::unbounded_channel();
    let (told, states) = watch::channel(Arc::default());
    let requests = RecentRequests::default();
    let history = History::default();
    let handle = RefreshHandle {
        messages,
        states,
        requests: requests.clone(),
        history: history.clone(),
    };
    let inbox = Inbox {
        messages: received,
        states: told,
        requests,
        history,
    };
    (handle, inbox)
}

/// A message to the refresher.
pub(super) enum Message {
    /// A stale balance was served: refresh behind.
    Nudge,
    /// The places where credentials are kept may have changed.
    Look { is_ordered: bool },
    /// A request has no answer of its own.
    Join {
        asked: Asked,
        reply: oneshot::Sender<Joined>,
    },
}

/// What the refresher answers a request.
#[derive(Debug)]
pub struct Joined {
    /// The state that the verdict rests on.
    pub state: Arc<AccountState>,
    /// The verdict.
    pub verdict: Verdict,
}

/// What became of a request that was sent to the refresher.
#[derive(Debug)]
pub enum Verdict {
    /// It need not have waited.
    Serve(Serve),
    /// It has nothing to wait for, or may not.
    Refuse(Refusal),
    /// A flight brought a balance.
    Refreshed {
        /// The balance.
        snapshot: Arc<Snapshot>,
        /// Why the request went forward.
        forward: Forward,
        /// What the request had to do with the flight.
        part: Part,
    },
    /// A flight failed.
    Failed {
        /// The failure in force now.
        failure: Arc<Failure>,
        /// D7's status, if it gave one this time.
        status: Option<u16>,
        /// What the request had waited for.
        wait: Wait,
    },
}

/// A request's part in a flight.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// The flight was started for it.
    Started,
    /// It joined a flight under way.
    Joined,
}

impl RefreshHandle {
    /// Asks for a refresh behind, if one is due.
    pub fn nudge(&self) {
        // A refresher that is gone ends the process: nobody is left to tell.
        drop(self.messages.send(Message::Nudge));
    }

    /// What the refresher knows now, also where the cache has let it go. Takes a
    /// lock, if only for a moment: not for the hit path.
    pub fn state(&self) -> Arc<AccountState> {
        Arc::clone(&self.states.borrow())
    }

    /// Where each state is heard of by whoever acts on it. Who is slow misses
    /// some, never the last.
    pub fn news(&self) -> watch::Receiver<Arc<AccountState>> {
        self.states.clone()
    }

    /// How many requests to the source have begun within the last hour.
    pub fn requests_last_hour(&self, now: MonoTime) -> u64 {
        self.requests.count(now)
    }

    /// What was seen of the balance later than `since`, or all, the oldest first.
    /// Takes a lock: not for the hit path.
    pub fn history(&self, since: Option<SystemTime>) -> Vec<Arc<Snapshot>> {
        self.history.after(since)
    }

    /// Has the places looked at where credentials are kept. Where somebody has
    /// ordered it, all that is found counts at once, and what was turned down
    /// is tried again.
    pub fn look_at_credentials(&self, is_ordered: bool) {
        // A refresher that is gone ends the process: nobody is left to tell.
        drop(self.messages.send(Message::Look { is_ordered }));
    }

    /// Has the refresher answer a request, after a flight if need be. Nothing,
    /// if the refresher is gone.
    ///
    /// # Cancel safety
    /// May be dropped at any time: a flight under way goes on.
    pub async fn join(&self, asked: Asked) -> Option<Joined> {
        let (reply, answer) = oneshot::channel();
        let join = Message::Join { asked, reply };
        self.messages.send(join).ok()?;
        answer.await.ok()
    }
}
