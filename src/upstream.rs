//! D7: one request for the balance, by awc.
//!
//! The token goes into one header of one request to one configured host, and
//! nothing of a caller's request goes anywhere. awc is lenient where a cache
//! must not be: [`D7Client`] sets one deadline over head and body, takes no
//! redirect, no interim response, and no body that is not whole.
//!
//! Who calls it: the refresher, on the main thread. awc's client is `!Send`.

mod body;
pub mod tls;
pub mod token;
mod wire;

use std::{
    cell::{Cell, RefCell},
    cmp::Reverse,
    collections::VecDeque,
    time::Duration,
};

use actix_http::error::ParseError;
use awc::{
    Client, ClientBuilder, Connector,
    error::SendRequestError,
    http::{
        StatusCode, Uri,
        header::{self, HeaderMap, HeaderValue},
    },
};
use bytes::Bytes;
use futures_util::future::LocalBoxFuture;
use secrecy::ExposeSecret;
use tracing::warn;

use self::{
    body::{Body, BodyError, chain, read},
    token::{Places, Rereader},
    wire::Answer,
};
use crate::{
    balance::{
        Reading,
        credential::{Credential, Kept},
        source::{BalanceSource, FailureKind, RetryAfter, SourceError},
    },
    metrics::UpstreamMetrics,
};

/// How D7 is reached.
pub struct Endpoint {
    /// Where the balance is: see [`balance_uri`].
    pub uri: Uri,
    /// For DNS and TCP, and again for TLS.
    pub connect_timeout: Duration,
    /// The certificates to trust.
    pub tls: rustls::ClientConfig,
}

/// A base URL that makes no URI for awc.
#[derive(Debug, thiserror::Error)]
#[error("cannot be used in a request; it holds a character that no host or path may have")]
pub struct BadBaseUrl;

/// Where the balance is asked for.
///
/// # Errors
/// Where the base URL and D7's path make no URI.
pub fn balance_uri(base_url: &str) -> Result<Uri, BadBaseUrl> {
    let uri = format!("{base_url}/messages/v1/balance");
    uri.parse().map_err(|_| BadBaseUrl)
}

/// Asks D7 for the balance of one account.
pub struct D7Client {
    http: Client,
    uri: Uri,
    tokens: Rereader,
    /// The last tokens that were shown to D7, which may echo any of them.
    shown: RefCell<VecDeque<Credential>>,
    metrics: UpstreamMetrics,
    /// Whether it has been said that an `sms_count` is left out: once is enough.
    ignored_before: Cell<bool>,
}

impl D7Client {
    /// A client for one account. Opens no connection yet.
    pub fn new(endpoint: Endpoint, places: Places, metrics: UpstreamMetrics) -> Self {
        let connector = Connector::new()
            .timeout(endpoint.connect_timeout)
            .handshake_timeout(endpoint.connect_timeout)
            // HTTP/1.1 by ALPN only, in the TLS configuration: awc's own
            // `max_http_version` would throw that configuration away.
            .rustls_0_23(endpoint.tls.into());
        let http = ClientBuilder::new()
            .connector(connector)
            // One deadline of ours over head and body instead: awc's own
            // timeout ends with the head.
            .disable_timeout()
            .disable_redirects()
            .add_default_header((header::USER_AGENT, USER_AGENT))
            .add_default_header((header::ACCEPT, "application/json"))
            .finish();
        Self {
            http,
            uri: endpoint.uri,
            tokens: Rereader::new(places),
            shown: RefCell::default(),
            metrics,
            ignored_before: Cell::new(false),
        }
    }

    async fn ask(&self, token: &Credential, within: Duration) -> Result<Reading, SourceError> {
        // What is known of the head when the deadline passes in the body.
        let status = Cell::new(None);
        let asked = tokio::time::timeout(within, self.exchange(token, &status)).await;
        match asked {
            Ok(result) => result,
            Err(_) => Err(SourceError {
                status: status.get(),
                ..error(FailureKind::Timeout, "no whole answer in time")
            }),
        }
    }

    /// Sends one request and reads its answer.
    async fn exchange(
        &self,
        token: &Credential,
        seen: &Cell<Option<u16>>,
    ) -> Result<Reading, SourceError> {
        self.remember(token);
        let mut response = self
            .http
            .get(self.uri.clone())
            .insert_header((header::AUTHORIZATION, authorization(token)))
            // At one request a minute a pooled connection buys nothing, and
            // costs the race against the server that closes it.
            .force_close()
            .send()
            .await
            .map_err(|error| self.scrub(not_sent(&error)))?;
        let status = response.status();
        seen.set(Some(status.as_u16()));
        if status.is_informational() {
            return Err(SourceError {
                status: Some(status.as_u16()),
                ..error(
                    FailureKind::InvalidResponse,
                    "an interim response as the answer",
                )
            });
        }
        let body = match status {
            // They have none, whatever length they give; awc would wait for it.
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => Ok(Body::Whole(Bytes::new())),
            _ => match read(&mut response).await {
                Ok(body) => Body::check(response.headers(), body),
                Err(failed) => Err(failed),
            },
        };
        self.classify(status, response.headers(), body)
    }

