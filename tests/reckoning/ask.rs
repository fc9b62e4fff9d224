//! The requests of a run, drawn at random, and what has to be counted of each:
//! it follows from what was sent and from the answer alone.

use std::net::SocketAddr;

use fastrand::Rng;

use crate::{
    harness::{Request, Response},
    keys::{Key, Keys, LIMITED},
    tally::Tally,
};

/// A request, and what it may be answered.
pub(crate) struct Ask {
    pub(crate) bytes: Vec<u8>,
    pub(crate) method: &'static str,
    /// Whether the connection stays open after the answer.
    pub(crate) is_kept: bool,
    expects: Expects,
}

/// What a request may be answered.
#[derive(Debug, Clone, Copy)]
enum Expects {
    /// A balance, or the reason why there is none: a key of this client is
    /// accepted.
    Balance {
        client: &'static str,
        is_only_if_cached: bool,
    },
    /// The status, for this client.
    Status(&'static str),
    /// A page for anyone.
    Page,
    /// An error that has nothing to do with keys.
    Problem(u16, &'static str),
    /// The credential is not accepted, for this reason.
    Denied(&'static str),
}

/// Who draws requests.
pub(crate) struct Drawer<'a> {
    pub(crate) rng: Rng,
    pub(crate) keys: &'a Keys,
    pub(crate) addr: SocketAddr,
    /// The entity tag of the last balance.
    pub(crate) known: Option<String>,
    /// Whether something newer may be insisted on.
    pub(crate) insists: bool,
}

const NOBODY: &str = "";

impl<'a> Drawer<'a> {
    pub(crate) fn draw(&mut self) -> Ask {
        match self.rng.u8(..100) {
            0..70 => self.balance(),
            70..74 => self.status(),
            74..78 => self.page(),
            78..93 => self.denied(),
            93..99 => self.problem(),
            // Seldom: it may take a second until such a connection is closed.
            _ => self.with_a_body(),
        }
    }

    /// A request that waits for a refresh if any does.
    pub(crate) fn insistent(&mut self, method: &'static str) -> Ask {
        let key = self.key(|key| key.client != LIMITED);
        let request = Request::new(self.addr, method, self.route())
            .bearer(&key.text)
            .header("cache-control", "no-cache");
        Ask::new(method, request, expects_balance(key.client))
    }

    fn balance(&mut self) -> Ask {
        let path = self.route();
        let (method, mut request) = self.to(path);
        let key = self.key(|_| true);
        let mut is_only_if_cached = false;
        request = request.bearer(&key.text);
        if let (Some(etag), 0..30) = (&self.known, self.rng.u8(..100)) {
            let list = format!("\"another\", W/{etag}");
            request = match self.rng.u8(..3) {
                0 => request.header("if-none-match", "*"),
                1 => request.header("if-none-match", &list),
                _ => request.header("if-none-match", etag),
            };
        }
        match self.rng.u8(..100) {
            0..10 => {
                is_only_if_cached = true;
                request = request.header("cache-control", "only-if-cached");
            }
            10..13 => {
                is_only_if_cached = true;
                request = request.header("cache-control", "no-cache, only-if-cached");
            }
            13..20 => request = request.header("cache-control", "max-age=1"),
            20..26 if self.insists => request = request.header("cache-control", "max-age=0"),
            26..40 if self.insists => request = request.header("cache-control", "no-cache"),
            _ => {}
        }
        let expects = Expects::Balance {
            client: key.client,
            is_only_if_cached,
        };
        Ask::new(method, request, expects)
    }

    fn status(&mut self) -> Ask {
        let key = self.key(|_| true);
        let (method, request) = self.to("/status");
        Ask::new(
            method,
            request.bearer(&key.text),
            Expects::Status(key.client),
        )
    }

    fn page(&mut self) -> Ask {
        let pages = [
            "/livez",
            "/readyz",
            "/problems",
            "/problems/unauthorized",
            "/openapi.yaml",
        ];
        let path = self.one_of(&pages);
        let (method, mut request) = self.to(path);
        if self.rng.bool() {
            // Nobody looks at it.
            request = request.bearer(&self.keys.good[0].text);
        }
        Ask::new(method, request, Expects::Page)
    }

    fn denied(&mut self) -> Ask {
        let path = self.one_of(&["/balance", "/messages/v1/balance", "/status"]);
        let (method, request) = self.to(path);
        let good = &self.keys.good[0].text;
        let (request, reason) = match self.rng.u8(..10) {
            0 => (request, "missing"),
            1 => (
                request.header("authorization", "Basic dXNlcjpzZWNyZXQ="),
                "missing",
            ),
            2 => (request.bearer(good).bearer(good), "ambiguous"),
            _ => {
                let place = self.rng.usize(..self.keys.bad.len());
                let (text, reason) = &self.keys.bad[place];
                (request.bearer(text), *reason)
            }
        };
        Ask::new(method, request, Expects::Denied(reason))
    }

    fn problem(&mut self) -> Ask {
        let keys = self.keys;
        let key = &keys.good[0].text;
        let (method, nowhere) = self.to("/nowhere");
        let (method, request, status, code) = match self.rng.u8(..4) {
            0 => (method, nowhere.bearer(key), 404, "not_found"),
            1 => {
                let (method, unknown) = self.to("/problems/none_such");
                (method, unknown, 404, "not_found")
            }
            2 => {
                let path = self.route();
                let post = Request::new(self.addr, "POST", path).bearer(key);
                ("POST", post, 405, "method_not_allowed")
            }
            _ => {
                let (method, rebound) = self.to("/balance");
                let rebound = rebound.without("host").header("host", "rebound.example");
                (method, rebound.bearer(key), 421, "misdirected_request")
            }
        };
        Ask::new(method, request, Expects::Problem(status, code))
    }

    /// Bodies that nobody reads: the connection closes after the answer.
    fn with_a_body(&mut self) -> Ask {
        let key = self.key(|_| true);
        let path = self.route();
        let request = Request::new(self.addr, "GET", path).bearer(&key.text);
        let post = Request::new(self.addr, "POST", "/balance").bearer(&key.text);
        let not_allowed = Expects::Problem(405, "method_not_allowed");
        let of_client = expects_balance(key.client);
        let chunks = |request: Request| request.header("transfer-encoding", "chunked");
        let (method, request, chunk, expects) = match self.rng.u8(..4) {
            0 => ("GET", request.body(b"unasked"), "", of_client),
            1 => (
                "GET",
                chunks(request),
                "7\r\nunasked\r\n0\r\n\r\n",
                of_client,
            ),
            // One that does not end.
            2 => ("GET", chunks(request), "7\r\nunasked\r\n", of_client),
            _ => ("POST", post.body(b"unasked"), "", not_allowed),
        };
        let mut ask = Ask::new(method, request, expects);
        ask.bytes.extend_from_slice(chunk.as_bytes());
        ask.is_kept = false;
        ask
    }

    /// GET as a rule, and HEAD at times.
    fn to(&mut self, path: &str) -> (&'static str, Request) {
        let method = if self.rng.u8(..6) == 0 { "HEAD" } else { "GET" };
        (method, Request::new(self.addr, method, path))
    }

    fn route(&mut self) -> &'static str {
        self.one_of(&["/balance", "/messages/v1/balance"])
    }

    fn one_of(&mut self, texts: &[&'static str]) -> &'static str {
        texts[self.rng.usize(..texts.len())]
    }

    fn key(&mut self, is_meant: impl Fn(&Key) -> bool) -> &'a Key {
        let meant: Vec<_> = self.keys.good.iter().filter(|key| is_meant(key)).collect();
        meant[self.rng.usize(..meant.len())]
    }
}

fn expects_balance(client: &'static str) -> Expects {
    Expects::Balance {
        client,
        is_only_if_cached: false,
    }
}

impl Ask {
    fn new(method: &'static str, request: Request, expects: Expects) -> Self {
        Self {
            bytes: request.bytes(),
            method,
            is_kept: true,
            expects,
        }
    }

    /// Enters what the service has to have counted where this is its answer.
    pub(crate) fn enter(&self, response: &Response, tally: &mut Tally) {
        let client = match (self.expects, response.status) {
            (Expects::Balance { client, .. }, 200 | 304) => {
                enter_balance(response, tally);
                client
            }
            (Expects::Balance { client, .. } | Expects::Status(client), 429) => {
                if client != LIMITED {
                    self.surprise(response, tally);
                }
                tally.count("d7b_rate_limited_total", &[("client", client)]);
                self.enter_problem(response, Some("rate_limited"), tally);
                client
            }
            (Expects::Balance { client, .. }, 502..=504) => {
                self.enter_problem(response, self.code_of_head(response.status), tally);
                client
            }
            (Expects::Status(client), 200) => client,
            (Expects::Page, 200) => NOBODY,
            (Expects::Problem(status, code), answered) if status == answered => {
                self.enter_problem(response, Some(code), tally);
                NOBODY
            }
            (Expects::Denied(reason), 400 | 401) => {
                let (status, code) = if reason == "ambiguous" {
                    (400, "bad_request")
                } else {
                    (401, "unauthorized")
                };
                if status != response.status {
                    self.surprise(response, tally);
                }
                tally.count("d7b_denied_total", &[("reason", reason)]);
                self.enter_problem(response, Some(code), tally);
                NOBODY
            }
            _ => {
                self.surprise(response, tally);
                NOBODY
            }
        };
        let class = format!("{}xx", response.status / 100);
        tally.count(
            "d7b_requests_total",
            &[("client", client), ("status_class", &class)],
        );
        tally.count("d7b_request_duration_seconds_count", &[("client", client)]);
    }

    /// The code of an error whose body is not there to tell it, where its status
    /// does: all others of 504 are a timeout.
    fn code_of_head(&self, status: u16) -> Option<&'static str> {
        let is_only_if_cached = matches!(
            self.expects,
            Expects::Balance {
                is_only_if_cached: true,
                ..
            }
        );
        match status {
            504 if is_only_if_cached => Some("not_cached"),
            504 => Some("upstream_timeout"),
            _ => None,
        }
    }

    /// Enters an error by the code in its body, or by `of_head` where it has
    /// none.
    fn enter_problem(&self, response: &Response, of_head: Option<&str>, tally: &mut Tally) {
        let told = (self.method != "HEAD").then(|| response.code());
        match told.as_deref().or(of_head) {
            Some(code) => tally.count("d7b_problems_total", &[("code", code)]),
            None => tally.count_untold(response.status),
        }
        let Expects::Problem(_, code) = self.expects else {
            return;
        };
        if told.is_some_and(|told| told != code) {
            self.surprise(response, tally);
        }
    }

    fn surprise(&self, response: &Response, tally: &mut Tally) {
        let asked = String::from_utf8_lossy(&self.bytes);
        let asked = asked.lines().next().unwrap_or_default();
        let body = String::from_utf8_lossy(&response.body);
        let status = response.status;
        let expects = self.expects;
        tally.surprise(format!("{asked}, {expects:?}: {status} {body}"));
    }
}

/// Enters a balance by what its `Cache-Status` says. A balance of just the age
/// of its time to live is stale and has `ttl=0`; that one nanosecond has not
/// been met.
fn enter_balance(response: &Response, tally: &mut Tally) {
    let status = response.cache_status();
    let parameters: Vec<_> = status.split("; ").collect();
    let value = |name: &str| parameters.iter().find_map(|one| one.strip_prefix(name));
    let is_stale = value("ttl=").unwrap().starts_with('-');
    let cache = if parameters.contains(&"hit") {
        if is_stale { "stale" } else { "hit" }
    } else if parameters.contains(&"stored") {
        "stored"
    } else if parameters.contains(&"collapsed") {
        "collapsed"
    } else {
        "fallback"
    };
    tally.count("d7b_answers_total", &[("cache", cache)]);
    if is_stale {
        let reason = value("detail=").unwrap_or("revalidating");
        tally.count("d7b_stale_answers_total", &[("reason", reason)]);
    }
}
