//! `GET /balance`: the route that the service is there for.

use std::iter;

use actix_web::{
    HttpMessage, HttpResponse,
    body::BoxBody,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};

use super::{
    Answer, Call, Public, Settled,
    auth::{Authenticated, Credential, authenticate},
    directives,
    header_text::HeaderText,
    kept::Kept,
    preconditions,
    probes::Phase,
    problem::ApiError,
    unread::Unread,
};
use crate::balance::{
    decision::{Asked, Detail},
    refresher::Part,
    service::{CacheStatus, Now, Reason, Refused, Served, Way},
};

/// Answers the balance, from the store or by way of a refresh.
pub(super) fn get_balance(public: &Public, mut call: Call<'_>) -> Answer {
    let Authenticated { by, .. } = match authenticate(public, &mut call) {
        Ok(caller) => caller,
        Err(error) => return error.into(),
    };
    let Call {
        request,
        received,
        facts,
        ..
    } = call;
    let asked = match by {
        Credential::Key => directives::asked(request.headers()),
        // Browsers add directives by themselves.
        Credential::Session => Asked::default(),
    };
    match public.service.get_now(&asked, received.mono) {
        Now::Answer(Ok(served)) => {
            let answer = respond(request.headers(), &served);
            // Not before: what goes wrong on the way is an error, and no balance.
            facts.cache = Some(Outcome::of(&served));
            answer.into()
        }
        Now::Answer(Err(refused)) => ApiError::NoBalance(refused).into(),
        Now::Wait => {
            let (service, readiness) = (public.service.clone(), public.readiness.clone());
            let mut facts = facts.clone();
            Answer::Later(Box::pin(async move {
                let served = service.get(&asked).await;
                let result = match served {
                    Ok(served) => {
                        let answer = respond(request.headers(), &served);
                        facts.cache = Some(Outcome::of(&served));
                        Ok(answer)
                    }
                    // A second signal ends the refresher before those who wait
                    // for it.
                    Err(Refused {
                        reason: Reason::Broken,
                        ..
                    }) if readiness.phase() == Phase::ShuttingDown => Err(ApiError::ShuttingDown),
                    Err(refused) => Err(ApiError::NoBalance(refused)),
                };
                Settled {
                    result,
                    facts,
                    body: Unread::Nothing,
                }
            }))
        }
    }
}

const CACHE_STATUS: HeaderName = HeaderName::from_static("cache-status");

/// The answer to a request with the headers `asked`, as far as it is about the
/// balance: 200, or 304 where the caller has it already.
pub fn respond(asked: &HeaderMap, served: &Served) -> HttpResponse {
    let snapshot = &served.snapshot;
    let mut answer = if preconditions::none_match_fails(asked, snapshot.etag()) {
        HttpResponse::new(StatusCode::NOT_MODIFIED)
    } else {
        let body = BoxBody::new(snapshot.body().clone());
        let mut answer = HttpResponse::with_body(StatusCode::OK, body);
        let json = HeaderValue::from_static("application/json");
        answer.headers_mut().append(header::CONTENT_TYPE, json);
        answer
    };
    insert_caching_headers(answer.headers_mut(), served);
    answer
}

/// What 200 and 304 have in common (RFC 9110 section 15.4.5).
fn insert_caching_headers(headers: &mut HeaderMap, served: &Served) {
    // A browser may keep it but asks each time, so that a revoked key or a
    // top-up counts at once.
    const CACHE_CONTROL: HeaderValue = HeaderValue::from_static("private, no-cache");
    const VARY: HeaderValue = HeaderValue::from_static("Authorization, Cookie");
    headers.append(header::CACHE_CONTROL, CACHE_CONTROL);
    headers.append(header::VARY, VARY);
    let etag = HeaderValue::from_maybe_shared(served.snapshot.etag().clone());
    let times = (served.age.as_secs(), served.status);
    let times = KEPT.with(|kept| {
        kept.get(times, |(age, status)| {
            Some([(*age).into(), render(status).to_value()?])
        })
    });
    if let (Ok(etag), Some([age, status])) = (etag, times) {
        headers.append(header::ETAG, etag);
        headers.append(header::AGE, age);
        headers.append(CACHE_STATUS, status);
    }
}

thread_local! {
    /// `Age` and `Cache-Status`.
    static KEPT: Kept<(u64, CacheStatus), 2> = const { Kept::new() };
}

/// RFC 9211, parameters in the contract's order.
fn render(status: &CacheStatus) -> HeaderText {
    let mut text = HeaderText::new("d7-balance; ");
    match status.way {
        Way::Hit => {
            text.push("hit");
        }
        Way::Forwarded {
            forward,
            status,
            part,
        } => {
            text.push("fwd=").push(forward.as_str());
            if let Some(status) = status {
                text.push("; fwd-status=").push_number(status);
            }
            match part {
                Some(Part::Started) => text.push("; stored"),
                Some(Part::Joined) => text.push("; collapsed"),
                None => &mut text,
            };
        }
    }
    text.push("; ttl=").push_number(status.ttl);
    if let Some(detail) = status.detail {
        text.push("; detail=").push(detail.as_str());
    }
    text
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
