//! The service's own HTTP: routes, and what every answer has in common.
//!
//! | route | who may | answers |
//! | --- | --- | --- |
//! | `GET /balance` | a caller key | the balance |
//! | `GET /messages/v1/balance` | a caller key | the same: D7's own path |
//! | `GET /status` | a caller key | what the service knows of balance, token and D7 |
//! | `GET /openapi.yaml` | anyone | the interface's description |
//! | `GET /problems`, `/problems/{code}` | anyone | what each error means |
//! | `GET /livez`, `/readyz` (both listeners) | anyone | 200 or 503 |
//! | `GET /metrics` (admin listener only) | anyone | `OpenMetrics` |
//!
//! Every GET route answers HEAD. Everything passes through one middleware,
//! [`request_log`], which alone turns an error into an answer.

mod auth;
mod balance;
mod directives;
mod figures;
mod host;
mod last_known;
mod pages;
mod preconditions;
pub mod probes;
pub mod problem;
mod rate_limit;
mod request_log;
mod status;
mod unread;

use std::sync::Arc;

use actix_web::{
    HttpResponse, Resource, Route, guard,
    web::{self, Data, ServiceConfig},
};

pub use self::{
    figures::AlertBelow,
    request_log::{Listener, RequestLog},
    status::Since,
};
use self::{probes::Readiness, problem::ApiError, request_log::RequestFacts};
use crate::{balance::service::BalanceService, callers::KeyTable, clock::Clock, metrics::Metrics};

/// What the public listener's handlers need.
#[derive(Clone)]
pub struct Public {
    /// The balance.
    pub service: BalanceService,
    /// The callers.
    pub keys: Arc<KeyTable>,
    /// The time against which keys expire.
    pub clock: Arc<dyn Clock>,
    /// The process's state.
    pub readiness: Readiness,
    /// The figures.
    pub metrics: Metrics,
    /// When the process began to serve.
    pub since: Since,
}

/// What the admin listener's handlers need.
#[derive(Clone)]
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

/// The public listener's routes.
pub fn public(public: Public) -> impl Fn(&mut ServiceConfig) + Clone {
    move |app| {
        app.app_data(Data::new(public.service.clone()))
            .app_data(Data::from(Arc::clone(&public.keys)))
            .app_data(Data::from(Arc::clone(&public.clock)))
            .app_data(Data::new(public.readiness.clone()))
            .app_data(Data::new(public.metrics.clone()))
            .app_data(Data::new(public.since))
            .service(get("/balance", web::to(balance::get_balance)))
            .service(get("/messages/v1/balance", web::to(balance::get_balance)))
            .service(get("/status", web::to(status::get_status)))
            .service(get("/openapi.yaml", web::to(pages::get_openapi)))
            .service(get("/problems", web::to(pages::list_problems)))
            .service(get("/problems/{code}", web::to(pages::get_problem)));
        probes(app);
    }
}

/// The admin listener's routes.
pub fn admin(admin: Admin) -> impl Fn(&mut ServiceConfig) + Clone {
    move |app| {
        app.app_data(Data::new(admin.service.clone()))
            .app_data(Data::new(admin.metrics.clone()))
            .app_data(Data::new(admin.readiness.clone()))
            .app_data(Data::new(admin.alert_below.clone()))
            .service(get("/metrics", web::to(figures::get_metrics)));
        probes(app);
    }
}

fn probes(app: &mut ServiceConfig) {
    app.service(get("/livez", web::to(probes::get_livez)))
        .service(get("/readyz", web::to(probes::get_readyz)))
        .default_service(web::to(async || Err::<HttpResponse, _>(ApiError::NotFound)));
}

/// A resource with GET and HEAD. `web::resource` and one route for both:
/// actix-web implies HEAD nowhere, and tells 404 from 405 only this way.
fn get(path: &'static str, route: Route) -> Resource {
    // A guard that lets everything pass: the one place that knows the route
    // before anything can fail.
    let note_route = guard::fn_guard(move |context| {
        RequestFacts::note_route(context, path);
        true
    });
    web::resource(path)
        .guard(note_route)
        .route(route.guard(guard::Any(guard::Get()).or(guard::Head())))
        .default_service(web::to(async || {
            Err::<HttpResponse, _>(ApiError::MethodNotAllowed { allow: "GET, HEAD" })
        }))
}
