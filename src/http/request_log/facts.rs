//! What is learnt of a request on its way, and where it is noted.

use std::{borrow::Cow, cell::RefCell, rc::Rc};

use actix_web::{
    HttpMessage, HttpRequest,
    dev::{Extensions, ServiceRequest},
    guard::GuardContext,
};

use crate::{
    callers::{Caller, Denial, limit::Verdict},
    http::balance::Outcome,
};

/// What is learnt of a request, for the headers of its answer, its log event
/// and the figures.
#[derive(Default)]
pub(in crate::http) struct RequestFacts {
    /// The pattern of its route.
    pub(in crate::http) route: Option<Cow<'static, str>>,
    /// Who has proved to hold a key, even one that has ended.
    pub(in crate::http) caller: Option<Caller>,
    pub(in crate::http) denial: Option<Denial>,
    /// Where its client has a limit.
    pub(in crate::http) verdict: Option<Verdict>,
    pub(in crate::http) cache: Option<Outcome>,
}

/// The facts as the middleware and the request hold them. A panic takes the
/// request with it, and these stay.
pub(super) type SharedFacts = Rc<RefCell<RequestFacts>>;

impl RequestFacts {
    /// Lays facts open with `request`, for whoever learns one.
    pub(super) fn open(request: &ServiceRequest) -> SharedFacts {
        let facts = SharedFacts::default();
        request.request().extensions_mut().insert(Rc::clone(&facts));
        facts
    }

    /// Adds to the facts of `request`.
    pub(in crate::http) fn note(request: &HttpRequest, note: impl FnOnce(&mut Self)) {
        Self::note_in(&request.extensions(), note);
    }

    /// Notes the route of a request that has just been matched.
    pub(in crate::http) fn note_route(context: &GuardContext<'_>, pattern: &'static str) {
        Self::note_in(&context.req_data(), |facts| {
            facts.route = Some(pattern.into())
        });
    }

    fn note_in(extensions: &Extensions, note: impl FnOnce(&mut Self)) {
        if let Some(facts) = extensions.get::<SharedFacts>() {
            note(&mut facts.borrow_mut());
        }
    }
}
