//! The caller of a request: the one place that reads a credential.
//!
//! The reason of a denial goes to the log by way of the call's facts; the caller
//! is never told. Whoever is known is held to the limit of its client.

use std::time::SystemTime;

use actix_web::{
    HttpMessage,
    http::header::{self, HeaderMap},
};

use super::{Call, Public, problem::ApiError};
use crate::callers::{Caller, Denial, Denied, KeyTable};

/// A caller whose key has been accepted, and whose limit allows the request.
pub(super) struct Authenticated(());

/// Finds out who calls.
///
/// # Errors
/// Where that is nobody, or one whose limit is reached.
pub(super) fn authenticate(
    public: &Public,
    call: &mut Call<'_>,
) -> Result<Authenticated, ApiError> {
    match identify(call.request.headers(), &public.keys, call.received.wall) {
        Ok(caller) => {
            let verdict = caller.client().take_request();
            call.facts.caller = Some(caller);
            call.facts.verdict = verdict;
            match verdict.and_then(|verdict| verdict.refused_for_s) {
                Some(retry_after) => Err(ApiError::RateLimited { retry_after }),
                None => Ok(Authenticated(())),
            }
        }
        Err(Denied { reason, caller }) => {
            call.facts.caller = caller;
            call.facts.denial = Some(reason);
            Err(match reason {
                Denial::Ambiguous => ApiError::AmbiguousCredential,
                denial => ApiError::Unauthorized(denial),
            })
        }
    }
}

fn identify(headers: &HeaderMap, keys: &KeyTable, now: SystemTime) -> Result<Caller, Denied> {
    let mut headers = headers.get_all(header::AUTHORIZATION);
    let header = headers.next().ok_or(Denial::Missing)?;
    if headers.next().is_some() {
        return Err(Denial::Ambiguous.into());
    }
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
