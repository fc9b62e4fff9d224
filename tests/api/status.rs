//! `GET /status`: what the service knows, and what it thinks of it.

use std::{collections::BTreeSet, fs, time::Duration};

use d7_balance::{
    balance::{
        credential::{Role, standing::CredentialState},
        outlook::Freshness,
        source::FailureKind,
    },
    simulator::{BALANCE, REJECTION, answer, answer_with},
};
use serde_json::{Value, json};

use crate::{
    harness::{Response, TestApp, wait_until},
    token_file::Files,
};

fn get(app: &TestApp) -> Response {
    app.request("GET", "/status").bearer(&app.key).send()
}

fn status(app: &TestApp) -> Value {
    let answer = get(app);
    assert_eq!(answer.status, 200);
    answer.json()
}

#[test]
fn before_the_first_balance_everything_is_unknown_and_d7_is_not_asked() {
    let app = TestApp::start();

    let answer = get(&app);

    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert_eq!(answer.header("content-type"), Some("application/json"));
    assert_eq!(
        answer.json(),
        json!({
            "balance": {"freshness": "none", "age": null, "ttl": null, "last_known": null},
            "credential": {"state": "unproven", "in_force": "token", "expires": null},
            "upstream": {
                "last_success": null,
                "last_failure": null,
                "failure": null,
                "requests_last_hour": 0,
            },
            "reloads": [],
            "since": "2026-11-23T01:00:00.123Z",
            "version": env!("CARGO_PKG_VERSION"),
        })
    );
    assert_eq!(app.d7.count(), 0);
}

#[test]
fn it_is_for_callers_with_a_key_and_counts_towards_their_limit() {
    let app = TestApp::builder().set("D7B_RATE_LIMIT", "2/h").start();

    let denied = app.request("GET", "/status").send();
    let allowed = get(&app);
    let head = app.request("HEAD", "/status").bearer(&app.key).send();
    let refused = get(&app);

    assert_eq!(denied.code(), "unauthorized");
    assert_eq!(allowed.header("ratelimit"), Some("\"client\";r=1;t=1800"));
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(refused.code(), "rate_limited");
    let body = allowed.body.len().to_string();
    assert_eq!(head.header("content-length"), Some(body.as_str()));
    assert_eq!(
        app.admin("/status").status,
        404,
        "a public route is not on the admin listener"
    );
}

#[test]
fn the_balance_is_told_digit_by_digit_with_its_age_and_how_good_it_is() {
    let app = TestApp::start();
    let digits = "{\"balance\": 100.00, \"sms_count\": 7}";
    app.d7.always(answer(200, digits));
    app.balance();
    app.advance(Duration::from_millis(12_500));

    let text = get(&app).text();

    let last_known = r#""last_known":{"balance":100.00,"balance_text":"100.00","sms_count":7,"as_of":"2026-11-23T01:00:00.123Z"}"#;
    assert!(text.contains(last_known), "{text}");
    let fresh = &status(&app)["balance"];
    assert_eq!(
        json!([fresh["freshness"], fresh["age"], fresh["ttl"]]),
        json!(["fresh", 12, 47])
    );

    // Stale while revalidate is 60 s from the end of the TTL, stale if error
    // 900 s: in between one waits, and gets it where the refresh fails.
    for (seconds, freshness, age, ttl) in [
        (47, "fresh", 59, 0),
        (1, "stale", 60, -1),
        (59, "stale", 119, -60),
        (1, "stale", 120, -61),
        (839, "stale", 959, -900),
        (1, "expired", 960, -901),
    ] {
        app.advance_s(seconds);
        let balance = &status(&app)["balance"];
        assert_eq!(
            json!([balance["freshness"], balance["age"], balance["ttl"]]),
            json!([freshness, age, ttl])
        );
    }
    assert_eq!(app.d7.count(), 1, "to look asks D7 for nothing");
}

#[test]
fn a_failure_is_told_until_it_is_over_and_remembered_after() {
    let app = TestApp::start();
    app.balance();
    app.advance_s(120);
    app.d7.always(answer_with(
        429,
        "retry-after: 30\r\n",
        r#"{"detail":{"code":"TOO_MANY"}}"#,
    ));
    app.balance();

    let failing = status(&app);
    let last_failure = json!({
        "code": "upstream_rate_limited",
        "at": "2026-11-23T01:02:00.123Z",
        "upstream_status": 429,
        "upstream_code": "TOO_MANY",
    });
    assert_eq!(failing["balance"]["freshness"], "stale", "D7 fails");
    assert_eq!(
        failing["upstream"],
        json!({
            "last_success": "2026-11-23T01:00:00.123Z",
            "last_failure": last_failure,
            "failure": {
                "code": "upstream_rate_limited",
                "blocking": false,
                "held_until": "2026-11-23T01:02:30.123Z",
            },
            "requests_last_hour": 2,
        })
    );

    app.advance_s(30);
    assert_eq!(
        status(&app)["upstream"]["failure"]["held_until"],
        json!(null)
    );

    app.d7.always(answer(200, BALANCE));
    app.balance();
    app.wait_for_refreshes(2);
    assert_eq!(
        status(&app)["upstream"],
        json!({
            "last_success": "2026-11-23T01:02:30.123Z",
            "last_failure": last_failure,
            "failure": null,
            "requests_last_hour": 3,
        })
    );
}

