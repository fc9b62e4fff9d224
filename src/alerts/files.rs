//! The files that say where alerts go and how they are signed, read again
//! before each attempt: what stands in them can be replaced while the service
//! runs.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use actix_rt::task::{JoinHandle, spawn_blocking};
use secrecy::SecretString;
use tokio::time::timeout;
use tracing::{info, warn};

use super::{SigningKey, Target};
use crate::secret_file;

/// How long the files may take to be read: an attempt waits for that.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where a receiver's settings are kept, for as long as they can change.
#[derive(Debug, Clone, Default)]
pub struct Places {
    /// `D7B_ALERT_WEBHOOK_URL_FILE`.
    pub url: Option<PathBuf>,
    /// `D7B_ALERT_WEBHOOK_SECRET_FILE`.
    pub secret: Option<PathBuf>,
}

/// What stands in one file: nothing, where it is not read again.
type Found<T> = Option<Result<T, String>>;

struct Kept {
    target: Found<Target>,
    key: Found<SigningKey>,
}

impl Places {
    fn read(&self) -> Kept {
        Kept {
            target: found(self.url.as_deref(), Target::parse),
            key: found(self.secret.as_deref(), SigningKey::parse),
        }
    }

    /// What is to be said of them where they cannot be read.
    fn unread(&self, problem: &str) -> Kept {
        Kept {
            target: self.url.as_ref().map(|_| Err(problem.to_owned())),
            key: self.secret.as_ref().map(|_| Err(problem.to_owned())),
        }
    }
}

fn found<T, E: ToString>(
    path: Option<&Path>,
    parse: impl Fn(&SecretString) -> Result<T, E>,
) -> Found<T> {
    let text = match secret_file::read_again(path?) {
        Ok(text) => text,
        // The kind only: a path may hold what it should not.
        Err(error) => return Some(Err(format!("cannot be read: {}", error.kind()))),
    };
    Some(parse(&text).map_err(|error| error.to_string()))
}

/// A receiver as it was last known to be good.
pub(super) struct Receiver {
    target: LastGood<Target>,
    key: LastGood<SigningKey>,
    places: Places,
    /// A reading that has not ended yet: of a file on a mount that hangs.
    under_way: Option<JoinHandle<Kept>>,
}

/// One of the two things that are kept, and what was last wrong with its file.
struct LastGood<T> {
    name: &'static str,
    good: T,
    problem: Option<String>,
}

impl<T: PartialEq> LastGood<T> {
    fn new(name: &'static str, good: T) -> Self {
        Self {
            name,
            good,
            problem: None,
        }
    }

    /// Takes over what is usable, and tells of that where it is new, or the file
    /// was refused before. What is not usable is told of once.
    fn take(&mut self, found: Found<T>) {
        match found {
            None => {}
            Some(Ok(good)) => {
                let was_refused = self.problem.take().is_some();
                if was_refused || good != self.good {
                    info!(
                        event = "alert_file_taken",
                        file = self.name,
                        "what a file of the alerts' receiver holds is in use: it has changed, or could not be used before"
                    );
                }
                self.good = good;
            }
            Some(Err(problem)) if self.problem.as_ref() == Some(&problem) => {}
            Some(Err(problem)) => {
                warn!(
                    event = "alert_file_refused",
                    file = self.name,
                    problem,
                    "a file of the alerts' receiver is unusable: what was read before stays in use"
                );
                self.problem = Some(problem);
            }
        }
    }
}

impl Receiver {
    pub(super) fn new(target: Target, key: SigningKey, places: Places) -> Self {
        Self {
            target: LastGood::new("alert_webhook_url", target),
            key: LastGood::new("alert_webhook_secret", key),
            places,
            under_way: None,
        }
    }

    /// Where to send to now, and what to sign with.
    ///
    /// # Cancel safety
    /// May be dropped: the reading goes on, and the next waits for its end.
    pub(super) async fn look(&mut self) -> (&Target, &SigningKey) {
        if self.places.url.is_some() || self.places.secret.is_some() {
            let kept = self.read().await;
            self.target.take(kept.target);
            self.key.take(kept.key);
        }
        (&self.target.good, &self.key.good)
    }

    /// Reads on a thread of its own, and never on a second one beside that: each
    /// would be lost to a mount that hangs. A reading that was begun for an
    /// earlier attempt is waited for, but not used: what it has found may be as
    /// old as that attempt.
    async fn read(&mut self) -> Kept {
        let places = self.places.clone();
        let under_way = &mut self.under_way;
        let reading = async {
            if let Some(earlier) = under_way {
                // Whatever became of it, it has ended.
                drop(earlier.await);
                *under_way = None;
            }
            let anew = under_way.insert(spawn_blocking(move || places.read()));
            let kept = anew.await;
            *under_way = None;
            kept
        };
        match timeout(PATIENCE, reading).await {
            Ok(kept) => kept.unwrap_or_else(|_| self.places.unread("reading it panicked")),
            Err(_) => self.places.unread("reading it takes too long"),
        }
    }
}

#[cfg(test)]
mod tests;
