//! A request's id: the caller's own, if it is one and harmless; else a new one.

use std::time::SystemTime;

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use uuid::{Builder, Uuid, fmt::Hyphenated};

pub(super) const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// ASCII letters, digits, dots, underscores and hyphens.
pub(super) enum RequestId {
    /// The caller's.
    Given(HeaderValue),
    /// A UUID of version 7 (RFC 9562 section 5.7), as it is written.
    New([u8; Hyphenated::LENGTH]),
}

impl RequestId {
    /// The id of a request with `headers` that came at `now`.
    pub(super) fn of(headers: &HeaderMap, now: SystemTime) -> Self {
        let mut given = headers.get_all(X_REQUEST_ID);
        match (given.next(), given.next()) {
            (Some(id), None) if is_fine(id.as_bytes()) => Self::Given(id.clone()),
            _ => {
                let mut text = [0; Hyphenated::LENGTH];
                new(now).hyphenated().encode_lower(&mut text);
                Self::New(text)
            }
        }
    }

    /// The id as text.
    pub(super) fn as_str(&self) -> &str {
        match self {
            Self::Given(id) => id.to_str().ok(),
            Self::New(id) => std::str::from_utf8(id).ok(),
        }
        .expect("a request id is ASCII letters, digits, dots, underscores and hyphens")
    }

    /// The id as the value of a header.
    pub(super) fn to_header(&self) -> HeaderValue {
        match self {
            Self::Given(id) => id.clone(),
            Self::New(id) => {
                HeaderValue::from_bytes(id).expect("a UUID is hexadecimal digits and hyphens")
            }
        }
    }
}

/// `Uuid::now_v7` would have all threads wait for one lock, to put what they make
/// in order. Ids of requests need none.
fn new(now: SystemTime) -> Uuid {
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let millis = since.unwrap_or_default().as_millis();
    let mut random = [0; 10];
    random.copy_from_slice(&fastrand::u128(..).to_le_bytes()[..10]);
    Builder::from_unix_timestamp_millis(u64::try_from(millis).unwrap_or(u64::MAX), &random)
        .into_uuid()
}

fn is_fine(id: &[u8]) -> bool {
    let is_harmless = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
    // A key has the shape of an id, and must not stand in the log.
    let holds_key = || id.windows(4).any(|part| part.eq_ignore_ascii_case(b"d7b_"));
    (1..=64).contains(&id.len()) && id.iter().all(is_harmless) && !holds_key()
}
