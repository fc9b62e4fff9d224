//! The end of the process: what is served until when, and exit codes.

mod program;

use std::{
    net::{SocketAddr, TcpStream},
    sync::{Arc, mpsc},
    thread,
    time::Duration,
};

use actix_web::{HttpServer, dev::fn_service};
use d7_balance::{
    app::RunError,
    balance::{
        AccountId, decision::Lifetimes, memory::MemoryCache, refresher, service::BalanceService,
    },
    clock::{Clock, ManualClock, SystemClock},
    http::{Admin, AlertBelow, RequestLog, probes::Readiness},
    metrics::Metrics,
    shutdown::Signal,
    simulator::{BALANCE, Step, answer},
};

use crate::harness::{Connection, Request, Response, TestApp, start_of_time, wait_until};

/// Whether nobody listens there.
fn is_closed(addr: SocketAddr) -> bool {
    TcpStream::connect(addr).is_err()
}

fn readyz(app: &TestApp, addr: SocketAddr) -> Response {
    assert!([app.addr, app.admin_addr].contains(&addr));
    Request::new(addr, "GET", "/readyz").send()
}

/// A service that drains for a minute of its own time, and that time stands
/// still.
fn draining() -> TestApp {
    let app = TestApp::builder().set("D7B_SHUTDOWN_DELAY", "1m").start();
    assert_eq!(app.balance().status, 200);
    app.signals.send(Signal::Stop).unwrap();
    wait_until("readyz says so", || readyz(&app, app.addr).status == 503);
    app
}

