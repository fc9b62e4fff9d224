//! The effective settings in words, for `check-config`.

use std::{fmt, path::PathBuf};

use super::{Config, LogFormat, PREFIX, Source, value::Written};

const PUBLIC_ROOTS: &str = "(the public roots compiled in)";

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
        let browsers = &self.browsers;
        let format = match self.telemetry.format {
            None => "(pretty on a terminal, else json)",
            Some(LogFormat::Pretty) => "pretty",
            Some(LogFormat::Json) => "json",
        };
        let webhook = self.alerts.webhook.as_ref();
        let path_or = |path: Option<&PathBuf>, none: &str| match path {
            None => none.to_owned(),
            Some(path) => path.display().to_string(),
        };
        let webhook_ca_file = match webhook {
            None => String::new(),
            Some(webhook) => path_or(webhook.ca_file.as_ref(), PUBLIC_ROOTS),
        };
        let webhook_timeout = match webhook {
            None => String::new(),
            Some(webhook) => Written(webhook.timeout).to_string(),
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
            set(
                "TOKEN_SECONDARY_FILE",
                &path_or(upstream.secondary_token_file.as_ref(), ""),
            ),
            set("BASE_URL", &upstream.base_url),
            set("ALLOW_INSECURE_UPSTREAM", &upstream.allow_insecure),
            set("CA_FILE", &path_or(upstream.ca_file.as_ref(), PUBLIC_ROOTS)),
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
            set(
                "SESSION_SECRET_FILE",
                &path_or(browsers.session_secret_file.as_ref(), ""),
            ),
            lasts("SESSION_TTL", browsers.session_ttl),
            set("PUBLIC_ORIGINS", &browsers.public_origins.join(",")),
            set("CORS_ORIGINS", &browsers.cors_origins.join(",")),
            lasts("RELOAD_INTERVAL", self.reload_interval),
            set("SERVER_ADDR", &server.addr),
            set("ADMIN_ADDR", &server.admin_addr),
            set("SERVER_WORKERS", &server.workers),
            lasts("SHUTDOWN_DELAY", server.shutdown_delay),
            lasts("SHUTDOWN_GRACE", server.shutdown_grace),
            set(
                "ALERT_BELOW",
                &self.alerts.below.as_deref().unwrap_or_default(),
            ),
            set(
                "ALERT_WEBHOOK_URL_FILE",
                &path_or(webhook.map(|webhook| &webhook.url_file), ""),
            ),
            set(
                "ALERT_WEBHOOK_SECRET_FILE",
                &path_or(webhook.map(|webhook| &webhook.secret_file), ""),
            ),
            set("ALERT_WEBHOOK_CA_FILE", &webhook_ca_file),
            set("ALERT_WEBHOOK_TIMEOUT", &webhook_timeout),
            set("LOG_FORMAT", &format),
            set("LOG", &self.telemetry.filter),
            String::new(),
        ]);
        lines.join("\n")
    }
}
