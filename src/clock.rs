//! Time: the one room that reads the system's clocks.
//!
//! Every other room takes a [`Clock`], so that a test moves time by hand
//! ([`ManualClock`]) instead of sleeping. Two clocks are kept apart: the
//! monotonic one decides on balances (freshness, hold-downs), the wall clock
//! counts where people or D7 wrote a date (`as_of`, a key's expiry,
//! `Retry-After`).

use std::{
    ops::Add,
    sync::{Mutex, MutexGuard, PoisonError},
    time::{Duration, SystemTime},
};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

/// A moment on the monotonic clock, counted from when its [`Clock`] was made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct MonoTime(Duration);

impl MonoTime {
    /// The time passed since `earlier`; zero if that lies ahead.
    pub fn since(self, earlier: Self) -> Duration {
        self.0.saturating_sub(earlier.0)
    }
}

impl Add<Duration> for MonoTime {
    type Output = Self;

    fn add(self, after: Duration) -> Self {
        Self(self.0.saturating_add(after))
    }
}

/// A source of time.
pub trait Clock: Send + Sync + 'static {
    /// Now, on the clock that never steps back.
    fn mono(&self) -> MonoTime;

    /// Now, on the wall.
    fn wall(&self) -> SystemTime;

    /// Ends when [`Clock::mono`] has reached `at`; at once if it already has.
    ///
    /// # Cancel safety
    /// May be dropped at any time; nothing is lost.
    fn sleep_until(&self, at: MonoTime) -> BoxFuture<'static, ()>;
}

/// The machine's own clocks.
#[derive(Debug)]
pub struct SystemClock {
    #[expect(
        clippy::disallowed_types,
        reason = "this is where the monotonic clock is read"
    )]
    origin: std::time::Instant,
}

impl SystemClock {
    /// A clock whose monotonic time begins now.
    #[expect(
        clippy::disallowed_types,
        clippy::new_without_default,
        reason = "this is where the monotonic clock is read; a default clock would hide that its origin is `now`"
    )]
    pub fn new() -> Self {
        Self {
            origin: std::time::Instant::now(),
        }
    }
}

impl Clock for SystemClock {
    fn mono(&self) -> MonoTime {
        MonoTime(self.origin.elapsed())
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "this is where the wall clock is read"
    )]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    fn sleep_until(&self, at: MonoTime) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(at.since(self.mono())))
    }
}

/// A clock that stands still until it is told to move: for tests.
#[derive(Debug)]
pub struct ManualClock {
    inner: Mutex<ManualTime>,
}

#[derive(Debug)]
struct ManualTime {
    elapsed: Duration,
    started: SystemTime,
    sleepers: Vec<(MonoTime, oneshot::Sender<()>)>,
}

impl ManualClock {
    /// A clock that shows `started` on the wall.
    pub fn new(started: SystemTime) -> Self {
        Self {
            inner: Mutex::new(ManualTime {
                elapsed: Duration::ZERO,
                started,
                sleepers: Vec::new(),
            }),
        }
    }

    /// Moves both clocks on by `by` and wakes whoever slept until then.
    pub fn advance(&self, by: Duration) {
        let mut time = self.lock();
        time.elapsed += by;
        let now = MonoTime(time.elapsed);
        for (_, wake) in time.sleepers.extract_if(.., |(at, _)| *at <= now) {
            // A sleeper that has gone away since need not be woken.
            wake.send(()).unwrap_or_default();
        }
    }

    /// How many tasks sleep on this clock now: a test waits for its task to
    /// be parked before it moves time on.
    pub fn parked(&self) -> usize {
        let mut time = self.lock();
        time.sleepers.retain(|(_, wake)| !wake.is_closed());
        time.sleepers.len()
    }

    fn lock(&self) -> MutexGuard<'_, ManualTime> {
        // Every critical section leaves the time whole, a panic included.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for ManualClock {
    fn mono(&self) -> MonoTime {
        MonoTime(self.lock().elapsed)
    }

    fn wall(&self) -> SystemTime {
        let time = self.lock();
        time.started + time.elapsed
    }

    fn sleep_until(&self, at: MonoTime) -> BoxFuture<'static, ()> {
        let mut time = self.lock();
        if at <= MonoTime(time.elapsed) {
            return Box::pin(std::future::ready(()));
        }
        let (wake, woken) = oneshot::channel();
        time.sleepers.push((at, wake));
        Box::pin(async move {
            // An error means that the clock itself is gone: time has ended.
            if woken.await.is_err() {
                std::future::pending::<()>().await;
            }
        })
    }
}
