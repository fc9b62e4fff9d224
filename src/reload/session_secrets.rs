//! The file of session secrets: read, compared with what was read before, taken
//! over.

use std::{path::PathBuf, sync::Arc};

use secrecy::{ExposeSecret, SecretString};
use tracing::{info, warn};

use super::{
    OUTCOMES,
    watched::{Look, Read, WatchedFile},
};
use crate::{
    callers::{
        file::text::Fingerprint,
        session::{Secrets, Sessions},
    },
    clock::Clock,
    metrics::ReloadMetrics,
    secret_file,
};

/// The file and what was last made of it.
pub struct SecretsFile {
    file: WatchedFile<SecretString>,
    sessions: Arc<Sessions>,
    metrics: ReloadMetrics,
    /// Why it was refused, if it was.
    problem: Option<String>,
    clock: Arc<dyn Clock>,
}

impl SecretsFile {
    /// The file at `path`, whose text `in_force` is what `sessions` are signed
    /// by.
    pub fn new(
        path: PathBuf,
        in_force: Fingerprint,
        sessions: Arc<Sessions>,
        metrics: ReloadMetrics,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            file: WatchedFile::new(path, in_force, secret_file::read_again, fingerprint),
            sessions,
            metrics,
            problem: None,
            clock,
        }
    }

    /// Reads the file, and takes a change over.
    pub(super) async fn look(&mut self, is_ordered: bool) {
        match self.file.look(is_ordered).await {
            Look::New(read) => self.judge(&read),
            Look::Known if is_ordered => self.tell_again(),
            Look::Known | Look::Unsettled => {}
        }
    }

    fn judge(&mut self, read: &Read<SecretString>) {
        let secrets = match read {
            Ok(text) => Secrets::parse(text).map_err(|error| error.to_string()),
            Err(problem) => Err(problem.clone()),
        };
        let [taken, refused] = OUTCOMES;
        self.metrics.pending(secrets.is_err());
        match secrets {
            Ok(secrets) => {
                self.metrics.ended(taken, self.clock.wall());
                info!(
                    event = "session_secrets_reloaded",
                    secrets = secrets.count(),
                    "the session secrets were taken over: the first signs, each verifies"
                );
                self.problem = None;
                self.sessions.replace(secrets);
            }
            Err(problem) => {
                self.metrics.ended(refused, self.clock.wall());
                self.problem = Some(problem);
                self.tell_again();
            }
        }
    }

    /// Says what was last made of the file.
    fn tell_again(&self) {
        match &self.problem {
            Some(problem) => warn!(
                event = "session_secrets_refused",
                path = %self.file.path().display(),
                problem,
                "the session secrets were not taken over: those from before stay in force, but a restart would fail"
            ),
            None => info!(
                event = "session_secrets_unchanged",
                "the file holds the session secrets in force"
            ),
        }
    }
}

/// What tells one text of secrets from another.
pub fn fingerprint(text: &SecretString) -> Fingerprint {
    Fingerprint::of(text.expose_secret().as_bytes())
}
