//! The effective settings in words, for `check-config`.

use std::fmt;

use super::{Config, LogFormat, PREFIX, Source};

impl Config {
    /// The effective settings, a line each, with secrets left out.
    pub fn redacted(&self) -> String {
        let inline_or = |source: &Option<Source>, name: &str| match source {
            None => format!("{PREFIX}{name}=(unset)"),
            Some(Source::Inline(_)) => format!("{PREFIX}{name}=(set, not shown)"),
            Some(Source::File(path)) => format!("{PREFIX}{name}_FILE={}", path.display()),
        };
        let (server, upstream, cache) = (&self.server, &self.upstream, &self.cache);
        let format = match self.telemetry.format {
            None => "(pretty on a terminal, else json)",
            Some(LogFormat::Pretty) => "pretty",
            Some(LogFormat::Json) => "json",
        };
        let ca_file = match &upstream.ca_file {
            None => "(the public roots compiled in)".to_owned(),
            Some(path) => path.display().to_string(),
        };
        let settings: [(&str, &dyn fmt::Debug); 9] = [
            ("CONNECT_TIMEOUT", &upstream.connect_timeout),
            ("UPSTREAM_TIMEOUT", &upstream.timeout),
            ("CACHE_TTL", &cache.ttl),
            (
                "CACHE_STALE_WHILE_REVALIDATE",
                &cache.stale_while_revalidate,
            ),
            ("CACHE_STALE_IF_ERROR", &cache.stale_if_error),
            ("CACHE_MIN_REFRESH", &cache.min_refresh),
            ("CACHE_KEEP_WARM", &cache.keep_warm),
            ("CACHE_MAX_WAITERS", &cache.max_waiters),
            ("SERVER_ADDR", &server.addr),
        ];
        let more: [(&str, &dyn fmt::Debug); 4] = [
            ("ADMIN_ADDR", &server.admin_addr),
            ("SERVER_WORKERS", &server.workers),
            ("SHUTDOWN_DELAY", &server.shutdown_delay),
            ("SHUTDOWN_GRACE", &server.shutdown_grace),
        ];
        let mut lines = vec![
            inline_or(&upstream.token, "TOKEN"),
            format!("{PREFIX}BASE_URL={}", upstream.base_url),
            format!("{PREFIX}CA_FILE={ca_file}"),
            inline_or(&self.callers, "KEYS"),
        ];
        lines.extend(
            settings
                .iter()
                .chain(&more)
                .map(|(name, value)| format!("{PREFIX}{name}={value:?}")),
        );
        lines.push(format!("{PREFIX}LOG_FORMAT={format}"));
        lines.push(format!("{PREFIX}LOG={}", self.telemetry.filter));
        lines.push(String::new());
        lines.join("\n")
    }
}
