//! The table of errors: code, status, title, meaning and advice.
//!
//! `problem` renders answers from it, `pages` the descriptions at `/problems`,
//! and a test holds `openapi.yaml` against it.

use crate::balance::source::FailureKind;

/// The name of an error, and its row in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Code {
    /// `bad_request`
    BadRequest,
    /// `unauthorized`
    Unauthorized,
    /// `forbidden`
    Forbidden,
    /// `not_found`
    NotFound,
    /// `method_not_allowed`
    MethodNotAllowed,
    /// `request_timeout`
    RequestTimeout,
    /// `content_too_large`
    ContentTooLarge,
    /// `unsupported_media_type`
    UnsupportedMediaType,
    /// `misdirected_request`
    Misdirected,
    /// `rate_limited`
    RateLimited,
    /// `not_cached`
    NotCached,
    /// `upstream_*`, and `internal_error` for a refresh that panicked.
    Upstream(FailureKind),
    /// `overloaded`
    Overloaded,
    /// `starting`
    Starting,
    /// `shutting_down`
    ShuttingDown,
}

/// The code of everything that is our own fault.
pub const INTERNAL: Code = Code::Upstream(FailureKind::Panicked);

/// Whether waiting can help.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// No.
    No,
    /// Yes, after as long as the answer says.
    Yes,
}

/// One row of the table.
pub struct Entry {
    /// The status; where it depends on D7's, the usual one.
    pub status: u16,
    /// What happened, in a few words.
    pub title: &'static str,
    /// What it means and what to do.
    pub detail: &'static str,
    /// Whether waiting can help.
    pub retry: Retry,
}

impl Code {
    /// Every code, in the order of the contract.
    pub const ALL: [Self; 24] = [
        Self::BadRequest,
        Self::Unauthorized,
        Self::Forbidden,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::RequestTimeout,
        Self::ContentTooLarge,
        Self::UnsupportedMediaType,
        Self::Misdirected,
        Self::RateLimited,
        Self::NotCached,
        Self::Upstream(FailureKind::Unauthorized),
        Self::Upstream(FailureKind::Forbidden),
        Self::Upstream(FailureKind::PaymentRequired),
        Self::Upstream(FailureKind::UnexpectedStatus),
        Self::Upstream(FailureKind::RateLimited),
        Self::Upstream(FailureKind::Unavailable),
        Self::Upstream(FailureKind::Unreachable),
        Self::Upstream(FailureKind::Timeout),
        Self::Upstream(FailureKind::InvalidResponse),
        Self::Overloaded,
        Self::Starting,
        Self::ShuttingDown,
        INTERNAL,
    ];

