//! Figures that are counted on both sides: the program itself under load, with
//! a D7 that has every fault there is.
//!
//! What has to be seen: at the end the counts in `/metrics` equal what the load
//! generator and the simulated D7 have counted, to the request. The load generator
//! goes by answers alone, and D7 by what it was asked and what it said. Time is
//! real, so that nothing is counted in some order that a test has thought of:
//! 10 s of it by default. All of it, with its report on standard error:
//!
//! ```sh
//! RECKONING_SECONDS=600 cargo test --release --test reckoning
//! ```
//!
//! What was drawn at random is drawn again with `RECKONING_SEED`, which the
//! report tells; in which order threads come to run is not.
#![allow(
    clippy::unwrap_used,
    reason = "`allow-unwrap-in-tests` does not reach helper functions of integration tests"
)]

mod ask;
mod d7;
#[path = "../rotation/harness.rs"]
mod harness;
mod keys;
mod leavers;
mod load;
#[expect(dead_code, reason = "this run needs a part of it")]
#[path = "../rotation/mount.rs"]
mod mount;
mod report;
mod scrape;
mod scripts;
#[expect(dead_code, reason = "this run needs a part of it")]
#[path = "../rotation/stopwatch.rs"]
mod stopwatch;
mod tally;
mod tokens;

use std::{
    env, panic,
    sync::{
        Arc, RwLock,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

use self::{
    d7::D7,
    harness::{PATIENCE, process::Service},
    keys::Keys,
    leavers::ABANDONED,
    load::ASKERS,
    mount::Mount,
    scrape::{Samples, read_at_rest},
    stopwatch::Stopwatch,
    tally::Tally,
    tokens::Tokens,
};

/// `D7B_CACHE_TTL`: the shortest that there is.
const TTL: Duration = Duration::from_secs(1);

/// `D7B_CACHE_STALE_WHILE_REVALIDATE`.
const SWR: Duration = Duration::from_secs(1);

/// `D7B_CACHE_STALE_IF_ERROR`: some hold-downs are longer, and callers get
/// errors then.
const SIE: Duration = Duration::from_millis(1500);

/// `D7B_CACHE_MIN_REFRESH`: so that D7 is asked often.
const MIN_REFRESH: Duration = Duration::from_millis(50);

/// `D7B_UPSTREAM_TIMEOUT`. What D7 says comes long before it, or never: on a busy
/// machine, too, both sides are to agree on what was a timeout.
const TIMEOUT: Duration = Duration::from_millis(1500);

/// `D7B_RELOAD_INTERVAL`.
const INTERVAL: Duration = Duration::from_millis(100);

/// `D7B_CACHE_MAX_WAITERS`: fewer than there are callers.
const MAX_WAITERS: &str = "6";

/// How long the load goes on when D7 has begun to fail for good: past the end of
/// everything that may be served.
const EPILOGUE: Duration = Duration::from_secs(3);

/// A service under load, and who takes part.
struct Run {
    watch: Arc<Stopwatch>,
    seed: u64,
    length: Duration,
    service: Service,
    d7: D7,
    keys: Keys,
    /// Where the key file is. It goes when this does.
    _mount: Mount,
    /// Every request of the load is sent and answered under a reader's lock. Who
    /// has the writer's is alone with the service.
    load: RwLock<()>,
    /// Whether no token is on trial any more.
    tokens_are_tried: AtomicBool,
    is_over: AtomicBool,
}

impl Run {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }

    /// Waits until something is so, for so long at most, and says whether it came
    /// to be.
    fn comes_true(&self, within: Duration, is_so: impl Fn() -> bool) -> bool {
        let until = self.watch.now() + within;
        loop {
            if is_so() {
                return true;
            }
            if self.watch.now() > until {
                return false;
            }
            self.watch.pause(Duration::from_millis(2));
        }
    }

    /// Does a part of the run.
    fn part<T>(&self, act: impl FnOnce() -> T) -> T {
        let _end = EndOnPanic(self);
        act()
    }
}

/// Ends the run where a part of it panics: the others would go on without it.
struct EndOnPanic<'a>(&'a Run);

