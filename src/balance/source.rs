//! Where a balance comes from, seen from the cache: one asynchronous call and
//! every way in which it can fail.
//!
//! `upstream` implements [`BalanceSource`] for D7; tests put faults round it.
//! The names of the failures are those of the outward contract.

use std::{
    fmt,
    time::{Duration, SystemTime},
};

use futures_util::future::LocalBoxFuture;

use super::{
    Reading,
    credential::{Credential, Kept},
};

/// Something that can be asked for the balance of one account.
///
/// Not `Send`: awc's client lives on the main thread, and so does whoever asks.
pub trait BalanceSource {
    /// Asks once with `credential`, and answers within `within`.
    ///
    /// # Cancel safety
    /// May be dropped at any time: the connection is closed, nothing is kept.
    fn fetch<'a>(
        &'a self,
        credential: &'a Credential,
        within: Duration,
    ) -> LocalBoxFuture<'a, Result<Reading, SourceError>>;

    /// Reads the credentials again from where they are kept. May never end,
    /// where that is a mount that hangs.
    ///
    /// # Cancel safety
    /// May be dropped at any time.
    fn read_credentials(&self) -> LocalBoxFuture<'static, Kept>;
}

/// Why there is no balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FailureKind {
    /// 401, or a code that says that the token is dead.
    Unauthorized,
    /// 403 with a JSON `detail`.
    Forbidden,
    /// 402.
    PaymentRequired,
    /// Any status without a meaning of its own, redirects included.
    UnexpectedStatus,
    /// 429.
    RateLimited,
    /// 5xx.
    Unavailable,
    /// No connection, or one that broke.
    Unreachable,
    /// No whole answer in time.
    Timeout,
    /// An answer that says nothing usable.
    InvalidResponse,
    /// The refresh itself panicked.
    Panicked,
}

impl FailureKind {
    /// Every kind, in the order of the contract.
    pub const ALL: [Self; 10] = [
        Self::Unauthorized,
        Self::Forbidden,
        Self::PaymentRequired,
        Self::UnexpectedStatus,
        Self::RateLimited,
        Self::Unavailable,
        Self::Unreachable,
        Self::Timeout,
        Self::InvalidResponse,
        Self::Panicked,
    ];

    /// The code by which callers, logs and metrics know it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Unauthorized => "upstream_unauthorized",
            Self::Forbidden => "upstream_forbidden",
            Self::PaymentRequired => "upstream_payment_required",
            Self::UnexpectedStatus => "upstream_unexpected_status",
            Self::RateLimited => "upstream_rate_limited",
            Self::Unavailable => "upstream_unavailable",
            Self::Unreachable => "upstream_unreachable",
            Self::Timeout => "upstream_timeout",
            Self::InvalidResponse => "upstream_invalid_response",
            Self::Panicked => "internal_error",
        }
    }

    /// Whether our credential is what is wrong, which wants a second word.
    pub fn is_rejection(self) -> bool {
        matches!(self, Self::Unauthorized | Self::Forbidden)
    }
}

impl fmt::Display for FailureKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// D7's own name for an error: `[A-Z0-9_]{1,64}`, the only text of D7's that
/// callers are shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamCode(Box<str>);

impl UpstreamCode {
    /// Takes `text` if it looks like a code.
    pub fn parse(text: &str) -> Option<Self> {
        let shaped = (1..=64).contains(&text.len())
            && text
                .bytes()
                .all(|b| matches!(b, b'A'..=b'Z' | b'0'..=b'9' | b'_'));
        shaped.then(|| Self(text.into()))
    }

    /// The code.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// A `Retry-After` as it was sent (RFC 9110 section 10.2.3).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryAfter {
    /// So many seconds from now.
    Seconds(u64),
    /// Not before this date.
    Date(SystemTime),
}

/// One request to the source that brought no balance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind}: {cause}")]
pub struct SourceError {
    /// What it means.
    pub kind: FailureKind,
    /// The status, if a response head came.
    pub status: Option<u16>,
    /// D7's own code, if it sent one.
    pub code: Option<UpstreamCode>,
    /// When D7 wants to be asked again, where it said so with 429 or 503.
    pub retry_after: Option<RetryAfter>,
    /// For the log only, free of secrets: what happened in words.
    pub cause: String,
}

impl SourceError {
    /// Whether asking once more at once may help: no response head came, or a
    /// gateway had a moment of weakness. A `Retry-After` is obeyed instead.
    pub fn is_worth_a_retry(&self) -> bool {
        match self.status {
            None => self.kind != FailureKind::Panicked,
            Some(502..=504) => self.retry_after.is_none(),
            Some(_) => false,
        }
    }

    /// Whether it is about the account that was asked with, rather than about D7
    /// as a whole: another credential may fare better.
    pub fn is_about_the_account(&self) -> bool {
        matches!(
            self.kind,
            FailureKind::Unauthorized
                | FailureKind::Forbidden
                | FailureKind::PaymentRequired
                | FailureKind::UnexpectedStatus
        )
    }

    /// Whether D7 said anything at all, sense or not.
    pub fn is_an_answer(&self) -> bool {
        self.status.is_some() || self.kind == FailureKind::InvalidResponse
    }
}
