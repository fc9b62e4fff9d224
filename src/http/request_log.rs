//! The one middleware: what happens to every request, whatever it is.
//!
//! It gives the request its id, checks the host on a loopback listener, turns a
//! panic into a problem, renders every [`ApiError`], adds the headers that all
//! answers carry and those about the client's limit, counts, and logs one event
//! at the end.
//!
//! It is the outermost layer, and stays so: after a panic it can only return an
//! `Err`, which layers outside of it would pass by.

mod denials;
mod facts;
mod trace;

use std::{borrow::Cow, net::IpAddr, panic::AssertUnwindSafe, sync::Arc, time::Duration};

use actix_http::ConnectionType;
use actix_web::{
    Error, HttpResponse,
    body::{BoxBody, MessageBody},
    dev::{ServiceRequest, ServiceResponse},
    error::InternalError,
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
    middleware::Next,
};
use futures_util::FutureExt;
use uuid::Uuid;

pub(super) use self::facts::RequestFacts;
use self::{denials::DenialLog, facts::SharedFacts, trace::TraceParent};
use super::{
    balance::{CachePart, stale_reasons},
    host::is_local,
    probes::{Phase, Readiness},
    problem::{ApiError, Code},
    rate_limit,
    unread::Unread,
};
use crate::{
    callers::Denial,
    clock::{Clock, MonoTime},
    metrics::{Metrics, RequestMetrics, RequestWords},
};

/// Which listener a request came in by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listener {
    /// Counted, and logged at `info`.
    Public,
    /// Not counted, and logged at `debug`: probes and scrapes come often.
    Admin,
}

/// The middleware's state, one for each listener.
pub struct RequestLog {
    listener: Listener,
    is_loopback: bool,
    clock: Arc<dyn Clock>,
    readiness: Readiness,
    metrics: RequestMetrics,
    denials: DenialLog,
}

const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

impl RequestLog {
    /// The middleware of a listener that is bound to `ip`.
    pub fn new(
        listener: Listener,
        ip: IpAddr,
        clock: Arc<dyn Clock>,
        readiness: Readiness,
        metrics: &Metrics,
    ) -> Self {
        Self {
            listener,
            is_loopback: ip.is_loopback(),
            clock,
            readiness,
            metrics: metrics.for_requests(&RequestWords {
                cache: &CachePart::ALL.map(CachePart::as_str),
                stale: &stale_reasons(),
                problems: &Code::ALL.map(Code::as_str),
                denials: &Denial::ALL.map(Denial::as_str),
            }),
            denials: DenialLog::default(),
        }
    }

    /// Handles one request.
    ///
    /// # Errors
    /// After a panic only, and with the whole answer in it: the request that
    /// an `Ok` needs is lost with the task's stack.
    pub async fn handle<B: MessageBody + 'static>(
        self: Arc<Self>,
        mut request: ServiceRequest,
        next: Next<B>,
    ) -> Result<ServiceResponse<BoxBody>, Error> {
        let started = self.clock.mono();
        let id = request_id(request.headers());
        let trace = TraceParent::of(request.headers());
        let method = request.method().clone();
        let unread = Unread::of(&mut request);
        let facts = RequestFacts::open(&request);
        let finish = |mut response: HttpResponse| {
            insert_common_headers(response.headers_mut(), &id);
            if let Some(verdict) = &facts.borrow().verdict {
                rate_limit::insert_headers(response.headers_mut(), verdict);
            }
            if unread.is_there() || self.readiness.phase() == Phase::ShuttingDown {
                let head = response.head_mut();
                head.set_connection_type(ConnectionType::Close);
            }
            unread.held_by(response)
        };
        let answered = |status: StatusCode, code: Option<Code>| {
            self.complete(Completed {
                duration: self.clock.mono().since(started),
                method: &method,
                id: to_text(&id),
                trace,
                status,
                code,
                facts: &facts.borrow(),
            });
        };

        if self.is_loopback && !is_local(request.head()) {
            let error = ApiError::Misdirected;
            // Nothing routes it, and still it was for a route.
            facts.borrow_mut().route = request.match_pattern().map(Cow::Owned);
            let response = finish(error.render(to_text(&id)));
            answered(response.status(), Some(error.code()));
            return Ok(request.into_response(response));
        }
        let mut watch = Watch {
            log: &self,
            method: &method,
            id: to_text(&id),
            trace,
            started,
            facts: &facts,
            is_over: false,
        };
        // What a panic leaves half done is not used again: the request's own
        // state is gone with it, facts are noted in one step, and shared state
        // is replaced whole.
        let called = AssertUnwindSafe(next.call(request)).catch_unwind().await;
        watch.is_over = true;
        match called {
            Ok(Ok(response)) => {
                let (response, code) = rendered(response, to_text(&id));
                let (request, response) = response.into_parts();
                let response = finish(response);
                answered(response.status(), code);
                Ok(ServiceResponse::new(request, response))
            }
            Ok(Err(_)) | Err(_) => {
                let error = ApiError::Internal;
                let response = finish(error.render(to_text(&id)));
                answered(response.status(), Some(error.code()));
                Err(InternalError::from_response(error, response).into())
            }
        }
    }

    /// Counts a request and logs its one event.
    fn complete(&self, completed: Completed<'_>) {
        let Completed {
            duration,
            method,
            id,
            trace,
            status,
            code,
            facts,
        } = completed;
        let denial = facts.denial.map(Denial::as_str);
        let caller = facts.caller.as_ref();
        let code = code.map(Code::as_str);
        let cache = facts.cache.map(|outcome| outcome.part.as_str());

        if self.listener == Listener::Public {
            // A key that has ended has a caller, too, whom it counts for nothing.
            let accepted = caller.filter(|_| denial.is_none());
            accepted
                .map_or(&self.metrics.of_nobody, |caller| caller.client().answers())
                .answered(status.as_u16(), duration);
            if let Some(outcome) = facts.cache {
                self.metrics.served(outcome.part.as_str());
                outcome
                    .stale
                    .inspect(|reason| self.metrics.served_stale(reason));
            }
            code.inspect(|code| self.metrics.problem(code));
            denial.inspect(|reason| self.metrics.denied(reason));
        }
        let Some(denied_unlogged) = self.may_log(denial) else {
            return;
        };
        macro_rules! event {
            ($level:ident) => {
                tracing::$level!(
                    event = "request",
                    http.method = known(method),
                    http.matched_path = facts.route.as_deref(),
                    http.status_code = status.as_u16(),
                    duration_ms = duration.as_micros() as f64 / 1e3,
                    cache.status = cache,
                    client = caller.map(|caller| caller.client().name()),
                    key_id = caller.map(|caller| caller.key_id().as_str()),
                    denied = denial,
                    denied_unlogged,
                    error.kind = code,
                    request_id = id,
                    trace_id = trace.as_ref().map(TraceParent::trace_id),
                    parent_id = trace.as_ref().map(TraceParent::parent_id),
                    "request answered"
                )
            };
        }
        match self.listener {
            Listener::Public => event!(info),
            Listener::Admin => event!(debug),
        }
    }

    /// Nothing, if the event is to be left out; else how many were left out
    /// before it, where there were any.
    fn may_log(&self, denial: Option<&str>) -> Option<Option<u64>> {
        match denial {
            None => Some(None),
            Some(_) => self.denials.admit(self.clock.mono()),
        }
    }
}

