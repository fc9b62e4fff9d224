//! What is learnt of a request on its way.

use actix_web::http::header::HeaderValue;

use crate::{
    callers::{Caller, Denial, limit::Verdict},
    http::{balance::Outcome, problem::Code},
};

/// What is learnt of a request, for the headers of its answer, its log event
/// and the figures.
#[derive(Default, Clone)]
pub(crate) struct RequestFacts {
    /// The pattern of its route.
    pub(in crate::http) route: Option<&'static str>,
    /// Who has proved to hold a key, even one that has ended.
    pub(in crate::http) caller: Option<Caller>,
    pub(in crate::http) denial: Option<Denial>,
    /// Where its client has a limit.
    pub(in crate::http) verdict: Option<Verdict>,
    pub(in crate::http) cache: Option<Outcome>,
    /// An error that the answer tells in a way of its own.
    pub(in crate::http) problem: Option<Code>,
    /// A `Content-Security-Policy` of the answer's own, in place of the strictest.
    pub(in crate::http) policy: Option<HeaderValue>,
}
