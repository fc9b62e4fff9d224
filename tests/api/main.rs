//! The service from outside: real servers on free ports, real sockets, and a
//! simulated D7 that counts what reaches it.
#![allow(
    clippy::unwrap_used,
    reason = "`allow-unwrap-in-tests` does not reach helper functions of integration tests"
)]

mod alerts;
mod auth;
mod balance;
mod caching;
mod cli;
mod configuration;
mod cors;
mod directives;
mod eviction;
mod figures;
mod harness;
mod history;
mod hold_down;
mod keep_warm;
mod limits;
mod logging;
mod manual;
mod monitoring;
mod openapi;
mod page;
mod preconditions;
mod problems;
mod rejections;
mod reload;
mod secrets;
mod sessions;
mod shutdown;
mod single_flight;
mod status;
mod token_file;
mod upstream_faults;
mod upstream_tls;
