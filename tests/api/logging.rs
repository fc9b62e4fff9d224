//! The log: one event a request, what stands in it, and what never does.

mod secrecy;
mod trace;

use std::fs;

use ::secrecy::ExposeSecret;
use d7_balance::{callers::key::NewKey, simulator::Step};
use serde_json::{Value, json};

use crate::harness::{Connection, process::Service, wait_until};

/// The settings that let the service's own `debug` events through.
const DEBUG: (&str, &str) = ("D7B_LOG", "d7_balance=debug,info");

/// Asserts that an event has exactly these fields, besides those that differ
/// from run to run.
fn assert_fields(event: &Value, expected: &Value) {
    let mut event = event.clone();
    let fields = event.as_object_mut().unwrap();
    for name in ["timestamp", "event", "target", "message"] {
        assert!(fields.remove(name).is_some_and(|text| text.is_string()));
    }
    let duration = fields.remove("duration_ms").unwrap();
    assert!(duration.as_f64().is_some_and(|ms| ms >= 0.0), "{duration}");
    assert_eq!(&event, expected);
}

#[test]
fn a_request_leaves_one_event_with_who_what_and_how_it_went() {
    let service = Service::start(&[]);

    for id in ["first", "second"] {
        let request = service.balance_request().header("x-request-id", id);
        assert_eq!(request.send().status, 200);
    }

    let events = service.wait_for_requests(2);
    assert_eq!(events.len(), 2);
    for (event, (id, cache)) in events.iter().zip([("first", "stored"), ("second", "hit")]) {
        assert_fields(
            event,
            &json!({
                "level": "INFO",
                "http.method": "GET",
                "http.matched_path": "/balance",
                "http.status_code": 200,
                "cache.status": cache,
                "client": "billing",
                "key_id": service.key_id,
                "request_id": id,
            }),
        );
    }
}

#[test]
fn the_route_is_told_as_a_template_and_no_path_or_query_where_there_is_none() {
    let service = Service::start(&[]);
    let rows = [
        ("GET", "/balance?leak=1", 401, Some("/balance"), "GET"),
        ("HEAD", "/livez?leak=1", 200, Some("/livez"), "HEAD"),
        (
            "GET",
            "/problems/leak",
            404,
            Some("/problems/{code}"),
            "GET",
        ),
        ("GET", "/leak/leak?leak", 404, None, "GET"),
        ("GET", "/balance/leak", 404, None, "GET"),
        ("POST", "/balance", 405, Some("/balance"), "POST"),
        ("LEAK", "/balance", 405, Some("/balance"), "(other)"),
    ];

    for (method, path, status, _, _) in rows {
        assert_eq!(
            service.request(method, path).send().status,
            status,
            "{path}"
        );
    }

    let events = service.wait_for_requests(rows.len());
    for (event, (_, _, status, route, method)) in events.iter().zip(rows) {
        assert_eq!(event["http.status_code"], status, "{event}");
        assert_eq!(event["http.matched_path"], json!(route), "{event}");
        assert_eq!(event["http.method"], method, "{event}");
    }
    let log = service.stop().stderr.to_lowercase();
    assert!(!log.contains("leak"), "{log}");
}

#[test]
fn a_misdirected_request_is_told_by_the_route_it_would_have_had() {
    let service = Service::start(&[]);

    let request = service.balance_request().without("host");
    let status = request.header("host", "example.com").send().status;

    assert_eq!(status, 421);
    let event = &service.wait_for_requests(1)[0];
    assert_eq!(event["http.matched_path"], "/balance");
    assert_eq!(event["error.kind"], "misdirected_request");
    assert_eq!(event["client"], Value::Null, "its key is not looked at");
}

#[test]
fn an_error_is_told_by_its_code_and_a_denial_by_its_reason() {
    let service = Service::start(&[]);
    service.d7.always(d7_balance::simulator::answer(500, ""));
    let mut wrong = service.key.clone();
    wrong.replace_range(13..14, if &wrong[13..14] == "x" { "y" } else { "x" });

    let failed = service.balance_request().send();
    let missing = service.request("GET", "/balance").send();
    let malformed = service.request("GET", "/balance").bearer(&wrong).send();

    let statuses = [&failed, &missing, &malformed].map(|response| response.status);
    assert_eq!(statuses, [502, 401, 401]);
    let events = service.wait_for_requests(3);
    let told = events
        .iter()
        .map(|event| [&event["error.kind"], &event["denied"], &event["client"]])
        .collect::<Vec<_>>();
    assert_eq!(
        json!(told),
        json!([
            ["upstream_unavailable", null, "billing"],
            ["unauthorized", "missing", null],
            ["unauthorized", "malformed", null],
        ])
    );
}

