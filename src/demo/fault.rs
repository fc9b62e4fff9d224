//! Faults that a demo can put on, so that teams can try their code against each
//! error. Every one of them is had for real: D7 fails, a limit is reached, a
//! signal to stop has come. None is an answer that only pretends.

mod panics;

use std::{fmt, time::Duration};

use self::panics::Panics;
use crate::{
    app::WrapSource,
    balance::source::FailureKind,
    http::problem::Code,
    shutdown::Signal,
    simulator::{REJECTION, Script, Step, account::Account, answer, answer_with},
};

/// A fault, known by the code of the error that callers see.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// `upstream_*`, and `internal_error` for refreshes that panic.
    Refresh(FailureKind),
    /// `rate_limited`
    RateLimited,
    /// `overloaded`
    Overloaded,
    /// `shutting_down`
    ShuttingDown,
}

/// Why a fault cannot be put on.
#[derive(Debug, thiserror::Error)]
pub enum FaultError {
    /// Callers cause it, whatever the service does.
    #[error("{code} needs no fault: {how}")]
    CallersOwn {
        /// Its code.
        code: &'static str,
        /// How they do.
        how: &'static str,
    },
    /// The moment cannot be held.
    #[error(
        "starting cannot be put on: it is over before a demo listens. What shutting_down answers has the same form"
    )]
    Starting,
    /// No such code.
    #[error("there is no fault {name:?}, but these:{}", list())]
    Unknown {
        /// What was asked for.
        name: String,
    },
}

/// The codes that a caller can cause alone, and how.
const CALLERS_OWN: [(&str, &str); 10] = [
    (
        "bad_request",
        "ask for /history?since=x, or with two Authorization headers",
    ),
    ("unauthorized", "ask without a key"),
    (
        "forbidden",
        "ask with a session cookie and Sec-Fetch-Site: cross-site",
    ),
    ("not_found", "ask for a path that does not exist"),
    ("method_not_allowed", "ask with another method, such as PUT"),
    (
        "request_timeout",
        "send POST /session and leave its body unfinished for 5 s",
    ),
    (
        "content_too_large",
        "send POST /session a form of over 1 KiB",
    ),
    (
        "unsupported_media_type",
        "send POST /session a body that is no form",
    ),
    (
        "misdirected_request",
        "ask with another Host, such as example.com",
    ),
    (
        "not_cached",
        "set D7B_CACHE_KEEP_WARM=false, and ask with Cache-Control: only-if-cached before anything else",
    ),
];

/// How long D7 takes where requests are to wait for it: less than the default of
/// `D7B_UPSTREAM_TIMEOUT`.
const HOLD: Duration = Duration::from_secs(3);

impl Fault {
    /// Every fault, in the order of the contract.
    pub fn all() -> impl Iterator<Item = Self> {
        let others = [Self::RateLimited, Self::Overloaded, Self::ShuttingDown];
        FailureKind::ALL
            .into_iter()
            .map(Self::Refresh)
            .chain(others)
    }

    /// The fault of that code.
    ///
    /// # Errors
    /// Where there is none, with what can be done instead.
    pub fn parse(name: &str) -> Result<Self, FaultError> {
        if let Some(fault) = Self::all().find(|fault| fault.code() == name) {
            return Ok(fault);
        }
        if let Some((code, how)) = CALLERS_OWN.into_iter().find(|(code, _)| *code == name) {
            return Err(FaultError::CallersOwn { code, how });
        }
        if name == "starting" {
            return Err(FaultError::Starting);
        }
        let name = name.to_owned();
        Err(FaultError::Unknown { name })
    }

    /// The error that callers see.
    fn error(self) -> Code {
        match self {
            Self::Refresh(kind) => Code::Upstream(kind),
            Self::RateLimited => Code::RateLimited,
            Self::Overloaded => Code::Overloaded,
            Self::ShuttingDown => Code::ShuttingDown,
        }
    }

