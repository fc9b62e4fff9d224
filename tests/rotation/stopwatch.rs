//! The time of a run, which is the machine's.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use d7_balance::clock::{Clock, MonoTime, SystemClock};

/// Counts from when it was started.
pub(crate) struct Stopwatch(SystemClock);

impl Stopwatch {
    pub(crate) fn start() -> Self {
        Self(SystemClock::new())
    }

    pub(crate) fn now(&self) -> Duration {
        self.0.mono().since(MonoTime::default())
    }

    /// When the clock on the wall shows, or showed, `wall`; zero if that was
    /// before the start.
    pub(crate) fn moment_of(&self, wall: SystemTime) -> Duration {
        let (now, now_on_wall) = self.both();
        match wall.duration_since(now_on_wall) {
            Ok(ahead) => now + ahead,
            Err(behind) => now.saturating_sub(behind.duration()),
        }
    }

    /// Both clocks at one moment: whoever is held up in between looks again.
    fn both(&self) -> (Duration, SystemTime) {
        loop {
            let (before, wall, after) = (self.now(), self.0.wall(), self.now());
            if after - before < Duration::from_millis(1) {
                return (before, wall);
            }
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "what is promised in seconds is seen in seconds"
    )]
    pub(crate) fn pause(&self, pause: Duration) {
        thread::sleep(pause);
    }

    pub(crate) fn pause_until(&self, moment: Duration) {
        self.pause(moment.saturating_sub(self.now()));
    }
}
