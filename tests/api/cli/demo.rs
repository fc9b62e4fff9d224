//! `demo`: the service with nothing configured.

mod fault;

use std::{
    net::{SocketAddr, TcpListener},
    sync::{Mutex, PoisonError},
};

use super::nothing;
use crate::{
    alerts::receiver::Receiver,
    harness::{
        Request, Response,
        process::{Process, Variables, variables},
        wait_until,
    },
};

/// One demo starts at a time: they all want the same ports.
static STARTS: Mutex<()> = Mutex::new(());

struct Demo {
    process: Process,
    /// The address of the URL in the `curl` line.
    addr: SocketAddr,
    /// The header in the `curl` line, name and value.
    header: (String, String),
    /// The path of the URL in the `curl` line.
    path: String,
}

impl Demo {
    /// Starts a demo, and reads the line that it says to try.
    fn start(variables: Variables) -> Self {
        Self::start_with(&[], variables)
    }

    /// The same with arguments.
    fn start_with(arguments: &[&str], variables: Variables) -> Self {
        let _alone = STARTS.lock().unwrap_or_else(PoisonError::into_inner);
        let process = Process::start(&[&["demo"], arguments].concat(), variables);
        let stdout = process.wait_for("the demo tells what to try", || {
            let stdout = process.stdout();
            let is_whole = stdout.contains("curl ") && stdout.ends_with('\n');
            is_whole.then_some(stdout)
        });
        let line = stdout.lines().find(|line| line.contains("curl ")).unwrap();
        let header = line.split('\'').nth(1).unwrap();
        let (name, value) = header.split_once(": ").unwrap();
        let url = line.rsplit(' ').next().unwrap();
        let (addr, path) = url
            .strip_prefix("http://")
            .and_then(|rest| rest.split_once('/'))
            .unwrap();
        Self {
            addr: addr.parse().unwrap(),
            header: (name.to_owned(), value.to_owned()),
            path: format!("/{path}"),
            process,
        }
    }

    /// The request of the `curl` line.
    fn request(&self) -> Request {
        let (name, value) = &self.header;
        Request::new(self.addr, "GET", &self.path).header(name, value)
    }

    fn assert_works(&self) -> Response {
        let response = self.request().send();
        assert_eq!(response.status, 200, "{}", response.text());
        let body = response.json();
        let balance = body["balance_text"].as_str().unwrap();
        assert_eq!(balance.split_once('.').unwrap().1.len(), 7, "{balance}");
        response
    }
}

#[test]
fn the_line_that_a_demo_prints_works_whatever_is_configured() {
    let rubbish = "marker rubbish\u{1}";

    let demo = Demo::start(variables([
        ("D7B_TOKEN", rubbish),
        ("D7B_TOKEN_FILE", rubbish),
        ("D7B_BASE_URL", rubbish),
        ("D7B_CA_FILE", rubbish),
        ("D7B_KEYS", rubbish),
        ("D7B_KEYS_FILE", rubbish),
        ("D7B_ALERT_WEBHOOK_URL_FILE", rubbish),
        ("D7B_ALERT_WEBHOOK_SECRET_FILE", rubbish),
        ("D7B_ALERT_WEBHOOK_CA_FILE", rubbish),
        ("D7B_ALERT_WEBHOOK_TIMEOUT", rubbish),
        ("D7B_SERVER_ADDR", "0.0.0.0:8080"),
        ("D7B_ADMIN_ADDR", "0.0.0.0:8080"),
        // The balance of the demo stays the same for that long.
        ("D7B_CACHE_TTL", "1h"),
    ]));

    let response = demo.assert_works();
    assert_eq!(response.json()["balance_text"], "99.9999999");
    assert!(demo.addr.ip().is_loopback());
    let again = demo
        .request()
        .header("if-none-match", response.expect("etag"))
        .send();
    assert_eq!((again.status, again.body.len()), (304, 0));
    let stdout = demo.process.stdout();
    let admin = stdout
        .lines()
        .find(|line| line.contains("/readyz"))
        .unwrap();
    let admin_addr: SocketAddr = admin
        .split_once("http://")
        .and_then(|(_, rest)| rest.split_once('/'))
        .and_then(|(addr, _)| addr.parse().ok())
        .unwrap();
    assert!(admin_addr.ip().is_loopback());
    assert_eq!(
        Request::new(admin_addr, "GET", "/readyz").send().status,
        200
    );
}

