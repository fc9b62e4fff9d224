//! A file that is read again and again: when a change of it counts, and what
//! became of it.

use std::{
    io,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use tokio::task::JoinHandle;

use super::OUTCOMES;
use crate::{callers::file::text::Fingerprint, clock::Clock, metrics::ReloadMetrics};

/// How often something new may be seen before it counts although it goes on
/// changing: it has to be in force when the interval ends.
const MOST_CHANGES: u32 = 2;

/// How long a look at a file may take before that is told.
const PATIENCE: Duration = Duration::from_secs(5);

/// A file, and what was last made of it.
pub(super) struct WatchedFile<T> {
    path: PathBuf,
    read: fn(&Path) -> io::Result<T>,
    identify: fn(&T) -> Fingerprint,
    /// What was last believed.
    judged: Seen,
    /// What was seen since, and how often something new was.
    unsettled: Option<(Seen, u32)>,
    reading: Option<JoinHandle<Read<T>>>,
    /// Why what was last believed was not taken over, if so.
    problem: Option<String>,
    metrics: ReloadMetrics,
    clock: Arc<dyn Clock>,
}

/// The file as it was read once, or why it could not be.
pub(super) type Read<T> = Result<T, String>;

/// What tells one reading from another.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    Text(Fingerprint),
    Unreadable(String),
}

/// What a look at a file finds.
pub(super) enum Look<T> {
    /// What was last believed.
    Known,
    /// Something new that may be half of what it is to be.
    Unsettled,
    /// Something new that is to be believed.
    New(Read<T>),
}

impl<T: Send + 'static> WatchedFile<T> {
    /// The file at `path`, which held `in_force` when it was last read.
    pub(super) fn new(
        path: PathBuf,
        in_force: Fingerprint,
        read: fn(&Path) -> io::Result<T>,
        identify: fn(&T) -> Fingerprint,
        metrics: ReloadMetrics,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self {
            path,
            read,
            identify,
            judged: Seen::Text(in_force),
            unsettled: None,
            reading: None,
            problem: None,
            metrics,
            clock,
        }
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Reads it, and believes a change that is whole as far as one can tell: one
    /// that somebody has ordered to be taken, or one that is there twice.
    pub(super) async fn look(&mut self, is_ordered: bool) -> Look<T> {
        let read = self.read().await;
        let seen = match &read {
            Ok(text) => Seen::Text((self.identify)(text)),
            Err(problem) => Seen::Unreadable(problem.clone()),
        };
        let is_known = seen == self.judged;
        if is_known || is_ordered {
            self.unsettled = None;
        } else if !self.is_settled(&seen) {
            return Look::Unsettled;
        }
        if is_known {
            return Look::Known;
        }
        self.judged = seen;
        Look::New(read)
    }

    /// Notes what became of a change that was believed; the change, if it was
    /// taken over.
    pub(super) fn conclude<C>(&mut self, outcome: Result<C, String>) -> Option<C> {
        let [taken, refused] = OUTCOMES;
        let (word, problem, change) = match outcome {
            Ok(change) => (taken, None, Some(change)),
            Err(problem) => (refused, Some(problem), None),
        };
        self.metrics.pending(problem.is_some());
        self.metrics.ended(word, self.clock.wall());
        self.problem = problem;
        change
    }

    /// Why what was last believed was not taken over, if so.
    pub(super) fn problem(&self) -> Option<&str> {
        self.problem.as_deref()
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

    /// One that hangs is left to itself, and no second one is begun before it ends.
    async fn read(&mut self) -> Read<T> {
        let (path, read) = (self.path.clone(), self.read);
        // What one found that was given up on stood there before: it counts where
        // nothing else is to be had in time.
        let mut before = None;
        let now = async {
            if let Some(late) = &mut self.reading {
                before = Some(ended(late).await);
            }
            let reading = self.reading.insert(actix_rt::task::spawn_blocking(move || {
                read(&path).map_err(|error| format!("cannot be read: {error}"))
            }));
            ended(reading).await
        };
        let Ok(now) = tokio::time::timeout(PATIENCE, now).await else {
            return before.unwrap_or_else(|| Err("reading it takes too long".to_owned()));
        };
        self.reading = None;
        now
    }
}

async fn ended<T>(reading: &mut JoinHandle<Read<T>>) -> Read<T> {
    let read = reading.await;
    read.unwrap_or_else(|_| Err("reading it panicked".to_owned()))
}

#[cfg(test)]
mod tests {
    use std::{fs, sync::Arc};

    use super::{Look, WatchedFile};
    use crate::{callers::file::text::Text, clock::SystemClock, metrics::Metrics};

    #[actix_rt::test]
    async fn what_was_read_before_a_look_was_asked_for_is_not_what_it_finds() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        let text = |content| {
            fs::write(&path, content).unwrap();
            Text::read_again(&path)
        };
        let in_force = text("in force").unwrap().fingerprint();
        let mut file = WatchedFile::new(
            path.clone(),
            in_force,
            Text::read_again,
            Text::fingerprint,
            Metrics::new(None).for_reloads("keys", &super::OUTCOMES),
            Arc::new(SystemClock::new()),
        );
        let earlier = text("earlier").unwrap();
        file.reading = Some(actix_rt::task::spawn_blocking(|| Ok(earlier)));
        let now = text("now").unwrap();

        let Look::New(Ok(found)) = file.look(true).await else {
            panic!("nothing new is found");
        };

        assert_eq!(found.fingerprint(), now.fingerprint());
        assert!(matches!(file.look(true).await, Look::Known));
    }
}
