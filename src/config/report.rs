//! The effective settings in words, for `check-config`.

use std::fmt;

use super::{Config, LogFormat, PREFIX, Source, value::Written};

impl Config {
    /// The effective settings, a line each and as they are written in the
    /// environment, where empty means unset, with secrets left out; before them
    /// what is not wrong but should be known.
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
        let secondary = match &upstream.secondary_token_file {
            None => String::new(),
            Some(path) => path.display().to_string(),
        };
        let set = |name: &str, value: &dyn fmt::Display| format!("{PREFIX}{name}={value}");
        let lasts = |name: &str, duration| set(name, &Written(duration));

        let mut lines: Vec<_> = self
            .warnings
            .iter()
            .map(|warning| format!("# {warning}"))
            .collect();
        lines.extend([
            inline_or(&upstream.token, "TOKEN"),
            set("TOKEN_SECONDARY_FILE", &secondary),
            set("BASE_URL", &upstream.base_url),
            set("ALLOW_INSECURE_UPSTREAM", &upstream.allow_insecure),
            set("CA_FILE", &ca_file),
            lasts("CONNECT_TIMEOUT", upstream.connect_timeout),
            lasts("UPSTREAM_TIMEOUT", upstream.timeout),
            lasts("CACHE_TTL", cache.ttl),
            lasts("CACHE_STALE_WHILE_REVALIDATE", cache.stale_while_revalidate),
            lasts("CACHE_STALE_IF_ERROR", cache.stale_if_error),
            lasts("CACHE_MIN_REFRESH", cache.min_refresh),
            set("CACHE_KEEP_WARM", &cache.keep_warm),
            set("CACHE_MAX_WAITERS", &cache.max_waiters),
            inline_or(&self.callers, "KEYS"),
            set(
                "RATE_LIMIT",
                &self.rate_limit.as_deref().unwrap_or_default(),
            ),
            lasts("RELOAD_INTERVAL", self.reload_interval),
            set("SERVER_ADDR", &server.addr),
            set("ADMIN_ADDR", &server.admin_addr),
            set("SERVER_WORKERS", &server.workers),
            lasts("SHUTDOWN_DELAY", server.shutdown_delay),
            lasts("SHUTDOWN_GRACE", server.shutdown_grace),
            set("LOG_FORMAT", &format),
            set("LOG", &self.telemetry.filter),
            String::new(),
        ]);
        lines.join("\n")
    }
}
