//! The front: what happens to every request, whatever it is.
//!
//! It gives the request its id, checks the host on a loopback listener, turns a
//! panic into a problem, renders every [`ApiError`], adds the headers that all
//! answers carry and those about the client's limit, counts, and logs one event
//! at the end.

mod denials;
mod facts;
mod id;
mod trace;

use std::{
    convert::Infallible,
    future::{Ready, ready},
    mem,
    net::IpAddr,
    panic::{AssertUnwindSafe, catch_unwind},
    sync::Arc,
};

use actix_http::{ConnectionType, Request};
use actix_web::{
    HttpMessage, HttpResponse,
    http::{
        Method, StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};
use futures_util::{
    FutureExt,
    future::{Either, LocalBoxFuture},
};

pub(super) use self::facts::RequestFacts;
use self::{
    denials::DenialLog,
    id::{RequestId, X_REQUEST_ID},
    trace::TraceParent,
};
use super::{
    Answer, Call, Received, Routes, Settled, answer,
    balance::{CachePart, stale_reasons},
    cors::{self, Cors},
    find,
    host::is_local,
    path,
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

/// The front of one listener.
pub struct RequestLog<S> {
    state: S,
    is_loopback: bool,
    cors: Option<Cors>,
    clock: Arc<dyn Clock>,
    readiness: Readiness,
    metrics: RequestMetrics,
    denials: DenialLog,
}

/// An answer on its way: there already, or when its balance has come.
type Answering = Either<Ready<Answered>, LocalBoxFuture<'static, Answered>>;

/// Every error has been rendered.
type Answered = Result<HttpResponse, Infallible>;

impl<S: Routes> RequestLog<S> {
    /// The front of a listener that is bound to `ip` and answers from `state`,
    /// with `cors` also to pages of other origins.
    pub fn new(
        state: S,
        ip: IpAddr,
        cors: Option<Cors>,
        clock: Arc<dyn Clock>,
        readiness: Readiness,
        metrics: &Metrics,
    ) -> Self {
        Self {
            state,
            is_loopback: ip.is_loopback(),
            cors,
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
    pub fn handle(self: &Arc<Self>, mut request: Request) -> Answering {
        let received = Received {
            mono: self.clock.mono(),
            wall: self.clock.wall(),
        };
        let route = find::<S>(&path(&request));
        let mut exchange = Exchange {
            received: received.mono,
            id: RequestId::of(request.headers(), received.wall),
            trace: TraceParent::of(request.headers()),
            method: request.method().clone(),
            unread: Unread::of(&mut request),
            reader: self
                .cors
                .as_ref()
                .and_then(|cors| cors.reader(request.headers())),
            facts: RequestFacts {
                route: route.map(|route| route.pattern),
                ..RequestFacts::default()
            },
        };
        let answer = if self.is_loopback && !is_local(request.head()) {
            ApiError::Misdirected.into()
        } else if self.cors.is_some() && route.is_some() && cors::is_preflight(&request) {
            cors::preflight().into()
        } else {
            let Exchange { facts, unread, .. } = &mut exchange;
            let call = Call {
                request,
                received,
                facts,
                body: unread,
            };
            // Nothing outside of this panics, whatever the request. What a panic
            // leaves half done is not used again: the request is gone with it,
            // facts are noted in one step, and shared state is replaced whole.
            catch_unwind(AssertUnwindSafe(|| answer(&self.state, route, call)))
                .unwrap_or_else(|_| ApiError::Internal.into())
        };
        match answer {
            Answer::Now(result) => Either::Left(ready(Ok(self.finish(&mut exchange, result)))),
            Answer::Later(later) => {
                let log = Arc::clone(self);
                let waiting = Waiting {
                    log,
                    exchange,
                    is_over: false,
                };
                Either::Right(waiting.until(later).boxed_local())
            }
        }
    }

    /// Makes the whole answer of a handler's, counts it and logs it.
    fn finish(
        &self,
        exchange: &mut Exchange,
        result: Result<HttpResponse, ApiError>,
    ) -> HttpResponse {
        let (mut response, code) = match result {
            Ok(response) => (response, exchange.facts.problem),
            Err(error) => (error.render(exchange.id.as_str()), Some(error.code())),
        };
        let policy = exchange.facts.policy.take();
        insert_common_headers(response.headers_mut(), &exchange.id, policy);
        if let Some(verdict) = &exchange.facts.verdict {
            rate_limit::insert_headers(response.headers_mut(), verdict);
        }
        if self.cors.is_some() {
            cors::insert_headers(response.headers_mut(), exchange.reader.take());
        }
        let unread = mem::replace(&mut exchange.unread, Unread::Nothing);
        if unread.is_there() || self.readiness.phase() == Phase::ShuttingDown {
            let head = response.head_mut();
            head.set_connection_type(ConnectionType::Close);
        }
        let response = unread.held_by(response);
        self.complete(exchange, response.status(), code);
        response
    }

    /// Counts a request and logs its one event.
    fn complete(&self, exchange: &Exchange, status: StatusCode, code: Option<Code>) {
        let duration = self.clock.mono().since(exchange.received);
        let facts = &exchange.facts;
        let denial = facts.denial.map(Denial::as_str);
        let caller = facts.caller.as_ref();
        let code = code.map(Code::as_str);
        let cache = facts.cache.map(|outcome| outcome.part.as_str());

        if S::LISTENER == Listener::Public {
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
                    http.method = known(&exchange.method),
                    http.matched_path = facts.route,
                    http.status_code = status.as_u16(),
                    duration_ms = duration.as_micros() as f64 / 1e3,
                    cache.status = cache,
                    client = caller.map(|caller| caller.client().name()),
                    key_id = caller.map(|caller| caller.key_id().as_str()),
                    denied = denial,
                    denied_unlogged,
                    error.kind = code,
                    request_id = exchange.id.as_str(),
                    trace_id = exchange.trace.as_ref().map(TraceParent::trace_id),
                    parent_id = exchange.trace.as_ref().map(TraceParent::parent_id),
                    "request answered"
                )
            };
        }
        match S::LISTENER {
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

/// A request from its arrival to its event.
struct Exchange {
    received: MonoTime,
    id: RequestId,
    trace: Option<TraceParent>,
    method: Method,
    unread: Unread,
    /// The page of another origin that may read the answer.
    reader: Option<HeaderValue>,
    facts: RequestFacts,
}

/// A request whose answer is waited for. Where it is dropped before, because its
/// connection broke, it ends in an event, too.
struct Waiting<S: Routes> {
    log: Arc<RequestLog<S>>,
    exchange: Exchange,
    is_over: bool,
}

impl<S: Routes> Waiting<S> {
    async fn until(mut self, later: impl Future<Output = Settled>) -> Answered {
        // As in `handle`.
        let answered = AssertUnwindSafe(later).catch_unwind().await;
        self.is_over = true;
        let result = match answered {
            Ok(settled) => {
                self.exchange.facts = settled.facts;
                if settled.body.is_there() {
                    self.exchange.unread = settled.body;
                }
                settled.result
            }
            Err(_) => Err(ApiError::Internal),
        };
        Ok(self.log.finish(&mut self.exchange, result))
    }
}

impl<S: Routes> Drop for Waiting<S> {
    fn drop(&mut self) {
        let Self {
            log,
            exchange,
            is_over,
        } = self;
        if *is_over || S::LISTENER == Listener::Admin {
            return;
        }
        log.metrics.abandoned();
        let duration = log.clock.mono().since(exchange.received);
        let caller = exchange.facts.caller.as_ref();
        tracing::info!(
            event = "request",
            http.method = known(&exchange.method),
            http.matched_path = exchange.facts.route,
            duration_ms = duration.as_micros() as f64 / 1e3,
            client = caller.map(|caller| caller.client().name()),
            key_id = caller.map(|caller| caller.key_id().as_str()),
            error.kind = "caller_gone",
            request_id = exchange.id.as_str(),
            trace_id = exchange.trace.as_ref().map(TraceParent::trace_id),
            parent_id = exchange.trace.as_ref().map(TraceParent::parent_id),
            "the caller went away before its answer"
        );
    }
}

fn insert_common_headers(headers: &mut HeaderMap, id: &RequestId, policy: Option<HeaderValue>) {
    const POLICY: HeaderValue =
        HeaderValue::from_static("default-src 'none'; frame-ancestors 'none'");
    const COMMON: [(HeaderName, HeaderValue); 3] = [
        (
            header::X_CONTENT_TYPE_OPTIONS,
            HeaderValue::from_static("nosniff"),
        ),
        (
            header::REFERRER_POLICY,
            HeaderValue::from_static("no-referrer"),
        ),
        (
            header::CROSS_ORIGIN_RESOURCE_POLICY,
            HeaderValue::from_static("same-origin"),
        ),
    ];
    headers.append(X_REQUEST_ID, id.to_header());
    headers.append(header::CONTENT_SECURITY_POLICY, policy.unwrap_or(POLICY));
    for (name, value) in COMMON {
        headers.append(name, value);
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
