//! However many ask, D7 is asked once: counted at D7.

use std::{cell::Cell, rc::Rc, thread, thread::JoinHandle, time::Duration};

use futures_util::future::LocalBoxFuture;

use crate::harness::{Builder, Connection, Request, Response, TestApp};
use d7_balance::{
    balance::{
        Reading,
        credential::{Credential, Kept},
        source::{BalanceSource, SourceError},
    },
    simulator::{BALANCE, Gate, answer},
};

const MANY: usize = 200;
const STARTED: &str = "fwd=uri-miss; fwd-status=200; stored; ttl=60";
const JOINED: &str = "fwd=uri-miss; fwd-status=200; collapsed; ttl=60";

/// A service whose refreshes have time to be held at a gate.
fn patient() -> Builder {
    TestApp::builder()
        .set("D7B_UPSTREAM_TIMEOUT", "60s")
        .set("D7B_SERVER_WORKERS", "4")
}

fn send_behind(request: &Request, times: usize) -> Vec<JoinHandle<Response>> {
    let send = |_| {
        let request = request.clone();
        thread::spawn(move || request.send())
    };
    (0..times).map(send).collect()
}

fn answers(callers: Vec<JoinHandle<Response>>) -> Vec<Response> {
    let answers = callers.into_iter().map(|caller| caller.join().unwrap());
    answers.collect()
}

/// How many answers have this `cache-status`.
fn with_status(answers: &[Response], status: &str) -> usize {
    let has_it = |answer: &&Response| answer.status == 200 && answer.cache_status() == status;
    answers.iter().filter(has_it).count()
}

#[test]
fn a_caller_that_has_ended_its_side_still_gets_its_answer() {
    let app = patient().start();
    let gate = app.hold(answer(200, BALANCE));
    let mut connection = Connection::open(app.addr);

    connection.write(&app.balance_request().bytes());
    connection.end_writing();
    app.wait_for_waiters(1);
    gate.open();
    let response = connection.read("GET");

    assert_eq!(response.cache_status(), STARTED);
    connection.assert_closed();
}

#[test]
fn two_hundred_cold_callers_make_one_request() {
    let app = patient().start();
    let gate = app.hold(answer(200, BALANCE));

    let callers = send_behind(&app.balance_request(), MANY);
    app.wait_for_waiters(MANY);
    gate.open();
    let answers = answers(callers);

    assert_eq!(app.d7.count(), 1);
    assert_eq!(with_status(&answers, STARTED), 1);
    assert_eq!(with_status(&answers, JOINED), MANY - 1);
}

#[test]
fn a_first_caller_that_resets_its_connection_takes_nothing_with_it() {
    let app = patient().start();
    let gate = app.hold(answer(200, BALANCE));
    let first = app.balance_unread();
    app.wait_for_waiters(1);

    first.reset();
    let callers = send_behind(&app.balance_request(), MANY);
    app.wait_for_waiters(MANY + 1);
    gate.open();
    let answers = answers(callers);

    assert_eq!(app.d7.count(), 1);
    assert_eq!(with_status(&answers, JOINED), MANY);
}

#[test]
fn a_refresh_whose_only_caller_has_gone_away_is_stored() {
    let app = patient().start();
    let gate = app.hold(answer(200, BALANCE));
    let only = app.balance_unread();
    app.wait_for_waiters(1);

    only.reset();
    gate.open();
    app.wait_for_refreshes(1);

    assert_eq!(app.balance().cache_status(), "hit; ttl=60");
    assert_eq!(app.d7.count(), 1);
}

/// Panics once, with D7's answer in its hand.
pub(crate) struct PanicsOnce {
    inner: Rc<dyn BalanceSource>,
    has_panicked: Cell<bool>,
}

impl PanicsOnce {
    pub(crate) fn before(inner: Rc<dyn BalanceSource>) -> Rc<dyn BalanceSource> {
        Rc::new(Self {
            inner,
            has_panicked: Cell::new(false),
        })
    }
}

impl BalanceSource for PanicsOnce {
    fn fetch<'a>(
        &'a self,
        credential: &'a Credential,
        within: Duration,
    ) -> LocalBoxFuture<'a, Result<Reading, SourceError>> {
        Box::pin(async move {
            let answer = self.inner.fetch(credential, within).await;
            assert!(self.has_panicked.replace(true), "this panic is wanted");
            answer
        })
    }

    fn read_credentials(&self) -> LocalBoxFuture<'static, Kept> {
        self.inner.read_credentials()
    }
}

#[test]
fn a_refresh_that_panics_is_a_problem_for_all_and_the_next_one_works() {
    let app = patient().wrap_source(Box::new(PanicsOnce::before)).start();
    let gate = app.hold_next(answer(200, BALANCE));

    let callers = send_behind(&app.balance_request(), MANY);
    app.wait_for_waiters(MANY);
    gate.open();
    let answers = answers(callers);
    let held = app.balance();
    app.advance_s(1);
    let next = app.balance();

    for response in answers.iter().chain([&held]) {
        assert_eq!(
            (response.status, response.code().as_str()),
            (500, "internal_error")
        );
        assert_eq!(response.expect("retry-after"), "1");
    }
    assert_eq!((next.status, next.cache_status()), (200, STARTED));
    assert_eq!(app.d7.count(), 2);
}

