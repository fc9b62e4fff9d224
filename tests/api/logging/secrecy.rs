//! What must never be in a log, however much of it is asked for.

use d7_balance::simulator::{REJECTION, answer, answer_with};

use crate::harness::{Connection, process::Service, wait_until};

/// All that there is, libraries included.
const EVERYTHING: (&str, &str) = ("D7B_LOG", "trace");

const TOKEN: &str = "marker-t0ken";

/// Waits until the log holds a text.
fn wait_for_text(service: &Service, text: &str) {
    wait_until(&format!("the log holds {text}"), || {
        service.process.stderr().contains(text)
    });
}

/// Has a service see credentials of every sort; returns them and its log.
fn credentials_seen(settings: &[(&str, &str)]) -> (Vec<String>, String) {
    let token = ("D7B_TOKEN", TOKEN);
    let service = Service::start_until(&[settings, &[token]].concat(), "serving");
    let secret = &service.key[13..];
    // Another secret, with the checksum that belongs to it, is not needed: a
    // typo has one too many.
    let typo = format!("{}x", service.key);
    let basic = "Basic bWFya2VyLWJhc2lj".to_owned();

    let accepted = service.balance_request().send();
    service
        .d7
        .always(answer(401, &REJECTION.replace("It looks", TOKEN)));
    let rejected = service
        .balance_request()
        .header("cache-control", "no-cache");
    rejected.send();
    let denied = [
        service.request("GET", "/balance").bearer(&typo),
        service
            .request("GET", "/balance")
            .header("authorization", &basic),
        service.balance_request().bearer("marker-second"),
        service.request("GET", &format!("/balance?key={}", service.key)),
        service
            .request("GET", "/balance")
            .header("cookie", "__Host-d7b_session=marker-cookie"),
    ]
    .map(|request| request.send().status);

    assert_eq!(accepted.status, 200);
    assert_eq!(denied, [401, 401, 400, 401, 401]);
    let done = service
        .request("GET", "/livez")
        .header("x-request-id", "the-last-one");
    done.send();
    wait_for_text(&service, "the-last-one");
    let secrets = [TOKEN, secret, &basic[6..], "marker-second", "marker-cookie"];
    let secrets = secrets.map(str::to_owned).to_vec();
    (secrets, service.stop().stderr)
}

#[test]
fn no_credential_is_in_the_log_not_even_at_its_loudest() {
    for format in ["json", "pretty"] {
        let (secrets, log) = credentials_seen(&[EVERYTHING, ("D7B_LOG_FORMAT", format)]);

        for secret in secrets {
            let line = log.lines().find(|line| line.contains(&secret));
            assert_eq!(line, None, "{secret} in the log as {format}");
        }
    }
}

#[test]
fn no_control_character_of_a_caller_or_of_d7_is_in_the_log() {
    for format in ["json", "pretty"] {
        let settings = [EVERYTHING, ("D7B_LOG_FORMAT", format)];
        let service = Service::start_until(&settings, "serving");
        service.d7.always(answer_with(
            500,
            "x-d7: a\u{9b}31m\r\nretry-after: \u{9b}\r\n",
            "{\"detail\": {\"code\": \"A\u{1b}[31m\", \"message\": \"B\u{1b}[2J\"}}",
        ));

        let nasty = "a\u{9b}31m\tb";
        let request = service.request("GET", "/balance%1b%0a?%1b\u{9b}");
        request.header("x-request-id", nasty).send();
        let request = service.balance_request().header("user-agent", nasty);
        let failed = request.header("cache-control", nasty).send();
        // What is not HTTP is refused, and has no business in the log either.
        for bytes in [
            &b"GET /\x1b[31m HTTP/1.1\r\nhost: localhost\r\n\r\n"[..],
            b"GET / HTTP/1.1\r\nhost: localhost\r\nx: \x1b[31m\r\n\r\n",
            b"\x1b[31m / HTTP/1.1\r\nhost: localhost\r\n\r\n",
        ] {
            let mut connection = Connection::open(service.addr);
            connection.write(bytes);
            let refused = connection.read("GET").status;
            assert!([400, 404].contains(&refused), "{refused}");
        }
        let done = service
            .request("GET", "/livez")
            .header("x-request-id", "the-last-one");
        done.send();
        wait_for_text(&service, "the-last-one");

        assert_eq!(failed.status, 502);
        let log = service.stop().stderr;
        let is_raw = |c: char| c.is_control() && !matches!(c, '\n' | '\t');
        let line = log.lines().find(|line| line.contains(is_raw));
        assert_eq!(line, None, "as {format}");
    }
}
