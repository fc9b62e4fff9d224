//! A service under test, and what talks to it.

// Named by path, so that other test binaries can take in this file by its own.
#[path = "harness/client.rs"]
pub(crate) mod client;
#[path = "harness/process.rs"]
pub(crate) mod process;
#[path = "harness/tls.rs"]
pub(crate) mod tls;

use std::{
    net::SocketAddr,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, SystemTime},
};

use d7_balance::{
    app::{App, Prepared, RunError, Seams, WrapSource},
    balance::hold_down::Draw,
    callers::key::NewKey,
    clock::{Clock, ManualClock},
    config::Draft,
    shutdown::{Signal, Signals},
    simulator::{Gate, Script, Simulator, Step},
};
use prometheus_client::metrics::counter::Counter;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc::UnboundedSender;

pub(crate) use self::client::{Connection, Request, Response};

/// How long a test waits for something that happens behind, at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// When the clock of every test begins: 2026-11-23T01:00:00.123Z.
pub(crate) fn start_of_time() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_395_600_123)
}

/// A service under test, on threads of its own, with a simulated D7.
pub(crate) struct TestApp {
    pub(crate) addr: SocketAddr,
    pub(crate) admin_addr: SocketAddr,
    /// Stands still until it is told to move.
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) d7: Simulator,
    /// A key of client `billing`.
    pub(crate) key: String,
    /// A key of client `web`.
    pub(crate) other_key: String,
    pub(crate) signals: UnboundedSender<Signal>,
    /// How many tasks sleep where nothing happens.
    idle: usize,
    thread: Option<thread::JoinHandle<Result<(), RunError>>>,
}

/// How a service under test is to be.
pub(crate) struct Builder {
    clock: Arc<ManualClock>,
    real_clock: Option<Arc<dyn Clock>>,
    draw: Draw,
    wrap_source: Option<WrapSource>,
    settings: Vec<(String, String)>,
}

impl TestApp {
    /// A service with the defaults of a running one, but for free ports, two
    /// workers, a clock that stands still, and draws that are the highest.
    pub(crate) fn start() -> Self {
        Self::builder().start()
    }

    pub(crate) fn builder() -> Builder {
        Builder {
            clock: Arc::new(ManualClock::new(start_of_time())),
            real_clock: None,
            draw: Arc::new(|_, high| high),
            wrap_source: None,
            settings: Vec::new(),
        }
    }

