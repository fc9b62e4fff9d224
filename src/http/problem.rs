//! Errors: one table from code to status, title, meaning and advice, and the
//! one place that renders them (RFC 9457).
//!
//! Whose fault it is decides the status: a caller's is 4xx, D7's 502 to 504,
//! ours 500. A 401 of D7 is never a 401 of ours, since a client that sees one
//! throws its own credential away.

mod table;

use std::time::Duration;

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use bytes::Bytes;
use serde::Serialize;

pub use self::table::{Code, Entry, INTERNAL, Retry};
use super::{cookie, last_known::LastKnown};
use crate::{
    balance::{
        service::{Reason, Refused},
        source::FailureKind,
        state::{Class, Failure},
    },
    callers::Denial,
};

/// What went wrong, as a caller may know it.
#[derive(Debug)]
pub enum ApiError {
    /// No credential, or none that is accepted.
    Unauthorized(Denial),
    /// Two credentials.
    AmbiguousCredential,
    /// A body that cannot be read.
    UnreadableBody,
    /// A browser's request from elsewhere.
    Forbidden,
    /// A body that takes too long to come.
    RequestTimeout,
    /// A body that is too large.
    ContentTooLarge,
    /// A body of another kind.
    UnsupportedMediaType,
    /// A parameter of the query that cannot be read.
    UnreadableParameter,
    /// Nothing is here.
    NotFound,
    /// Not with this method.
    MethodNotAllowed {
        /// The methods that are.
        allow: &'static str,
    },
    /// A host that a listener on loopback does not answer for.
    Misdirected,
    /// More than the client's limit allows.
    RateLimited {
        /// Seconds until one request is allowed, at least 1.
        retry_after: u64,
    },
    /// No balance.
    NoBalance(Refused),
    /// Not ready yet.
    Starting,
    /// Not ready any more.
    ShuttingDown,
    /// Our own fault.
    Internal,
}

impl ApiError {
    /// The row that it belongs to.
    pub fn code(&self) -> Code {
        match self {
            Self::AmbiguousCredential | Self::UnreadableBody | Self::UnreadableParameter => {
                Code::BadRequest
            }
            Self::Forbidden => Code::Forbidden,
            Self::RequestTimeout => Code::RequestTimeout,
            Self::ContentTooLarge => Code::ContentTooLarge,
            Self::UnsupportedMediaType => Code::UnsupportedMediaType,
            Self::Unauthorized(_) => Code::Unauthorized,
            Self::NotFound => Code::NotFound,
            Self::MethodNotAllowed { .. } => Code::MethodNotAllowed,
            Self::Misdirected => Code::Misdirected,
            Self::RateLimited { .. } => Code::RateLimited,
            Self::NoBalance(refused) => match &refused.reason {
                Reason::Upstream { failure, .. } => Code::Upstream(failure.kind),
                Reason::NotCached => Code::NotCached,
                Reason::Overloaded => Code::Overloaded,
                Reason::Broken => INTERNAL,
            },
            Self::Starting => Code::Starting,
            Self::ShuttingDown => Code::ShuttingDown,
            Self::Internal => INTERNAL,
        }
    }

    fn failure(&self) -> Option<(&Failure, Duration)> {
        match self {
            Self::NoBalance(Refused {
                reason: Reason::Upstream { failure, left },
                ..
            }) => Some((failure, *left)),
            _ => None,
        }
    }

    fn status(&self) -> StatusCode {
        let upstream = self.failure().and_then(|(failure, _)| failure.status);
        let status = match (self.code(), upstream) {
            (Code::Upstream(FailureKind::Unavailable), Some(503)) => 503,
            (code, _) => code.entry().status,
        };
        StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
    }

