//! Holds a D7 Networks API token server-side and answers an authenticated
//! `GET /balance` from a cache: exact digits, named failures, and one refresh
//! for however many ask.
//!
//! # The path of a request
//!
//! ```text
//! caller ─▶ http::request_log ─▶ http::answer, http::balance::get_balance ─▶ http::auth (Caller)
//!                                                         │ BalanceService::get_now     sync: every hit ends here
//!                                                         │   decision::decide          the table of what is answered
//!              200 + caching headers ◀── Serve ───────────┤     when, row by row: one pure function
//!                                                         ├── Serve and nudge ──▶ RefreshHandle::nudge
//!              problem ◀──────────────── Refuse ──────────┤
//!                                                         └── Wait ──▶ BalanceService::get: joins the flight
//!                                                                        │
//!    main thread:   Refresher ─▶ Flight ─▶ BalanceSource::fetch (upstream::D7Client, awc)
//!                       └─▶ new AccountState into the memory cache ─▶ every waiter
//!                                                                        │
//!              200 or problem (rendered by request_log through http::problem) ◀──┘
//! ```
//!
//! # Rooms
//!
//! | room | what is decided there |
//! | --- | --- |
//! | [`balance::decision`] | rows 1 to 7: who is served what, waits, or is refused; request directives |
//! | [`balance::refresher`] | single flight, waiters, what a failure leaves behind |
//! | `balance::history` | what is kept of the balance for a chart |
//! | `balance::flight` | retry and confirmation: at most two requests, and a third where a second token stands by |
//! | [`balance::credential`] | which token is asked with, and when a changed one is in force |
//! | [`balance::hold_down`] | how long D7 is left alone |
//! | [`balance::outlook`] | what is so at one moment, for the status and the figures |
//! | [`upstream`] | what an answer of D7 means; awc's framing made strict |
//! | [`http::problem`] | codes, statuses, bodies of errors |
//! | [`callers`] | keys, who holds them, and how often they may ask |
//! | [`reload`] | when files are looked at again |
//! | [`metrics`] | the figures: names, labels, formats |
//! | [`alerts`] | who is told of a low balance and of a rejected token, and when |
//! | [`config`] | settings |
//! | [`app`] | what is made of all this, and the life of the process |
//!
//! # Directions
//!
//! Imports point one way, and `tests/architecture.rs` holds them to it: `main`
//! and `demo` use `app`, `app` uses every room, `http`, `upstream` and `alerts`
//! use `balance`, and `balance` knows none of them. [`clock`] alone reads the
//! time.
//!
//! # Threads
//!
//! The main thread owns the refresher, the alerts, awc's clients and the
//! signals. Workers look up, check and answer; to wait they hold a receiver and
//! nothing else, so that a caller that goes away takes nothing with it.

pub mod alerts;
pub mod app;
pub mod balance;
pub mod callers;
pub mod cli;
pub mod clock;
pub mod config;
pub mod demo;
pub mod http;
pub mod metrics;
pub mod reload;
pub mod secret_file;
pub mod shutdown;
pub mod simulator;
pub mod telemetry;
pub mod upstream;