#[test]
fn a_demo_finds_other_ports_where_its_own_are_taken() {
    // One that is not to be had is another demo's, as a rule, and may be free soon.
    let take = |port| TcpListener::bind(("127.0.0.1", port)).ok();
    let taken: Vec<_> = [8080, 8081].into_iter().filter_map(take).collect();

    let demo = Demo::start(nothing());

    demo.assert_works();
    let addrs = taken.iter().map(|listener| listener.local_addr().unwrap());
    assert!(!addrs.collect::<Vec<_>>().contains(&demo.addr));
}

#[test]
fn the_account_falls_by_itself_and_the_history_shows_it() {
    let demo = Demo::start(variables([
        ("D7B_CACHE_TTL", "1s"),
        ("D7B_CACHE_KEEP_WARM", ""),
    ]));
    let balances = || {
        let (name, value) = &demo.header;
        let request = Request::new(demo.addr, "GET", "/history");
        let history = request.header(name, value).send().json();
        let samples = history["samples"].as_array().unwrap().iter();
        let texts = samples.map(|sample| sample["balance_text"].as_str().unwrap().to_owned());
        texts.take(3).collect::<Vec<_>>()
    };

    wait_until("the balance has changed twice", || balances().len() == 3);

    let balances = balances();
    assert_eq!(balances[0], "99.9999999");
    // Two figures before the point and seven after it compare as texts.
    assert!(balances.is_sorted_by(|a, b| a > b), "{balances:?}");
}

#[test]
fn a_demo_refreshes_every_five_seconds_unless_the_environment_says_otherwise() {
    let ttl_left = |variables| -> i64 {
        let answer = Demo::start(variables).assert_works();
        let (_, ttl) = answer.cache_status().split_once("ttl=").unwrap();
        ttl.parse().unwrap()
    };

    assert!(ttl_left(nothing()) <= 5);
    assert!(ttl_left(variables([("D7B_CACHE_TTL", "")])) <= 5);
    assert!(ttl_left(variables([("D7B_CACHE_TTL", "24h")])) > 3600);
}

#[test]
fn sigterm_ends_a_demo_well() {
    let demo = Demo::start(nothing());
    demo.assert_works();

    demo.process.signal("TERM");

    let ended = demo.process.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // The key was for whoever started it, and is in no log.
    let key = demo.header.1.strip_prefix("Bearer ").unwrap();
    assert!(!ended.stderr.contains(key), "{}", ended.stderr);
}

#[test]
fn a_demo_heeds_the_settings_that_it_has_no_own_for() {
    let ended = crate::harness::process::run(&["demo"], variables([("D7B_CACHE_TTL", "marker")]));

    assert_eq!((ended.code, &*ended.stdout), (Some(64), ""), "{ended:?}");
    assert!(ended.stderr.contains("D7B_CACHE_TTL must be"), "{ended:?}");
}

#[test]
fn a_demo_sends_nothing_though_its_log_tells_of_a_low_balance() {
    let receiver = Receiver::new();
    let below = [("D7B_ALERT_BELOW", "100".to_owned())];
    let settings = receiver.settings().into_iter().chain(below);

    let demo = Demo::start(variables(settings));
    demo.assert_works();

    demo.process.wait_for_line("balance_low");
    demo.process.signal("TERM");
    let ended = demo.process.wait();
    assert_eq!(ended.code, Some(0), "{ended:?}");
    // Nothing is kept back either.
    let told = ended.stderr.contains("\"event\":\"alert");
    assert!(!told, "{}", ended.stderr);
    assert_eq!(receiver.server.count(), 0);
}
