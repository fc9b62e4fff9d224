//! The caller of a request: the one place that reads a credential, a key or the
//! cookie of a session.
//!
//! The reason of a denial goes to the log by way of the call's facts; the caller
//! is never told. Whoever is known is held to the limit of its client.

use std::time::SystemTime;

use actix_web::{
    HttpMessage,
    http::header::{self, HeaderMap, HeaderValue},
};

use super::{
    Call, Public, cookie, origins::Provenance, problem::ApiError, request_log::RequestFacts,
};
use crate::callers::{Caller, Denial, Denied, KeyTable};

/// A caller who has been accepted, and whose limit allows the request.
pub(super) struct Authenticated {
    pub(super) caller: Caller,
    pub(super) by: Credential,
}

/// What a caller has shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Credential {
    /// A key.
    Key,
    /// The cookie of a session. What else a browser sends is its own doing, and
    /// not the wish of a person.
    Session,
}

/// Finds out who calls.
///
/// # Errors
/// Where that is nobody, or one whose limit is reached.
pub(super) fn authenticate(
    public: &Public,
    call: &mut Call<'_>,
) -> Result<Authenticated, ApiError> {
    match identify(public, call.request.headers(), call.received.wall) {
        Ok((caller, by)) => {
            take_request(&caller, call.facts)?;
            Ok(Authenticated { caller, by })
        }
        Err(denied) => Err(refuse(denied, call.facts)),
    }
}

/// Makes sure that a request shows one credential at most, for who looks at
/// something else before it asks whose that is.
///
/// # Errors
/// Where there are more.
pub(super) fn check_single(call: &mut Call<'_>) -> Result<(), ApiError> {
    match shown(call.request.headers()) {
        Ok(_) => Ok(()),
        Err(denial) => Err(refuse(denial.into(), call.facts)),
    }
}

fn refuse(Denied { reason, caller }: Denied, facts: &mut RequestFacts) -> ApiError {
    facts.caller = caller;
    facts.denial = Some(reason);
    match reason {
        Denial::Ambiguous => ApiError::AmbiguousCredential,
        Denial::CrossSite => ApiError::Forbidden,
        denial => ApiError::Unauthorized(denial),
    }
}

/// Notes who has called, and takes the request out of the client's limit.
///
/// # Errors
/// Where that is reached.
pub(super) fn take_request(caller: &Caller, facts: &mut RequestFacts) -> Result<(), ApiError> {
    let verdict = caller.client().take_request();
    facts.caller = Some(caller.clone());
    facts.verdict = verdict;
    match verdict.and_then(|verdict| verdict.refused_for_s) {
        Some(retry_after) => Err(ApiError::RateLimited { retry_after }),
        None => Ok(()),
    }
}

fn identify(
    public: &Public,
    headers: &HeaderMap,
    now: SystemTime,
) -> Result<(Caller, Credential), Denied> {
    match shown(headers)? {
        Shown::Nothing => Err(Denial::Missing.into()),
        Shown::Key(key) => {
            let caller = by_key(key, &public.keys, now)?;
            Ok((caller, Credential::Key))
        }
        Shown::Session(session) => {
            if public.origins.of_reading(headers) == Provenance::Foreign {
                return Err(Denial::CrossSite.into());
            }
            let caller = public.sessions.resume(session, &public.keys, now)?;
            Ok((caller, Credential::Session))
        }
    }
}

/// A credential as it is shown.
enum Shown<'a> {
    Nothing,
    Key(&'a HeaderValue),
    Session(&'a str),
}

fn shown(headers: &HeaderMap) -> Result<Shown<'_>, Denial> {
    let mut keys = headers.get_all(header::AUTHORIZATION);
    match (keys.next(), keys.next(), cookie::session_in(headers)) {
        (None, _, None) => Ok(Shown::Nothing),
        (Some(key), None, None) => Ok(Shown::Key(key)),
        (None, _, Some(session)) => Ok(Shown::Session(session)),
        (Some(_), _, _) => Err(Denial::Ambiguous),
    }
}

fn by_key(header: &HeaderValue, keys: &KeyTable, now: SystemTime) -> Result<Caller, Denied> {
    let presented = bearer(header.as_bytes()).ok_or(Denial::Missing)?;
    // A key is ASCII: what cannot be read as text cannot be one.
    let presented = std::str::from_utf8(presented).map_err(|_| Denial::Malformed)?;
    keys.authenticate(presented.trim_matches(' '), now)
}

/// What follows the scheme, which ignores case (RFC 9110 section 11.1).
fn bearer(header: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = header.split_at_checked("Bearer".len())?;
    if !scheme.eq_ignore_ascii_case(b"Bearer") {
        return None;
    }
    // Else the bare word, or another scheme that begins like this one.
    let is_bearer = rest.is_empty() || rest.starts_with(b" ");
    is_bearer.then_some(rest)
}
