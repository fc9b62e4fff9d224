//! Pages of other origins that may read answers (CORS, Fetch Standard section
//! 3.2): with a caller key of their own, never with the cookie.

use actix_http::Request;
use actix_web::{
    HttpMessage, HttpResponse,
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};

/// The origins that may.
pub struct Cors(Vec<String>);

impl Cors {
    /// Those of `origins`, each as a browser writes it; none where there are
    /// none.
    pub fn new(origins: Vec<String>) -> Option<Self> {
        (!origins.is_empty()).then_some(Self(origins))
    }

    /// The origin that an answer to a request with `headers` is for, if it may
    /// read it.
    pub(super) fn reader(&self, headers: &HeaderMap) -> Option<HeaderValue> {
        let mut origins = headers.get_all(header::ORIGIN);
        let origin = origins.next()?;
        let may_read = self
            .0
            .iter()
            .any(|known| known.as_bytes() == origin.as_bytes());
        (may_read && origins.next().is_none()).then(|| origin.clone())
    }
}

/// Whether a browser asks what it may ask.
pub(super) fn is_preflight(request: &Request) -> bool {
    request.method() == Method::OPTIONS
        && request
            .headers()
            .contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// What a browser may ask for from elsewhere.
pub(super) fn preflight() -> HttpResponse {
    const ALLOWED: [(HeaderName, &str); 3] = [
        (header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD"),
        (
            header::ACCESS_CONTROL_ALLOW_HEADERS,
            "authorization, cache-control, if-none-match, x-request-id",
        ),
        (header::ACCESS_CONTROL_MAX_AGE, "600"),
    ];
    let mut answer = HttpResponse::new(StatusCode::NO_CONTENT);
    for (name, value) in ALLOWED {
        answer
            .headers_mut()
            .append(name, HeaderValue::from_static(value));
    }
    answer
}

/// Adds what every answer carries where other origins may read some; `reader` is
/// the one that may read this one.
pub(super) fn insert_headers(headers: &mut HeaderMap, reader: Option<HeaderValue>) {
    const EXPOSED: HeaderValue = HeaderValue::from_static(
        "age, cache-status, etag, ratelimit, ratelimit-policy, retry-after, x-request-id",
    );
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
    if let Some(origin) = reader {
        headers.append(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        headers.append(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    }
}
