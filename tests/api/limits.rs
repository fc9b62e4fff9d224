//! How often a client may ask: what it is told of its limit, what counts, and
//! that its limit is nobody else's.

use std::{
    fs,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use d7_balance::{
    callers::key::NewKey,
    clock::{Clock, ManualClock, MonoTime},
};
use futures_util::future::BoxFuture;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{
    harness::{Connection, Request, Response, TestApp, process::Service, start_of_time},
    problems::assert_problem,
};

const NANOSECOND: Duration = Duration::from_nanos(1);

/// A service in which every client has this limit.
fn limited(limit: &str) -> TestApp {
    TestApp::builder().set("D7B_RATE_LIMIT", limit).start()
}

/// The answer's two headers about the limit.
fn told(answer: &Response) -> Option<[&str; 2]> {
    match ["ratelimit-policy", "ratelimit"].map(|name| answer.header(name)) {
        [Some(policy), Some(left)] => Some([policy, left]),
        [None, None] => None,
        one_without_the_other => panic!("{one_without_the_other:?}"),
    }
}

/// The `r` of the answer: how many more are allowed at once.
fn left(answer: &Response) -> u64 {
    let left = answer.expect("ratelimit");
    let r = left.strip_prefix("\"client\";r=").unwrap();
    r.split(';').next().unwrap().parse().unwrap()
}

/// The problem of one who has to wait.
fn rate_limited(retry_after: u64) -> Value {
    json!({
        "type": "/problems/rate_limited",
        "title": "The client's limit is reached",
        "status": 429,
        "detail": "All keys of a client share one limit, which the RateLimit-Policy header tells. \
                   Wait as long as Retry-After says and ask less often, or have the operators of \
                   this service raise the limit.",
        "code": "rate_limited",
        "retryable": true,
        "retry_after": retry_after,
    })
}

/// A key file with a key for each row of client and limit, and the keys.
fn keys_file<const N: usize>(rows: [(&str, &str); N]) -> (TempDir, String, [String; N]) {
    let mut text = String::new();
    let keys = rows.map(|(client, limit)| {
        let new = NewKey::generate().unwrap();
        text += &format!(
            "[[keys]]\nclient = \"{client}\"\nid = \"{}\"\nsha256 = \"{}\"\n{limit}\n",
            new.id, new.digest
        );
        new.key.expose_secret().to_owned()
    });
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");
    fs::write(&path, text).unwrap();
    (directory, path.to_str().unwrap().to_owned(), keys)
}

#[test]
fn every_answer_of_a_limited_client_tells_the_limit_and_what_is_left_of_it() {
    let app = limited("6/m");
    let balance = app.balance_request();
    let as_d7 = app.request("GET", "/messages/v1/balance").bearer(&app.key);
    let head = app.request("HEAD", "/balance").bearer(&app.key);

    let none = balance.clone().header("cache-control", "only-if-cached");
    let none = none.send();
    let stored = balance.send();
    let etag = stored.expect("etag").to_owned();
    let same = balance.clone().header("if-none-match", &etag).send();
    let head_stored = head.send();
    app.advance_s(3600);
    app.d7.always(d7_balance::simulator::answer(500, ""));
    let failed = balance.send();
    let hit = as_d7.send();
    let answers = [&none, &stored, &same, &head_stored, &failed, &hit];

    let told = answers.map(|answer| (answer.status, told(answer).unwrap()));
    let policy = "\"client\";q=6;w=60";
    assert_eq!(
        told,
        [
            (504, [policy, "\"client\";r=5;t=10"]),
            (200, [policy, "\"client\";r=4;t=20"]),
            (304, [policy, "\"client\";r=3;t=30"]),
            (200, [policy, "\"client\";r=2;t=40"]),
            // An hour later.
            (502, [policy, "\"client\";r=5;t=10"]),
            (502, [policy, "\"client\";r=4;t=20"]),
        ]
    );
}

#[test]
fn beyond_the_limit_the_answer_is_429_and_says_how_long_to_wait() {
    let app = limited("2/h");
    app.balance();
    app.balance();
    app.advance_s(600);

    let refused = app.balance();

    let headers = [
        ("ratelimit", "\"client\";r=0;t=3000"),
        ("ratelimit-policy", "\"client\";q=2;w=3600"),
        ("retry-after", "1200"),
    ];
    assert_problem(&refused, rate_limited(1200), &headers);
    let head = app.request("HEAD", "/balance").bearer(&app.key).send();
    assert_eq!((head.status, &*head.body), (429, &b""[..]));
    assert_eq!(
        head.expect("content-length"),
        refused.body.len().to_string()
    );
    for (name, value) in headers {
        assert_eq!(head.expect(name), value);
    }
    let as_d7 = app.request("GET", "/messages/v1/balance").bearer(&app.key);
    assert_problem(&as_d7.send(), rate_limited(1200), &headers);
}

#[test]
fn after_retry_after_one_request_is_allowed_and_no_sooner() {
    let app = limited("4/s");
    let all: Vec<_> = (0..4).map(|_| app.balance().status).collect();
    assert_eq!(all, [200; 4]);

    app.advance(Duration::from_millis(250) - NANOSECOND);
    let too_soon = app.balance();
    app.advance(NANOSECOND);
    let in_time = app.balance();
    let too_many = app.balance();

    assert_eq!(
        [&too_soon, &in_time, &too_many].map(|answer| answer.status),
        [429, 200, 429]
    );
    assert_eq!(
        told(&in_time).unwrap()[1],
        "\"client\";r=0;t=1",
        "a refused request takes nothing"
    );

    let app = limited("1/m");
    app.balance();
    let wait: u64 = app.balance().expect("retry-after").parse().unwrap();
    app.advance(Duration::from_secs(wait) - NANOSECOND);
    assert_eq!(app.balance().expect("retry-after"), "1");
    app.advance(NANOSECOND);
    assert_eq!(app.balance().status, 200);
}

#[test]
fn a_refused_request_is_answered_without_a_look_at_the_cache() {
    let app = limited("1/m");
    app.balance();
    assert_eq!(app.d7.count(), 1);
    app.advance(Duration::from_secs(60) - NANOSECOND);
    app.d7.always(d7_balance::simulator::answer(500, ""));

    let refused = app.balance_with("no-cache");

    assert_eq!(refused.code(), "rate_limited");
    assert_eq!(app.d7.count(), 1);
}

#[test]
fn what_is_answered_before_the_limit_is_looked_at_does_not_count_and_tells_nothing() {
    let app = limited("2/h");
    assert_eq!(left(&app.balance()), 1);
    let typo = format!("{}x", app.key);
    let elsewhere = app.balance_request().without("host");

    let answers = [
        app.request("GET", "/balance"),
        app.request("GET", "/balance").bearer(&typo),
        app.balance_request().bearer(&app.key),
        app.request("POST", "/balance").bearer(&app.key),
        app.request("GET", "/balance/").bearer(&app.key),
        app.request("GET", "/problems").bearer(&app.key),
        app.request("GET", "/livez").bearer(&app.key),
        elsewhere.header("host", "example.com"),
    ]
    .map(|request| request.send());

    let statuses = [401, 401, 400, 405, 404, 200, 200, 421];
    assert_eq!(answers.each_ref().map(|answer| answer.status), statuses);
    for answer in &answers {
        assert_eq!(told(answer), None);
    }
    assert_eq!(left(&app.balance()), 0);
}

#[test]
fn a_limit_of_its_own_goes_before_that_for_all_and_holds_for_all_keys_of_a_client() {
    let own = "rate_limit = \"3/h\"";
    let (_directory, path, [one, two, web]) =
        keys_file([("billing", own), ("billing", ""), ("web", "")]);
    let start = |limit| {
        let builder = TestApp::builder().set("D7B_KEYS_FILE", &path);
        builder.set("D7B_RATE_LIMIT", limit).start()
    };
    let ask = |app: &TestApp, key: &str| app.request("GET", "/balance").bearer(key).send();

    let app = start("5/s");
    let of_billing = [&one, &two, &one, &two].map(|key| ask(&app, key));
    let of_web = ask(&app, &web);

    let policies = of_billing.each_ref().map(|answer| told(answer).unwrap()[0]);
    assert_eq!(policies, ["\"client\";q=3;w=3600"; 4]);
    let lefts = of_billing
        .each_ref()
        .map(|answer| (answer.status, left(answer)));
    assert_eq!(lefts, [(200, 2), (200, 1), (200, 0), (429, 0)]);
    assert_eq!(
        told(&of_web).unwrap(),
        ["\"client\";q=5;w=1", "\"client\";r=4;t=1"]
    );

    let app = start("");
    assert_eq!(left(&ask(&app, &two)), 2);
    for _ in 0..20 {
        let answer = ask(&app, &web);
        assert_eq!((answer.status, told(&answer)), (200, None));
    }
}

/// Sends a request so often on one connection.
fn repeat(request: &Request, times: usize) -> Vec<Response> {
    let mut connection = Connection::open(request.addr());
    (0..times)
        .map(|_| request.send_on(&mut connection))
        .collect()
}

#[test]
fn a_client_at_ten_times_its_limit_gets_its_limit_and_leaves_the_others_alone() {
    let app = limited("50/m");
    let noisy = app.balance_request();
    let quiet = app.request("GET", "/balance").bearer(&app.other_key);

    let (of_noisy, of_quiet) = thread::scope(|scope| {
        let noisy = [(); 5].map(|()| scope.spawn(|| repeat(&noisy, 100)));
        let quiet = scope.spawn(|| repeat(&quiet, 50));
        let of_noisy = noisy.map(|thread| thread.join().unwrap()).concat();
        (of_noisy, quiet.join().unwrap())
    });

    let (allowed, refused): (Vec<_>, Vec<_>) =
        of_noisy.iter().partition(|answer| answer.status == 200);
    assert_eq!((allowed.len(), refused.len()), (50, 450));
    assert!(refused.iter().all(|answer| answer.status == 429));
    let mut lefts: Vec<_> = allowed.into_iter().map(left).collect();
    lefts.sort_unstable();
    assert!(lefts.into_iter().eq(0..50));
    let of_quiet: Vec<_> = of_quiet
        .iter()
        .map(|answer| (answer.status, left(answer)))
        .collect();
    let undisturbed: Vec<_> = (0..50).rev().map(|left| (200, left)).collect();
    assert_eq!(of_quiet, undisturbed);
    for (client, allowed, refused) in [("billing", 50.0, 450.0), ("web", 50.0, 0.0)] {
        let answered = |class: &str| {
            app.metric(&format!(
                "d7b_requests_total{{client=\"{client}\",status_class=\"{class}\"}}"
            ))
        };
        let limited = format!("d7b_rate_limited_total{{client=\"{client}\"}}");
        assert_eq!(answered("2xx"), Some(allowed));
        assert_eq!(answered("4xx"), Some(refused));
        assert_eq!(app.metric(&limited), Some(refused));
    }
    assert_eq!(app.d7.count(), 1);
}

#[test]
fn a_refused_request_is_logged_as_any_other_is() {
    let service = Service::start(&[("D7B_RATE_LIMIT", "1/h")]);

    let statuses = [(); 2].map(|()| service.balance_request().send().status);

    assert_eq!(statuses, [200, 429]);
    let refused = &service.wait_for_requests(2)[1];
    let told = [
        "level",
        "http.status_code",
        "error.kind",
        "client",
        "key_id",
        "cache.status",
        "denied",
    ]
    .map(|name| &refused[name]);
    assert_eq!(
        json!(told),
        json!([
            "INFO",
            429,
            "rate_limited",
            "billing",
            service.key_id,
            null,
            null
        ])
    );
}

/// A clock whose monotonic time panics when it is read for the n-th time from
/// now on.
struct Panicking {
    clock: ManualClock,
    reads_left: Arc<AtomicUsize>,
}

impl Clock for Panicking {
    fn mono(&self) -> MonoTime {
        let count = |left: usize| left.checked_sub(1);
        let ordering = Ordering::SeqCst;
        let before = self.reads_left.fetch_update(ordering, ordering, count);
        assert_ne!(before, Ok(1), "as the test has asked");
        self.clock.mono()
    }

    fn wall(&self) -> SystemTime {
        self.clock.wall()
    }

    fn sleep_until(&self, at: MonoTime) -> BoxFuture<'static, ()> {
        self.clock.sleep_until(at)
    }
}

#[test]
fn a_panic_of_the_handler_leaves_the_headers_and_counts() {
    let reads_left = Arc::new(AtomicUsize::new(0));
    let clock = Panicking {
        clock: ManualClock::new(start_of_time()),
        reads_left: Arc::clone(&reads_left),
    };
    let builder = TestApp::builder().clock(Arc::new(clock));
    let app = builder.set("D7B_RATE_LIMIT", "6/m").start();
    assert_eq!(left(&app.balance()), 5);

    // The request's beginning, its limit, and then the state of the balance.
    reads_left.store(3, Ordering::SeqCst);
    let failed = Request::new(app.addr, "GET", "/status").bearer(&app.key);
    let failed = failed.send();
    let after = app.balance();

    assert_eq!(failed.code(), "internal_error");
    assert_eq!(told(&failed).unwrap()[1], "\"client\";r=4;t=20");
    assert_eq!((after.status, left(&after)), (200, 3));
}
