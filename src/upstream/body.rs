//! The body of an answer: whole, or not believed.
//!
//! awc takes bodies for whole that are not; what it does not check is checked
//! here.

use std::{fmt::Write, io};

use awc::{
    ClientResponse,
    error::PayloadError,
    http::header::{self, HeaderMap},
};
use bytes::{Bytes, BytesMut};
use futures_util::{Stream, StreamExt};

use super::wire;

/// The largest body that can be an answer. A balance has some fifty bytes.
const BODY_LIMIT: usize = 64 * 1024;

/// What came after the head.
pub(super) enum Body {
    Whole(Bytes),
    /// Nothing to read a balance from; the status may still say something.
    Unusable(&'static str),
}

/// The answer is not whole.
pub(super) enum BodyError {
    /// The connection broke.
    Reset(String),
    /// The body's framing broke, or it ended early.
    Broken(String),
}

/// Reads a body up to the limit.
pub(super) async fn read<S>(response: &mut ClientResponse<S>) -> Result<Body, BodyError>
where
    S: Stream<Item = Result<Bytes, PayloadError>> + Unpin,
{
    let mut body = BytesMut::new();
    while let Some(chunk) = response.next().await {
        body.extend_from_slice(&chunk.map_err(BodyError::from)?);
        if body.len() > BODY_LIMIT {
            return Ok(Body::Unusable("a 200 with more than 64 KiB"));
        }
    }
    Ok(Body::Whole(body.freeze()))
}

impl From<PayloadError> for BodyError {
    fn from(error: PayloadError) -> Self {
        let cause = chain(&error);
        match error {
            PayloadError::Io(error) | PayloadError::Incomplete(Some(error)) if is_break(&error) => {
                Self::Reset(cause)
            }
            _ => Self::Broken(cause),
        }
    }
}

/// Whether the connection broke, rather than its bytes making no sense.
fn is_break(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::BrokenPipe
            | io::ErrorKind::TimedOut
    )
}

impl Body {
    /// Checks what awc does not: that a body has the length that its head
    /// promised, and no coding that nobody asked for.
    pub(super) fn check(headers: &HeaderMap, body: Self) -> Result<Self, BodyError> {
        let Self::Whole(bytes) = body else {
            return Ok(body);
        };
        let promised = headers
            .get(header::CONTENT_LENGTH)
            .and_then(|value| value.to_str().ok())
            .and_then(|value| value.trim().parse::<usize>().ok());
        if promised.is_some_and(|promised| promised != bytes.len()) {
            return Err(BodyError::Broken("the body ended early".to_owned()));
        }
        // awc takes a chunked body that breaks off for a whole one. JSON that
        // stops within shows it, under any status: half of a rejection must
        // not count as one.
        if promised.is_none() && wire::breaks_off(&bytes) {
            return Err(BodyError::Broken("the JSON ended early".to_owned()));
        }
        let is_coded = headers
            .get_all(header::CONTENT_ENCODING)
            .any(|coding| !coding.as_bytes().eq_ignore_ascii_case(b"identity"));
        if is_coded {
            return Ok(Self::Unusable("a 200 that is compressed, unasked"));
        }
        Ok(Self::Whole(bytes))
    }
}

/// An error with its causes, for the log.
pub(super) fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(next) = cause {
        // Writing to a `String` cannot fail.
        let _: Result<(), std::fmt::Error> = write!(text, ": {next}");
        cause = next.source();
    }
    text
}
