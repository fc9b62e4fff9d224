//! All that the simulated D7 does, on good days and bad ones, under the name
//! that the contract gives it.

use std::time::Duration;

use d7_balance::simulator::{REJECTION, Script, Step, answer, answer_with, bytes};
use fastrand::Rng;

/// What the service does after an answer that brought no balance.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Then {
    /// Its refresh has failed.
    Nothing,
    /// It asks again at once.
    Retry,
    /// It asks again after a pause: two rejections are believed, one is not.
    Confirmation,
}

/// A request that brings no balance.
pub(crate) struct Fault {
    /// Its name in the report.
    pub(crate) name: &'static str,
    /// The label under which it is counted.
    pub(crate) outcome: &'static str,
    pub(crate) then: Then,
    /// Whether D7 said anything at all, sense or not.
    pub(crate) is_answer: bool,
    pub(crate) script: fn() -> Script,
}

const fn fault(
    name: &'static str,
    outcome: &'static str,
    then: Then,
    is_answer: bool,
    script: fn() -> Script,
) -> Fault {
    Fault {
        name,
        outcome,
        then,
        is_answer,
        script,
    }
}

/// What passes by itself: after one of these the service leaves D7 alone for a
/// second or two, or not at all if the next word is a good one.
pub(crate) static PASSING: [Fault; 26] = {
    use Then::{Confirmation, Nothing, Retry};
    [
        fault("401", REJECTED, Confirmation, true, || {
            answer(401, REJECTION)
        }),
        fault(
            "a dead token under 400",
            REJECTED,
            Confirmation,
            true,
            || answer(400, r#"{"detail": {"code": "ACCESS_TOKEN_EXPIRED"}}"#),
        ),
        fault("403 with detail", FORBIDDEN, Confirmation, true, || {
            answer(403, r#"{"detail": "Forbidden"}"#)
        }),
        fault("429", LIMITED, Nothing, true, || answer(429, "{}")),
        fault("429, Retry-After: 1", LIMITED, Nothing, true, || {
            answer_with(429, "retry-after: 1\r\n", "{}")
        }),
        fault("429, Retry-After a date", LIMITED, Nothing, true, || {
            answer_with(429, "retry-after: Thu, 01 Jan 1970 00:00:00 GMT\r\n", "{}")
        }),
        fault("500", UNAVAILABLE, Nothing, true, || answer(500, "{}")),
        fault("502", UNAVAILABLE, Retry, true, || {
            answer(502, "<html>Bad Gateway</html>")
        }),
        fault("503", UNAVAILABLE, Retry, true, || answer(503, "")),
        fault("503, Retry-After: 2", UNAVAILABLE, Nothing, true, || {
            answer_with(503, "retry-after: 2\r\n", "")
        }),
        fault("504", UNAVAILABLE, Retry, true, || answer(504, "")),
        fault("reset", UNREACHABLE, Retry, false, || vec![Step::Reset]),
        fault("closed before a head", UNREACHABLE, Retry, false, Vec::new),
        fault("closed within a head", UNREACHABLE, Retry, false, || {
            bytes("HTTP/1.1 200 OK\r\ncontent-ty")
        }),
        fault("no HTTP", INVALID, Retry, true, || {
            bytes("SSH-2.0-OpenSSH_9.6\r\n\r\n")
        }),
        fault("an interim answer", INVALID, Nothing, true, || {
            bytes("HTTP/1.1 103 Early Hints\r\n\r\n")
        }),
        fault("JSON that ends early", INVALID, Nothing, true, || {
            bytes("HTTP/1.1 200 OK\r\ncontent-length: 24\r\n\r\n{\"balance\": 1")
        }),
        fault("a chunk that ends early", INVALID, Nothing, true, || {
            let head = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";
            bytes(format!("{head}18\r\n{{\"balance\": 1"))
        }),
        fault("a body that is too large", INVALID, Nothing, true, || {
            let space = " ".repeat(70 * 1024);
            answer(200, &format!(r#"{{"balance": 1{space}}}"#))
        }),
        fault("compressed", INVALID, Nothing, true, || {
            answer_with(200, "content-encoding: gzip\r\n", "\u{1f}not really")
        }),
        fault("no JSON", INVALID, Nothing, true, || {
            answer(200, "<html>Maintenance</html>")
        }),
        fault("no balance", INVALID, Nothing, true, || {
            answer(200, r#"{"credit": 1}"#)
        }),
        fault("a balance that is none", INVALID, Nothing, true, || {
            answer(200, r#"{"balance": "a lot"}"#)
        }),
        fault("two balances", INVALID, Nothing, true, || {
            answer(200, r#"{"balance": 1, "balance": 1}"#)
        }),
        fault("silence", TIMEOUT, Nothing, false, || vec![Step::Hang]),
        fault("silence in the body", TIMEOUT, Nothing, true, || {
            let begun = "HTTP/1.1 200 OK\r\ncontent-length: 24\r\n\r\n{\"balance\"";
            vec![Step::Send(begun.into()), Step::Hang]
        }),
    ]
};

/// What does not pass: after one of these D7 is left alone for 15 s or more.
/// Those that need a second word have it in [`rejected_twice`].
pub(crate) static LASTING: [Fault; 6] = {
    use Then::Nothing;
    [
        fault("402", PAYMENT, Nothing, true, || answer(402, "{}")),
        fault("404", UNEXPECTED, Nothing, true, || {
            answer(404, r#"{"detail": "Not Found"}"#)
        }),
        fault("204", UNEXPECTED, Nothing, true, || {
            bytes("HTTP/1.1 204 No Content\r\n\r\n")
        }),
        fault("302", UNEXPECTED, Nothing, true, || {
            answer_with(302, "location: http://127.0.0.1:1/\r\n", "")
        }),
        fault("403 without JSON", UNEXPECTED, Nothing, true, || {
            answer(403, "<html>Forbidden</html>")
        }),
        fault("422", UNEXPECTED, Nothing, true, || {
            answer(422, r#"{"detail": []}"#)
        }),
    ]
};

/// The rejections among what passes, each of which lasts if it comes twice.
pub(crate) fn rejected_twice() -> impl Iterator<Item = [&'static Fault; 2]> {
    let rejections = PASSING.iter().filter(|one| one.then == Then::Confirmation);
    rejections.map(|one| [one, one])
}

/// The fault of [`LASTING`] that has `outcome`.
pub(crate) fn lasting(outcome: &str) -> &'static Fault {
    let mut lasting = LASTING.iter();
    lasting.find(|one| one.outcome == outcome).unwrap()
}

pub(crate) const OK: &str = "ok";
pub(crate) const REJECTED: &str = "upstream_unauthorized";
pub(crate) const FORBIDDEN: &str = "upstream_forbidden";
pub(crate) const PAYMENT: &str = "upstream_payment_required";
pub(crate) const UNEXPECTED: &str = "upstream_unexpected_status";
pub(crate) const LIMITED: &str = "upstream_rate_limited";
pub(crate) const UNAVAILABLE: &str = "upstream_unavailable";
pub(crate) const UNREACHABLE: &str = "upstream_unreachable";
pub(crate) const TIMEOUT: &str = "upstream_timeout";
pub(crate) const INVALID: &str = "upstream_invalid_response";

/// Every outcome that a request to D7 can have. That the service itself panics
/// is none of D7's doing.
pub(crate) const OUTCOMES: [&str; 10] = [
    OK,
    REJECTED,
    FORBIDDEN,
    PAYMENT,
    UNEXPECTED,
    LIMITED,
    UNAVAILABLE,
    UNREACHABLE,
    TIMEOUT,
    INVALID,
];

/// A whole answer.
pub(crate) struct Good {
    pub(crate) name: &'static str,
    pub(crate) script: Script,
    /// Whether its `sms_count` is no number.
    pub(crate) is_count_ignored: bool,
}

/// Far from the upstream timeout, also where a confirmation's pause has gone
/// before it.
const SLOWLY: Duration = Duration::from_millis(150);

/// A whole answer with this balance, in one of the forms that there are.
pub(crate) fn good(balance: &str, rng: &mut Rng) -> Good {
    let plain = format!(r#"{{"balance": {balance}}}"#);
    let (name, script) = match rng.u8(..10) {
        0 => (
            "whole, as a string",
            answer(200, &format!(r#"{{"balance": "{balance}"}}"#)),
        ),
        1 => (
            "whole, with a count",
            answer(
                200,
                &format!(r#"{{"balance": {balance}, "sms_count": "7"}}"#),
            ),
        ),
        2 => (
            IGNORED,
            answer(
                200,
                &format!(r#"{{"balance": {balance}, "sms_count": "many"}}"#),
            ),
        ),
        3 => {
            let (head, tail) = plain.split_at(8);
            let length = plain.len();
            let begun = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{head}");
            let script = vec![
                Step::Pause(SLOWLY),
                Step::Send(begun.into()),
                Step::Pause(SLOWLY),
                Step::Send(tail.into()),
            ];
            ("whole, slowly", script)
        }
        _ => ("whole", answer(200, &plain)),
    };
    Good {
        name,
        script,
        is_count_ignored: name == IGNORED,
    }
}

const IGNORED: &str = "whole, with a count that is none";
