//! Sessions that somebody has signed out of before their time: a copy of such a
//! cookie must not go on working.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::SessionId;

/// How many are remembered.
const MOST: usize = 10_000;

/// Sessions that were ended, and when they would have ended by themselves, in
/// seconds since 1970.
#[derive(Default)]
pub(super) struct EndedSessions(Mutex<HashMap<SessionId, u64>>);

impl EndedSessions {
    /// Remembers a session until its end. Where there is no room, the one that
    /// has the least time left is forgotten.
    pub(super) fn insert(&self, id: SessionId, end: u64, now: u64) {
        // Every step leaves the map whole, a panic included.
        let mut ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if ended.len() >= MOST {
            ended.retain(|_, end| *end > now);
        }
        if ended.len() >= MOST {
            let soonest = ended.iter().min_by_key(|(_, end)| **end);
            let soonest = soonest.map(|(id, _)| *id);
            soonest.and_then(|id| ended.remove(&id));
        }
        ended.insert(id, end);
    }

    /// Whether a session was ended.
    pub(super) fn contains(&self, id: SessionId) -> bool {
        let ended = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ended.contains_key(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::{EndedSessions, MOST};

    fn id(number: usize) -> [u8; 16] {
        (number as u128).to_be_bytes()
    }

    #[test]
    fn ten_thousand_are_remembered_and_those_with_most_time_left_longest() {
        let ended = EndedSessions::default();
        for number in 0..MOST {
            ended.insert(id(number), 1_000 + number as u64, 0);
        }

        ended.insert(id(MOST), 500, 0);
        assert!(!ended.contains(id(0)), "it has the least time left");
        assert!(ended.contains(id(1)) && ended.contains(id(MOST)));

        ended.insert(id(MOST + 1), 20_000, 0);
        assert!(!ended.contains(id(MOST)), "it has the least time left");
    }

    #[test]
    fn those_whose_time_is_over_are_forgotten_first() {
        let ended = EndedSessions::default();
        for number in 0..MOST {
            ended.insert(id(number), if number < 10 { 50 } else { 1_000 }, 0);
        }

        ended.insert(id(MOST), 1_000, 50);

        assert!((0..10).all(|number| !ended.contains(id(number))));
        assert!((10..=MOST).all(|number| ended.contains(id(number))));
    }
}