#[test]
fn a_key_that_has_ended_is_told_by_client_and_id_and_one_that_is_not_proved_is_not() {
    let expired = NewKey::generate().unwrap();
    let mut forged = NewKey::generate().unwrap();
    forged.id = expired.id;
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");
    let table = |key: &NewKey, end: &str| {
        let (id, digest) = (key.id, key.digest);
        format!("[[keys]]\nclient = \"web\"\nid = \"{id}\"\nsha256 = \"{digest}\"\n{end}\n")
    };
    let text = table(&expired, "expires = 2020-01-31T00:00:00Z");
    fs::write(&path, text).unwrap();
    let file = path.to_str().unwrap();
    let service = Service::start(&[("D7B_KEYS", ""), ("D7B_KEYS_FILE", file)]);
    let ask = |key: &NewKey| {
        let request = service.request("GET", "/balance");
        request.bearer(key.key.expose_secret()).send()
    };

    let ended = ask(&expired);
    // The id of a key that is right, with the digest of another.
    fs::write(&path, table(&forged, "")).unwrap();
    service.process.signal("HUP");
    service.process.wait_for_event("keys_reloaded");
    let wrong = ask(&expired);

    assert_eq!([ended.status, wrong.status], [401; 2]);
    let told = ["client", "key_id", "denied", "error.kind"];
    let events = service.wait_for_requests(2);
    let events: Vec<_> = events
        .iter()
        .map(|event| told.map(|of| &event[of]))
        .collect();
    assert_eq!(
        json!(events),
        json!([
            ["web", expired.id.as_str(), "expired", "unauthorized"],
            [null, null, "wrong_secret", "unauthorized"],
        ])
    );
}

#[test]
fn probes_and_scrapes_are_for_debugging_only() {
    let [quiet, loud] = [&[][..], &[DEBUG]].map(|settings| {
        let service = Service::start(settings);
        for path in ["/livez", "/readyz", "/metrics", "/leak"] {
            service.admin(path);
        }
        service.request("GET", "/livez").send();
        wait_until("the last request is logged", || {
            let events = service.process.events_named("request");
            events.iter().any(|event| event["level"] == "INFO")
        });
        service.process.events_named("request")
    });

    let about = |events: &[Value]| -> Vec<_> {
        let told = |event: &Value| (event["level"].clone(), event["http.matched_path"].clone());
        events.iter().map(told).collect()
    };
    assert_eq!(about(&quiet), [("INFO".into(), "/livez".into())]);
    assert_eq!(
        about(&loud),
        [
            ("DEBUG".into(), "/livez".into()),
            ("DEBUG".into(), "/readyz".into()),
            ("DEBUG".into(), "/metrics".into()),
            ("DEBUG".into(), Value::Null),
            ("INFO".into(), "/livez".into()),
        ]
    );
}

#[test]
fn a_callers_request_id_is_taken_over_if_it_is_one_and_harmless() {
    let service = Service::start(&[]);
    let longest = "x".repeat(64);
    let too_long = "x".repeat(65);
    let taken = ["a", "A-Z_0.9", &longest];
    let replaced = ["", "a b", "a/b", "a,b", "é", "a\"b", &too_long];

    for id in taken {
        let response = service
            .request("GET", "/livez")
            .header("x-request-id", id)
            .send();
        assert_eq!(response.header("x-request-id"), Some(id));
    }
    for id in replaced {
        let response = service
            .request("GET", "/livez")
            .header("x-request-id", id)
            .send();
        assert_is_uuid_v7(response.header("x-request-id").unwrap());
    }
    let two = service
        .request("GET", "/livez")
        .header("x-request-id", "one")
        .header("x-request-id", "two")
        .send();
    assert_is_uuid_v7(two.header("x-request-id").unwrap());

    let events = service.wait_for_requests(taken.len() + replaced.len() + 1);
    let ids: Vec<_> = events
        .iter()
        .map(|event| event["request_id"].as_str().unwrap())
        .collect();
    assert_eq!(ids[..taken.len()], taken);
    for (position, id) in ids.iter().enumerate().skip(taken.len()) {
        assert_is_uuid_v7(id);
        assert!(!ids[..position].contains(id), "each request has its own");
    }
}

