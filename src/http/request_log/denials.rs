//! A limit on the log of denied requests: a flood of them must not bury it.

use std::{
    collections::VecDeque,
    mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::clock::MonoTime;

/// How many are logged within any second.
const DENIALS_PER_SECOND: usize = 10;

/// The denied requests that were logged last.
#[derive(Default)]
pub(super) struct DenialLog(Mutex<Logged>);

#[derive(Default)]
struct Logged {
    /// When, the oldest first.
    at: VecDeque<MonoTime>,
    unlogged: u64,
}

impl DenialLog {
    /// Nothing, if a denial is not to be logged; else how many were left out
    /// before it, where there were any.
    pub(super) fn admit(&self, now: MonoTime) -> Option<Option<u64>> {
        let mut logged = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if logged.at.len() == DENIALS_PER_SECOND {
            let is_over = |oldest: &MonoTime| now.since(*oldest) >= Duration::from_secs(1);
            if !logged.at.front().is_some_and(is_over) {
                logged.unlogged += 1;
                return None;
            }
            logged.at.pop_front();
        }
        logged.at.push_back(now);
        let unlogged = mem::take(&mut logged.unlogged);
        Some((unlogged > 0).then_some(unlogged))
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::DenialLog;
    use crate::clock::MonoTime;

    #[test]
    fn ten_denials_a_second_are_logged_and_the_rest_counted() {
        let log = DenialLog::default();
        let at = |millis| MonoTime::default() + Duration::from_millis(millis);

        for _ in 0..10 {
            assert_eq!(log.admit(at(0)), Some(None));
        }
        assert_eq!(log.admit(at(0)), None);
        assert_eq!(log.admit(at(999)), None);
        assert_eq!(log.admit(at(1_000)), Some(Some(2)));
        assert_eq!(log.admit(at(1_000)), Some(None));
    }

    #[test]
    fn any_second_counts_and_not_only_one_by_the_clock() {
        let log = DenialLog::default();
        let at = |millis| MonoTime::default() + Duration::from_millis(millis);
        assert_eq!(log.admit(at(0)), Some(None));
        for _ in 1..10 {
            assert_eq!(log.admit(at(999)), Some(None));
        }

        assert_eq!(log.admit(at(1_000)), Some(None), "the first one is over");
        assert_eq!(log.admit(at(1_001)), None);
        assert_eq!(log.admit(at(1_998)), None);
        assert_eq!(log.admit(at(1_999)), Some(Some(2)));
    }
}
