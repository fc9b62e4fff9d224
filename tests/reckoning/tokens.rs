//! Tokens that are offered to the service by way of its file, and that D7 does
//! not take, or takes.
//!
//! A token on trial is asked with like any other, but what D7 says to it is held
//! against nobody. So even a short run sees those answers that would otherwise
//! silence D7 for its whole length.

use std::{path::PathBuf, sync::atomic::Ordering, time::Duration};

use crate::{
    EPILOGUE, Run,
    harness::PATIENCE,
    mount::{Mount, Way},
    scripts::{PAYMENT, UNEXPECTED},
    tally::Tally,
};

const FIRST: Duration = Duration::from_secs(1);
const EVERY: Duration = Duration::from_secs(60);
const FOR_CALM: Duration = Duration::from_secs(120);

/// The token file, and who writes it.
pub(crate) struct Tokens {
    mount: Mount,
    written: usize,
}

impl Tokens {
    pub(crate) fn new() -> Self {
        Self {
            mount: Mount::new("token", b"token-0"),
            written: 0,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.mount.path()
    }

    /// Offers tokens every minute, at least once. What has to be counted of the
    /// file.
    pub(crate) fn offer(&mut self, run: &Run) -> Tally {
        let mut tally = Tally::default();
        let mut due = FIRST;
        loop {
            // While D7 is left alone for long, that takes its time.
            run.comes_true(FOR_CALM, || {
                run.is_over() || run.watch.now() >= due && run.d7.calm_down()
            });
            self.offer_three(run, &mut tally);
            run.d7.go_on();
            due += EVERY;
            if due + EPILOGUE > run.length || run.is_over() {
                run.tokens_are_tried.store(true, Ordering::Relaxed);
                return tally;
            }
        }
    }

    fn offer_three(&mut self, run: &Run, tally: &mut Tally) {
        for (answered, fate) in [
            (Some(PAYMENT), "unproven"),
            (Some(UNEXPECTED), "unproven"),
            (None, "taken"),
        ] {
            self.written += 1;
            let token = format!("token-{}", self.written);
            if let Some(outcome) = answered {
                run.d7.try_token(&token, outcome);
            }
            self.mount.write(Way::Rename, token.as_bytes());
            run.comes_true(PATIENCE, || run.d7.was_shown(&token));
            let labels = [("file", "token"), ("outcome", fate)];
            tally.count("d7b_reloads_total", &labels);
        }
    }
}
