//! Files that change while the service runs: those of keys, of session secrets
//! and of tokens.
//!
//! They are read and compared, not watched: Kubernetes swaps a link above the
//! file, and a mount of another machine tells nothing. What is found is in force
//! within the interval, all of it or none of it. Keys and secrets are taken over
//! here; the refresher looks at the tokens itself, when it is told to.
//!
//! Runs on the main thread. Files are read on threads of their own: they may
//! lie on a mount that hangs.

mod key_file;
mod session_secrets;
mod watched;

use std::{sync::Arc, time::Duration};

use tokio::sync::mpsc;
use tracing::info;

pub use self::{
    key_file::KeyFile,
    session_secrets::{SecretsFile, fingerprint},
};
use crate::{
    balance::refresher::RefreshHandle,
    clock::{Clock, MonoTime},
};

/// Every outcome that is counted of a file that is taken over here.
pub const OUTCOMES: [&str; 2] = ["taken", "refused"];

/// How many looks there are in one interval: one after three quarters of it, and
/// the others soon after, since a change has to be there twice before it counts.
const LOOKS: u32 = 4;

/// The task's state.
pub struct Reloader {
    /// The key file, where keys are kept in one.
    pub keys: Option<KeyFile>,
    /// The file of session secrets, where there is one.
    pub secrets: Option<SecretsFile>,
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
        let (long, short) = (self.interval * 3 / 4, self.interval / 16);
        let mut looks = (0..LOOKS).cycle();
        loop {
            let pause = match looks.next() {
                Some(0) => long,
                _ => short,
            };
            let next = self.has_files().then(|| self.clock.mono() + pause);
            let is_ordered = tokio::select! {
                order = self.orders.recv() => match order {
                    Some(()) => true,
                    None => return,
                },
                () = reached(&*self.clock, next) => false,
            };
            if is_ordered {
                // Of many at once, one is enough.
                while self.orders.try_recv().is_ok() {}
                self.tell_order();
            }
            if let Some(tokens) = &self.tokens {
                tokens.look_at_credentials(is_ordered);
            }
            if let Some(keys) = &mut self.keys {
                keys.look(is_ordered).await;
            }
            if let Some(secrets) = &mut self.secrets {
                secrets.look(is_ordered).await;
            }
        }
    }

    fn has_files(&self) -> bool {
        self.keys.is_some() || self.secrets.is_some() || self.tokens.is_some()
    }

    fn tell_order(&self) {
        if self.has_files() {
            info!(
                event = "hangup",
                "SIGHUP: the files of keys, session secrets and tokens are read again"
            );
        } else {
            info!(
                event = "hangup",
                "SIGHUP: there is no file to read again: keys and token stand in settings"
            );
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
