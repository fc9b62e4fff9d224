//! Keys and tokens rotate under load, and nobody notices: the program itself,
//! two clients that ask without a pause, keys that are rotated every second, and
//! a token file that is replaced ten times, three times by something bad.
//!
//! What has to be seen: no request with a valid key fails; no revoked key works
//! longer than the interval and a second; no answer is older than promised.
//! These are promises in seconds, so the run is one in real time: 10 s of it by
//! default. All of it, with its summary on standard error:
//!
//! ```sh
//! ROTATION_SECONDS=120 cargo test --test rotation
//! ```
#![allow(
    clippy::unwrap_used,
    reason = "`allow-unwrap-in-tests` does not reach helper functions of integration tests"
)]

mod book;
mod d7;
mod harness;
mod keys;
mod load;
mod mount;
mod promises;
mod report;
mod stopwatch;
mod tokens;

use std::{
    env, panic,
    sync::atomic::{AtomicBool, Ordering},
    thread::{self, ScopedJoinHandle},
    time::Duration,
};

use self::{
    book::Book,
    harness::process::Service,
    keys::KeyRotation,
    load::{CLIENTS, CONNECTIONS},
    report::{Broken, Report},
    stopwatch::Stopwatch,
    tokens::TokenRotation,
};

/// How often the service looks at its files.
const INTERVAL: Duration = Duration::from_millis(500);

/// How long after it was written a change is in force at the latest.
const IN_FORCE_WITHIN: Duration = Duration::from_millis(1500);

/// `D7B_CACHE_TTL`.
const TTL: Duration = Duration::from_secs(1);

/// `D7B_CACHE_STALE_WHILE_REVALIDATE`. D7 always answers in the end, so what is
/// promised where it does not is never called on.
const SWR: Duration = Duration::from_secs(1);

/// `D7B_CACHE_MIN_REFRESH`.
const MIN_REFRESH: Duration = Duration::from_millis(500);

/// How long is asked on after the last change: longer than a grace, so that the
/// end of every key is seen.
const EPILOGUE: Duration = Duration::from_secs(4);

/// A service under load, and what is known of it.
struct Run {
    watch: Stopwatch,
    service: Service,
    book: Book,
    report: Report,
    /// How long is rotated.
    length: Duration,
    is_over: AtomicBool,
}

impl Run {
    /// Notes that a promise was broken.
    fn broken(&self, what: &Broken) {
        self.report.broken(self.watch.now(), what);
    }

    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// `ROTATION_SECONDS`, 10 if it is not set.
fn length() -> Duration {
    let seconds = env::var_os("ROTATION_SECONDS").map_or(10, |seconds| {
        let seconds = seconds.to_str().and_then(|text| text.parse().ok());
        seconds.expect("ROTATION_SECONDS is a whole number")
    });
    Duration::from_secs(seconds)
}

fn milliseconds(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// Starts the service with the files that are going to change.
fn start() -> (Run, KeyRotation, TokenRotation) {
    let watch = Stopwatch::start();
    let book = Book::new(IN_FORCE_WITHIN);
    let keys = KeyRotation::new(&book);
    let tokens = TokenRotation::new();
    let service = Service::start(&[
        ("D7B_KEYS", ""),
        ("D7B_KEYS_FILE", keys.path().to_str().unwrap()),
        ("D7B_TOKEN", ""),
        ("D7B_TOKEN_FILE", tokens.path().to_str().unwrap()),
        ("D7B_RELOAD_INTERVAL", &milliseconds(INTERVAL)),
        ("D7B_CACHE_TTL", &milliseconds(TTL)),
        ("D7B_CACHE_STALE_WHILE_REVALIDATE", &milliseconds(SWR)),
        ("D7B_CACHE_STALE_IF_ERROR", "5s"),
        ("D7B_CACHE_MIN_REFRESH", &milliseconds(MIN_REFRESH)),
    ]);
    let run = Run {
        watch,
        service,
        book,
        report: Report::default(),
        length: length(),
        is_over: AtomicBool::new(false),
    };
    (run, keys, tokens)
}

/// What a thread has come to; where it panicked, that goes on here.
fn joined<T>(thread: ScopedJoinHandle<'_, T>) -> T {
    thread
        .join()
        .unwrap_or_else(|cause| panic::resume_unwind(cause))
}

#[test]
fn keys_and_tokens_rotate_under_load_and_nobody_notices() {
    let (run, mut keys, mut tokens) = start();
    d7::answer_now(&run);

    thread::scope(|scope| {
        scope.spawn(|| d7::answer_until_the_end(&run));
        let mut asking = Vec::new();
        for client in CLIENTS {
            for connection in 0..CONNECTIONS {
                let run = &run;
                asking
                    .push(scope.spawn(move || load::ask_with_valid_keys(run, client, connection)));
            }
        }
        asking.push(scope.spawn(|| load::ask_with_new_keys(&run)));
        asking.push(scope.spawn(|| load::ask_with_ended_keys(&run)));
        let rotating = [
            scope.spawn(|| keys.rotate(&run)),
            scope.spawn(|| tokens.rotate(&run)),
        ];
        let rotated = rotating.map(ScopedJoinHandle::join);
        run.watch.pause(EPILOGUE);
        run.is_over.store(true, Ordering::Relaxed);
        asking.into_iter().for_each(joined);
        for outcome in rotated {
            outcome.unwrap_or_else(|cause| panic::resume_unwind(cause));
        }
    });

    report::close(run, &tokens);
}
