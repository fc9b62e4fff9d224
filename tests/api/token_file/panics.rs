//! A proof that panics.

use std::{rc::Rc, time::Duration};

use d7_balance::balance::{
    Reading,
    credential::{Credential, Kept},
    source::{BalanceSource, SourceError},
};
use futures_util::future::LocalBoxFuture;
use secrecy::ExposeSecret;

use super::{Files, shown, wait_for_reload};
use crate::single_flight::PanicsOnce;

/// Panics over every answer to one token.
struct Allergic(Rc<dyn BalanceSource>);

impl BalanceSource for Allergic {
    fn fetch<'a>(
        &'a self,
        credential: &'a Credential,
        within: Duration,
    ) -> LocalBoxFuture<'a, Result<Reading, SourceError>> {
        Box::pin(async move {
            let answer = self.0.fetch(credential, within).await;
            let token = credential.secret().expose_secret();
            assert!(token != "new-token", "this panic is wanted");
            answer
        })
    }

    fn read_credentials(&self) -> LocalBoxFuture<'static, Kept> {
        self.0.read_credentials()
    }
}

#[test]
fn a_proof_that_panics_each_time_is_made_seldom() {
    let files = Files::new();
    let app = files
        .service()
        .wrap_source(Box::new(|source| Rc::new(Allergic(source))))
        .start();

    files.write("new-token");
    app.hang_up();
    wait_for_reload(&app, "token", "unproven", 1);
    for (pause, proofs) in [(1, 2), (2, 3), (4, 4)] {
        app.wait_until_parked(1);
        app.advance_s(pause);
        app.wait_for_d7(proofs);
    }
    app.wait_until_parked(1);
    // Each of them reached D7, and ended in no answer.
    let panicked = "d7b_upstream_requests_total{outcome=\"internal_error\"}";
    assert_eq!(app.metric(panicked), Some(4.0));

    assert_eq!(app.balance().status, 200);
    assert_eq!(shown(&app).len(), 5);
}

#[test]
fn a_proof_that_panics_is_held_against_nobody_and_made_again() {
    let files = Files::new();
    let app = files
        .service()
        .wrap_source(Box::new(PanicsOnce::before))
        .start();

    files.write("new-token");
    app.hang_up();
    wait_for_reload(&app, "token", "unproven", 1);
    let response = app.balance();
    app.wait_until_parked(1);
    app.advance_s(1);

    wait_for_reload(&app, "token", "taken", 1);
    assert_eq!(response.status, 200);
    assert_eq!(shown(&app), ["new-token", "old-token", "new-token"]);
}
