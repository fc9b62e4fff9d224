//! The service's own HTTP: routes, and what every answer has in common.
//!
//! | route | who may | answers |
//! | --- | --- | --- |
//! | `GET /balance` | a caller key or a session | the balance |
//! | `GET /messages/v1/balance` | the same | the same: D7's own path |
//! | `GET /status` | the same | what the service knows of balance, token and D7 |
//! | `GET /history` | the same | what was seen of the balance since the start |
//! | `POST`, `DELETE /session`, `POST /session/end` | pages of our own origin; a caller key | signs in and out |
//! | `GET /`, `/assets/{name}` | anyone | the page, and its files |
//! | `GET /openapi.yaml` | anyone | the interface's description |
//! | `GET /problems`, `/problems/{code}` | anyone | what each error means |
//! | `GET /livez`, `/readyz` (both listeners) | anyone | 200 or 503 |
//! | `GET /metrics` (admin listener only) | anyone | `OpenMetrics` |
//!
//! Every GET route answers HEAD. With [`Cors`], every route answers a preflight.
//! Everything passes through one front, [`request_log`], which alone turns an
//! error into an answer.
//!
//! # Design
//! actix-web serves and does not route. A hit is a call of a function, where an
//! `App` makes four futures on the heap and keeps in a map what handlers and
//! middleware share. That was a quarter of a request's cost. The price: a handler
//! is given all that its listener has, and not only what its signature names.

mod auth;
mod balance;
mod cookie;
mod cors;
mod directives;
mod figures;
mod header_text;
mod history;
mod host;
mod kept;
mod last_known;
mod origins;
mod page;
mod pages;
mod preconditions;
pub mod probes;
pub mod problem;
mod rate_limit;
mod request_log;
mod session;
mod status;
mod unread;

use std::{borrow::Cow, sync::Arc, time::SystemTime};

use actix_http::Request;
use actix_web::{HttpResponse, http::Method};
use futures_util::future::LocalBoxFuture;
use percent_encoding::percent_decode_str;

pub use self::{
    balance::respond,
    cors::Cors,
    figures::AlertBelow,
    origins::Origins,
    request_log::{Listener, RequestLog},
    status::Since,
};
use self::{probes::Readiness, problem::ApiError, request_log::RequestFacts, unread::Unread};
use crate::{
    balance::service::BalanceService,
    callers::{KeyTable, session::Sessions},
    clock::{Clock, MonoTime},
    metrics::Metrics,
};

/// What the public listener answers from.
pub struct Public {
    /// The balance.
    pub service: BalanceService,
    /// The callers.
    pub keys: Arc<KeyTable>,
    /// Those of them who have signed in with a browser.
    pub sessions: Arc<Sessions>,
    /// Where their pages come from.
    pub origins: Origins,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// The process's state.
    pub readiness: Readiness,
    /// The figures.
    pub metrics: Metrics,
    /// When the process began to serve.
    pub since: Since,
}

/// What the admin listener answers from.
pub struct Admin {
    /// The balance.
    pub service: BalanceService,
    /// The figures.
    pub metrics: Metrics,
    /// The process's state.
    pub readiness: Readiness,
    /// What a low balance is.
    pub alert_below: AlertBelow,
}

/// What can be asked on the listener that answers from this.
pub trait Routes: Sized + 'static {
    /// Which listener that is.
    const LISTENER: Listener;

    /// Those asked most often first.
    const TABLE: &'static [Route<Self>];
}

/// A pattern, whose last segment may be a parameter, and what answers it.
pub struct Route<S: 'static> {
    pattern: &'static str,
    /// The value of `Allow`.
    allow: &'static str,
    /// GET answers HEAD, too.
    handlers: &'static [(Method, Handler<S>)],
}

