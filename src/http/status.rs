//! `GET /status`: what the service knows, and what it thinks of it.
//!
//! It asks D7 for nothing, and is about the moment of asking.

use std::time::{Duration, SystemTime};

use actix_web::{HttpResponse, http::header};
use serde::Serialize;

use super::{
    Answer, Call, Public,
    auth::{Authenticated, authenticate},
    last_known::LastKnown,
    problem::ApiError,
};
use crate::{
    balance::{Rfc3339, outlook::Outlook, service::seconds_left},
    metrics::ReloadNow,
};

/// When the process began to serve.
#[derive(Debug, Clone, Copy)]
pub struct Since(pub SystemTime);

pub(super) fn get_status(public: &Public, mut call: Call<'_>) -> Answer {
    let status = authenticate(public, &mut call).and_then(|caller| status(&caller, public));
    Answer::Now(status)
}

fn status(_: &Authenticated, public: &Public) -> Result<HttpResponse, ApiError> {
    let outlook = public.service.outlook();
    let status = Status {
        balance: Balance::of(&outlook, public.service.ttl()),
        credential: Credential::of(&outlook),
        upstream: Upstream::of(&outlook, public.clock.wall()),
        reloads: public.metrics.reloads().iter().map(Reload::of).collect(),
        since: Rfc3339(public.since.0).text(),
        version: env!("CARGO_PKG_VERSION"),
    };
    let body = serde_json::to_vec(&status).map_err(|_| ApiError::Internal)?;
    Ok(HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(body))
}

#[derive(Serialize)]
struct Status<'a> {
    balance: Balance,
    credential: Credential,
    upstream: Upstream<'a>,
    reloads: Vec<Reload>,
    since: Option<String>,
    version: &'static str,
}

#[derive(Serialize)]
struct Balance {
    freshness: &'static str,
    age: Option<u64>,
    ttl: Option<i64>,
    last_known: Option<LastKnown>,
}

impl Balance {
    fn of(outlook: &Outlook, ttl: Duration) -> Self {
        let stored = outlook.stored.as_ref();
        Self {
            freshness: outlook.freshness.as_str(),
            age: stored.map(|stored| stored.age.as_secs()),
            ttl: stored.map(|stored| seconds_left(ttl, stored.age)),
            last_known: stored.and_then(|stored| LastKnown::of(&stored.snapshot)),
        }
    }
}

#[derive(Serialize)]
struct Credential {
    state: &'static str,
    in_force: &'static str,
    expires: Option<String>,
}

impl Credential {
    fn of(outlook: &Outlook) -> Self {
        let standing = &outlook.state.credential;
        Self {
            state: outlook.credential.as_str(),
            in_force: standing.in_force.as_str(),
            expires: standing.ends_at().and_then(|end| Rfc3339(end).text()),
        }
    }
}

#[derive(Serialize)]
struct Upstream<'a> {
    last_success: Option<String>,
    last_failure: Option<LastFailure<'a>>,
    failure: Option<Failure>,
    requests_last_hour: u64,
}

/// What failed last, also where it is over.
#[derive(Serialize)]
struct LastFailure<'a> {
    code: &'static str,
    at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    upstream_code: Option<&'a str>,
}

/// What is not over.
#[derive(Serialize)]
struct Failure {
    code: &'static str,
    blocking: bool,
    held_until: Option<String>,
}

impl<'a> Upstream<'a> {
    fn of(outlook: &'a Outlook, now: SystemTime) -> Self {
        let stored = outlook.stored.as_ref();
        let last_failed = outlook.state.last_failed.as_ref();
        let failure = outlook.failure.as_ref();
        Self {
            last_success: stored.and_then(|stored| Rfc3339(stored.snapshot.as_of()).text()),
            last_failure: last_failed.map(|failed| LastFailure {
                code: failed.kind.as_str(),
                at: Rfc3339(failed.at).text(),
                upstream_status: failed.status,
                upstream_code: failed.code.as_ref().map(|code| code.as_str()),
            }),
            failure: failure.map(|(failure, left)| Failure {
                code: failure.kind.as_str(),
                blocking: failure.is_blocking(),
                held_until: (!left.is_zero())
                    .then(|| Rfc3339(now + *left).text())
                    .flatten(),
            }),
            requests_last_hour: outlook.requests_last_hour,
        }
    }
}

/// A file that is read again.
#[derive(Serialize)]
struct Reload {
    file: &'static str,
    outcome: Option<&'static str>,
    at: Option<String>,
    pending: bool,
}

impl Reload {
    fn of(reload: &ReloadNow) -> Self {
        Self {
            file: reload.file,
            outcome: reload.last.map(|(outcome, _)| outcome),
            at: reload.last.and_then(|(_, at)| Rfc3339(at).text()),
            pending: reload.is_pending,
        }
    }
}
