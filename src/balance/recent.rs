//! How often D7 was asked within the last hour.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use crate::clock::MonoTime;

/// The requests of the last hour, counted in slots: as many as there are, an
/// hour back, and those of the slot in which the hour began with them.
#[derive(Debug, Clone)]
pub(super) struct RecentRequests(Arc<Mutex<Slots>>);

const HOUR: Duration = Duration::from_secs(3600);
/// The length of a slot, in seconds.
const SLOT_S: u64 = 10;
/// An hour of slots, and the one that is not over.
const SLOTS: usize = 361;

#[derive(Debug)]
struct Slots {
    counts: [u32; SLOTS],
    /// The number of the latest slot that is counted in, from the clock's
    /// beginning.
    latest: u64,
}

impl Default for RecentRequests {
    fn default() -> Self {
        Self(Arc::new(Mutex::new(Slots {
            counts: [0; SLOTS],
            latest: 0,
        })))
    }
}

impl RecentRequests {
    /// Counts a request that begins now.
    pub(super) fn record(&self, now: MonoTime) {
        self.at(now, |slots, place| {
            slots.counts[place] = slots.counts[place].saturating_add(1);
        });
    }

    /// How many have begun within the last hour, to a slot's length.
    pub(super) fn count(&self, now: MonoTime) -> u64 {
        self.at(now, |slots, _| {
            slots.counts.iter().copied().map(u64::from).sum()
        })
    }

    /// Does something once the slots have come to `now`, with the place of that.
    fn at<T>(&self, now: MonoTime, act: impl FnOnce(&mut Slots, usize) -> T) -> T {
        // Every step leaves the slots whole, a panic included.
        let mut slots = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let current = now.since(MonoTime::default()).as_secs() / SLOT_S;
        let over = (slots.latest + 1..=current).take(SLOTS);
        for slot in over.map(place) {
            slots.counts[slot] = 0;
        }
        slots.latest = slots.latest.max(current);
        let place = place(slots.latest);
        act(&mut slots, place)
    }
}

fn place(slot: u64) -> usize {
    // The remainder is below the number of slots.
    usize::try_from(slot % SLOTS as u64).unwrap_or_default()
}

const _: () = assert!(HOUR.as_secs() / SLOT_S + 1 == SLOTS as u64);

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{HOUR, RecentRequests, SLOT_S};
    use crate::clock::MonoTime;

    #[test]
    fn requests_count_for_an_hour_and_for_a_slot_more_at_most() {
        let requests = RecentRequests::default();
        let at = |after: Duration| MonoTime::default() + after;
        let (second, slot) = (Duration::from_secs(1), Duration::from_secs(SLOT_S));
        let first = 5 * second;
        assert_eq!(requests.count(at(Duration::ZERO)), 0);
        requests.record(at(first));
        requests.record(at(first));
        requests.record(at(HOUR / 2));

        assert_eq!(requests.count(at(HOUR / 2)), 3);
        assert_eq!(requests.count(at(first + HOUR - second)), 3);
        assert_eq!(requests.count(at(first + HOUR + slot)), 1);
        assert_eq!(requests.count(at(HOUR + HOUR / 2 - second)), 1);
        assert_eq!(requests.count(at(2 * HOUR)), 0);
        requests.record(at(100 * HOUR));
        assert_eq!(requests.count(at(100 * HOUR)), 1);
        assert_eq!(requests.count(at(1000 * HOUR)), 0);
    }
}
