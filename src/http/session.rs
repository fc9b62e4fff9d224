//! `POST` and `DELETE /session`, `POST /session/end`: signing in and out.
//!
//! Signing in turns a caller key into a cookie, so that no script needs the key.
//! A program shows the key as ever and is answered without a body; a form sends
//! it in its body and is led back to the page.

mod form;

use std::{sync::Arc, time::SystemTime};

use actix_web::{
    HttpMessage, HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderValue},
    },
};
use secrecy::{ExposeSecret, SecretString};

use self::form::Form;
use super::{
    Answer, Call, Public, Settled,
    auth::{Authenticated, authenticate, check_single, take_request},
    cookie,
    origins::Provenance,
    problem::ApiError,
    request_log::RequestFacts,
};
use crate::callers::{Caller, Denial, KeyTable, session::Sessions};

/// Where a form leads.
const PAGE: &str = "/";
const PAGE_AFTER_FAILURE: &str = "/?signin=failed";
const PAGE_OVER_LIMIT: &str = "/?signin=limited";

/// Signs in.
pub(super) fn begin(public: &Public, mut call: Call<'_>) -> Answer {
    if let Err(error) = check_provenance(public, &mut call) {
        return error.into();
    }
    let now = call.received.wall;
    if shows_key(&call) {
        let answer = uncached(StatusCode::NO_CONTENT);
        return Answer::Now(authenticate(public, &mut call).and_then(
            |Authenticated { caller, .. }| with_session(&public.sessions, &caller, now, answer),
        ));
    }
    let form = match Form::of(&mut call, &public.clock) {
        Ok(form) => form,
        Err(error) => return error.into(),
    };
    let (keys, sessions) = (Arc::clone(&public.keys), Arc::clone(&public.sessions));
    let mut facts = call.facts.clone();
    // The browser is about to forget it: nobody could end it any more.
    let former = cookie::session_in(call.request.headers()).map(SecretString::from);
    Answer::Later(Box::pin(async move {
        let (key, body) = form.read().await;
        let result = key.and_then(|key| {
            let caller = match accept(&keys, key, now, &mut facts) {
                Ok(caller) => caller,
                Err(place) => return Ok(see_other(place)),
            };
            let answer = with_session(&sessions, &caller, now, see_other(PAGE))?;
            if let Some(former) = &former {
                sessions.end(former.expose_secret(), &keys, now);
            }
            Ok(answer)
        });
        Settled {
            result,
            facts,
            body,
        }
    }))
}

/// Finds out whose `key` the form has sent.
///
/// # Errors
/// Where that is nobody's, or the limit of its client is reached: the place that
/// says so. A person is told in words, and not by a problem.
fn accept(
    keys: &KeyTable,
    key: Option<SecretString>,
    now: SystemTime,
    facts: &mut RequestFacts,
) -> Result<Caller, &'static str> {
    let key = key.unwrap_or_default();
    let caller = keys
        .authenticate(key.expose_secret(), now)
        .map_err(|denied| {
            facts.caller = denied.caller;
            facts.denial = Some(denied.reason);
            PAGE_AFTER_FAILURE
        })?;
    take_request(&caller, facts).map_err(|error| {
        facts.problem = Some(error.code());
        PAGE_OVER_LIMIT
    })?;
    Ok(caller)
}

/// `answer` with the cookie of a new session of `caller`.
fn with_session(
    sessions: &Sessions,
    caller: &Caller,
    now: SystemTime,
    mut answer: HttpResponse,
) -> Result<HttpResponse, ApiError> {
    let session = sessions.begin(caller, now);
    let cookie = session.ok().as_ref().and_then(cookie::set);
    let cookie = cookie.ok_or(ApiError::Internal)?;
    answer.headers_mut().insert(header::SET_COOKIE, cookie);
    Ok(answer)
}

/// Signs out.
pub(super) fn end(public: &Public, call: Call<'_>) -> Answer {
    sign_out(public, call, uncached(StatusCode::NO_CONTENT))
}

/// Signs out and leads back to the page.
pub(super) fn end_by_form(public: &Public, call: Call<'_>) -> Answer {
    sign_out(public, call, see_other(PAGE))
}

/// Ends the session that the request shows. Where there is none any more, there
/// is nothing left to do, and a limit that is reached keeps nobody signed in.
fn sign_out(public: &Public, mut call: Call<'_>, mut answer: HttpResponse) -> Answer {
    if let Err(error) = check_provenance(public, &mut call) {
        return error.into();
    }
    if shows_key(&call) {
        if let Err(error) = authenticate(public, &mut call) {
            return error.into();
        }
    } else if let Some(token) = cookie::session_in(call.request.headers()) {
        let now = call.received.wall;
        if let Ok(caller) = public.sessions.resume(token, &public.keys, now) {
            // Counted, and not refused.
            take_request(&caller, call.facts).unwrap_or_default();
        }
        cookie::sessions_in(call.request.headers())
            .for_each(|session| public.sessions.end(session, &public.keys, now));
    }
    answer
        .headers_mut()
        .insert(header::SET_COOKIE, cookie::CLEARED);
    answer.into()
}

/// Lets through what a page of ours asks for, and a key of which nobody says that
/// a browser shows it. Two credentials are refused as everywhere else.
fn check_provenance(public: &Public, call: &mut Call<'_>) -> Result<(), ApiError> {
    check_single(call)?;
    match public.origins.of_action(call.request.headers()) {
        Provenance::Own => Ok(()),
        Provenance::Unknown if shows_key(call) => Ok(()),
        Provenance::Foreign | Provenance::Unknown => {
            call.facts.denial = Some(Denial::CrossSite);
            Err(ApiError::Forbidden)
        }
    }
}

fn shows_key(call: &Call<'_>) -> bool {
    call.request.headers().contains_key(header::AUTHORIZATION)
}

/// An answer that is nobody else's and no second time the same.
fn uncached(status: StatusCode) -> HttpResponse {
    const NO_STORE: HeaderValue = HeaderValue::from_static("no-store");
    let mut answer = HttpResponse::new(status);
    answer.headers_mut().insert(header::CACHE_CONTROL, NO_STORE);
    answer
}

/// RFC 9110 section 15.4.4: what a form was sent for is shown elsewhere.
fn see_other(place: &'static str) -> HttpResponse {
    let mut answer = uncached(StatusCode::SEE_OTHER);
    let place = HeaderValue::from_static(place);
    answer.headers_mut().insert(header::LOCATION, place);
    answer
}
