//! A bad token in the file and a bad moment of D7's, together: a good token is
//! never lost by it.

use std::{
    future::pending,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use d7_balance::{
    balance::{
        Reading,
        credential::{Credential, Kept},
        source::{BalanceSource, SourceError},
    },
    simulator::{BALANCE, REJECTION, Step, answer},
};
use futures_util::{FutureExt, future::LocalBoxFuture};

use super::{Files, is_pending, paste_a_rejected_one, reject_for_certain, shown, wait_for_reload};
use crate::{
    harness::{TestApp, wait_until},
    rejections::assert_rejected,
};

/// A service whose token works, whose file holds one that D7 has rejected, and
/// whose balance is too old to be served.
fn after_a_bad_paste(files: &Files) -> TestApp {
    let app = files.service().start();
    assert_eq!(app.balance().status, 200);
    paste_a_rejected_one(files, &app);
    app.advance_s(200);
    app
}

#[test]
fn a_token_that_d7_refuses_for_a_while_comes_back_although_the_file_holds_a_bad_one() {
    let files = Files::new();
    let app = after_a_bad_paste(&files);
    app.d7.next(answer(401, REJECTION));
    app.d7.next(answer(401, REJECTION));

    let refused = app.balance_over_confirmation();
    for _ in 0..6 {
        app.advance_s(5);
        app.wait_until_parked(0);
    }
    let recovered = app.balance();

    assert_rejected(&refused);
    assert_eq!(recovered.status, 200);
    assert_eq!(
        shown(&app)[3..],
        ["old-token", "old-token", "bad-token", "old-token"]
    );
    assert!(is_pending(&app, "token"));
}

#[test]
fn one_word_against_the_token_in_force_does_not_let_a_bad_one_take_its_place() {
    let files = Files::new();
    let app = files.service().start();
    assert_eq!(app.balance().status, 200);
    app.advance_s(200);
    app.d7.reject("bad-token");
    files.write("bad-token");
    app.d7.next(answer(401, REJECTION));

    let doubted = app.balance();
    // The bad one gets its proof, and is turned down by it.
    app.advance_s(1);
    app.wait_for_d7(4);
    app.wait_until_parked(1);
    app.advance_s(1);
    wait_for_reload(&app, "token", "rejected", 1);
    let recovered = app.balance();

    // Not rejected for certain: stale is served.
    assert_eq!((doubted.status, recovered.status), (200, 200));
    assert!(
        doubted
            .cache_status()
            .contains("detail=upstream_unauthorized")
    );
    assert_eq!(
        recovered.cache_status(),
        "fwd=stale; fwd-status=200; stored; ttl=60"
    );
    assert_eq!(
        shown(&app)[1..],
        [
            "old-token",
            "bad-token",
            "bad-token",
            "bad-token",
            "old-token"
        ]
    );
}

#[test]
fn where_both_are_rejected_each_refresh_gives_each_its_chance() {
    for back in ["old-token", "bad-token"] {
        let files = Files::new();
        let app = after_a_bad_paste(&files);
        reject_for_certain(&app);
        app.advance_s(30);
        assert_rejected(&app.balance());
        app.d7.accept(back);

        app.advance_s(60);
        let response = app.balance();

        assert_eq!(response.status, 200, "{back}");
        assert_eq!(
            shown(&app)[3..7],
            ["old-token", "old-token", "bad-token", "old-token"]
        );
        assert_eq!(shown(&app).last().unwrap(), back);
        assert_eq!(is_pending(&app, "token"), back == "old-token");
    }
}

#[test]
fn an_unproven_token_is_not_asked_with_in_the_place_of_a_second_word() {
    let files = Files::new();
    let app = files.service().start();
    assert_eq!(app.balance().status, 200);
    app.d7.next(answer(404, ""));
    files.write("odd-token");
    app.hang_up();
    wait_for_reload(&app, "token", "unproven", 1);
    app.d7.next(answer(401, REJECTION));
    app.d7.next(answer(401, REJECTION));

    // Before the odd one is tried again by itself.
    app.advance_s(6);
    let caller = app.balance_request().header("cache-control", "no-cache");
    let caller = std::thread::spawn(move || caller.send());
    app.wait_for_d7(3);
    app.wait_until_parked(1);
    app.advance(Duration::from_millis(500));
    assert_eq!(caller.join().unwrap().status, 200, "still fresh");
    app.advance_s(120);
    let recovered = app.balance();

    assert_eq!(recovered.status, 200);
    assert_eq!(shown(&app)[2..4], ["old-token", "old-token"]);
}

#[test]
fn a_second_token_that_there_was_no_time_for_is_what_the_next_refresh_begins_with() {
    let files = Files::new();
    let app = files
        .service_with_secondary()
        .set("D7B_UPSTREAM_TIMEOUT", "20s")
        .start();
    app.d7.next(answer(401, REJECTION));
    let gate = app.hold_next(answer(401, REJECTION));

    let caller = app.balance_behind();
    app.wait_until_parked(1);
    app.advance(Duration::from_millis(500));
    app.wait_for_d7(2);
    app.advance_s(20);
    gate.open();
    let failed = caller.join().unwrap();
    app.advance_s(1);
    let recovered = app.balance();

    assert_rejected(&failed);
    assert_eq!(recovered.status, 200);
    assert_eq!(shown(&app), ["old-token", "old-token", "spare-token"]);
}

#[test]
fn a_second_token_that_got_no_answer_is_what_the_next_refresh_begins_with() {
    let files = Files::new();
    let app = files.service_with_secondary().start();
    app.d7.reject("old-token");
    app.d7.next(vec![Step::Reset]);

    let failed = app.balance_over_confirmation();
    app.advance_s(1);
    let recovered = app.balance();

    assert_rejected(&failed);
    assert_eq!(recovered.status, 200);
    assert_eq!(
        shown(&app),
        ["old-token", "old-token", "spare-token", "spare-token"]
    );
}

#[test]
fn sighup_has_a_token_tried_at_once_that_got_neither_yes_nor_no() {
    let files = Files::new();
    let app = files.service().start();
    app.d7.next(answer(404, ""));
    files.write("new-token");
    app.hang_up();
    wait_for_reload(&app, "token", "unproven", 1);
    app.d7.always(answer(200, BALANCE));

    app.hang_up();

    wait_for_reload(&app, "token", "taken", 1);
    assert_eq!(shown(&app), ["new-token", "new-token"]);
}

#[test]
fn the_second_token_pasted_into_the_first_file_is_adopted_once() {
    let files = Files::new();
    let app = files.service_with_secondary().start();
    app.d7.reject("old-token");
    assert_eq!(app.balance_over_confirmation().status, 200);

    files.write("spare-token");
    app.hang_up();
    wait_for_reload(&app, "token", "taken", 1);
    app.advance_s(6);
    assert_eq!(app.balance_with("no-cache").status, 200);

    assert_eq!(
        shown(&app)[2..],
        ["spare-token", "spare-token", "spare-token"]
    );
    assert!(!is_pending(&app, "token"));
    assert_eq!(app.metric("d7b_token_secondary_in_force"), Some(0.0));
}

#[test]
fn a_token_in_the_first_file_is_not_forgotten_where_the_second_is_rejected_in_turn() {
    let files = Files::new();
    let app = files.service_with_secondary().start();
    app.d7.reject("old-token");
    assert_eq!(app.balance_over_confirmation().status, 200);
    app.d7.next(answer(404, ""));
    files.write("new-token");
    app.hang_up();
    wait_for_reload(&app, "token", "unproven", 1);
    app.d7.reject("spare-token");
    app.d7.reject("new-token");
    app.advance_s(200);
    app.wait_for_d7(5);
    app.wait_until_parked(1);
    app.advance_s(1);
    wait_for_reload(&app, "token", "rejected", 1);
    assert_rejected(&app.balance_over_confirmation());
    app.d7.accept("new-token");

    // Nobody has to do anything: every refresh gives another one the lead.
    for _ in 0..3 {
        app.advance_s(300);
        app.balance();
    }

    assert_eq!(app.balance().status, 200);
    assert_eq!(app.metric("d7b_token_secondary_in_force"), Some(0.0));
}

#[test]
fn sighup_has_the_first_token_tried_again_where_the_second_is_in_force() {
    let files = Files::new();
    let app = files.service_with_secondary().start();
    app.d7.next(answer(401, REJECTION));
    app.d7.next(answer(401, REJECTION));
    assert_eq!(app.balance_over_confirmation().status, 200);

    app.hang_up();
    wait_for_reload(&app, "token", "taken", 1);

    assert_eq!(shown(&app)[2..], ["spare-token", "old-token"]);
    assert_eq!(app.metric("d7b_token_secondary_in_force"), Some(0.0));
}

/// Counts the looks at the token files that have ended.
struct CountsLooks(Rc<dyn BalanceSource>, Arc<AtomicUsize>);

impl BalanceSource for CountsLooks {
    fn fetch<'a>(
        &'a self,
        credential: &'a Credential,
        within: Duration,
    ) -> LocalBoxFuture<'a, Result<Reading, SourceError>> {
        self.0.fetch(credential, within)
    }

    fn read_credentials(&self) -> LocalBoxFuture<'static, Kept> {
        let (look, ended) = (self.0.read_credentials(), Arc::clone(&self.1));
        Box::pin(look.inspect(move |_| {
            ended.fetch_add(1, SeqCst);
        }))
    }
}

