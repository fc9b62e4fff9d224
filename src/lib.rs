//! Holds a D7 Networks API token server-side and answers an authenticated
//! `GET /balance` from a cache: exact digits, named failures, at most one
//! request to D7 per time to live.

pub mod balance;
pub mod callers;
pub mod clock;
pub mod http;
pub mod metrics;
pub mod simulator;
pub mod upstream;
