//! D7 on a bad day: every fault on the wire, what callers are told of it, how
//! often D7 was asked meanwhile, and that the service recovers by itself.

mod connection;
mod framing;
// Where the system tells how much memory a process has had.
#[cfg(target_os = "linux")]
mod memory;
mod stale;
mod statuses;

use std::time::Duration;

use serde_json::Value;

use crate::harness::{Response, TestApp};
use d7_balance::simulator::{BALANCE, Script, answer};

/// How a refresh comes to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Asks {
    Once,
    /// Once more at once.
    Retried,
    /// Once more after a pause, to confirm a rejection.
    Confirmed,
}

/// What D7 does, and what comes of it.
struct Fault {
    script: Script,
    status: u16,
    code: &'static str,
    upstream_status: Option<u16>,
    upstream_code: Option<&'static str>,
    /// Of the answer; none where waiting cannot help.
    retry_after: Option<u64>,
    /// After which D7 is asked again.
    hold_down: u64,
    asks: Asks,
}

impl Fault {
    fn new(script: Script, status: u16, code: &'static str) -> Self {
        Self {
            script,
            status,
            code,
            upstream_status: None,
            upstream_code: None,
            retry_after: Some(1),
            hold_down: 1,
            asks: Asks::Once,
        }
    }

    /// An answer with a head and without sense.
    fn invalid(upstream_status: u16, script: Script) -> Self {
        Self::new(script, 502, "upstream_invalid_response").upstream(upstream_status)
    }

    /// No answer at all.
    fn unreachable(script: Script) -> Self {
        Self::new(script, 502, "upstream_unreachable").asks(Asks::Retried)
    }

    /// D7 says something that lasts.
    fn lasting(upstream_status: u16, code: &'static str, script: Script) -> Self {
        Self {
            retry_after: None,
            hold_down: 30,
            ..Self::new(script, 502, code).upstream(upstream_status)
        }
    }

    fn unexpected(upstream_status: u16, script: Script) -> Self {
        Self::lasting(upstream_status, "upstream_unexpected_status", script)
    }

    /// D7 does not accept the token, and says so again.
    fn unauthorized(upstream_status: u16, script: Script) -> Self {
        Self::lasting(upstream_status, "upstream_unauthorized", script).asks(Asks::Confirmed)
    }

    fn upstream(mut self, status: u16) -> Self {
        self.upstream_status = Some(status);
        self
    }

    fn says(mut self, code: &'static str) -> Self {
        self.upstream_code = Some(code);
        self
    }

    fn asks(mut self, asks: Asks) -> Self {
        self.asks = asks;
        self
    }

    /// D7 names a time of its own.
    fn held_for(mut self, seconds: u64) -> Self {
        self.retry_after = Some(seconds);
        self.hold_down = seconds;
        self
    }

    fn requests(&self) -> usize {
        match self.asks {
            Asks::Once => 1,
            Asks::Retried | Asks::Confirmed => 2,
        }
    }

    /// Breaks D7 for a service that has seen no balance yet, and repairs it.
    fn check(self, name: &str) {
        self.check_on(&TestApp::start(), name);
    }

    fn check_on(self, app: &TestApp, name: &str) {
        app.d7.always(self.script.clone());
        let response = match self.asks {
            Asks::Confirmed => app.balance_over_confirmation(),
            Asks::Once | Asks::Retried => app.balance(),
        };
        self.assert_told(&response, name);
        // One that was given up on may still be on its way to D7.
        app.wait_for_d7(self.requests());
        assert_eq!(app.d7.count(), self.requests(), "{name}: requests");
        let counted = self.counted(app, "upstream_requests");
        assert_eq!(counted, self.requests() as f64, "{name}: counted");
        assert_eq!(self.counted(app, "refreshes"), 1.0, "{name}: refreshes");

        app.advance(Duration::from_secs(self.hold_down) - Duration::from_millis(1));
        let held = app.balance();
        assert_eq!(held.code(), self.code, "{name}: while held down");
        assert_eq!(app.d7.count(), self.requests(), "{name}: while held down");

        app.d7.always(answer(200, BALANCE));
        app.advance(Duration::from_millis(1));
        let recovered = app.balance();
        assert_eq!(recovered.status, 200, "{name}: after it");
        assert_eq!(recovered.json()["balance_text"], "99.9999999");
        assert_eq!(app.d7.count(), self.requests() + 1, "{name}: after it");
    }

    fn assert_told(&self, response: &Response, name: &str) {
        let body = response.problem();
        assert_eq!(body["code"], self.code, "{name}");
        assert_eq!(response.status, self.status, "{name}");
        let number = |member: &str| body.get(member).and_then(Value::as_u64);
        assert_eq!(
            number("upstream_status"),
            self.upstream_status.map(u64::from),
            "{name}: upstream_status"
        );
        assert_eq!(
            body.get("upstream_code").and_then(Value::as_str),
            self.upstream_code,
            "{name}: upstream_code"
        );
        assert_eq!(number("retry_after"), self.retry_after, "{name}");
        assert_eq!(body["retryable"], self.retry_after.is_some(), "{name}");
    }

    fn counted(&self, app: &TestApp, of: &str) -> f64 {
        outcomes(app, of, self.code)
    }
}

/// The value of a counter by outcome.
fn outcomes(app: &TestApp, of: &str, outcome: &str) -> f64 {
    let series = format!("d7b_{of}_total{{outcome=\"{outcome}\"}}");
    app.metric(&series).unwrap()
}