/// Answers a request.
type Handler<S> = fn(&S, Call<'_>) -> Answer;

/// The route that answers GET and HEAD, and nothing else.
macro_rules! get {
    ($pattern:literal, $handler:expr) => {
        Route {
            pattern: $pattern,
            allow: "GET, HEAD",
            handlers: &[(Method::GET, $handler)],
        }
    };
}

impl Routes for Public {
    const LISTENER: Listener = Listener::Public;

    const TABLE: &'static [Route<Self>] = &[
        get!("/balance", balance::get_balance),
        // D7's own path.
        get!("/messages/v1/balance", balance::get_balance),
        get!("/status", status::get_status),
        get!("/history", history::get_history),
        Route {
            pattern: "/session",
            allow: "POST, DELETE",
            handlers: &[
                (Method::POST, session::begin),
                (Method::DELETE, session::end),
            ],
        },
        Route {
            pattern: "/session/end",
            allow: "POST",
            handlers: &[(Method::POST, session::end_by_form)],
        },
        get!("/", page::get_page),
        get!("/assets/{name}", |_, call| page::get_asset(&call)),
        get!("/openapi.yaml", |_, _| pages::get_openapi()),
        get!("/problems", |_, call| pages::list_problems(&call.request)),
        get!("/problems/{code}", |_, call| {
            pages::get_problem(&call.request)
        }),
        get!("/livez", |_, _| probes::get_livez()),
        get!("/readyz", |public, _| probes::get_readyz(&public.readiness)),
    ];
}

impl Routes for Admin {
    const LISTENER: Listener = Listener::Admin;

    const TABLE: &'static [Route<Self>] = &[
        get!("/metrics", figures::get_metrics),
        get!("/livez", |_, _| probes::get_livez()),
        get!("/readyz", |admin, _| probes::get_readyz(&admin.readiness)),
    ];
}

/// A request on its way to a handler.
pub struct Call<'a> {
    request: Request,
    received: Received,
    facts: &'a mut RequestFacts,
    /// Who reads it takes it from here.
    body: &'a mut Unread,
}

/// When a request came, on both clocks.
#[derive(Debug, Clone, Copy)]
struct Received {
    mono: MonoTime,
    wall: SystemTime,
}

/// A handler's answer, or how to come by it.
pub enum Answer {
    /// The answer.
    Now(Result<HttpResponse, ApiError>),
    /// It is to be waited for.
    Later(LocalBoxFuture<'static, Settled>),
}

/// An answer that was waited for.
pub struct Settled {
    result: Result<HttpResponse, ApiError>,
    /// Those that were known before, and what was learnt since.
    facts: RequestFacts,
    /// What is left of a body that was taken to be read.
    body: Unread,
}

impl From<HttpResponse> for Answer {
    fn from(response: HttpResponse) -> Self {
        Self::Now(Ok(response))
    }
}

impl From<ApiError> for Answer {
    fn from(error: ApiError) -> Self {
        Self::Now(Err(error))
    }
}

/// The path that is asked for, its percent-encoding undone (RFC 3986 section
/// 6.2.2.2); as it is, where that would make of one segment two.
fn path(request: &Request) -> Cow<'_, str> {
    let path = request.path();
    if !path.contains('%') || path.contains("%2f") || path.contains("%2F") {
        return path.into();
    }
    percent_decode_str(path).decode_utf8_lossy()
}

/// The route of `path`.
fn find<S: Routes>(path: &str) -> Option<&'static Route<S>> {
    S::TABLE.iter().find(|Route { pattern, .. }| {
        *pattern == path
            || pattern.rsplit_once('/').is_some_and(|(parent, parameter)| {
                let segment = path
                    .strip_prefix(parent)
                    .and_then(|rest| rest.strip_prefix('/'));
                let is_one = |segment: &str| !segment.is_empty() && !segment.contains('/');
                parameter.starts_with('{') && segment.is_some_and(is_one)
            })
    })
}

/// Answers a request of which the route is known, if it has one.
fn answer<S: Routes>(state: &S, route: Option<&Route<S>>, call: Call<'_>) -> Answer {
    let Some(route) = route else {
        return ApiError::NotFound.into();
    };
    let method = match call.request.method() {
        &Method::HEAD => &Method::GET,
        method => method,
    };
    let handler = route.handlers.iter().find(|(known, _)| known == method);
    match handler {
        Some((_, handler)) => handler(state, call),
        None => ApiError::MethodNotAllowed { allow: route.allow }.into(),
    }
}
