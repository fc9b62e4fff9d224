//! What is known of every key: since when it has to work, and until when it may.

use std::{
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use crate::report::Broken;

/// A key as its client holds it.
pub(crate) struct Key {
    pub(crate) client: &'static str,
    pub(crate) id: String,
    pub(crate) text: String,
}

/// Why a key ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// It was taken out of the file.
    Revoked,
    /// Its grace was over.
    Expired,
}

struct Entry {
    key: Arc<Key>,
    /// When it has to work at the latest: by promise, or since it was seen to.
    works_from: Duration,
    /// From when on it may be denied.
    works_until: Option<Duration>,
    /// When it had certainly ended, but for what the service knows of it.
    ended: Option<(Duration, End)>,
    /// How long after its end it was last seen to work.
    overran: Duration,
}

impl Entry {
    fn is_valid(&self, at: Duration) -> bool {
        self.works_from <= at && self.works_until.is_none_or(|until| at < until)
    }
}

/// How keys have ended.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Ends {
    pub(crate) keys: usize,
    /// The longest time after its end that one of them still worked.
    pub(crate) longest: Duration,
}

/// All keys that there ever were.
pub(crate) struct Book {
    entries: Mutex<Vec<Entry>>,
    in_force_within: Duration,
}

/// How long an ended key is asked with all the time; then, now and then.
const WATCHED: Duration = Duration::from_secs(4);

impl Book {
    pub(crate) fn new(in_force_within: Duration) -> Self {
        Self {
            entries: Mutex::default(),
            in_force_within,
        }
    }

    /// A key that the service starts with.
    pub(crate) fn add_old(&self, key: &Arc<Key>) {
        self.enter(key, Duration::ZERO);
    }

    /// A key that was written at `written`.
    pub(crate) fn add(&self, key: &Arc<Key>, written: Duration) {
        self.enter(key, written + self.in_force_within);
    }

    fn enter(&self, key: &Arc<Key>, works_from: Duration) {
        self.lock().push(Entry {
            key: Arc::clone(key),
            works_from,
            works_until: None,
            ended: None,
            overran: Duration::ZERO,
        });
    }

    /// A key may be denied from `from` on.
    pub(crate) fn may_end(&self, key: &Key, from: Duration) {
        self.with(key, |entry| entry.works_until = Some(from));
    }

    /// A key had ended at `at`, but for what the service knows of it.
    pub(crate) fn ended(&self, key: &Key, at: Duration, why: End) {
        self.with(key, |entry| entry.ended = Some((at, why)));
    }

    pub(crate) fn is_valid(&self, key: &Key, at: Duration) -> bool {
        self.with(key, |entry| entry.is_valid(at))
    }

    /// One of a client's keys that have to work, another one every turn.
    pub(crate) fn valid(&self, client: &str, at: Duration, turn: usize) -> Option<Arc<Key>> {
        let entries = self.lock();
        let is_meant = |entry: &&Entry| entry.key.client == client && entry.is_valid(at);
        let valid: Vec<_> = entries.iter().filter(is_meant).collect();
        let entry = valid.get(turn.checked_rem(valid.len())?)?;
        Some(Arc::clone(&entry.key))
    }

    /// The keys that are written and need not work yet.
    pub(crate) fn new_ones(&self, at: Duration) -> Vec<Arc<Key>> {
        self.keys(|entry| at < entry.works_from)
    }

    /// The keys that have just ended, and one of the older ones, another one
    /// every turn.
    pub(crate) fn ended_ones(&self, at: Duration, turn: usize) -> Vec<Arc<Key>> {
        let is_new = |ended: Duration| at < ended + WATCHED;
        let is_ended = |entry: &Entry, new: bool| {
            let ended = entry.ended.filter(|(ended, _)| *ended <= at);
            ended.is_some_and(|(ended, _)| is_new(ended) == new)
        };
        let mut keys = self.keys(|entry| is_ended(entry, true));
        let old = self.keys(|entry| is_ended(entry, false));
        keys.extend(turn.checked_rem(old.len()).map(|one| Arc::clone(&old[one])));
        keys
    }

    /// A request with `key` was served. Says what is wrong with that.
    pub(crate) fn served(&self, key: &Key, sent: Duration, answered: Duration) -> Option<Broken> {
        let bound = self.in_force_within;
        self.with(key, |entry| {
            entry.works_from = entry.works_from.min(answered);
            let (ended, why) = entry.ended?;
            let overran = sent.saturating_sub(ended);
            entry.overran = entry.overran.max(overran);
            let how = || format!("{why:?}, works {overran:?} later");
            (overran > bound).then(|| Broken::new("no ended key works on", how()))
        })
    }

    /// A request with `key` was denied. Says what is wrong with that. An answer
    /// that came after the key's end may be right, whenever it was asked for.
    pub(crate) fn denied(&self, key: &Key, sent: Duration, answered: Duration) -> Option<Broken> {
        self.with(key, |entry| {
            let how = || format!("valid since {:?}, sent at {sent:?}", entry.works_from);
            let is_valid = entry.is_valid(sent) && entry.is_valid(answered);
            is_valid.then(|| Broken::new("no valid key is denied", how()))
        })
    }

    /// How the keys that ended in one way did so.
    pub(crate) fn ends(&self, way: End) -> Ends {
        let mut ends = Ends::default();
        for entry in self.lock().iter() {
            if entry.ended.is_some_and(|(_, why)| why == way) {
                ends.keys += 1;
                ends.longest = ends.longest.max(entry.overran);
            }
        }
        ends
    }

    /// Every key that there ever was.
    pub(crate) fn all(&self) -> Vec<Arc<Key>> {
        self.keys(|_| true)
    }

    fn keys(&self, is_meant: impl Fn(&Entry) -> bool) -> Vec<Arc<Key>> {
        let entries = self.lock();
        let meant = entries.iter().filter(|entry| is_meant(entry));
        meant.map(|entry| Arc::clone(&entry.key)).collect()
    }

    fn with<T>(&self, key: &Key, act: impl FnOnce(&mut Entry) -> T) -> T {
        let mut entries = self.lock();
        let mut newest_first = entries.iter_mut().rev();
        act(newest_first.find(|entry| entry.key.id == key.id).unwrap())
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries.lock().unwrap()
    }
}
