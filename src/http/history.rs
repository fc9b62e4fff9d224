//! `GET /history`: what was seen of the balance since the process started.
//!
//! For a chart, and whoever draws one. It asks D7 for nothing.

use std::time::SystemTime;

use actix_http::Request;
use actix_web::{HttpMessage, HttpResponse};
use serde::Serialize;
use serde_json::value::RawValue;
use time::{OffsetDateTime, format_description::well_known};
use url::form_urlencoded;

use super::{
    Answer, Call, Public,
    auth::{Authenticated, authenticate},
    preconditions,
    problem::ApiError,
};
use crate::balance::Rfc3339;

pub(super) fn get_history(public: &Public, mut call: Call<'_>) -> Answer {
    let history =
        authenticate(public, &mut call).and_then(|caller| history(&caller, public, &call.request));
    Answer::Now(history)
}

fn history(
    _: &Authenticated,
    public: &Public,
    request: &Request,
) -> Result<HttpResponse, ApiError> {
    let samples = public.service.history(since(request)?);
    let history = History {
        since_start: Rfc3339(public.since.0).text(),
        samples: samples
            .iter()
            // None is ever left out: a snapshot's body is JSON.
            .filter_map(|sample| serde_json::from_slice(sample.body()).ok())
            .collect(),
    };
    let body = serde_json::to_vec(&history).map_err(|_| ApiError::Internal)?;
    Ok(preconditions::revalidated(
        request.headers(),
        "application/json",
        body,
    ))
}

#[derive(Serialize)]
struct History<'a> {
    since_start: Option<String>,
    /// The bodies of the answers that `GET /balance` has had, digit by digit.
    samples: Vec<&'a RawValue>,
}

/// The moment after which the samples are wanted, if there is one.
///
/// # Errors
/// Where it is no moment of RFC 3339, or there are two.
fn since(request: &Request) -> Result<Option<SystemTime>, ApiError> {
    let query = request.uri().query().unwrap_or_default();
    // As a form writes it: a `+` is a space, that of an offset is `%2B`.
    let mut given = form_urlencoded::parse(query.as_bytes())
        .filter(|(name, _)| name == "since")
        .map(|(_, value)| value);
    match (given.next(), given.next()) {
        (None, _) => Ok(None),
        (Some(text), None) => moment(&text).map(Some),
        (Some(_), Some(_)) => Err(ApiError::UnreadableParameter),
    }
}

/// Reads a moment (RFC 3339 section 5.6), with any offset and fraction.
fn moment(text: &str) -> Result<SystemTime, ApiError> {
    // The library lets anything stand between date and time.
    let is_parted = matches!(text.as_bytes().get(10), Some(b'T' | b't'));
    OffsetDateTime::parse(text, &well_known::Rfc3339)
        .ok()
        .filter(|_| is_parted)
        .map(SystemTime::from)
        .ok_or(ApiError::UnreadableParameter)
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::moment;

    #[test]
    fn a_moment_has_any_offset_and_fraction_and_is_none_otherwise() {
        let at = |nanos| Some(SystemTime::UNIX_EPOCH + Duration::from_nanos(nanos));
        for (text, expected) in [
            ("1970-01-01T00:00:01Z", at(1_000_000_000)),
            ("1970-01-01t00:00:01z", at(1_000_000_000)),
            ("1970-01-01T00:00:01.5Z", at(1_500_000_000)),
            ("1970-01-01T00:00:00.0000000019Z", at(1)),
            ("1970-01-01T02:00:00.123+02:00", at(123_000_000)),
            ("1969-12-31T23:30:00-00:30", at(0)),
            ("", None),
            ("now", None),
            ("1970-01-01", None),
            ("1970-01-01T00:00:01", None),
            ("1970-01-01 00:00:01Z", None),
            ("1970-01-01T00:00:01 02:00", None),
            ("1970-01-01T00:00Z", None),
            ("1970-01-01T00:00:01.Z", None),
            ("1970-01-01T00:00:01Z ", None),
            ("1970-02-30T00:00:01Z", None),
            ("1970-01-01T24:00:00Z", None),
            ("+1970-01-01T00:00:01Z", None),
            ("１970-01-01T00:00:01Z", None),
        ] {
            assert_eq!(moment(text).ok(), expected, "{text:?}");
        }
        for edge in ["0000-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"] {
            assert!(moment(edge).is_ok(), "{edge}");
        }
    }
}
