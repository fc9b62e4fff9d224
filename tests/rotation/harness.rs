//! The parts of the black-box tests' harness that know nothing of driven time.

#[expect(dead_code, reason = "this run needs a part of it")]
#[path = "../api/harness/client.rs"]
pub(crate) mod client;
#[expect(dead_code, reason = "this run needs a part of it")]
#[path = "../api/harness/process.rs"]
pub(crate) mod process;

use std::time::Duration;

pub(crate) use self::client::{Connection, Request, Response};
use crate::stopwatch::Stopwatch;

/// How long something that happens behind is waited for, at most.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Polls until something is so.
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let watch = Stopwatch::start();
    while !is_so() {
        assert!(watch.now() < PATIENCE, "waited in vain: {what}");
        watch.pause(Duration::from_millis(2));
    }
}
