//! One request, counted and timed when it ends, a panic included.

use crate::{
    balance::source::FailureKind,
    clock::{Clock, MonoTime},
    metrics::RefreshMetrics,
};

/// A request that is under way. Dropped without an end, it has panicked, or the
/// process ends.
pub(super) struct Count<'a> {
    metrics: &'a RefreshMetrics,
    clock: &'a dyn Clock,
    began: MonoTime,
    failure: Option<FailureKind>,
}

impl<'a> Count<'a> {
    /// Begins now.
    pub(super) fn begin(metrics: &'a RefreshMetrics, clock: &'a dyn Clock) -> Self {
        Self {
            metrics,
            clock,
            began: clock.mono(),
            failure: Some(FailureKind::Panicked),
        }
    }

    /// Ends now, with a balance or with `failure`.
    pub(super) fn end(mut self, failure: Option<FailureKind>) {
        self.failure = failure;
    }
}

impl Drop for Count<'_> {
    fn drop(&mut self) {
        let failure = self.failure.map(FailureKind::as_str);
        let lasted = self.clock.mono().since(self.began);
        self.metrics.asked(failure, lasted);
    }
}
