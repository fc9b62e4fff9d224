//! Whether the process lives and is ready.
//!
//! `livez` looks at nothing. `readyz` follows the process's own life only: an
//! outage of D7 must not take every replica out of rotation.

use std::sync::{
    Arc,
    atomic::{AtomicU8, Ordering},
};

use actix_web::{HttpResponse, http::header};

use super::{Answer, problem::ApiError};

/// Where the process stands in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not everything is loaded and bound yet.
    Starting,
    /// Requests are welcome.
    Ready,
    /// A signal to stop has come.
    ShuttingDown,
}

/// The process's [`Phase`], shared by all threads. It only moves forward.
#[derive(Debug, Clone, Default)]
pub struct Readiness(Arc<AtomicU8>);

impl Readiness {
    /// The phase now.
    pub fn phase(&self) -> Phase {
        match self.0.load(Ordering::Relaxed) {
            0 => Phase::Starting,
            1 => Phase::Ready,
            _ => Phase::ShuttingDown,
        }
    }

    /// Both listeners are bound and served.
    pub fn ready(&self) {
        self.0.fetch_max(1, Ordering::Relaxed);
    }

    /// The first signal to stop has come.
    pub fn shutting_down(&self) {
        self.0.fetch_max(2, Ordering::Relaxed);
    }
}

pub(super) fn get_livez() -> Answer {
    fine("alive").into()
}

pub(super) fn get_readyz(readiness: &Readiness) -> Answer {
    match readiness.phase() {
        Phase::Starting => ApiError::Starting.into(),
        Phase::Ready => fine("ready").into(),
        Phase::ShuttingDown => ApiError::ShuttingDown.into(),
    }
}

fn fine(status: &str) -> HttpResponse {
    HttpResponse::Ok()
        .content_type("application/json")
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .body(format!("{{\"status\":\"{status}\"}}"))
}