    /// Its code, which is the fault's name.
    pub fn code(self) -> &'static str {
        self.error().as_str()
    }

    /// What is wrong.
    fn cause(self) -> &'static str {
        match self {
            Self::Refresh(FailureKind::Unauthorized) => "D7 rejects the token, with 401.",
            Self::Refresh(FailureKind::Forbidden) => "D7 forbids the request, with 403.",
            Self::Refresh(FailureKind::PaymentRequired) => "D7 asks for a payment, with 402.",
            Self::Refresh(FailureKind::UnexpectedStatus) => "D7 answers 404.",
            Self::Refresh(FailureKind::RateLimited) => "D7 answers 429 and wants a pause of 30 s.",
            Self::Refresh(FailureKind::Unavailable) => "D7 answers 500.",
            Self::Refresh(FailureKind::Unreachable) => "D7 resets each connection.",
            Self::Refresh(FailureKind::Timeout) => "D7 takes a request and never answers.",
            Self::Refresh(FailureKind::InvalidResponse) => {
                "D7 answers 200 with a body that has no balance."
            }
            Self::Refresh(FailureKind::Panicked) => "Every refresh but the first panics.",
            Self::RateLimited => "Each client may ask once a minute.",
            Self::Overloaded => "One request may wait for D7, which takes 3 s to answer.",
            Self::ShuttingDown => "A signal to stop has come; the demo ends 10 minutes later.",
        }
    }

    /// When it is seen.
    fn seen(self) -> &'static str {
        match self {
            Self::Refresh(_) => "about a second after the start, when the first balance is old",
            Self::RateLimited => "from the second request on",
            Self::Overloaded => {
                "where another request waits already. The line below asks twice\n\
                 at once; repeat it if it finds a balance that has just come"
            }
            Self::ShuttingDown => "at /readyz. All else is still answered, with Connection: close",
        }
    }

    /// The path to ask for.
    pub(super) fn path(self) -> &'static str {
        match self {
            Self::ShuttingDown => "/readyz",
            Self::Refresh(_) | Self::RateLimited | Self::Overloaded => "/balance",
        }
    }

    /// How many requests it takes at once.
    pub(super) fn requests(self) -> usize {
        match self {
            Self::Overloaded => 2,
            Self::Refresh(_) | Self::RateLimited | Self::ShuttingDown => 1,
        }
    }

    /// The settings that it is made of: they hold whatever the environment says.
    pub(super) fn settings(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Refresh(_) => &[],
            Self::RateLimited => &[("D7B_RATE_LIMIT", "1/m")],
            Self::Overloaded => &[("D7B_CACHE_MAX_WAITERS", "1")],
            Self::ShuttingDown => &[("D7B_SHUTDOWN_DELAY", "10m")],
        }
    }

    /// What a demo has instead of the usual defaults, so that the error shows at
    /// once and nothing stale stands in its place.
    pub(super) fn defaults(self) -> &'static [(&'static str, &'static str)] {
        const ALL: [(&str, &str); 5] = [
            ("D7B_UPSTREAM_TIMEOUT", "1s"),
            ("D7B_CACHE_TTL", "1s"),
            ("D7B_CACHE_STALE_WHILE_REVALIDATE", "0s"),
            ("D7B_CACHE_STALE_IF_ERROR", "0s"),
            ("D7B_CACHE_KEEP_WARM", "true"),
        ];
        match self {
            Self::Refresh(FailureKind::Timeout) => &ALL,
            Self::Refresh(_) | Self::RateLimited | Self::Overloaded | Self::ShuttingDown => {
                &ALL[1..]
            }
        }
    }

    /// What D7 answers, but for its first answer.
    pub(super) fn answer(self, account: &mut Account) -> Script {
        const JSON: &str = "content-type: application/json\r\n";
        match self {
            Self::Refresh(FailureKind::Unauthorized) => answer(401, REJECTION),
            Self::Refresh(FailureKind::Forbidden) => answer(403, r#"{"detail": "Forbidden"}"#),
            Self::Refresh(FailureKind::PaymentRequired) => {
                answer(402, r#"{"detail": "Payment Required"}"#)
            }
            Self::Refresh(FailureKind::UnexpectedStatus) => {
                answer(404, r#"{"detail": "Not Found"}"#)
            }
            Self::Refresh(FailureKind::RateLimited) => answer_with(
                429,
                &format!("{JSON}retry-after: 30\r\n"),
                r#"{"detail": "Too Many Requests"}"#,
            ),
            Self::Refresh(FailureKind::Unavailable) => {
                answer(500, r#"{"detail": "Internal Server Error"}"#)
            }
            Self::Refresh(FailureKind::Unreachable) => vec![Step::Reset],
            Self::Refresh(FailureKind::Timeout) => vec![Step::Hang],
            Self::Refresh(FailureKind::InvalidResponse) => {
                answer(200, r#"{"credits": 99.9999999}"#)
            }
            Self::Overloaded => [vec![Step::Pause(HOLD)], account.look()].concat(),
            Self::Refresh(FailureKind::Panicked) | Self::RateLimited | Self::ShuttingDown => {
                account.look()
            }
        }
    }

    /// What stands between the refresher and D7, if anything does.
    pub(super) fn wrap_source(self) -> Option<WrapSource> {
        (self == Self::Refresh(FailureKind::Panicked)).then(Panics::wrap)
    }

    /// The signal that has come before the service serves, if one has.
    pub(super) fn signal(self) -> Option<Signal> {
        (self == Self::ShuttingDown).then_some(Signal::Stop)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (code, status) = (self.code(), self.error().entry().status);
        writeln!(f, "Fault {code}: {}", self.cause())?;
        writeln!(f, "Callers get {status} {code} {}.", self.seen())
    }
}

/// The codes of all faults, each on a line.
fn list() -> String {
    Fault::all()
        .map(|fault| format!("\n  {}", fault.code()))
        .collect()
}