impl Drop for EndOnPanic<'_> {
    fn drop(&mut self) {
        if thread::panicking() {
            self.0.is_over.store(true, Ordering::Relaxed);
        }
    }
}

/// A whole number in the environment.
fn number(name: &str) -> Option<u64> {
    let value = env::var_os(name)?;
    let number = value.to_str().and_then(|text| text.parse().ok());
    Some(number.unwrap_or_else(|| panic!("{name} is a whole number")))
}

fn milliseconds(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

fn start(tokens: &Tokens) -> Run {
    let watch = Arc::new(Stopwatch::start());
    let seed = number("RECKONING_SEED").unwrap_or_else(|| fastrand::u64(..));
    let length = Duration::from_secs(number("RECKONING_SECONDS").unwrap_or(10));
    let (keys, file) = Keys::new();
    let mount = Mount::new("keys.toml", file.as_bytes());
    let service = Service::start(&[
        ("D7B_KEYS", ""),
        ("D7B_KEYS_FILE", mount.path().to_str().unwrap()),
        ("D7B_TOKEN", ""),
        ("D7B_TOKEN_FILE", tokens.path().to_str().unwrap()),
        ("D7B_RELOAD_INTERVAL", &milliseconds(INTERVAL)),
        ("D7B_CACHE_TTL", &milliseconds(TTL)),
        ("D7B_CACHE_STALE_WHILE_REVALIDATE", &milliseconds(SWR)),
        ("D7B_CACHE_STALE_IF_ERROR", &milliseconds(SIE)),
        ("D7B_CACHE_MIN_REFRESH", &milliseconds(MIN_REFRESH)),
        ("D7B_CACHE_MAX_WAITERS", MAX_WAITERS),
        ("D7B_UPSTREAM_TIMEOUT", &milliseconds(TIMEOUT)),
        // A million requests are counted, and need not be told one by one.
        ("D7B_LOG", "info,d7_balance::http::request_log=off"),
    ]);
    let d7 = D7::new(seed, length, &watch);
    let answers = d7.clone();
    service.d7.choose(move |head| answers.answer(head));
    Run {
        watch,
        seed,
        length,
        service,
        d7,
        keys,
        _mount: mount,
        load: RwLock::default(),
        tokens_are_tried: AtomicBool::new(false),
        is_over: AtomicBool::new(false),
    }
}

/// What a thread has come to; where it panicked, that goes on here.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|cause| panic::resume_unwind(cause))
}

#[test]
fn figures_equal_what_callers_and_d7_have_counted() {
    let mut tokens = Tokens::new();
    let run = start(&tokens);

    let (mut counted, seen) = thread::scope(|scope| {
        let _end = EndOnPanic(&run);
        let run = &run;
        let mut counting = Vec::new();
        for asker in 0..ASKERS {
            counting.push(scope.spawn(move || run.part(|| load::ask(run, asker))));
        }
        counting.push(scope.spawn(|| run.part(|| leavers::come_and_go(run))));
        counting.push(scope.spawn(|| run.part(|| tokens.offer(run))));
        let scraping = scope.spawn(|| run.part(|| scrape::scrape(run)));
        last_through(run);
        run.is_over.store(true, Ordering::Relaxed);
        let mut counted = Tally::default();
        for thread in counting {
            counted.add(joined(thread));
        }
        (counted, joined(scraping))
    });
    counted.add(run.d7.tally());
    let exported = read_at_rest(&run);

    report::close(run, &counted, &exported, &seen);
}

/// Waits for the end of the load. Before that, D7 begins to fail for good, when
/// there is nothing left that it has to be asked for. What does not come in time
/// is missed by the report.
fn last_through(run: &Run) {
    let end = run.length.saturating_sub(EPILOGUE);
    let all_of_it = run.length + PATIENCE;
    run.comes_true(all_of_it, || {
        let tokens_are_tried = run.tokens_are_tried.load(Ordering::Relaxed);
        run.is_over() || run.watch.now() >= end && tokens_are_tried
    });
    run.comes_true(PATIENCE, || Samples::read(run).of(ABANDONED) > 0.0);
    run.d7.finish();
    run.comes_true(PATIENCE, || run.d7.has_finished());
    run.watch.pause(EPILOGUE);
}
