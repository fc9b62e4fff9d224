//! The two text formats that Prometheus reads.

use std::collections::HashSet;

/// A text format.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// `OpenMetrics` 1.0.0.
    OpenMetrics,
    /// Prometheus's own from before, for readers that know no other.
    Older,
}

impl Format {
    /// What `Content-Type` says of it.
    pub fn content_type(self) -> &'static str {
        match self {
            Self::OpenMetrics => "application/openmetrics-text; version=1.0.0; charset=utf-8",
            Self::Older => "text/plain; version=0.0.4; charset=utf-8",
        }
    }
}

/// The same figures in the older format, which names a counter by its sample
/// and knows neither units nor an end.
pub(super) fn older(open_metrics: &str) -> String {
    let counters: HashSet<&str> = open_metrics
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let mut text = String::with_capacity(open_metrics.len());
    for line in open_metrics.lines() {
        let mut words = line.splitn(4, ' ');
        match (words.next(), words.next(), words.next()) {
            (Some("#"), Some("UNIT" | "EOF"), _) => continue,
            (Some("#"), Some(what), Some(name)) if counters.contains(name) => {
                let rest = words.next().unwrap_or_default();
                text.extend(["# ", what, " ", name, "_total ", rest]);
            }
            _ => text.push_str(line),
        }
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::older;

    #[test]
    fn the_older_format_names_counters_by_their_samples() {
        let open_metrics = "# HELP a_b Some words.\n# TYPE a_b counter\na_b_total{c=\"# TYPE\"} 1\n\
             # HELP d_seconds More words.\n# TYPE d_seconds gauge\n# UNIT d_seconds seconds\n\
             d_seconds 0.5\n# EOF\n";

        assert_eq!(
            older(open_metrics),
            "# HELP a_b_total Some words.\n# TYPE a_b_total counter\na_b_total{c=\"# TYPE\"} 1\n\
             # HELP d_seconds More words.\n# TYPE d_seconds gauge\nd_seconds 0.5\n"
        );
    }
}
