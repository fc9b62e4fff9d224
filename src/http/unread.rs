//! A request's body that nobody reads, or not to its end.
//!
//! All but one route take none, and the connection is to close after the
//! answer. actix does that at once for a body with a length. One that ends when
//! the client says so (in chunks, or the stream of an upgrade or a tunnel) it
//! would read to its end first, however long the client takes over it, unless
//! somebody seems to hold it still when the answer has been sent: the answer.

use std::{
    mem,
    pin::Pin,
    task::{Context, Poll},
};

use actix_http::Request;
use actix_web::{
    HttpMessage, HttpResponse,
    body::{BodySize, BoxBody, MessageBody},
    dev::Payload,
    http::{
        Method,
        header::{self, HeaderMap},
    },
};
use bytes::Bytes;

/// What a request brings beside its head.
pub(super) enum Unread {
    Nothing,
    Sized,
    /// Its end is the client's to tell.
    Stream(Payload),
}

impl Unread {
    /// Takes the body away from a request.
    pub(super) fn of(request: &mut Request) -> Self {
        let headers = request.headers();
        let is_stream = headers.contains_key(header::TRANSFER_ENCODING)
            || headers.contains_key(header::UPGRADE)
            || request.head().upgrade()
            || request.method() == Method::CONNECT;
        if is_stream {
            Self::Stream(request.take_payload())
        } else if has_length(headers) {
            Self::Sized
        } else {
            Self::Nothing
        }
    }

    /// Takes the body out, for somebody who reads it.
    pub(super) fn take(&mut self, request: &mut Request) -> Payload {
        match mem::replace(self, Self::Nothing) {
            Self::Nothing => Payload::None,
            Self::Sized => request.take_payload(),
            Self::Stream(payload) => payload,
        }
    }

    /// Whether there is a body.
    pub(super) fn is_there(&self) -> bool {
        !matches!(self, Self::Nothing)
    }

    /// Has `response` hold the body until it has been sent.
    pub(super) fn held_by(self, response: HttpResponse) -> HttpResponse {
        match self {
            Self::Nothing | Self::Sized => response,
            Self::Stream(payload) => response.map_body(|_, body| {
                BoxBody::new(Holding {
                    body,
                    _payload: payload,
                })
            }),
        }
    }
}

fn has_length(headers: &HeaderMap) -> bool {
    let length = headers.get(header::CONTENT_LENGTH);
    length.is_some_and(|length| length.as_bytes().iter().any(|digit| *digit != b'0'))
}

/// An answer's body, with the request's that it holds.
struct Holding {
    body: BoxBody,
    _payload: Payload,
}

impl MessageBody for Holding {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().body).poll_next(cx)
    }
}
