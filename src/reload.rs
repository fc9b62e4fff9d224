//! Files that change while the service runs: the token files.
//!
//! They are read and compared, not watched: Kubernetes swaps a link above the
//! file, and a mount of another machine tells nothing. The refresher looks at
//! the tokens itself, when it is told to.
//!
//! Runs on the main thread.

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tracing::info;

use crate::{
    balance::refresher::RefreshHandle,
    clock::{Clock, MonoTime},
};

/// The task's state.
pub struct Reloader {
    /// Who looks at the token files, where there are any.
    pub tokens: Option<RefreshHandle>,
    /// Its time.
    pub clock: Arc<dyn Clock>,
    /// How soon a change is in force.
    pub interval: Duration,
    /// Somebody wants it at once. The task ends when nobody can any more.
    pub orders: mpsc::UnboundedReceiver<()>,
}

impl Reloader {
    /// Looks at the files until nobody can order that any more.
    ///
    /// # Cancel safety
    /// May be dropped: what was taken over stays in force.
    pub async fn run(mut self) {
        loop {
            let next = self.has_files().then(|| self.clock.mono() + self.interval);
            let is_ordered = tokio::select! {
                order = self.orders.recv() => match order {
                    Some(()) => true,
                    None => return,
                },
                () = reached(&*self.clock, next) => false,
            };
            if is_ordered {
                self.tell_order();
            }
            if let Some(tokens) = &self.tokens {
                tokens.look_at_credentials(is_ordered);
            }
        }
    }

    fn has_files(&self) -> bool {
        self.tokens.is_some()
    }

    fn tell_order(&self) {
        if self.has_files() {
            info!(event = "hangup", "SIGHUP: the token files are read again");
        } else {
            info!(event = "hangup", "SIGHUP: no token file to read again");
        }
    }
}

/// Ends at `next`; never, if there is nothing to look at.
async fn reached(clock: &dyn Clock, next: Option<MonoTime>) {
    match next {
        Some(at) => clock.sleep_until(at).await,
        None => std::future::pending().await,
    }
}
