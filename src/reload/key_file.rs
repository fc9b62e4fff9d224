//! The key file: read, compared with what was read before, taken over.

use std::{collections::HashSet, path::PathBuf, sync::Arc};

use tracing::{info, warn};

use super::watched::{Look, Read, WatchedFile};
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

/// The key file and what was last made of it.
pub struct KeyFile {
    file: WatchedFile<Text>,
    table: Arc<KeyTable>,
    /// The keys whose end has been told, or had come before.
    ended: HashSet<KeyId>,
    clock: Arc<dyn Clock>,
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
            file: WatchedFile::new(
                path,
                in_force,
                Text::read_again,
                Text::fingerprint,
                metrics,
                Arc::clone(&clock),
            ),
            table,
            ended,
            clock,
        }
    }

    /// Reads the file, and takes a change over.
    pub(super) async fn look(&mut self, is_ordered: bool) {
        match self.file.look(is_ordered).await {
            Look::New(read) => self.judge(read).await,
            Look::Known if is_ordered => self.tell_again(),
            Look::Known | Look::Unsettled => {}
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

    async fn judge(&mut self, read: Read<Text>) {
        let table = Arc::clone(&self.table);
        // Many keys take a while, and this thread has callers' refreshes to see to.
        let taken = actix_rt::task::spawn_blocking(move || take_over(&table, &read?));
        let taken = taken
            .await
            .unwrap_or_else(|_| Err("reading it panicked".to_owned()));
        match self.file.conclude(taken) {
            Some(change) => info!(
                event = "keys_reloaded",
                keys = change.keys,
                added = change.added,
                changed = change.changed,
                removed = change.removed,
                "the key file was taken over"
            ),
            None => self.tell_again(),
        }
    }

    /// Says what was last made of the file.
    fn tell_again(&self) {
        match self.file.problem() {
            Some(problem) => warn!(
                event = "keys_refused",
                path = %self.file.path().display(),
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
