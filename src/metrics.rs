//! Every figure the service exports: names, labels, help texts.
//!
//! Label values come from closed sets only, and handles are resolved before
//! the first request: a look-up by label takes a lock that the hit path must
//! not wait for.

mod alerts;
mod durations;
mod moment;
#[cfg(target_os = "linux")]
mod process;
mod reload;
mod requests;
mod text;
mod upstream;

use std::sync::Arc;

use prometheus_client::{
    encoding::{
        EncodeLabelSet,
        text::{encode_eof, encode_registry},
    },
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::Registry,
};

pub use self::{
    alerts::AlertMetrics,
    moment::Moment,
    reload::{FailoverMetrics, ReloadMetrics, ReloadNow},
    requests::{AnswerMetrics, ClientMetrics, RequestMetrics, RequestWords},
    text::Format,
    upstream::{RefreshMetrics, UpstreamMetrics},
};
use self::{reload::ReloadCollectors, requests::RequestCollectors, upstream::UpstreamCollectors};

/// What our own figures' names begin with.
const PREFIX: &str = "d7b";

/// The collectors, and the registry that names them.
#[derive(Clone)]
pub struct Metrics {
    registry: Arc<Registry>,
    requests: RequestCollectors,
    upstream: UpstreamCollectors,
    reloads: ReloadCollectors,
    alerts: AlertMetrics,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Build {
    version: &'static str,
}

impl Build {
    fn of_this() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION"),
        }
    }
}

impl Metrics {
    /// All collectors, at zero. `log_lines_dropped` is the log's own count,
    /// where there is a log.
    pub fn new(log_lines_dropped: Option<Counter>) -> Self {
        let mut registry = Registry::with_prefix(PREFIX);
        let requests = RequestCollectors::register(&mut registry);
        let upstream = UpstreamCollectors::register(&mut registry);
        let reloads = ReloadCollectors::register(&mut registry);
        let build = Family::<Build, Gauge>::default();
        build.get_or_create_owned(&Build::of_this()).set(1);
        registry.register("build_info", "The version that runs", build);
        let alerts = AlertMetrics::register(&mut registry);
        if let Some(dropped) = log_lines_dropped {
            registry.register(
                "log_lines_dropped",
                "Log lines lost because they could not be written, or not as fast as they came",
                dropped,
            );
        }
        Self {
            registry: Arc::new(registry),
            requests,
            upstream,
            reloads,
            alerts,
        }
    }

    /// The exposition: what was counted, what is so at this `moment`, and the
    /// process's own figures.
    ///
    /// # Errors
    /// None that a `String` as the target could cause.
    pub fn render(&self, moment: &Moment<'_>, format: Format) -> Result<String, std::fmt::Error> {
        let mut now = Registry::with_prefix(PREFIX);
        moment.register(&mut now);
        let mut text = String::new();
        encode_registry(&mut text, &self.registry)?;
        encode_registry(&mut text, &now)?;
        #[cfg(target_os = "linux")]
        encode_registry(&mut text, &process::figures())?;
        encode_eof(&mut text)?;
        Ok(match format {
            Format::OpenMetrics => text,
            Format::Older => text::older(&text),
        })
    }

    /// The handles of the request log.
    pub fn for_requests(&self, words: &RequestWords<'_>) -> RequestMetrics {
        self.requests.for_log(words)
    }

    /// The handles of one client, whose series are exported from now on.
    pub fn for_client(&self, client: &str) -> ClientMetrics {
        self.requests.for_client(client)
    }

    /// Exports the series of one client no longer, so that they stay as many as
    /// there are clients. Handles that are still about count for nothing.
    pub fn forget_client(&self, client: &str) {
        self.requests.forget_client(client);
    }

    /// The handles of a file that is read again.
    pub fn for_reloads(&self, file: &'static str, outcomes: &[&'static str]) -> ReloadMetrics {
        self.reloads.for_file(file, outcomes)
    }

    /// Each file that is read again, and what became of its last change.
    pub fn reloads(&self) -> Vec<ReloadNow> {
        self.reloads.now()
    }

    /// The handles of tokens that take each other's place.
    pub fn for_failover(&self) -> FailoverMetrics {
        self.reloads.for_failover()
    }

    /// The handles of alerts.
    pub fn for_alerts(&self) -> AlertMetrics {
        self.alerts.clone()
    }

    /// The handles of a refresher.
    pub fn for_refresher(&self, failures: &[&'static str]) -> RefreshMetrics {
        self.upstream.for_refresher(failures)
    }

    /// The handles of the upstream client.
    pub fn for_upstream(&self) -> UpstreamMetrics {
        self.upstream.for_client()
    }
}

/// A counter for each value of a closed label set, found by the value.
type Resolved = Vec<(&'static str, Counter)>;

fn resolve(values: &[&'static str], counter: impl Fn(&'static str) -> Counter) -> Resolved {
    values
        .iter()
        .map(|value| (*value, counter(value)))
        .collect()
}

fn count(counters: &Resolved, value: &str) {
    if let Some((_, counter)) = counters.iter().find(|(known, _)| *known == value) {
        counter.inc();
    }
}

#[cfg(test)]
mod tests {
    use prometheus_client::metrics::counter::Counter;

    use super::{Format, Metrics, Moment};

    #[test]
    fn lines_that_the_log_has_lost_are_exported() {
        let dropped = Counter::default();
        let metrics = Metrics::new(Some(dropped.clone()));
        let exported = || {
            let text = metrics.render(&Moment::default(), Format::OpenMetrics);
            text.unwrap()
        };
        assert!(exported().contains("\nd7b_log_lines_dropped_total 0\n"));

        dropped.inc_by(3);

        assert!(exported().contains("\nd7b_log_lines_dropped_total 3\n"));
    }
}