/// Tells of a request that is dropped while it waits, because its connection
/// broke: it ends in an event, too.
struct Watch<'a> {
    log: &'a RequestLog,
    method: &'a Method,
    id: &'a str,
    trace: Option<TraceParent>,
    started: MonoTime,
    facts: &'a SharedFacts,
    is_over: bool,
}

impl Drop for Watch<'_> {
    fn drop(&mut self) {
        if self.is_over || self.log.listener == Listener::Admin {
            return;
        }
        self.log.metrics.abandoned();
        let duration = self.log.clock.mono().since(self.started);
        let facts = self.facts.borrow();
        let caller = facts.caller.as_ref();
        tracing::info!(
            event = "request",
            http.method = known(self.method),
            http.matched_path = facts.route.as_deref(),
            duration_ms = duration.as_micros() as f64 / 1e3,
            client = caller.map(|caller| caller.client().name()),
            key_id = caller.map(|caller| caller.key_id().as_str()),
            error.kind = "caller_gone",
            request_id = self.id,
            trace_id = self.trace.as_ref().map(TraceParent::trace_id),
            parent_id = self.trace.as_ref().map(TraceParent::parent_id),
            "the caller went away before its answer"
        );
    }
}

/// A request at its end.
struct Completed<'a> {
    duration: Duration,
    method: &'a Method,
    id: &'a str,
    trace: Option<TraceParent>,
    status: StatusCode,
    code: Option<Code>,
    facts: &'a RequestFacts,
}

/// Renders a handler's error; any other answer stays as it is.
fn rendered<B: MessageBody + 'static>(
    response: ServiceResponse<B>,
    id: &str,
) -> (ServiceResponse<BoxBody>, Option<Code>) {
    let Some(error) = response.response().error() else {
        return (response.map_into_boxed_body(), None);
    };
    let error = error.as_error().unwrap_or(&ApiError::Internal);
    let (code, answer) = (error.code(), error.render(id));
    (response.into_response(answer), Some(code))
}

/// The caller's own id, if it is one and harmless; else a new one.
fn request_id(headers: &HeaderMap) -> HeaderValue {
    let harmless = |b: &u8| b.is_ascii_alphanumeric() || b"._-".contains(b);
    // A key has the shape of an id, and must not stand in the log.
    let holds_key = |id: &[u8]| id.windows(4).any(|part| part.eq_ignore_ascii_case(b"d7b_"));
    let is_fine =
        |id: &[u8]| (1..=64).contains(&id.len()) && id.iter().all(harmless) && !holds_key(id);
    let mut given = headers.get_all(X_REQUEST_ID);
    match (given.next(), given.next()) {
        (Some(id), None) if is_fine(id.as_bytes()) => id.clone(),
        _ => {
            let mut text = Uuid::encode_buffer();
            let id = Uuid::now_v7().hyphenated().encode_lower(&mut text);
            HeaderValue::from_str(id).expect("a UUID is hexadecimal digits and hyphens")
        }
    }
}

fn to_text(id: &HeaderValue) -> &str {
    id.to_str()
        .expect("a request id is ASCII letters, digits, dots, underscores and hyphens")
}

fn insert_common_headers(headers: &mut HeaderMap, id: &HeaderValue) {
    const COMMON: [(HeaderName, HeaderValue); 4] = [
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
        (
            header::CONTENT_SECURITY_POLICY,
            HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'"),
        ),
        (
            header::CROSS_ORIGIN_RESOURCE_POLICY,
            HeaderValue::from_static("same-origin"),
        ),
    ];
    headers.insert(X_REQUEST_ID, id.clone());
    for (name, value) in COMMON {
        headers.insert(name, value);
    }
}

/// A method's name for the log, which is no place for a caller's own words.
fn known(method: &Method) -> &str {
    match method.as_str() {
        known @ ("GET" | "HEAD" | "POST" | "PUT" | "DELETE" | "OPTIONS" | "PATCH" | "TRACE"
        | "CONNECT") => known,
        _ => "(other)",
    }
}

#[cfg(test)]
mod tests;
