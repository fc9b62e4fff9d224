//! The caller of a request: the one extractor that reads a credential.
//!
//! Ready at once, so that it costs a hit no await. The reason of a denial goes
//! to the log by way of [`RequestFacts`]; the caller is never told. Whoever is
//! known is held to the limit of its client.

use std::future::Ready;

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web::Data};

use super::{problem::ApiError, request_log::RequestFacts};
use crate::{
    callers::{Caller, Denial, Denied, KeyTable},
    clock::Clock,
};

/// A caller whose key has been accepted, and whose limit allows the request.
pub(super) struct Authenticated;

impl FromRequest for Authenticated {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(authenticate(request))
    }
}

fn authenticate(request: &HttpRequest) -> Result<Authenticated, ApiError> {
    let (Some(keys), Some(clock)) = (
        request.app_data::<Data<KeyTable>>(),
        request.app_data::<Data<dyn Clock>>(),
    ) else {
        return Err(ApiError::Internal);
    };
    match identify(request, keys, &***clock) {
        Ok(caller) => {
            let verdict = caller.client().take_request();
            RequestFacts::note(request, |facts| {
                facts.caller = Some(caller);
                facts.verdict = verdict;
            });
            match verdict.and_then(|verdict| verdict.refused_for_s) {
                Some(retry_after) => Err(ApiError::RateLimited { retry_after }),
                None => Ok(Authenticated),
            }
        }
        Err(Denied { reason, caller }) => {
            RequestFacts::note(request, |facts| {
                facts.caller = caller;
                facts.denial = Some(reason);
            });
            Err(match reason {
                Denial::Ambiguous => ApiError::AmbiguousCredential,
                denial => ApiError::Unauthorized(denial),
            })
        }
    }
}

fn identify(request: &HttpRequest, keys: &KeyTable, clock: &dyn Clock) -> Result<Caller, Denied> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let header = headers.next().ok_or(Denial::Missing)?;
    if headers.next().is_some() {
        return Err(Denial::Ambiguous.into());
    }
    let presented = bearer(header.as_bytes()).ok_or(Denial::Missing)?;
    // A key is ASCII: what cannot be read as text cannot be one.
    let presented = std::str::from_utf8(presented).map_err(|_| Denial::Malformed)?;
    keys.authenticate(presented.trim_matches(' '), clock.wall())
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
