//! The key file: read, compared with what was read before, taken over.

use std::{path::PathBuf, sync::Arc, time::Duration};

use tokio::task::JoinHandle;
use tracing::{info, warn};

use super::Look;
use crate::{
    callers::{
        Change, KeyTable,
        file::{
            self,
            text::{Fingerprint, Text},
        },
    },
    metrics::ReloadMetrics,
};

/// Every outcome that is counted of the key file.
pub const OUTCOMES: [&str; 2] = ["taken", "refused"];

/// How often a change is looked at again, at most, before it counts although it
/// goes on changing.
const MOST_STEPS: u32 = 3;

/// How long a file may take to be read before that is told.
const PATIENCE: Duration = Duration::from_secs(5);

/// The key file and what was last made of it.
pub struct KeyFile {
    path: PathBuf,
    table: Arc<KeyTable>,
    metrics: ReloadMetrics,
    /// What was last taken over or refused.
    judged: Seen,
    /// What was seen since, and how often something new was.
    unsettled: Option<(Seen, u32)>,
    reading: Option<JoinHandle<Read>>,
}

/// The file as it was read once.
type Read = Result<Text, String>;

/// What tells one reading from another.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Text(Fingerprint),
    Unreadable(String),
}

impl KeyFile {
    /// The file at `path`, whose text `in_force` is what `table` holds.
    pub fn new(
        path: PathBuf,
        in_force: Fingerprint,
        table: Arc<KeyTable>,
        metrics: ReloadMetrics,
    ) -> Self {
        Self {
            path,
            table,
            metrics,
            judged: Seen::Text(in_force),
            unsettled: None,
            reading: None,
        }
    }

    /// Reads the file, and takes a change over if it can be believed to be
    /// whole: one that somebody has ordered, or one that is there twice.
    pub(super) async fn look(&mut self, is_ordered: bool) -> Look {
        let read = self.read().await;
        let seen = match &read {
            Ok(text) => Seen::Text(text.fingerprint()),
            Err(problem) => Seen::Unreadable(problem.clone()),
        };
        if !is_ordered {
            if seen == self.judged {
                self.unsettled = None;
                return Look::Done;
            }
            if !self.is_settled(&seen) {
                return Look::Unsettled;
            }
        }
        self.unsettled = None;
        self.judged = seen;
        self.judge(read).await;
        Look::Done
    }

    /// Half of a file may be a good one: who writes it in place is given time.
    fn is_settled(&mut self, seen: &Seen) -> bool {
        let steps = match self.unsettled.take() {
            Some((last, _)) if last == *seen => return true,
            Some((_, MOST_STEPS)) => return true,
            Some((_, steps)) => steps + 1,
            None => 0,
        };
        self.unsettled = Some((seen.clone(), steps));
        false
    }

    async fn read(&mut self) -> Read {
        let path = self.path.clone();
        let reading = self.reading.get_or_insert_with(|| {
            actix_rt::task::spawn_blocking(move || {
                Text::read_again(&path).map_err(|error| format!("cannot be read: {error}"))
            })
        });
        // One that hangs is left to itself, and no second one is begun.
        let Ok(ended) = tokio::time::timeout(PATIENCE, &mut *reading).await else {
            return Err("reading it takes too long".to_owned());
        };
        self.reading = None;
        ended.unwrap_or_else(|_| Err("reading it panicked".to_owned()))
    }

    async fn judge(&self, read: Read) {
        let table = Arc::clone(&self.table);
        // Many keys take a while, and this thread has callers' refreshes to see to.
        let taken = actix_rt::task::spawn_blocking(move || take_over(&table, &read?));
        match taken.await {
            Ok(Ok(change)) => {
                self.metrics.ended(OUTCOMES[0]);
                self.metrics.pending(false);
                info!(
                    event = "keys_reloaded",
                    keys = change.keys,
                    added = change.added,
                    removed = change.removed,
                    "the key file was taken over"
                );
            }
            Ok(Err(problem)) => self.refuse(&problem),
            Err(_) => self.refuse("reading it panicked"),
        }
    }

    fn refuse(&self, problem: &str) {
        self.metrics.ended(OUTCOMES[1]);
        self.metrics.pending(true);
        warn!(
            event = "keys_refused",
            problem, "the key file was not taken over: the keys from before stay in force"
        );
    }
}

fn take_over(table: &KeyTable, text: &Text) -> Result<Change, String> {
    let records = file::parse_file(text.as_str()).map_err(|error| error.to_string())?;
    Ok(table.replace(records))
}
