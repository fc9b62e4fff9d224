//! The end of a session before its time.

use super::{CLEARED, assert_over, balance, cookie_of, form, sign_in, with_cookie};
use crate::harness::TestApp;

#[test]
fn signing_out_ends_every_copy_of_the_session_and_no_other() {
    let app = TestApp::start();
    for (method, path, status) in [("DELETE", "/session", 204), ("POST", "/session/end", 303)] {
        let (session, other) = (sign_in(&app, &app.key), sign_in(&app, &app.key));

        let answer = with_cookie(app.request(method, path), &session).send();

        assert_eq!(answer.status, status);
        assert_eq!(answer.header("location"), (status == 303).then_some("/"));
        assert_eq!(answer.expect("set-cookie"), CLEARED);
        assert_eq!(answer.expect("cache-control"), "no-store");
        assert_over(&balance(&app, &session));
        assert_eq!(balance(&app, &other).status, 200);
    }
    let series = "d7b_denied_total{reason=\"session_ended\"}";
    assert_eq!(app.metric(series), Some(2.0));
}

#[test]
fn a_cookie_that_is_sent_twice_is_ended_as_well() {
    let app = TestApp::start();
    let (one, other) = (sign_in(&app, &app.key), sign_in(&app, &app.key));
    let request = with_cookie(app.request("DELETE", "/session"), &one);

    let cookie = format!("__Host-d7b_session={other}");
    let answer = request.header("cookie", &cookie).send();

    assert_eq!(answer.status, 204);
    assert_over(&balance(&app, &one));
    assert_over(&balance(&app, &other));
}

#[test]
fn signing_in_again_by_form_ends_the_session_before_and_failing_to_does_not() {
    let app = TestApp::start();
    let former = sign_in(&app, &app.key);
    let again = |body: &str| {
        let form = form(&app, "/session", body).without("sec-fetch-site");
        with_cookie(form, &former).send()
    };

    assert_eq!(again("key=x").expect("location"), "/?signin=failed");
    assert_eq!(balance(&app, &former).status, 200);
    let answer = again(&format!("key={}", app.other_key));

    assert_eq!(balance(&app, &cookie_of(&answer)).status, 200);
    assert_over(&balance(&app, &former));
}

#[test]
fn who_has_no_session_any_more_is_signed_out_as_well() {
    let app = TestApp::start();
    let ours = || {
        app.request("DELETE", "/session")
            .header("sec-fetch-site", "same-origin")
    };

    for request in [ours(), with_cookie(app.request("DELETE", "/session"), "x")] {
        let answer = request.send();
        assert_eq!(answer.status, 204);
        assert_eq!(answer.expect("set-cookie"), CLEARED);
    }
    let by_key = app.request("DELETE", "/session").bearer(&app.key);
    assert_eq!(by_key.send().status, 204);
    let by_none = app.request("DELETE", "/session").bearer("d7b_").send();
    assert_eq!(by_none.code(), "unauthorized");
}