    /// The order of the contract: no whole answer, a dead-token code, the
    /// status, the body.
    fn classify(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        body: Result<Body, BodyError>,
    ) -> Result<Reading, SourceError> {
        let at = |kind, cause: &str| SourceError {
            status: Some(status.as_u16()),
            ..error(kind, cause)
        };
        let body = match body {
            Ok(body) => body,
            Err(BodyError::Reset(cause)) => {
                return Err(self.scrub(at(FailureKind::Unreachable, &cause)));
            }
            Err(BodyError::Broken(cause)) => {
                return Err(self.scrub(at(FailureKind::InvalidResponse, &cause)));
            }
        };
        let answer = match &body {
            Body::Whole(bytes) => Answer::parse(bytes),
            Body::Unusable(_) => None,
        };
        let detail = answer.as_ref().and_then(Answer::detail);
        let code = detail
            .as_ref()
            .and_then(|detail| detail.code.clone())
            .filter(|code| self.redact(code.as_str()) == code.as_str());
        let is_dead = code.as_ref().is_some_and(wire::says_token_is_dead);
        let kind = match status.as_u16() {
            _ if is_dead => FailureKind::Unauthorized,
            200 => {
                return self
                    .reading(&body, answer)
                    .map_err(|cause| at(FailureKind::InvalidResponse, cause));
            }
            401 => FailureKind::Unauthorized,
            402 => FailureKind::PaymentRequired,
            403 if detail.is_some() => FailureKind::Forbidden,
            429 => FailureKind::RateLimited,
            500..=599 => FailureKind::Unavailable,
            _ => FailureKind::UnexpectedStatus,
        };
        let said = detail.and_then(|detail| detail.message).unwrap_or_default();
        Err(self.scrub(SourceError {
            code,
            retry_after: retry_after(status, headers),
            ..at(kind, &said)
        }))
    }

    fn reading(&self, body: &Body, answer: Option<Answer<'_>>) -> Result<Reading, &'static str> {
        match body {
            Body::Unusable(why) => Err(why),
            Body::Whole(bytes) if bytes.is_empty() => {
                Err("a 200 without a body, or without a framing of it")
            }
            Body::Whole(_) => {
                let answer = answer.ok_or("a 200 whose body is not one JSON object")?;
                let (reading, ignored) = answer.reading()?;
                if ignored {
                    self.metrics.ignored_sms_count();
                }
                if ignored && !self.ignored_before.replace(ignored) {
                    warn!(
                        event = "sms_count_ignored",
                        "D7 sent an sms_count that is no number"
                    );
                }
                Ok(reading)
            }
        }
    }

    fn remember(&self, token: &Credential) {
        let mut shown = self.shown.borrow_mut();
        if !shown.contains(token) {
            shown.truncate(SHOWN_LIMIT - 1);
            shown.push_front(token.clone());
        }
    }

    /// `text` without any token that D7 has been shown.
    fn redact(&self, text: &str) -> String {
        let shown = self.shown.borrow();
        let mut shown: Vec<_> = shown.iter().map(|token| token.secret()).collect();
        // One may be a part of another: the longest goes first.
        shown.sort_by_key(|token| Reverse(token.expose_secret().len()));
        shown.into_iter().fold(text.to_owned(), |text, token| {
            text.replace(token.expose_secret(), "[redacted]")
        })
    }

    /// Makes D7's words fit for a log: without the token, which a broken proxy
    /// may echo, and short.
    fn scrub(&self, mut error: SourceError) -> SourceError {
        error.cause = self.redact(&error.cause);
        if error.cause.len() > CAUSE_LIMIT {
            error
                .cause
                .truncate(error.cause.floor_char_boundary(CAUSE_LIMIT));
            error.cause.push('…');
        }
        error
    }
}

const CAUSE_LIMIT: usize = 256;
/// More tokens than are ever in use at once.
const SHOWN_LIMIT: usize = 16;
const USER_AGENT: &str = concat!("d7-balance/", env!("CARGO_PKG_VERSION"));

impl BalanceSource for D7Client {
    fn fetch<'a>(
        &'a self,
        credential: &'a Credential,
        within: Duration,
    ) -> LocalBoxFuture<'a, Result<Reading, SourceError>> {
        Box::pin(self.ask(credential, within))
    }

    fn read_credentials(&self) -> LocalBoxFuture<'static, Kept> {
        self.tokens.look()
    }
}

/// The `Authorization` header, marked so that no `Debug` shows it.
fn authorization(token: &Credential) -> HeaderValue {
    let bearer = format!("Bearer {}", token.secret().expose_secret());
    let mut value = HeaderValue::from_maybe_shared(bearer.into_bytes())
        .expect("a token is text without control characters");
    value.set_sensitive(true);
    value
}

fn error(kind: FailureKind, cause: &str) -> SourceError {
    SourceError {
        kind,
        status: None,
        code: None,
        retry_after: None,
        cause: cause.to_owned(),
    }
}

/// No response head came.
fn not_sent(failed: &SendRequestError) -> SourceError {
    let kind = match failed {
        // A head that breaks off: the connection's fault.
        SendRequestError::Response(ParseError::Io(_) | ParseError::Incomplete) => {
            FailureKind::Unreachable
        }
        // Bytes came, but they were not HTTP.
        SendRequestError::Response(_) => FailureKind::InvalidResponse,
        _ => FailureKind::Unreachable,
    };
    error(kind, &chain(failed))
}

/// `Retry-After` counts with 429 and 503 (RFC 9110 section 10.2.3).
fn retry_after(status: StatusCode, headers: &HeaderMap) -> Option<RetryAfter> {
    if !matches!(status.as_u16(), 429 | 503) {
        return None;
    }
    let value = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        // Digits only: what does not fit is longer than any hold-down.
        return Some(RetryAfter::Seconds(value.parse().unwrap_or(u64::MAX)));
    }
    httpdate::parse_http_date(value).ok().map(RetryAfter::Date)
}