fn assert_is_uuid_v7(id: &str) {
    let parts: Vec<_> = id.split('-').map(str::len).collect();
    assert_eq!(parts, [8, 4, 4, 4, 12], "{id}");
    assert_eq!(&id[14..15], "7", "{id}");
    let is_hex = |b: u8| matches!(b, b'0'..=b'9' | b'a'..=b'f' | b'-');
    assert!(id.bytes().all(is_hex), "{id}");
}

#[test]
fn the_log_is_for_people_where_that_is_set() {
    let service = Service::start_until(&[("D7B_LOG_FORMAT", "pretty")], "serving");

    let log = service.stop().stderr;

    assert!(log.contains(" INFO "), "{log}");
    assert!(log.contains("event=\"started\""), "{log}");
    assert!(!log.contains('{') && !log.contains('\u{1b}'), "{log}");
}

/// The number in the id of a denied request.
fn number(event: &Value) -> usize {
    event["request_id"].as_str().unwrap()[1..].parse().unwrap()
}

#[test]
fn of_a_flood_of_denied_requests_ten_a_second_are_logged_and_all_counted() {
    let service = Service::start(&[]);
    let mut connection = Connection::open(service.addr);
    let mut sent = 0;
    let mut deny = || {
        let id = format!("r{sent}");
        let request = service
            .request("GET", "/balance")
            .header("x-request-id", &id);
        assert_eq!(request.send_on(&mut connection).status, 401);
        sent += 1;
        sent
    };
    for _ in 0..100 {
        deny();
    }
    let sent = std::cell::RefCell::new((deny, 0));
    let tells = |event: &Value| event["denied_unlogged"].is_u64();

    // The first one of another second tells how many were left out.
    wait_until("the denials left out are told", || {
        let (deny, sent) = &mut *sent.borrow_mut();
        *sent = deny();
        service.process.events_named("request").iter().any(tells)
    });

    let (_, sent) = sent.into_inner();
    let events = service.process.events_named("request");
    let telling = events.iter().position(tells).unwrap();
    let unlogged = events[telling]["denied_unlogged"].as_u64().unwrap();
    let number_of = |position: usize| number(&events[position]);
    assert!(telling >= 10, "{telling}");
    // Just before it those that were left out, and before them the ten that
    // were not.
    let left_out = number_of(telling) - number_of(telling - 1) - 1;
    assert_eq!(left_out as u64, unlogged);
    assert_eq!(number_of(telling - 1) - number_of(telling - 10), 9);
    let metrics = service.admin("/metrics").text();
    let series = format!("\nd7b_denied_total{{reason=\"missing\"}} {sent}\n");
    assert!(metrics.contains(&series), "{sent} in {metrics}");
}

#[test]
fn requests_that_are_not_denied_are_logged_all() {
    let service = Service::start(&[]);
    let mut connection = Connection::open(service.addr);

    for _ in 0..50 {
        service.balance_request().send_on(&mut connection);
        service.request("GET", "/nowhere").send_on(&mut connection);
    }

    assert_eq!(service.wait_for_requests(100).len(), 100);
}

#[test]
fn rubbish_writes_no_line_however_much_of_it_comes() {
    let service = Service::start(&[("D7B_LOG", "trace")]);
    let lines_about = |library: &str| {
        let events = service.process.events();
        let told = |event: &&Value| event["target"].as_str().unwrap().starts_with(library);
        events.iter().filter(told).count()
    };

    for _ in 0..20 {
        let mut connection = Connection::open(service.addr);
        connection.write(b"GET / HTTP/1.1\r\nhost:\x01\r\n\r\n");
        assert_eq!(connection.read_status(), 400);
    }
    service
        .balance_request()
        .header("x-request-id", "last")
        .send();
    service.wait_for_requests(1);

    assert_eq!(lines_about("actix_http"), 0);
    assert_eq!(service.process.events_named("request").len(), 1);
}

#[test]
fn a_request_whose_caller_goes_away_leaves_an_event_too() {
    let service = Service::start(&[]);
    service.d7.always(vec![Step::Hang]);
    let mut connection = Connection::open(service.addr);
    let request = service.balance_request().header("x-request-id", "gone");

    connection.write(&request.bytes());
    wait_until("D7 is asked", || service.d7.count() == 1);
    connection.reset();
    let events = service.wait_for_requests(1);

    assert_fields(
        &events[0],
        &json!({
            "level": "INFO",
            "http.method": "GET",
            "http.matched_path": "/balance",
            "client": "billing",
            "key_id": service.key_id,
            "error.kind": "caller_gone",
            "request_id": "gone",
        }),
    );
}
