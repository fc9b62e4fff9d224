//! The caller of a request: the one extractor that reads a credential.
//!
//! Ready at once, so that it costs a hit no await. The reason of a denial goes
//! to the log by way of [`RequestFacts`]; the caller is never told.

use std::future::Ready;

use actix_web::{FromRequest, HttpRequest, dev::Payload, http::header, web::Data};

use super::{problem::ApiError, request_log::RequestFacts};
use crate::{
    callers::{Caller, Denial, KeyTable},
    clock::Clock,
};

/// A caller whose key has been accepted.
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
            caller.client().count_request();
            RequestFacts::note(request, |facts| facts.caller = Some(caller));
            Ok(Authenticated)
        }
        Err(denial) => {
            RequestFacts::note(request, |facts| facts.denial = Some(denial));
            Err(match denial {
                Denial::Ambiguous => ApiError::AmbiguousCredential,
                denial => ApiError::Unauthorized(denial),
            })
        }
    }
}

fn identify(request: &HttpRequest, keys: &KeyTable, clock: &dyn Clock) -> Result<Caller, Denial> {
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    let header = headers.next().ok_or(Denial::Missing)?;
    if headers.next().is_some() {
        return Err(Denial::Ambiguous);
    }
    // A key is ASCII: what cannot be read as text cannot be one.
    let text = std::str::from_utf8(header.as_bytes()).map_err(|_| Denial::Malformed)?;
    let presented = bearer(text).ok_or(Denial::Missing)?;
    keys.authenticate(presented, clock.wall())
}

/// What follows the scheme, which ignores case (RFC 9110 section 11.1).
fn bearer(header: &str) -> Option<&str> {
    let (scheme, rest) = header.split_at_checked("Bearer".len())?;
    if !scheme.eq_ignore_ascii_case("Bearer") {
        return None;
    }
    match rest.strip_prefix(' ') {
        Some(token) => Some(token.trim_matches(' ')),
        // The bare word, or another scheme that begins like this one.
        None => rest.is_empty().then_some(""),
    }
}
