//! The key file: read, compared with what was read before, taken over.

use std::{collections::HashSet, path::PathBuf, sync::Arc, time::Duration};

use tokio::task::JoinHandle;
use tracing::{info, warn};

use crate::{
    callers::{
        Change, KeyTable,
        file::{
            self,
            text::{Fingerprint, Text},
        },
        key::KeyId,
    },
    clock::Clock,
    metrics::ReloadMetrics,
};

/// Every outcome that is counted of the key file.
pub const OUTCOMES: [&str; 2] = ["taken", "refused"];

/// How often something new may be seen before it counts although it goes on
/// changing: it has to be in force when the interval ends.
const MOST_CHANGES: u32 = 2;

/// How long a file may take to be read before that is told.
const PATIENCE: Duration = Duration::from_secs(5);

/// The key file and what was last made of it.
pub struct KeyFile {
    path: PathBuf,
    table: Arc<KeyTable>,
    metrics: ReloadMetrics,
    /// What was last taken over or refused.
    judged: Seen,
    /// Why it was refused, if it was.
    problem: Option<String>,
    /// What was seen since, and how often something new was.
    unsettled: Option<(Seen, u32)>,
    /// The keys whose end has been told, or had come before.
    ended: HashSet<KeyId>,
    reading: Option<JoinHandle<Read>>,
    clock: Arc<dyn Clock>,
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
        clock: Arc<dyn Clock>,
    ) -> Self {
        let ended = table.ended(clock.wall());
        let ended = ended.iter().map(|caller| *caller.key_id()).collect();
        Self {
            path,
            table,
            ended,
            metrics,
            judged: Seen::Text(in_force),
            problem: None,
            unsettled: None,
            reading: None,
            clock,
        }
    }

    /// Reads the file, and takes a change over if it can be believed to be
    /// whole: one that somebody has ordered, or one that is there twice.
    pub(super) async fn look(&mut self, is_ordered: bool) {
        let read = self.read().await;
        let seen = match &read {
            Ok(text) => Seen::Text(text.fingerprint()),
            Err(problem) => Seen::Unreadable(problem.clone()),
        };
        let is_known = seen == self.judged;
        if is_known || is_ordered {
            self.unsettled = None;
        } else if !self.is_settled(&seen) {
            return self.tell_ended();
        }
        if !is_known {
            self.judged = seen;
            self.judge(read).await;
        } else if is_ordered {
            self.tell_again();
        }
        self.tell_ended();
    }

    /// Tells of keys whose end has come since the last look.
    fn tell_ended(&mut self) {
        let ended = self.table.ended(self.clock.wall());
        for caller in &ended {
            if !self.ended.contains(caller.key_id()) {
                info!(
                    event = "key_expired",
                    client = caller.client().name(),
                    key_id = caller.key_id().as_str(),
                    "the end of a key has come: it is not accepted any more"
                );
            }
        }
        // One whose end is put off, or that is gone, may end again.
        self.ended = ended.iter().map(|caller| *caller.key_id()).collect();
    }

    /// Half of a file may be a good one: who writes it in place is given time.
    fn is_settled(&mut self, seen: &Seen) -> bool {
        let changes = match self.unsettled.take() {
            Some((last, _)) if last == *seen => return true,
            Some((_, MOST_CHANGES)) => return true,
            Some((_, changes)) => changes + 1,
            None => 0,
        };
        self.unsettled = Some((seen.clone(), changes));
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

    async fn judge(&mut self, read: Read) {
        let table = Arc::clone(&self.table);
        // Many keys take a while, and this thread has callers' refreshes to see to.
        let taken = actix_rt::task::spawn_blocking(move || take_over(&table, &read?));
        self.problem = match taken.await {
            Ok(Ok(change)) => {
                self.metrics.ended(OUTCOMES[0], self.clock.wall());
                info!(
                    event = "keys_reloaded",
                    keys = change.keys,
                    added = change.added,
                    changed = change.changed,
                    removed = change.removed,
                    "the key file was taken over"
                );
                None
            }
            Ok(Err(problem)) => Some(problem),
            Err(_) => Some("reading it panicked".to_owned()),
        };
        self.metrics.pending(self.problem.is_some());
        if self.problem.is_some() {
            self.metrics.ended(OUTCOMES[1], self.clock.wall());
            self.tell_again();
        }
    }

    /// Says what was last made of the file.
    fn tell_again(&self) {
        match &self.problem {
            Some(problem) => warn!(
                event = "keys_refused",
                path = %self.path.display(),
                problem,
                "the key file was not taken over: the keys from before stay in force, but a restart would fail"
            ),
            None => info!(
                event = "keys_unchanged",
                "the key file holds the keys in force"
            ),
        }
    }
}

fn take_over(table: &KeyTable, text: &Text) -> Result<Change, String> {
    let records = file::parse_file(text.as_str()).map_err(|error| error.to_string())?;
    Ok(table.replace(records))
}