    /// The code itself.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::BadRequest => "bad_request",
            Self::Unauthorized => "unauthorized",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::MethodNotAllowed => "method_not_allowed",
            Self::RequestTimeout => "request_timeout",
            Self::ContentTooLarge => "content_too_large",
            Self::UnsupportedMediaType => "unsupported_media_type",
            Self::Misdirected => "misdirected_request",
            Self::RateLimited => "rate_limited",
            Self::NotCached => "not_cached",
            Self::Upstream(kind) => kind.as_str(),
            Self::Overloaded => "overloaded",
            Self::Starting => "starting",
            Self::ShuttingDown => "shutting_down",
        }
    }

    /// The table.
    pub fn entry(self) -> Entry {
        match self {
            Self::BadRequest => row(
                400,
                "The request cannot be understood",
                Retry::No,
                "Send exactly one credential, and parameters as the interface describes them.",
            ),
            Self::Unauthorized => row(
                401,
                "A valid caller key is needed",
                Retry::No,
                "Send a key of this service as `Authorization: Bearer d7b_…`. If you did, it is mistyped, unknown, revoked or expired: ask the operators of this service for a new one.",
            ),
            Self::Forbidden => row(
                403,
                "This may not be asked from there",
                Retry::No,
                "A browser's request counts only where a page of this service's own origin has made it, as `Sec-Fetch-Site` says, or `Origin` where that is missing. If yours was one, the service's operators must name that origin in D7B_PUBLIC_ORIGINS. A program shows its key as `Authorization: Bearer d7b_…`, and neither a form nor a cookie.",
            ),
            Self::NotFound => row(
                404,
                "Nothing is here",
                Retry::No,
                "Check the path: /openapi.yaml describes every route. Paths have no slash at the end.",
            ),
            Self::MethodNotAllowed => row(
                405,
                "This method is not allowed here",
                Retry::No,
                "Use one of the methods that the Allow header lists.",
            ),
            Self::RequestTimeout => row(
                408,
                "The request's body took too long",
                Retry::No,
                "A form has 5 seconds to arrive. Send it again, all at once.",
            ),
            Self::ContentTooLarge => row(
                413,
                "The request's body is too large",
                Retry::No,
                "A form has at most 1024 bytes: nothing but `key=` and the caller key.",
            ),
            Self::UnsupportedMediaType => row(
                415,
                "The request's body is of another kind",
                Retry::No,
                "Sign in with a form (`application/x-www-form-urlencoded`, `key=d7b_…`), or with the key as `Authorization: Bearer d7b_…` and no body.",
            ),
            Self::Misdirected => row(
                421,
                "This listener does not answer for that host",
                Retry::No,
                "A listener on a loopback address answers only where the Host header is localhost or a loopback address. A proxy in front of it must send such a Host, or the listener must be bound to another address.",
            ),
            Self::RateLimited => row(
                429,
                "The client's limit is reached",
                Retry::Yes,
                "All keys of a client share one limit, which the RateLimit-Policy header tells. Wait as long as Retry-After says and ask less often, or have the operators of this service raise the limit.",
            ),
            Self::NotCached => row(
                504,
                "No balance is stored that may be served",
                Retry::No,
                "The request asked for only-if-cached. Leave that directive out, and the service asks D7.",
            ),
            Self::Upstream(kind) => Self::upstream(kind),
            Self::Overloaded => row(
                503,
                "Too many requests wait already",
                Retry::Yes,
                "As many requests as are allowed to wait for D7 do so already. Try again in a moment.",
            ),
            Self::Starting => row(
                503,
                "The service is starting",
                Retry::Yes,
                "Try again in a moment.",
            ),
            Self::ShuttingDown => row(
                503,
                "The service is shutting down",
                Retry::Yes,
                "Try again in a moment: another instance will answer.",
            ),
        }
    }

    fn upstream(kind: FailureKind) -> Entry {
        match kind {
            FailureKind::Unauthorized => row(
                502,
                "The D7 token was rejected",
                Retry::No,
                "D7 did not accept this service's token. Callers can do nothing; its operators must replace the token.",
            ),
            FailureKind::Forbidden => row(
                502,
                "The D7 token may not read the balance",
                Retry::No,
                "D7 knows this service's token but forbids it this request. Callers can do nothing; its operators must replace the token or its rights.",
            ),
            FailureKind::PaymentRequired => row(
                502,
                "D7 asks for a payment",
                Retry::No,
                "D7 answered 402, which says nothing about the balance. Callers can do nothing; the account's owner must see to it.",
            ),
            FailureKind::UnexpectedStatus => row(
                502,
                "D7 answered with an unexpected status",
                Retry::No,
                "D7's answer is none that this service knows. Callers can do nothing; its operators should check the base URL and D7's notices.",
            ),
            FailureKind::RateLimited => row(
                503,
                "D7 asks this service to slow down",
                Retry::Yes,
                "D7 limits how often this service may ask. It is not the caller's limit: try again after the given time.",
            ),
            FailureKind::Unavailable => row(
                502,
                "D7 is unavailable",
                Retry::Yes,
                "D7 answered with an error of its own. Try again after the given time.",
            ),
            FailureKind::Unreachable => row(
                502,
                "D7 cannot be reached",
                Retry::Yes,
                "No connection to D7 could be made, or it broke. Try again after the given time.",
            ),
            FailureKind::Timeout => row(
                504,
                "D7 took too long",
                Retry::Yes,
                "D7 gave no whole answer in time. Try again after the given time.",
            ),
            FailureKind::InvalidResponse => row(
                502,
                "D7's answer makes no sense",
                Retry::Yes,
                "D7 answered with something that is not a balance. Try again after the given time.",
            ),
            FailureKind::Panicked => row(
                500,
                "The service failed",
                Retry::Yes,
                "An error of this service, which has been logged under the request's id. Try again in a moment.",
            ),
        }
    }
}

fn row(status: u16, title: &'static str, retry: Retry, detail: &'static str) -> Entry {
    Entry {
        status,
        title,
        detail,
        retry,
    }
}