    /// What to do about this occurrence (RFC 9457 section 3.1.4): what the row
    /// says, where no more is known of it.
    fn detail(&self) -> &'static str {
        match self {
            Self::AmbiguousCredential => {
                "The request shows more than one credential. Send exactly one: a key as `Authorization: Bearer d7b_…`, or the cookie of a session."
            }
            Self::UnreadableParameter => {
                "`since` must be there once at most, and be a moment as RFC 3339 has it, such as 2026-11-23T01:00:00Z; a `+` in it is written %2B."
            }
            Self::UnreadableBody => "The form could not be read to its end. Send it again, whole.",
            _ => self.code().entry().detail,
        }
    }

    /// Seconds to wait, where waiting can help.
    fn retry_after(&self) -> Option<u64> {
        if let Self::RateLimited { retry_after } = self {
            return Some(*retry_after);
        }
        match self.failure() {
            // A panic's hold-down is our own affair: the contract says 1.
            Some((failure, left)) if failure.kind != FailureKind::Panicked => {
                // An unconfirmed rejection is transient, whatever its row says.
                (failure.class() == Class::Transient).then(|| round_up(left))
            }
            _ => (self.code().entry().retry == Retry::Yes).then_some(1),
        }
    }

    /// The whole answer.
    pub fn render(&self, request_id: &str) -> HttpResponse {
        let code = self.code();
        let entry = code.entry();
        let status = self.status();
        let retry_after = self.retry_after();
        let failure = self.failure().map(|(failure, _)| failure);
        let upstream = failure.filter(|failure| failure.kind != FailureKind::Panicked);
        let body = Body {
            kind: format_args!("/problems/{}", code.as_str()),
            title: entry.title,
            status: status.as_u16(),
            detail: self.detail(),
            code: code.as_str(),
            request_id,
            retryable: retry_after.is_some(),
            retry_after,
            upstream_status: upstream.and_then(|failure| failure.status),
            upstream_code: upstream
                .and_then(|failure| failure.code.as_ref())
                .map(|code| code.as_str()),
            last_known: self.last_known(),
        };
        let mut answer = HttpResponse::build(status);
        answer
            .content_type("application/problem+json")
            .insert_header((header::CACHE_CONTROL, "no-store"));
        if let Some(seconds) = retry_after {
            answer.insert_header((header::RETRY_AFTER, seconds));
        }
        if let Some(challenge) = self.challenge() {
            answer.insert_header((
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(challenge),
            ));
        }
        if matches!(self, Self::Unauthorized(denial) if denial.is_of_session()) {
            answer.insert_header((header::SET_COOKIE, cookie::CLEARED));
        }
        if let Self::MethodNotAllowed { allow } = self {
            answer.insert_header((header::ALLOW, *allow));
        }
        answer.body(to_json(&body))
    }

    /// The last balance ever seen, on errors that a balance would have been
    /// the answer to.
    fn last_known(&self) -> Option<LastKnown> {
        let Self::NoBalance(refused) = self else {
            return None;
        };
        let snapshot = match (&refused.reason, &refused.last_known) {
            (Reason::Upstream { failure, .. }, _) if failure.kind == FailureKind::Panicked => {
                return None;
            }
            (Reason::Broken, _) | (_, None) => return None,
            (_, Some(snapshot)) => snapshot,
        };
        LastKnown::of(snapshot)
    }

    /// RFC 6750 section 3.
    fn challenge(&self) -> Option<&'static str> {
        match self {
            Self::Unauthorized(denial) if *denial == Denial::Missing || denial.is_of_session() => {
                Some(r#"Bearer realm="d7-balance""#)
            }
            Self::Unauthorized(_) => Some(r#"Bearer realm="d7-balance", error="invalid_token""#),
            Self::AmbiguousCredential => {
                Some(r#"Bearer realm="d7-balance", error="invalid_request""#)
            }
            _ => None,
        }
    }
}

#[derive(Serialize)]
struct Body<'a> {
    #[serde(rename = "type")]
    kind: std::fmt::Arguments<'a>,
    title: &'static str,
    status: u16,
    detail: &'static str,
    code: &'static str,
    request_id: &'a str,
    retryable: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_code: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    last_known: Option<LastKnown>,
}

fn to_json(body: &Body<'_>) -> Bytes {
    serde_json::to_vec(body)
        .expect("strings, numbers and one checked JSON value always serialize")
        .into()
}

/// Whole seconds, rounded up, at least one.
fn round_up(left: Duration) -> u64 {
    (left.as_secs() + u64::from(left.subsec_nanos() > 0)).max(1)
}