#[test]
fn a_refresh_that_fails_is_one_request_and_a_problem_for_all() {
    let app = patient().start();
    let gate = app.hold(answer(500, ""));

    let callers = send_behind(&app.balance_request(), MANY);
    app.wait_for_waiters(MANY);
    gate.open();
    let answers = answers(callers);

    for response in &answers {
        assert_eq!(
            (response.status, response.code().as_str()),
            (502, "upstream_unavailable")
        );
        assert_eq!(response.expect("retry-after"), "1");
    }
    assert_eq!(app.d7.count(), 1);
}

#[test]
fn two_hundred_stale_callers_make_one_request_behind_and_wait_for_nothing() {
    let app = patient().start();
    app.balance();
    app.advance_s(61);
    let gate = app.hold(answer(200, BALANCE));

    let answers = answers(send_behind(&app.balance_request(), MANY));
    gate.open();
    app.wait_for_refreshes(2);

    assert_eq!(with_status(&answers, "hit; ttl=-1"), MANY);
    assert_eq!(app.balance().cache_status(), "hit; ttl=60");
    assert_eq!(app.d7.count(), 2);
}

#[test]
fn callers_who_insist_join_the_refresh_behind() {
    let app = patient().start();
    app.balance();
    app.advance_s(61);
    let gate = app.hold(answer(200, BALANCE));
    app.balance();
    app.wait_for_d7(2);

    let insisting = app.balance_request().header("cache-control", "no-cache");
    let callers = send_behind(&insisting, 20);
    app.wait_for_waiters(20);
    gate.open();
    let answers = answers(callers);

    let joined = "fwd=stale; fwd-status=200; collapsed; ttl=60";
    assert_eq!(with_status(&answers, joined), 20);
    assert_eq!(app.d7.count(), 2);
}

/// A service with room for two waiters, both places taken.
fn crowded(app: &TestApp, directives: &str) -> (Gate, Vec<JoinHandle<Response>>) {
    let gate = app.hold(answer(200, BALANCE));
    let request = app.balance_request().header("cache-control", directives);
    let callers = send_behind(&request, 2);
    app.wait_for_waiters(2);
    (gate, callers)
}

fn with_two_places() -> TestApp {
    patient().set("D7B_CACHE_MAX_WAITERS", "2").start()
}

#[test]
fn beyond_the_places_a_caller_is_told_to_come_back() {
    let app = with_two_places();
    let (gate, callers) = crowded(&app, "");

    let crowded_out = app.balance();
    gate.open();

    let problem = crowded_out.problem();
    assert_eq!(
        (crowded_out.status, &problem["code"]),
        (503, &"overloaded".into())
    );
    assert_eq!(problem["retry_after"], 1);
    assert_eq!(problem.get("last_known"), None);
    assert!(answers(callers).iter().all(|answer| answer.status == 200));
    assert_eq!(app.d7.count(), 1);
}

#[test]
fn beyond_the_places_a_balance_that_is_young_enough_is_served() {
    for (seconds, directives, status) in [
        (135, "", "hit; ttl=-75; detail=overloaded"),
        (10, "no-cache", "hit; ttl=50; detail=overloaded"),
    ] {
        let app = with_two_places();
        app.balance();
        app.advance_s(seconds);
        let (gate, callers) = crowded(&app, directives);

        let crowded_out = app.balance_with(directives);
        gate.open();

        assert_eq!(
            (crowded_out.status, crowded_out.cache_status()),
            (200, status)
        );
        assert!(answers(callers).iter().all(|answer| answer.status == 200));
        assert_eq!(app.d7.count(), 2);
    }
}

#[test]
fn beyond_the_places_a_balance_that_is_too_old_is_told_as_last_known() {
    let app = with_two_places();
    app.balance();
    app.advance_s(960);
    let (gate, callers) = crowded(&app, "");

    let crowded_out = app.balance();
    gate.open();

    let problem = crowded_out.problem();
    assert_eq!(
        (crowded_out.status, &problem["code"]),
        (503, &"overloaded".into())
    );
    assert_eq!(problem["last_known"]["balance_text"], "99.9999999");
    assert!(answers(callers).iter().all(|answer| answer.status == 200));
}

#[test]
fn waiters_that_have_gone_away_free_their_places() {
    let app = patient()
        .set("D7B_CACHE_MAX_WAITERS", "3")
        .set("D7B_SERVER_WORKERS", "1")
        .start();
    let gate = app.hold(answer(200, BALANCE));
    let first = app.balance_behind();
    app.wait_for_waiters(1);
    let gone = [app.balance_unread(), app.balance_unread()];
    app.wait_for_waiters(3);
    assert_eq!(app.balance().code(), "overloaded");

    gone.into_iter().for_each(Connection::reset);
    // The one worker learns of things in their order: when it has answered
    // this, it knows of the resets.
    assert_eq!(app.request("GET", "/livez").send().status, 200);
    let last = app.balance_behind();
    app.wait_for_waiters(2);
    gate.open();

    assert_eq!(first.join().unwrap().cache_status(), STARTED);
    assert_eq!(last.join().unwrap().cache_status(), JOINED);
    assert_eq!(app.d7.count(), 1);
}
