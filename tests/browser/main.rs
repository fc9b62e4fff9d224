//! The service behind a real browser and a real proxy: Chromium, and Firefox for
//! the page, driven over WebDriver, and the recipes of the README and
//! `deploy/nginx` in nginx.
//!
//! Each test has a browser, a proxy and a service of its own. The service's time
//! stands still until it is moved, and so do the timers of a page where a test
//! says so; nothing waits for either. Screenshots are left in `screenshots` in
//! Cargo's target folder, also of what a failed test saw last.
#![allow(
    clippy::unwrap_used,
    reason = "`allow-unwrap-in-tests` does not reach helper functions of integration tests"
)]

mod browser;
mod chromium;
mod command;
mod firefox;
#[expect(dead_code, reason = "these tests need a part of it")]
#[path = "../api/harness.rs"]
mod harness;
mod page;
mod polling;
mod program;
mod proxy;
mod static_frontend;
#[expect(dead_code, reason = "these tests need a part of it")]
#[path = "../rotation/stopwatch.rs"]
mod stopwatch;
mod team_proxy;
