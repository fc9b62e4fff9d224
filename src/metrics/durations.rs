//! A histogram of durations that is observed without a lock.
//!
//! # Design
//! The library's own histogram takes a lock for each observation, and a scrape
//! holds it while it reads: a request would wait for another one's figures. Here
//! an observation is two additions. A scrape in between may see one of them
//! without the other, and the next one sees both.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use prometheus_client::{
    encoding::{EncodeMetric, MetricEncoder, NoLabelSet},
    metrics::{MetricType, TypedMetric},
};

/// Counts durations by size. Copies are handles of the same counts.
#[derive(Debug, Clone)]
pub(super) struct Durations(Arc<Counts>);

#[derive(Debug)]
struct Counts {
    /// Up to so many nanoseconds, ascending, and how many there were of them
    /// that are above the bound before.
    buckets: Vec<(u64, AtomicU64)>,
    /// Those above all bounds.
    longer: AtomicU64,
    sum_nanos: AtomicU64,
}

impl Durations {
    /// No duration yet. The first bound is `first`, and each of `bounds` is
    /// `factor` times the one before.
    pub(super) fn new(first: Duration, factor: u64, bounds: u32) -> Self {
        let bound = |power| nanos(first).saturating_mul(factor.saturating_pow(power));
        Self(Arc::new(Counts {
            buckets: (0..bounds)
                .map(|power| (bound(power), AtomicU64::default()))
                .collect(),
            longer: AtomicU64::default(),
            sum_nanos: AtomicU64::default(),
        }))
    }

    /// Counts one.
    pub(super) fn observe(&self, duration: Duration) {
        let nanos = nanos(duration);
        let mut buckets = self.0.buckets.iter();
        let bucket = buckets.find(|(bound, _)| nanos <= *bound);
        let count = bucket.map_or(&self.0.longer, |(_, count)| count);
        count.fetch_add(1, Ordering::Relaxed);
        self.0.sum_nanos.fetch_add(nanos, Ordering::Relaxed);
    }
}

/// More than five hundred years count as that.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl TypedMetric for Durations {
    const TYPE: MetricType = MetricType::Histogram;
}

impl EncodeMetric for Durations {
    fn encode(&self, mut encoder: MetricEncoder<'_>) -> Result<(), std::fmt::Error> {
        let seconds = |nanos: u64| Duration::from_nanos(nanos).as_secs_f64();
        let longer = (f64::INFINITY, self.0.longer.load(Ordering::Relaxed));
        let buckets = self.0.buckets.iter();
        let buckets: Vec<_> = buckets
            .map(|(bound, count)| (seconds(*bound), count.load(Ordering::Relaxed)))
            .chain([longer])
            .collect();
        let sum = seconds(self.0.sum_nanos.load(Ordering::Relaxed));
        // The sum of what was read, so that it is that of the last bucket.
        let count = buckets.iter().map(|(_, count)| count).sum();
        encoder.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
    }

    fn metric_type(&self) -> MetricType {
        Self::TYPE
    }
}

#[cfg(test)]
mod tests {
    use std::{thread, time::Duration};

    use prometheus_client::{encoding::text::encode, registry::Registry};

    use super::Durations;

    fn exported(durations: &Durations) -> String {
        let mut registry = Registry::default();
        registry.register("lasted", "Words", durations.clone());
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    #[test]
    fn a_duration_counts_up_to_its_bound_and_that_included() {
        let durations = Durations::new(Duration::from_millis(1), 10, 3);
        for micros in [0, 1_000, 1_001, 10_000, 99_999, 100_001] {
            durations.observe(Duration::from_micros(micros));
        }
        durations.observe(Duration::from_secs(3600));

        assert_eq!(
            exported(&durations),
            "# HELP lasted Words.\n# TYPE lasted histogram\nlasted_sum 3600.212001\nlasted_count 7\n\
             lasted_bucket{le=\"0.001\"} 2\nlasted_bucket{le=\"0.01\"} 4\nlasted_bucket{le=\"0.1\"} 5\n\
             lasted_bucket{le=\"+Inf\"} 7\n# EOF\n"
        );
    }

    #[test]
    fn none_is_lost_where_many_observe_at_once() {
        let durations = Durations::new(Duration::from_micros(1), 2, 4);

        thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for micros in 0..10_000 {
                        durations.observe(Duration::from_micros(micros % 20));
                    }
                });
            }
        });

        let exported = exported(&durations);
        assert!(exported.contains("lasted_count 40000\n"), "{exported}");
        assert!(exported.contains("lasted_sum 0.38\n"), "{exported}");
        assert!(exported.contains("le=\"+Inf\"} 40000\n"), "{exported}");
    }
}