#[test]
fn a_rejected_token_blocks_and_its_balance_is_expired_past_the_ttl() {
    let app = TestApp::start();
    app.balance();
    app.advance_s(60);
    app.d7.always(answer(401, REJECTION));
    app.balance();
    app.wait_until_parked(1);
    app.advance(Duration::from_millis(500));
    app.wait_for_outcomes("upstream_unauthorized", 1);

    let rejected = status(&app);

    assert_eq!(rejected["credential"]["state"], "rejected");
    assert_eq!(rejected["balance"]["freshness"], "expired");
    assert_eq!(
        rejected["balance"]["last_known"]["balance_text"],
        "99.9999999"
    );
    let failure = &rejected["upstream"]["failure"];
    assert_eq!(failure["blocking"], true);
    assert_eq!(failure["held_until"], "2026-11-23T01:01:30.623Z");
    assert_eq!(rejected["upstream"]["requests_last_hour"], 3);
}

#[test]
fn under_a_refusal_the_failure_that_came_last_is_told_beside_it() {
    let app = TestApp::start();
    app.d7.always(answer(402, "{}"));
    app.balance();
    app.advance_s(30);
    app.d7.always(answer(404, "{}"));
    app.balance();

    let upstream = &status(&app)["upstream"];

    assert_eq!(upstream["failure"]["code"], "upstream_payment_required");
    assert_eq!(
        upstream["last_failure"]["code"],
        "upstream_unexpected_status"
    );
}

#[test]
fn requests_to_d7_count_for_an_hour() {
    let app = TestApp::start();
    app.balance();
    app.advance_s(1800);
    app.balance();

    app.advance_s(1790);
    assert_eq!(status(&app)["upstream"]["requests_last_hour"], 2);
    app.advance_s(20);
    assert_eq!(status(&app)["upstream"]["requests_last_hour"], 1);
    app.advance_s(1800);
    assert_eq!(status(&app)["upstream"]["requests_last_hour"], 0);
}

#[test]
fn each_file_that_is_read_again_is_told_with_what_became_of_its_last_change() {
    let files = Files::new();
    let app = files.service_with_secondary().start();
    let reloads = || status(&app)["reloads"].clone();
    let untouched =
        |file: &str| json!({"file": file, "outcome": null, "at": null, "pending": false});
    assert_eq!(
        reloads(),
        json!([untouched("token"), untouched("token_secondary")])
    );

    files.write("a\ntoken");
    app.hang_up();
    wait_until("the bad file is seen", || reloads()[0]["pending"] == true);
    assert_eq!(
        reloads()[0],
        json!({"file": "token", "outcome": "refused", "at": "2026-11-23T01:00:00.123Z", "pending": true})
    );

    app.advance_s(10);
    files.write("new-token");
    app.hang_up();
    wait_until("the good one is taken", || {
        reloads()[0]["outcome"] == "taken"
    });
    assert_eq!(
        reloads(),
        json!([
            {"file": "token", "outcome": "taken", "at": "2026-11-23T01:00:10.123Z", "pending": false},
            untouched("token_secondary"),
        ])
    );
    assert_eq!(status(&app)["credential"]["state"], "ok");

    // What is put right again is no longer told as refused.
    for (text, outcome) in [("b\ntoken", "refused"), ("new-token", "taken")] {
        files.write(text);
        app.hang_up();
        wait_until("it is seen", || reloads()[0]["outcome"] == outcome);
    }
    assert_eq!(reloads()[0]["pending"], false);
}

#[test]
fn the_token_in_force_is_named_and_its_end_told() {
    let files = Files::new();
    let app = files.service_with_secondary();
    // exp 4102444800
    files.write_secondary("e30.eyJleHAiOjQxMDI0NDQ4MDB9.c2ln");
    let app = app.start();
    app.d7.reject("old-token");
    app.balance_over_confirmation();

    let credential = &status(&app)["credential"];

    assert_eq!(
        *credential,
        json!({"state": "ok", "in_force": "token_secondary", "expires": "2100-01-01T00:00:00.000Z"})
    );
}

#[test]
fn an_end_beyond_the_calendar_is_left_out() {
    let files = Files::new();
    // exp 1e18 seconds
    files.write("e30.eyJleHAiOjEwMDAwMDAwMDAwMDAwMDAwMDB9.c2ln");
    let app = files.service().start();

    assert_eq!(status(&app)["credential"]["expires"], json!(null));
}

#[test]
fn every_word_of_the_code_is_in_the_description_and_no_other() {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.yaml")).unwrap();
    let document: Value = serde_norway::from_str(&text).unwrap();
    let schemas = &document["components"]["schemas"];
    let status = &schemas["Status"]["properties"];
    let words = |list: &Value| -> BTreeSet<String> {
        let words = list.as_array().unwrap().iter();
        words
            .map(|word| word.as_str().unwrap().to_owned())
            .collect()
    };
    let known = |words: &[&str]| {
        words
            .iter()
            .map(ToString::to_string)
            .collect::<BTreeSet<_>>()
    };

    assert_eq!(
        words(&status["balance"]["properties"]["freshness"]["enum"]),
        known(&Freshness::ALL.map(Freshness::as_str))
    );
    let credential = &status["credential"]["properties"];
    assert_eq!(
        words(&credential["state"]["enum"]),
        known(&CredentialState::ALL.map(CredentialState::as_str))
    );
    assert_eq!(
        words(&credential["in_force"]["enum"]),
        known(&Role::ALL.map(Role::as_str))
    );
    assert_eq!(
        words(&schemas["FailureCode"]["enum"]),
        known(&FailureKind::ALL.map(FailureKind::as_str))
    );
}
