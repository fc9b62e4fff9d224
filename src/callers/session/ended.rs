//! Sessions that somebody has signed out of before their time: a copy of such a
//! cookie must not go on working.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::SessionId;

/// How many are remembered, of all clients.
const MOST: usize = 10_000;

/// Sessions that were ended. Only requests with the cookie of a session take the
/// lock, for one look-up.
#[derive(Default)]
pub(super) struct EndedSessions(Mutex<Remembered>);

/// Whose session it was; none, where its key is gone.
type Client = Option<Box<str>>;

#[derive(Default)]
struct Remembered {
    ids: HashSet<SessionId>,
    /// Those of each client, by when they would have ended by themselves, in
    /// seconds since 1970.
    of: HashMap<Client, BTreeSet<(u64, SessionId)>>,
}

impl EndedSessions {
    /// Remembers a session of `client` until its end. Where there is no room, the
    /// client that has most makes it: of its sessions the one that has the least
    /// time left is forgotten. So whoever signs in and out again and again brings
    /// no session back of a client that has fewer.
    pub(super) fn insert(&self, client: Option<&str>, id: SessionId, end: u64, now: u64) {
        let mut remembered = self.lock();
        if remembered.ids.contains(&id) {
            return;
        }
        let client = client.map(Box::from);
        if remembered.ids.len() >= MOST {
            remembered.forget_over(now);
        }
        if remembered.ids.len() >= MOST {
            remembered.forget_one(&client);
        }
        remembered.ids.insert(id);
        remembered.of.entry(client).or_default().insert((end, id));
    }

    /// Whether a session was ended.
    pub(super) fn contains(&self, id: SessionId) -> bool {
        self.lock().ids.contains(&id)
    }

    fn lock(&self) -> MutexGuard<'_, Remembered> {
        // Nothing within it panics.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Remembered {
    /// Forgets those whose time is over.
    fn forget_over(&mut self, now: u64) {
        let Self { ids, of } = self;
        of.retain(|_, sessions| {
            while let Some((end, id)) = sessions.first().copied().filter(|(end, _)| *end <= now) {
                ids.remove(&id);
                sessions.remove(&(end, id));
            }
            !sessions.is_empty()
        });
    }

    /// Makes room for one of `client`, which counts as if it were there already.
    fn forget_one(&mut self, client: &Client) {
        let most = self.of.iter_mut().max_by_key(|(known, sessions)| {
            let is_own = *known == client;
            (sessions.len() + usize::from(is_own), is_own)
        });
        let forgotten = most.and_then(|(_, sessions)| sessions.pop_first());
        if let Some((_, id)) = forgotten {
            self.ids.remove(&id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{EndedSessions, MOST};

    fn id(number: usize) -> [u8; 16] {
        (number as u128).to_be_bytes()
    }

    fn insert(ended: &EndedSessions, client: &str, number: usize, end: u64) {
        ended.insert(Some(client), id(number), end, 0);
    }

    #[test]
    fn ten_thousand_are_remembered_and_those_with_most_time_left_longest() {
        let ended = EndedSessions::default();
        for number in 0..MOST {
            insert(&ended, "web", number, 1_000 + number as u64);
        }

        insert(&ended, "web", MOST, 500);
        assert!(!ended.contains(id(0)), "it has the least time left");
        assert!(ended.contains(id(1)) && ended.contains(id(MOST)));

        insert(&ended, "web", MOST + 1, 20_000);
        assert!(!ended.contains(id(MOST)), "it has the least time left");
    }

    #[test]
    fn those_whose_time_is_over_are_forgotten_first() {
        let ended = EndedSessions::default();
        for number in 0..MOST {
            let (client, end) = if number < 10 {
                ("web", 50)
            } else {
                ("billing", 1_000)
            };
            insert(&ended, client, number, end);
        }

        ended.insert(Some("web"), id(MOST), 1_000, 50);

        assert!((0..10).all(|number| !ended.contains(id(number))));
        assert!((10..=MOST).all(|number| ended.contains(id(number))));
    }

    #[test]
    fn a_client_that_ends_more_and_more_forgets_its_own() {
        let ended = EndedSessions::default();
        let others = 4_000;
        for number in 0..others {
            insert(&ended, "billing", number, 1_000);
        }
        for number in others..3 * MOST {
            insert(&ended, "web", number, 2_000 + number as u64);
        }

        assert!((0..others).all(|number| ended.contains(id(number))));
        let latest = 3 * MOST - (MOST - others)..3 * MOST;
        assert!(latest.clone().all(|number| ended.contains(id(number))));
        assert!(!ended.contains(id(latest.start - 1)), "there is no room");
    }

    #[test]
    fn a_client_that_has_more_than_its_half_makes_room_for_another() {
        let ended = EndedSessions::default();
        for number in 0..MOST {
            insert(&ended, "web", number, 1_000 + number as u64);
        }

        for number in MOST..2 * MOST {
            insert(&ended, "billing", number, 1_000);
        }

        let kept = |numbers: std::ops::Range<usize>| {
            numbers.filter(|number| ended.contains(id(*number))).count()
        };
        assert_eq!([kept(0..MOST), kept(MOST..2 * MOST)], [MOST / 2, MOST / 2]);
    }

    #[test]
    fn one_that_was_ended_already_takes_no_room() {
        let ended = EndedSessions::default();
        for number in 0..MOST {
            insert(&ended, "web", number, 1_000 + number as u64);
        }

        insert(&ended, "web", 5, 1_005);

        assert!((0..MOST).all(|number| ended.contains(id(number))));
    }
}