#[test]
fn a_ready_service_says_so_on_both_listeners() {
    let app = TestApp::start();

    for addr in [app.addr, app.admin_addr] {
        let response = readyz(&app, addr);

        assert_eq!(response.status, 200);
        assert_eq!(response.text(), r#"{"status":"ready"}"#);
        assert_eq!(response.header("cache-control"), Some("no-store"));
        assert_eq!(response.header("connection"), None);
    }
}

#[test]
fn after_the_first_signal_readyz_is_503_on_both_listeners() {
    let app = draining();

    for addr in [app.addr, app.admin_addr] {
        let response = readyz(&app, addr);

        assert_eq!(response.status, 503);
        let problem = response.problem();
        assert_eq!(problem["code"], "shutting_down");
        assert_eq!(problem["retry_after"], 1);
        assert_eq!(Request::new(addr, "GET", "/livez").send().status, 200);
    }
}

#[test]
fn during_the_delay_everything_is_served_and_each_connection_closed() {
    let app = draining();

    let hit = app.balance();
    let unknown = app.request("GET", "/nowhere").send();
    let denied = app.request("GET", "/balance").send();
    let metrics = app.admin("/metrics");
    // Long after D7's last answer, so that a directive is heard.
    app.advance_s(59);
    app.d7.next(answer(200, r#"{"balance": 1}"#));
    let refreshed = app.balance_with("no-cache");

    for (response, status) in [
        (&hit, 200),
        (&unknown, 404),
        (&denied, 401),
        (&metrics, 200),
        (&refreshed, 200),
    ] {
        assert_eq!(response.status, status);
        assert_eq!(response.header("connection"), Some("close"));
    }
    assert_eq!(refreshed.json()["balance"], 1);
}

#[test]
fn a_connection_from_before_the_signal_is_served_and_closed_too() {
    let app = TestApp::builder().set("D7B_SHUTDOWN_DELAY", "1m").start();
    let mut connection = Connection::open(app.addr);
    let before = app.balance_request().send_on(&mut connection);
    app.signals.send(Signal::Stop).unwrap();
    wait_until("readyz says so", || {
        readyz(&app, app.admin_addr).status == 503
    });

    let after = app.balance_request().send_on(&mut connection);

    assert_eq!((before.status, before.header("connection")), (200, None));
    assert_eq!(after.status, 200);
    assert_eq!(after.header("connection"), Some("close"));
}

#[test]
fn after_the_delay_nobody_listens_and_all_is_well() {
    let mut app = draining();
    app.wait_until_parked(1);

    app.advance_s(59);
    assert_eq!(readyz(&app, app.addr).status, 503, "not yet");
    app.advance_s(1);

    assert!(app.join().is_ok());
    // The thread that accepts ends by itself, after those that answer.
    wait_until("both listeners end", || {
        is_closed(app.addr) && is_closed(app.admin_addr)
    });
}

#[test]
fn a_cold_miss_under_way_is_answered_while_nobody_else_is_let_in() {
    let mut app = TestApp::start();
    let gate = app.hold(answer(200, BALANCE));
    let waiting = app.balance_behind();
    app.wait_for_d7(1);

    app.signals.send(Signal::Stop).unwrap();
    wait_until("the public listener ends", || is_closed(app.addr));
    // The admin listener goes last, so that the end can be watched.
    assert_eq!(readyz(&app, app.admin_addr).status, 503);
    gate.open();

    let response = waiting.join().unwrap();
    assert_eq!(response.status, 200);
    assert_eq!(response.json()["balance_text"], "99.9999999");
    assert!(app.join().is_ok());
    wait_until("the admin listener ends", || is_closed(app.admin_addr));
}

#[test]
fn a_second_signal_ends_a_service_that_waits_for_its_last_request() {
    let mut app = TestApp::builder().set("D7B_SHUTDOWN_GRACE", "10m").start();
    app.d7.always(vec![Step::Hang]);
    let _hanging = app.balance_unread();
    app.wait_for_d7(1);

    app.signals.send(Signal::Stop).unwrap();
    wait_until("the public listener ends", || is_closed(app.addr));
    app.signals.send(Signal::Hangup).unwrap();
    assert_eq!(readyz(&app, app.admin_addr).status, 503, "a hangup is none");
    app.signals.send(Signal::Stop).unwrap();

    assert!(app.join().is_ok());
}

#[test]
fn a_second_signal_ends_the_delay_too() {
    let mut app = draining();

    app.signals.send(Signal::Stop).unwrap();

    assert!(app.join().is_ok());
}

#[test]
fn a_hangup_ends_nothing() {
    let app = TestApp::start();

    app.signals.send(Signal::Hangup).unwrap();
    app.signals.send(Signal::Hangup).unwrap();

    assert_eq!(app.balance().status, 200);
    assert_eq!(readyz(&app, app.admin_addr).status, 200);
    assert!(app.stop().is_ok());
}

#[test]
fn the_end_of_the_refresher_is_the_end_of_the_service_and_no_good_one() {
    let mut app = TestApp::builder()
        .draw(|_, _| panic!("drawn in the refresher's own task"))
        .start();
    app.d7.always(answer(400, ""));

    let response = app.balance();

    assert_eq!(
        (response.status, &*response.code()),
        (500, "internal_error")
    );
    assert!(matches!(app.join(), Err(RunError::Refresher)));
}

#[test]
fn livez_looks_at_nothing() {
    let app = TestApp::builder()
        .set("D7B_BASE_URL", "http://127.0.0.1:9")
        .start();
    assert_eq!(app.balance().status, 502);

    for addr in [app.addr, app.admin_addr] {
        for path in ["/livez", "/readyz"] {
            let response = Request::new(addr, "GET", path).send();

            assert_eq!(response.status, 200, "{path}");
            assert_eq!(response.header("cache-control"), Some("no-store"));
        }
    }
    assert_eq!(app.d7.count(), 0);
}

/// The admin listener of a service that is not ready yet; the sender ends it.
fn starting() -> (SocketAddr, mpsc::Sender<()>, thread::JoinHandle<()>) {
    let (bound, addrs) = mpsc::channel();
    let (end, ends) = mpsc::channel::<()>();
    let thread = thread::spawn(move || {
        let metrics = Metrics::new(None);
        let readiness = Readiness::default();
        let loopback = [127, 0, 0, 1].into();
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(start_of_time()));
        let lifetimes = Lifetimes {
            ttl: Duration::from_secs(60),
            stale_while_revalidate: Duration::ZERO,
            stale_if_error: Duration::ZERO,
            min_refresh: Duration::ZERO,
        };
        let (cache, (handle, _)) = (MemoryCache::new(lifetimes.ttl), refresher::channel());
        let account = AccountId::default();
        let admin = Admin {
            service: BalanceService::new(account, cache, handle, lifetimes, Arc::clone(&clock)),
            metrics: metrics.clone(),
            readiness: readiness.clone(),
            alert_below: AlertBelow::default(),
        };
        let log = RequestLog::new(admin, loopback, None, clock, readiness, &metrics);
        let log = Arc::new(log);
        actix_rt::System::new().block_on(async {
            let server = HttpServer::new(move || {
                let log = Arc::clone(&log);
                fn_service(move |request: actix_http::Request| log.handle(request))
            })
            .workers(1)
            .disable_signals()
            .bind((loopback, 0))
            .unwrap();
            bound.send(server.addrs()[0]).unwrap();
            let server = server.run();
            let handle = server.handle();
            thread::spawn(move || {
                // An error is the end, too: the test is gone.
                ends.recv().unwrap_or_default();
                drop(handle.stop(false));
            });
            server.await.unwrap();
        });
    });
    (addrs.recv().unwrap(), end, thread)
}

#[test]
fn readyz_is_503_until_everything_is_loaded_and_bound() {
    let (addr, end, thread) = starting();

    let ready = Request::new(addr, "GET", "/readyz").send();
    let live = Request::new(addr, "GET", "/livez").send();
    end.send(()).unwrap();
    thread.join().unwrap();

    assert_eq!(ready.status, 503);
    assert_eq!(ready.problem()["code"], "starting");
    assert_eq!(ready.header("retry-after"), Some("1"));
    assert_eq!(live.status, 200);
}

/// Opens a connection to each listener and hangs on both. actix bounds the time
/// for the first head of a connection, so this is about the second one.
fn hang_on_both(app: &TestApp) -> [Connection; 2] {
    app.d7.always(vec![Step::Hang]);
    let public = app.balance_unread();
    app.wait_for_d7(1);
    let mut admin = Connection::open(app.admin_addr);
    admin.write(b"GET /livez HTTP/1.1\r\nhost: localhost\r\n\r\n");
    assert_eq!(admin.read("GET").status, 200);
    admin.write(b"GET /livez HTTP/1.1\r\nhost: ");
    [public, admin]
}

#[test]
fn the_grace_counts_from_the_end_of_the_delay_and_for_both_listeners_together() {
    let mut app = TestApp::builder()
        .set("D7B_SHUTDOWN_DELAY", "1m")
        .set("D7B_SHUTDOWN_GRACE", "10m")
        .set("D7B_UPSTREAM_TIMEOUT", "5m")
        .start();
    let _hanging = hang_on_both(&app);

    app.signals.send(Signal::Stop).unwrap();
    app.wait_until_parked(1);
    app.advance_s(60);
    wait_until("the public listener ends", || is_closed(app.addr));
    app.advance_s(599);
    assert_eq!(readyz(&app, app.admin_addr).status, 503, "not yet");
    app.advance_s(1);

    wait_until("the service ends", || app.has_ended());
    assert!(app.join().is_ok());
}

#[test]
fn the_grace_ends_by_the_systems_clock_too() {
    let mut app = TestApp::builder()
        .set("D7B_SHUTDOWN_GRACE", "1500ms")
        .set("D7B_UPSTREAM_TIMEOUT", "5m")
        .clock(Arc::new(SystemClock::new()))
        .start();
    let _hanging = hang_on_both(&app);

    app.signals.send(Signal::Stop).unwrap();

    assert!(app.join().is_ok());
}
