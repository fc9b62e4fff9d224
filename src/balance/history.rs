//! What was seen of the balance since the process started, for a chart.
//!
//! Kept in memory, and bounded: the whole time stays covered, the older the
//! coarser.
//!
//! # Design
//! To drop every second sample of the older half, whenever there are too many,
//! was simpler. It halves what is old each time: after a dozen times nothing is
//! left between the very first sample and those of late.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use super::Snapshot;

/// How many samples are kept.
const MOST: usize = 4096;

/// How many bytes of answers are kept, in samples that usually have a hundred
/// each: a balance may have any number of digits.
const MOST_BYTES: usize = 1 << 20;

/// The valid answers of D7, shared by the refresher, which adds to it, and those
/// who look on.
#[derive(Debug, Clone, Default)]
pub(super) struct History(Arc<Mutex<Samples>>);

/// Samples in the order in which they came.
#[derive(Debug, Default)]
struct Samples {
    kept: Vec<Arc<Snapshot>>,
    bytes: usize,
}

impl History {
    /// Adds an answer of D7.
    pub(super) fn record(&self, snapshot: Arc<Snapshot>) {
        self.lock().add(snapshot);
    }

    /// The samples that are later than `since`, or all, the oldest first.
    pub(super) fn after(&self, since: Option<SystemTime>) -> Vec<Arc<Snapshot>> {
        let mut samples = self.lock().kept.clone();
        samples.retain(|sample| since.is_none_or(|since| shown(sample) > since));
        // They come in order, unless the wall clock was set back meanwhile.
        samples.sort_by_key(|sample| sample.as_of());
        samples
    }

    fn lock(&self) -> MutexGuard<'_, Samples> {
        // Every step leaves the samples usable, a panic included.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Samples {
    /// Of answers in a row that say the same, the first and the latest are
    /// enough: the line between them is flat.
    fn add(&mut self, snapshot: Arc<Snapshot>) {
        if let [.., first, latest] = &self.kept[..]
            && first.says_the_same_as(latest)
            && latest.says_the_same_as(&snapshot)
            && let Some(replaced) = self.kept.pop()
        {
            self.bytes -= replaced.body().len();
        }
        self.bytes += snapshot.body().len();
        self.kept.push(snapshot);
        while self.is_too_much() && self.drop_one() {}
    }

    fn is_too_much(&self) -> bool {
        self.kept.len() > MOST || self.bytes > MOST_BYTES
    }

    /// Drops the sample that is missed least: the gap that it leaves is the
    /// smallest beside its age. Never the very first, which tells where the chart
    /// begins, nor the newest; false where there are no others.
    fn drop_one(&mut self) -> bool {
        let Some(newest) = self.kept.last().map(|newest| newest.fetched_at()) else {
            return false;
        };
        let between = self.kept.windows(3).enumerate().map(|(before, three)| {
            let gap = three[2].fetched_at().since(three[0].fetched_at());
            let age = newest.since(three[1].fetched_at());
            (before + 1, gap.as_millis(), age.as_millis())
        });
        // gap / age < gap of the best / age of the best, without the division.
        let least = between.reduce(|best, next| match next.1 * best.2 < best.1 * next.2 {
            true => next,
            false => best,
        });
        let Some((place, ..)) = least else {
            return false;
        };
        self.bytes -= self.kept.remove(place).body().len();
        true
    }
}

/// The time of a sample as its text has it, to the millisecond: whoever asks for
/// what came after the last sample that it knows, is not told that one again.
fn shown(sample: &Snapshot) -> SystemTime {
    let as_of = sample.as_of();
    let below_a_milli = as_of
        .duration_since(SystemTime::UNIX_EPOCH)
        .map_or(0, |since| since.subsec_nanos() % 1_000_000);
    as_of - Duration::from_nanos(below_a_milli.into())
}

#[cfg(test)]
mod tests;
