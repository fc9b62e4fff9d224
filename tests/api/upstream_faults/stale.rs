//! A fault with a balance at hand: what passes by itself is bridged with the
//! stale one, what somebody must mend is not.

use crate::harness::TestApp;
use d7_balance::simulator::{BALANCE, REJECTION, Script, Step, answer, bytes};

/// Longer than a balance is fresh or refreshed behind.
const STALE: u64 = 120;

fn with_a_stale_balance(script: Script) -> TestApp {
    let is_silence = matches!(script[..], [Step::Hang]);
    let timeout = if is_silence { "2s" } else { "60s" };
    let app = TestApp::builder()
        .set("D7B_UPSTREAM_TIMEOUT", timeout)
        .start();
    assert_eq!(app.balance().status, 200);
    app.d7.always(script);
    app.advance_s(STALE);
    app
}

#[test]
fn a_fault_that_may_pass_is_bridged_and_then_forgotten() {
    for (script, detail, hold_down) in [
        (
            answer(429, ""),
            "fwd-status=429; ttl=-60; detail=upstream_rate_limited",
            1,
        ),
        (
            answer(500, ""),
            "fwd-status=500; ttl=-60; detail=upstream_unavailable",
            1,
        ),
        (
            answer(503, ""),
            "fwd-status=503; ttl=-60; detail=upstream_unavailable",
            1,
        ),
        (vec![Step::Reset], "ttl=-60; detail=upstream_unreachable", 1),
        (vec![Step::Hang], "ttl=-60; detail=upstream_timeout", 1),
        (
            bytes("garbage\r\n\r\n"),
            "ttl=-60; detail=upstream_invalid_response",
            1,
        ),
        (
            answer(200, "{}"),
            "fwd-status=200; ttl=-60; detail=upstream_invalid_response",
            1,
        ),
        (
            answer(404, ""),
            "fwd-status=404; ttl=-60; detail=upstream_unexpected_status",
            30,
        ),
    ] {
        let app = with_a_stale_balance(script);

        let bridged = app.balance();

        assert_eq!(bridged.status, 200, "{detail}");
        assert_eq!(bridged.cache_status(), format!("fwd=stale; {detail}"));
        assert_eq!(bridged.expect("age"), "120", "{detail}");
        app.d7.always(answer(200, r#"{"balance": 7}"#));
        app.advance_s(hold_down);
        let recovered = app.balance();
        assert_eq!(recovered.json()["balance_text"], "7", "{detail}");
        assert_eq!(recovered.expect("age"), "0", "{detail}");
    }
}

#[test]
fn a_refusal_is_not_bridged_but_tells_the_last_balance_known() {
    for (script, code, confirmed) in [
        (answer(401, REJECTION), "upstream_unauthorized", true),
        (
            answer(403, r#"{"detail": "no"}"#),
            "upstream_forbidden",
            true,
        ),
        (answer(402, ""), "upstream_payment_required", false),
    ] {
        let app = with_a_stale_balance(script);

        let refused = if confirmed {
            app.balance_over_confirmation()
        } else {
            app.balance()
        };

        assert_eq!(refused.status, 502, "{code}");
        let body = refused.problem();
        assert_eq!(body["code"], code);
        assert_eq!(body["last_known"]["balance_text"], "99.9999999", "{code}");
        app.d7.always(answer(200, BALANCE));
        app.advance_s(30);
        let recovered = app.balance();
        assert_eq!(recovered.status, 200, "{code}");
        assert_eq!(recovered.expect("age"), "0", "{code}");
    }
}
