//! Settings of browsers: sessions, and where pages may come from.

use std::{path::PathBuf, time::Duration};

use url::Url;

use super::{HOUR, MINUTE, RawEnv, value::Reader};

/// What browsers may do.
#[derive(Debug)]
pub struct Browsers {
    /// `D7B_SESSION_SECRET_FILE`.
    pub session_secret_file: Option<PathBuf>,
    /// `D7B_SESSION_TTL`, 1 min to 30 d.
    pub session_ttl: Duration,
    /// `D7B_PUBLIC_ORIGINS`, as a browser writes them.
    pub public_origins: Vec<String>,
    /// `D7B_CORS_ORIGINS`, as a browser writes them.
    pub cors_origins: Vec<String>,
}

impl Browsers {
    pub(super) fn check(read: &mut Reader<'_>, raw: &mut RawEnv) -> Self {
        Self {
            session_secret_file: raw.session_secret_file.take().map(PathBuf::from),
            session_ttl: read.duration(
                "SESSION_TTL",
                raw.session_ttl.take(),
                12 * HOUR,
                MINUTE..=30 * 24 * HOUR,
            ),
            public_origins: origins(read, "PUBLIC_ORIGINS", raw.public_origins.take()),
            cors_origins: origins(read, "CORS_ORIGINS", raw.cors_origins.take()),
        }
    }

    /// Whether people reach this service by TLS, as far as is known.
    pub(super) fn has_tls(&self) -> bool {
        let is_https = |origin: &String| origin.starts_with("https://");
        self.public_origins.iter().any(is_https)
    }
}

/// Reads a list of origins (RFC 6454), separated by commas.
fn origins(read: &mut Reader<'_>, name: &str, text: Option<String>) -> Vec<String> {
    let Some(text) = text else { return Vec::new() };
    let origins = text.split(',').map(|origin| parse(origin.trim()));
    origins.collect::<Option<_>>().unwrap_or_else(|| {
        let why = "must be origins such as https://team.example.com, separated by commas: scheme, host and perhaps port, nothing else";
        read.0.add(name, why);
        Vec::new()
    })
}

/// An origin as a browser writes it: in lower case, without its scheme's own
/// port.
fn parse(text: &str) -> Option<String> {
    let url = Url::parse(text).ok()?;
    // A host may have stars in it, but they would stand for nothing.
    let is_web = matches!(url.scheme(), "http" | "https") && !text.contains('*');
    let is_bare = url.path() == "/" && url.query().is_none() && url.fragment().is_none();
    let is_nobodys = url.username().is_empty() && url.password().is_none();
    (is_web && is_bare && is_nobodys).then(|| url.origin().ascii_serialization())
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn an_origin_is_a_scheme_a_host_and_perhaps_a_port() {
        for (text, origin) in [
            ("https://team.example.com", "https://team.example.com"),
            ("HTTPS://Team.Example.com:443/", "https://team.example.com"),
            ("http://127.0.0.1:3000", "http://127.0.0.1:3000"),
            ("http://[::1]:3000", "http://[::1]:3000"),
            ("https://bücher.example", "https://xn--bcher-kva.example"),
        ] {
            assert_eq!(parse(text).as_deref(), Some(origin));
        }
        for text in [
            "",
            "*",
            "null",
            "team.example.com",
            "https://",
            "https://*",
            "https://a.example/path",
            "https://a.example?x",
            "https://a.example#x",
            "https://user@a.example",
            "ftp://a.example",
            "file:///",
        ] {
            assert_eq!(parse(text), None, "{text:?}");
        }
    }
}
