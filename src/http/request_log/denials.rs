//! A limit on the log of denied requests: a flood of them must not bury it.

use std::{
    mem,
    sync::{Mutex, PoisonError},
    time::Duration,
};

use crate::clock::MonoTime;

/// How many are logged in one second.
const DENIALS_PER_SECOND: u32 = 10;

/// The denied requests of the current second.
#[derive(Default)]
pub(super) struct DenialLog(Mutex<DenialWindow>);

#[derive(Default)]
struct DenialWindow {
    began: Option<MonoTime>,
    logged: u32,
    unlogged: u64,
}

impl DenialLog {
    /// Nothing, if a denial is not to be logged; else how many were left out
    /// before it, where there were any.
    pub(super) fn admit(&self, now: MonoTime) -> Option<Option<u64>> {
        let mut window = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_over = |began| now.since(began) >= Duration::from_secs(1);
        if window.began.is_none_or(is_over) {
            window.began = Some(now);
            window.logged = 0;
        }
        if window.logged == DENIALS_PER_SECOND {
            window.unlogged += 1;
            return None;
        }
        window.logged += 1;
        let unlogged = mem::take(&mut window.unlogged);
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
}
