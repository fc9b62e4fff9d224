//! Where a browser's request comes from, as the browser itself says.
//!
//! A cookie goes along with requests that a page of another site has made. What
//! tells them apart a script cannot set: `Sec-Fetch-Site` (Fetch Metadata), and
//! `Origin` (RFC 6454) from browsers that do not know it.

use actix_web::http::header::{self, HeaderMap, HeaderName};

/// Origins whose pages are this service's own; none are named: what `Host` says.
pub struct Origins(Vec<String>);

/// Where a request comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Provenance {
    /// A page of ours, or the person at the browser.
    Own,
    /// Elsewhere.
    Foreign,
    /// Nobody says: a program, or an old browser that only reads.
    Unknown,
}

const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

impl Origins {
    /// Those of `named`, each as a browser writes it.
    pub fn new(named: Vec<String>) -> Self {
        Self(named)
    }

    /// Where a request that changes something comes from.
    pub(super) fn of_action(&self, headers: &HeaderMap) -> Provenance {
        self.of(headers, |site| site == b"same-origin")
    }

    /// Where a request that only reads comes from: typed in by a person is fine.
    pub(super) fn of_reading(&self, headers: &HeaderMap) -> Provenance {
        self.of(headers, |site| {
            [&b"same-origin"[..], b"none"].contains(&site)
        })
    }

    fn of(&self, headers: &HeaderMap, is_own: impl Fn(&[u8]) -> bool) -> Provenance {
        let told = |name| headers.get_all(name).map(|value| value.as_bytes());
        let sites: Vec<_> = told(SEC_FETCH_SITE).collect();
        let origins: Vec<_> = told(header::ORIGIN).collect();
        let is_own = match (sites.as_slice(), origins.as_slice()) {
            ([], []) => return Provenance::Unknown,
            ([], [origin]) => self.has(origin, headers),
            ([site], _) => is_own(site),
            _ => false,
        };
        if is_own {
            Provenance::Own
        } else {
            Provenance::Foreign
        }
    }

    fn has(&self, origin: &[u8], headers: &HeaderMap) -> bool {
        if !self.0.is_empty() {
            return self.0.iter().any(|own| own.as_bytes() == origin);
        }
        let host = headers.get(header::HOST).map(|host| host.as_bytes());
        let authority = [&b"https://"[..], b"http://"]
            .iter()
            .find_map(|scheme| origin.strip_prefix(*scheme));
        match (authority, host) {
            (Some(authority), Some(host)) => authority.eq_ignore_ascii_case(host),
            _ => false,
        }
    }
}
