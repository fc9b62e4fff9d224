//! The body of a form that signs in: small, and sent without delay.
//!
//! The copies of a key that are made here are wiped when they are done with. What
//! the HTTP library has read from the connection is its own, and is not.

use std::{str, sync::Arc, time::Duration};

use actix_http::Request;
use actix_web::{HttpMessage, dev::Payload, http::header};
use futures_util::StreamExt;
use percent_encoding::percent_decode;
use secrecy::{SecretString, zeroize::Zeroizing};
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
            Ok(text) => (Ok(key_in(&text)), Unread::Nothing),
            Err(error) => (Err(error), Unread::Stream(self.payload)),
        }
    }
}

async fn read(payload: &mut Payload) -> Result<Zeroizing<Vec<u8>>, ApiError> {
    // Never moved to grow or to shrink, which would leave a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(LIMIT));
    while let Some(part) = payload.next().await {
        // Broken off: who has only ended its side may still read the answer.
        let part = part.map_err(|_| ApiError::UnreadableBody)?;
        if text.len() + part.len() > LIMIT {
            return Err(ApiError::ContentTooLarge);
        }
        text.extend_from_slice(&part);
    }
    Ok(text)
}

fn key_in(text: &[u8]) -> Option<SecretString> {
    let mut keys = text.split(|byte| *byte == b'&').filter_map(key_of);
    let key = decoded(keys.next()?);
    // White space round it comes along where a key is copied.
    let key = SecretString::from(str::from_utf8(&key).ok()?.trim());
    keys.next().is_none().then_some(key)
}

/// The value of a `pair` whose name is `key`.
fn key_of(pair: &[u8]) -> Option<&[u8]> {
    let mut parts = pair.splitn(2, |byte| *byte == b'=');
    let (name, _) = form_urlencoded::parse(parts.next()?).next()?;
    (name == "key").then(|| parts.next().unwrap_or_default())
}

/// A value as it was before it was put into the form. `form_urlencoded` would do
/// that in copies that are not wiped.
fn decoded(value: &[u8]) -> Zeroizing<Vec<u8>> {
    // No longer than that, so that it is never moved.
    let mut decoded = Zeroizing::new(Vec::with_capacity(value.len()));
    for (index, part) in value.split(|byte| *byte == b'+').enumerate() {
        if index > 0 {
            decoded.push(b' ');
        }
        decoded.extend(percent_decode(part));
    }
    decoded
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

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::key_in;

    fn key(text: &str) -> Option<String> {
        let key = key_in(text.as_bytes())?;
        Some(key.expose_secret().to_owned())
    }

    #[test]
    fn a_key_is_read_however_a_browser_may_escape_it() {
        for text in [
            "key=d7b_a",
            "key=d7b%5Fa",
            "key=+d7b_a+",
            "key=%20d7b_a%0D%0A",
            "%6Bey=d7b_a",
            "from=a+key&key=d7b_a&",
        ] {
            assert_eq!(key(text).as_deref(), Some("d7b_a"), "{text}");
        }
        assert_eq!(key("key=a=b%2Bc+d%").as_deref(), Some("a=b+c d%"));
    }

    #[test]
    fn there_is_exactly_one_key_or_none() {
        for text in ["", "&", "keys=a", "kee", "key=a&key=a", "key=%FF"] {
            assert_eq!(key(text), None, "{text}");
        }
        assert_eq!(key("key").as_deref(), Some(""));
    }
}
