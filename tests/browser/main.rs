//! The service behind a real proxy: the recipes of `deploy/nginx` in nginx.
//!
//! Each test has a proxy and a service of its own.
#![allow(
    clippy::unwrap_used,
    reason = "`allow-unwrap-in-tests` does not reach helper functions of integration tests"
)]

#[expect(dead_code, reason = "these tests need a part of it")]
#[path = "../api/harness.rs"]
mod harness;
mod program;
mod proxy;
mod team_proxy;