    /// A request to the public listener, without a credential.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.addr, method, path)
    }

    /// `GET /balance` with the key of `billing`, not sent yet.
    pub(crate) fn balance_request(&self) -> Request {
        self.request("GET", "/balance").bearer(&self.key)
    }

    /// `GET /balance` with the key of `billing`.
    pub(crate) fn balance(&self) -> Response {
        self.balance_request().send()
    }

    /// `GET /balance` with `Cache-Control: directives`.
    pub(crate) fn balance_with(&self, directives: &str) -> Response {
        self.balance_request()
            .header("cache-control", directives)
            .send()
    }

    /// A request to the admin listener.
    pub(crate) fn admin(&self, path: &str) -> Response {
        Request::new(self.admin_addr, "GET", path).send()
    }

    /// Moves the service's time on.
    pub(crate) fn advance(&self, by: Duration) {
        self.clock.advance(by);
    }

    /// Moves the service's time on by seconds.
    pub(crate) fn advance_s(&self, seconds: u64) {
        self.advance(Duration::from_secs(seconds));
    }

    /// Sends `GET /balance` from a thread of its own.
    pub(crate) fn balance_behind(&self) -> thread::JoinHandle<Response> {
        let request = self.balance_request();
        thread::spawn(move || request.send())
    }

    /// `GET /balance` where D7 is expected to reject the token: moves time over
    /// the pause before the confirmation.
    pub(crate) fn balance_over_confirmation(&self) -> Response {
        let answer = self.balance_behind();
        self.wait_until_parked(1);
        self.advance(Duration::from_millis(500));
        answer.join().unwrap()
    }

    /// Has D7 hold its answers, all from now on, until the gate is opened.
    pub(crate) fn hold(&self, answers: Script) -> Gate {
        let (gate, script) = gated(answers);
        self.d7.always(script);
        gate
    }

    /// Has D7 hold its next answer until the gate is opened.
    pub(crate) fn hold_next(&self, answer: Script) -> Gate {
        let (gate, script) = gated(answer);
        self.d7.next(script);
        gate
    }

    /// Sends `GET /balance` and leaves its connection to the caller: to keep it
    /// open, or to break it.
    pub(crate) fn balance_unread(&self) -> Connection {
        let mut connection = Connection::open(self.addr);
        connection.write(&self.balance_request().bytes());
        connection
    }

    /// Waits until so many tasks sleep on the service's clock, besides those
    /// that do so where nothing happens.
    pub(crate) fn wait_until_parked(&self, tasks: usize) {
        wait_until("the task is parked", || {
            self.clock.parked() == self.idle + tasks
        });
    }

    /// Has the service read its files again, as SIGHUP does.
    pub(crate) fn hang_up(&self) {
        self.signals.send(Signal::Hangup).unwrap();
    }

    /// Waits until so many requests have reached D7.
    pub(crate) fn wait_for_d7(&self, requests: usize) {
        wait_until("D7 is asked", || self.d7.count() >= requests);
    }

    /// Waits until so many requests wait for a refresh.
    pub(crate) fn wait_for_waiters(&self, waiters: usize) {
        wait_until("the requests wait", || {
            self.metric("d7b_waiters") == Some(waiters as f64)
        });
    }

    /// Waits until so many refreshes have ended well.
    pub(crate) fn wait_for_refreshes(&self, refreshes: usize) {
        self.wait_for_outcomes("ok", refreshes);
    }

    /// Waits until so many refreshes have ended with `outcome`.
    pub(crate) fn wait_for_outcomes(&self, outcome: &str, refreshes: usize) {
        let series = format!("d7b_refreshes_total{{outcome=\"{outcome}\"}}");
        wait_until("the refresh ends", || {
            self.metric(&series) == Some(refreshes as f64)
        });
    }

    /// The value of one series, written as in the exposition.
    pub(crate) fn metric(&self, series: &str) -> Option<f64> {
        let text = self.admin("/metrics").text();
        let line = text.lines().find(|line| {
            line.strip_prefix(series)
                .is_some_and(|rest| rest.starts_with(' '))
        })?;
        line.rsplit(' ').next()?.parse().ok()
    }

    /// Tells the service to stop and waits for its end.
    pub(crate) fn stop(mut self) -> Result<(), RunError> {
        self.signals.send(Signal::Stop).unwrap();
        self.join()
    }

    /// Whether the service has ended.
    pub(crate) fn has_ended(&self) -> bool {
        self.thread
            .as_ref()
            .is_none_or(thread::JoinHandle::is_finished)
    }

    /// Waits for the service's end.
    pub(crate) fn join(&mut self) -> Result<(), RunError> {
        self.thread.take().unwrap().join().unwrap()
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        // The second signal ends at once; neither matters if it has ended.
        self.signals.send(Signal::Stop).unwrap_or_default();
        self.signals.send(Signal::Stop).unwrap_or_default();
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

impl Builder {
    /// Sets a variable, over the harness's own.
    pub(crate) fn set(mut self, name: &str, value: &str) -> Self {
        self.settings.retain(|(known, _)| known != name);
        self.settings.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Picks hold-downs and pauses.
    pub(crate) fn draw(
        mut self,
        draw: impl Fn(Duration, Duration) -> Duration + Send + Sync + 'static,
    ) -> Self {
        self.draw = Arc::new(draw);
        self
    }

    /// Puts a source round the one that asks D7.
    pub(crate) fn wrap_source(mut self, wrap: WrapSource) -> Self {
        self.wrap_source = Some(wrap);
        self
    }

    /// Has the service use another clock than [`TestApp::clock`].
    pub(crate) fn clock(mut self, clock: Arc<dyn Clock>) -> Self {
        self.real_clock = Some(clock);
        self
    }

    pub(crate) fn start(self) -> TestApp {
        let d7 = Simulator::start().unwrap();
        self.start_with(d7)
    }

    /// Starts with a simulated D7 that is there already. `D7B_BASE_URL` is its
    /// address, unless it has been set.
    pub(crate) fn start_with(self, d7: Simulator) -> TestApp {
        let (billing, web) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
        let keys = format!(
            "billing:{}:{},web:{}:{}",
            billing.id, billing.digest, web.id, web.digest
        );
        let mut settings = vec![
            ("D7B_TOKEN".to_owned(), "the-token".to_owned()),
            ("D7B_BASE_URL".to_owned(), d7.base_url()),
            ("D7B_KEYS".to_owned(), keys),
            ("D7B_SERVER_ADDR".to_owned(), "127.0.0.1:0".to_owned()),
            ("D7B_ADMIN_ADDR".to_owned(), "127.0.0.1:0".to_owned()),
            ("D7B_SERVER_WORKERS".to_owned(), "2".to_owned()),
            // A request's time passes by itself, not by the test's clock, and the
            // machine may be busy.
            ("D7B_UPSTREAM_TIMEOUT".to_owned(), "60s".to_owned()),
        ];
        let given = |name: &str| self.settings.iter().any(|(own, _)| own == name);
        settings.retain(|(name, _)| {
            let by_file = ["D7B_TOKEN", "D7B_KEYS"].contains(&name.as_str());
            let is_replaced = by_file && given(&format!("{name}_FILE"));
            !given(name) && !is_replaced
        });
        settings.extend(self.settings);
        // The files that are looked at each in rounds of its own; the tokens are in
        // rounds that they have together.
        let read_again: [&[&str]; 3] = [
            &["D7B_KEYS_FILE"],
            &["D7B_SESSION_SECRET_FILE"],
            &["D7B_TOKEN_FILE", "D7B_TOKEN_SECONDARY_FILE"],
        ];
        let is_set = |name: &&str| settings.iter().any(|(set, _)| set == name);
        let idle = read_again.iter().filter(|names| names.iter().any(is_set));
        let idle = idle.count();
        let variables = settings
            .into_iter()
            .map(|(name, value)| (name.into(), value.into()));
        let prepared = Prepared::new(Draft::read(variables)).unwrap();

        let manual = Arc::clone(&self.clock);
        let seams = Seams {
            clock: self.real_clock.unwrap_or(manual),
            draw: self.draw,
            wrap_source: self.wrap_source,
            log_lines_dropped: Some(Counter::default()),
        };
        let (signals, incoming) = Signals::by_hand();
        let (bound, addrs) = mpsc::channel();
        let thread = thread::spawn(move || {
            actix_rt::System::new().block_on(async {
                let app = App::bind(prepared, seams).unwrap();
                bound.send((app.addr(), app.admin_addr())).unwrap();
                app.run_until(incoming).await
            })
        });
        let (addr, admin_addr) = addrs.recv().unwrap();
        let secret = |key: SecretString| key.expose_secret().to_owned();
        let app = TestApp {
            addr,
            admin_addr,
            clock: self.clock,
            d7,
            key: secret(billing.key),
            other_key: secret(web.key),
            signals,
            idle,
            thread: Some(thread),
        };
        wait_until("the service is ready", || {
            app.admin("/readyz").status == 200
        });
        wait_until("the files are waited for", || {
            app.clock.parked() >= app.idle
        });
        app
    }
}

/// Polls until something is so.
#[expect(
    clippy::disallowed_methods,
    reason = "a poll with a deadline for what happens behind; no test sleeps for freshness"
)]
pub(crate) fn wait_until(what: &str, is_so: impl Fn() -> bool) {
    let poll = Duration::from_millis(2);
    for _ in 0..PATIENCE.as_millis() / poll.as_millis() {
        if is_so() {
            return;
        }
        thread::sleep(poll);
    }
    panic!("waited in vain: {what}");
}

/// A script that begins when the gate is opened, and the gate.
pub(crate) fn gated(script: Script) -> (Gate, Script) {
    let gate = Gate::closed();
    let mut steps = vec![Step::Await(gate.clone())];
    steps.extend(script);
    (gate, steps)
}
