//! `GET /balance`: the route that the service is there for.

use std::{fmt::Write, iter};

use actix_web::{
    HttpRequest, HttpResponse, HttpResponseBuilder,
    http::header::{self, HeaderName, HeaderValue},
    web::Data,
};

use super::{
    auth::Authenticated,
    directives, preconditions,
    probes::{Phase, Readiness},
    problem::ApiError,
    request_log::RequestFacts,
};
use crate::balance::{
    decision::Detail,
    refresher::Part,
    service::{BalanceService, CacheStatus, Now, Reason, Served, Way},
};

/// Answers the balance, from the store or by way of a refresh.
pub(super) async fn get_balance(
    _caller: Authenticated,
    request: HttpRequest,
    service: Data<BalanceService>,
    readiness: Data<Readiness>,
) -> Result<HttpResponse, ApiError> {
    let asked = directives::asked(request.headers());
    let answer = match service.get_now(&asked) {
        Now::Answer(answer) => answer,
        Now::Wait => service.get(&asked).await,
    };
    let served = answer.map_err(|refused| match refused.reason {
        // A second signal ends the refresher before those who wait for it.
        Reason::Broken if readiness.phase() == Phase::ShuttingDown => ApiError::ShuttingDown,
        _ => ApiError::NoBalance(refused),
    })?;
    let answer = respond(&request, &served);
    // Not before: what goes wrong on the way is an error, and no balance.
    RequestFacts::note(&request, |facts| facts.cache = Some(Outcome::of(&served)));
    Ok(answer)
}

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

fn respond(request: &HttpRequest, served: &Served) -> HttpResponse {
    let snapshot = &served.snapshot;
    let is_known = preconditions::none_match_fails(request.headers(), snapshot.etag());
    let mut answer = if is_known {
        HttpResponse::NotModified()
    } else {
        HttpResponse::Ok()
    };
    insert_caching_headers(&mut answer, served);
    if is_known {
        return answer.finish();
    }
    answer
        .insert_header((
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        ))
        .body(snapshot.body().clone())
}

/// What 200 and 304 have in common (RFC 9110 section 15.4.5).
fn insert_caching_headers(answer: &mut HttpResponseBuilder, served: &Served) {
    // A browser may keep it but asks each time, so that a revoked key or a
    // top-up counts at once.
    const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("private, no-cache");
    const VARY: HeaderValue = HeaderValue::from_static("Authorization, Cookie");
    answer
        .insert_header((header::CACHE_CONTROL, CACHE_CONTROL))
        .insert_header((header::VARY, VARY))
        .insert_header((header::AGE, served.age.as_secs()));
    let etag = HeaderValue::from_maybe_shared(served.snapshot.etag().clone());
    let status = HeaderValue::from_maybe_shared(render(&served.status));
    if let (Ok(etag), Ok(status)) = (etag, status) {
        answer
            .insert_header((header::ETAG, etag))
            .insert_header((CACHE_STATUS, status));
    }
}

/// RFC 9211, parameters in the contract's order.
fn render(status: &CacheStatus) -> String {
    let mut text = String::with_capacity(96);
    text.push_str("d7-balance; ");
    match status.way {
        Way::Hit => text.push_str("hit"),
        Way::Forwarded {
            forward,
            status,
            part,
        } => {
            text.push_str("fwd=");
            text.push_str(forward.as_str());
            if let Some(status) = status {
                push(&mut text, "fwd-status", format_args!("{status}"));
            }
            match part {
                Some(Part::Started) => text.push_str("; stored"),
                Some(Part::Joined) => text.push_str("; collapsed"),
                None => {}
            }
        }
    }
    push(&mut text, "ttl", format_args!("{}", status.ttl));
    if let Some(detail) = status.detail {
        push(&mut text, "detail", format_args!("{}", detail.as_str()));
    }
    text
}

fn push(text: &mut String, name: &str, value: std::fmt::Arguments<'_>) {
    // Writing to a `String` cannot fail.
    let _: std::fmt::Result = write!(text, "; {name}={value}");
}

/// What the cache did for an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) part: CachePart,
    /// Why nothing newer was answered, one of [`stale_reasons`]; none where the
    /// balance was fresh.
    pub(super) stale: Option<&'static str>,
}

/// The cache's part in an answer, in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CachePart {
    /// A fresh balance at once.
    Hit,
    /// A stale balance at once.
    Stale,
    /// The request started the refresh that brought the balance.
    Stored,
    /// The request joined it.
    Collapsed,
    /// The refresh brought none, and the stored balance was answered.
    Fallback,
}

impl CachePart {
    /// Every part.
    pub(super) const ALL: [Self; 5] = [
        Self::Hit,
        Self::Stale,
        Self::Stored,
        Self::Collapsed,
        Self::Fallback,
    ];

    /// The word for the log and the metrics.
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Stale => "stale",
            Self::Stored => "stored",
            Self::Collapsed => "collapsed",
            Self::Fallback => "fallback",
        }
    }
}

/// A stale balance was answered because one may be, while a refresh runs behind.
const REVALIDATING: &str = "revalidating";

/// Every reason for a stale answer.
pub(super) fn stale_reasons() -> Vec<&'static str> {
    let details = Detail::all().map(Detail::as_str);
    iter::once(REVALIDATING).chain(details).collect()
}

impl Outcome {
    fn of(served: &Served) -> Self {
        let CacheStatus { way, detail, .. } = served.status;
        let part = match way {
            Way::Hit if served.is_stale => CachePart::Stale,
            Way::Hit => CachePart::Hit,
            Way::Forwarded { part, .. } => match part {
                Some(Part::Started) => CachePart::Stored,
                Some(Part::Joined) => CachePart::Collapsed,
                None => CachePart::Fallback,
            },
        };
        let reason = detail.map_or(REVALIDATING, Detail::as_str);
        Self {
            part,
            stale: served.is_stale.then_some(reason),
        }
    }
}