/// Has each look at the token files last for ever, as on a mount that hangs.
struct Hangs(Rc<dyn BalanceSource>);

impl BalanceSource for Hangs {
    fn fetch<'a>(
        &'a self,
        credential: &'a Credential,
        within: Duration,
    ) -> LocalBoxFuture<'a, Result<Reading, SourceError>> {
        self.0.fetch(credential, within)
    }

    fn read_credentials(&self) -> LocalBoxFuture<'static, Kept> {
        Box::pin(pending())
    }
}

#[test]
fn a_file_that_hangs_leaves_time_to_confirm_a_rejection() {
    let files = Files::new();
    let app = files
        .service()
        .wrap_source(Box::new(|source| Rc::new(Hangs(source))))
        .start();
    app.d7.always(answer(401, REJECTION));

    let refused = app.balance_over_confirmation();

    assert_rejected(&refused);
    assert_eq!(shown(&app), ["old-token", "old-token"]);
}

#[test]
fn half_of_a_token_is_not_shown_to_d7() {
    let files = Files::new();
    let looks = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looks);
    let app = files
        .service()
        .set("D7B_RELOAD_INTERVAL", "8s")
        .wrap_source(Box::new(|source| Rc::new(CountsLooks(source, counted))))
        .start();
    let look = |millis, number| {
        app.advance(Duration::from_millis(millis));
        wait_until("the file is read", || looks.load(SeqCst) == number);
        app.wait_until_parked(0);
    };

    files.write("new-to");
    look(6_000, 1);
    files.write("new-token");
    look(500, 2);
    app.advance(Duration::from_millis(500));
    wait_for_reload(&app, "token", "taken", 1);

    assert_eq!(shown(&app), ["new-token"]);
}
