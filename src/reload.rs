//! Files that change while the service runs: those of keys, of session secrets
//! and of tokens.
//!
//! They are read and compared, not watched: Kubernetes swaps a link above the
//! file, and a mount of another machine tells nothing. What is found is in force
//! within the interval, all of it or none of it. Keys and secrets are taken over
//! here; the refresher looks at the tokens itself, when it is told to.
//!
//! Runs on the main thread. Files are read on threads of their own, and each is
//! looked at in rounds of its own: one may lie on a mount that hangs, and must
//! not keep a revoked key in another one alive.

mod key_file;
mod session_secrets;
mod watched;

use std::{sync::Arc, time::Duration};

use tokio::sync::watch;
use tracing::info;

pub use self::{
    key_file::KeyFile,
    session_secrets::{SecretsFile, fingerprint},
};
use crate::{balance::refresher::RefreshHandle, clock::Clock};

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
    pub orders: watch::Receiver<()>,
}

impl Reloader {
    /// Looks at the files until nobody can order that any more.
    ///
    /// # Cancel safety
    /// May be dropped: what was taken over stays in force.
    pub async fn run(self) {
        let Self {
            keys,
            secrets,
            tokens,
            clock,
            interval,
            orders,
        } = self;
        let has_files = keys.is_some() || secrets.is_some() || tokens.is_some();
        let rounds = Rounds {
            clock,
            interval,
            orders: orders.clone(),
        };
        let keys = keys.map(|mut keys| async move |is_ordered| keys.look(is_ordered).await);
        let secrets =
            secrets.map(|mut secrets| async move |is_ordered| secrets.look(is_ordered).await);
        let tokens =
            tokens.map(|tokens| async move |is_ordered| tokens.look_at_credentials(is_ordered));
        tokio::join!(
            tell_orders(orders, has_files),
            rounds.clone().run(keys),
            rounds.clone().run(secrets),
            rounds.run(tokens),
        );
    }
}

/// When one file is looked at.
#[derive(Clone)]
struct Rounds {
    clock: Arc<dyn Clock>,
    interval: Duration,
    orders: watch::Receiver<()>,
}

impl Rounds {
    /// Has `look`, if there is a file, look again and again until nobody can order
    /// that any more, and tells it whether somebody has.
    async fn run(mut self, look: Option<impl AsyncFnMut(bool)>) {
        let Some(mut look) = look else {
            return;
        };
        let (long, short) = (self.interval * 3 / 4, self.interval / 16);
        for turn in (0..LOOKS).cycle() {
            let pause = if turn == 0 { long } else { short };
            let next = self.clock.mono() + pause;
            let is_ordered = tokio::select! {
                // Of many orders at once, one is enough.
                order = self.orders.changed() => match order {
                    Ok(()) => true,
                    Err(_) => return,
                },
                () = self.clock.sleep_until(next) => false,
            };
            look(is_ordered).await;
        }
    }
}

/// Logs orders, those that come at once as one, until there can be none any more.
async fn tell_orders(mut orders: watch::Receiver<()>, has_files: bool) {
    while orders.changed().await.is_ok() {
        if has_files {
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
