//! The body of a form that signs in: small, and sent without delay.

use std::{sync::Arc, time::Duration};

use actix_http::Request;
use actix_web::{HttpMessage, dev::Payload, http::header};
use futures_util::StreamExt;
use secrecy::{ExposeSecret, SecretSlice, SecretString};
use url::form_urlencoded;

use crate::{
    callers::Denial,
    clock::{Clock, MonoTime},
    http::{Call, problem::ApiError, unread::Unread},
};

/// The most bytes that a form may have.
const LIMIT: usize = 1024;
/// How long it may take to come.
const PATIENCE: Duration = Duration::from_secs(5);

/// A form that is on its way.
pub(super) struct Form {
    payload: Payload,
    until: MonoTime,
    clock: Arc<dyn Clock>,
}

impl Form {
    /// Takes the body of a request that may be one.
    ///
    /// # Errors
    /// Where there is no body, or one that is known not to do.
    pub(super) fn of(call: &mut Call<'_>, clock: &Arc<dyn Clock>) -> Result<Self, ApiError> {
        if !is_form(&call.request) {
            return Err(if call.body.is_there() {
                ApiError::UnsupportedMediaType
            } else {
                call.facts.denial = Some(Denial::Missing);
                ApiError::Unauthorized(Denial::Missing)
            });
        }
        if length(&call.request).is_some_and(|length| length > LIMIT) {
            return Err(ApiError::ContentTooLarge);
        }
        Ok(Self {
            payload: call.body.take(&mut call.request),
            until: call.received.mono + PATIENCE,
            clock: Arc::clone(clock),
        })
    }

    /// Reads the key, if there is exactly one, and what is left of the body.
    pub(super) async fn read(mut self) -> (Result<Option<SecretString>, ApiError>, Unread) {
        let too_late = self.clock.sleep_until(self.until);
        let read = tokio::select! {
            read = read(&mut self.payload) => read,
            () = too_late => Err(ApiError::RequestTimeout),
        };
        match read {
            Ok(text) => (Ok(key_in(text.expose_secret())), Unread::Nothing),
            Err(error) => (Err(error), Unread::Stream(self.payload)),
        }
    }
}

async fn read(payload: &mut Payload) -> Result<SecretSlice<u8>, ApiError> {
    // Never moved, so that no copy of a key is left behind.
    let mut text = Vec::with_capacity(LIMIT);
    while let Some(part) = payload.next().await {
        // Broken off: nobody is left to read the answer.
        let part = part.map_err(|_| ApiError::UnreadableBody)?;
        if text.len() + part.len() > LIMIT {
            return Err(ApiError::ContentTooLarge);
        }
        text.extend_from_slice(&part);
    }
    Ok(text.into())
}

fn key_in(text: &[u8]) -> Option<SecretString> {
    let mut keys = form_urlencoded::parse(text).filter(|(name, _)| name == "key");
    let (_, key) = keys.next()?;
    // White space round it comes along where a key is copied.
    let key = SecretString::from(key.trim());
    keys.next().is_none().then_some(key)
}

fn is_form(request: &Request) -> bool {
    let kind = request.headers().get(header::CONTENT_TYPE);
    let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let kind = kind.split_once(';').map_or(kind, |(kind, _)| kind);
    kind.trim()
        .eq_ignore_ascii_case("application/x-www-form-urlencoded")
}

fn length(request: &Request) -> Option<usize> {
    let length = request.headers().get(header::CONTENT_LENGTH)?;
    length.to_str().ok()?.parse().ok()
}
