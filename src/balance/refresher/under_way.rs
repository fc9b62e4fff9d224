//! A flight while it is under way: what it is for, and who waits for it.

use tokio::{sync::oneshot, task::JoinHandle};

use super::handle::{Joined, Part};
use crate::balance::{credential::Credential, decision::Wait, flight::Landing};

/// What a flight is for.
#[derive(Debug)]
pub(super) enum Mission {
    /// A balance, by the credential in force.
    Refresh,
    /// The proof of a changed credential, and a balance if it succeeds.
    Proof(Credential),
}

impl Mission {
    /// The credential that is to be proved.
    pub(super) fn on_trial(&self) -> Option<&Credential> {
        match self {
            Self::Refresh => None,
            Self::Proof(credential) => Some(credential),
        }
    }
}

/// A flight in the air.
pub(super) struct UnderWay {
    pub(super) mission: Mission,
    pub(super) task: JoinHandle<Landing>,
    pub(super) waiters: Vec<Waiter>,
}

/// A flight that has landed. None where it has panicked.
pub(super) struct Landed {
    pub(super) mission: Mission,
    pub(super) landing: Option<Landing>,
    pub(super) waiters: Vec<Waiter>,
}

/// A request that waits for the flight.
pub(super) struct Waiter {
    pub(super) wait: Wait,
    pub(super) part: Part,
    pub(super) reply: oneshot::Sender<Joined>,
}

/// The end of the flight under way; never, if there is none.
///
/// # Cancel safety
/// May be dropped: the flight stays where it is until it has landed.
pub(super) async fn landed(flight: &mut Option<UnderWay>) -> Landed {
    if let Some(under_way) = flight {
        let landing = (&mut under_way.task).await.ok();
        if let Some(landed) = flight.take() {
            return Landed {
                mission: landed.mission,
                landing,
                waiters: landed.waiters,
            };
        }
    }
    std::future::pending().await
}
