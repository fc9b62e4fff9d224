//! The file of session secrets: read, compared with what was read before, taken
//! over.

use std::{path::PathBuf, sync::Arc};

use secrecy::{ExposeSecret, SecretString};
use tracing::{info, warn};

use super::watched::{Look, Read, WatchedFile};
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
            file: WatchedFile::new(
                path,
                in_force,
                secret_file::read_again,
                fingerprint,
                metrics,
                clock,
            ),
            sessions,
        }
    }

    /// Reads the file, and takes a change over.
    pub(super) async fn look(&mut self, is_ordered: bool) {
        match self.file.look(is_ordered).await {
            Look::New(read) => self.judge(read),
            Look::Known if is_ordered => self.tell_again(),
            Look::Known | Look::Unsettled => {}
        }
    }

    fn judge(&mut self, read: Read<SecretString>) {
        let taken = read.and_then(|text| take_over(&self.sessions, &text));
        match self.file.conclude(taken) {
            Some(secrets) => info!(
                event = "session_secrets_reloaded",
                secrets, "the session secrets were taken over: the first signs, each verifies"
            ),
            None => self.tell_again(),
        }
    }

    /// Says what was last made of the file.
    fn tell_again(&self) {
        match self.file.problem() {
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

/// Says how many there are.
fn take_over(sessions: &Sessions, text: &SecretString) -> Result<usize, String> {
    let secrets = Secrets::parse(text).map_err(|error| error.to_string())?;
    let count = secrets.count();
    sessions.replace(secrets);
    Ok(count)
}

/// What tells one text of secrets from another.
pub fn fingerprint(text: &SecretString) -> Fingerprint {
    Fingerprint::of(text.expose_secret().as_bytes())
}
