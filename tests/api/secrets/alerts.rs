//! The receiver of alerts: its URL and its secret are as secret as the token,
//! and it learns nothing of either D7's or the callers'.

use d7_balance::simulator::{Script, Step, answer, answer_with, bytes};

use super::{FORMATS, TOKEN, Watch, finish, secret_of, start};
use crate::{
    alerts::receiver::{PATH, Receiver},
    harness::{process::Service, wait_until},
};
use d7_balance::callers::key::NewKey;
use secrecy::ExposeSecret;

/// Answers of a receiver that says again what it was told, in every place where
/// that can stand.
fn echoes(receiver: &Receiver) -> Vec<(&'static str, Script)> {
    let (url, secret) = (receiver.url(), receiver.secret());
    let said = format!("{url} {secret}");
    vec![
        ("a body", answer(500, &said)),
        (
            "a redirect",
            answer_with(302, &format!("location: {url}\r\nx-said: {secret}\r\n"), ""),
        ),
        (
            "a reason",
            bytes(format!("HTTP/1.1 500 {said}\r\ncontent-length: 0\r\n\r\n")),
        ),
        ("no status", bytes(format!("HTTP/1.1 {said}\r\n\r\n"))),
        ("no head", bytes(format!("{said}\r\n\r\n"))),
        (
            "no header",
            bytes(format!("HTTP/1.1 200 OK\r\n{said}\r\n\r\n")),
        ),
        (
            "no length",
            bytes(format!("HTTP/1.1 200 OK\r\ncontent-length: {said}\r\n\r\n")),
        ),
        (
            "no chunk",
            bytes(format!(
                "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{said}\r\n"
            )),
        ),
        (
            "a reset",
            vec![Step::Send(said.clone().into_bytes()), Step::Reset],
        ),
    ]
}

/// Waits for the end of one: some are deliveries, others would be tried again.
fn wait_for_attempt(service: &Service) {
    wait_until("an attempt ends", || {
        let metrics = service.admin("/metrics").text();
        let mut lines = metrics.lines();
        lines.any(|line| line.starts_with("d7b_alert_attempts_total") && !line.ends_with(" 0"))
    });
}

#[test]
fn neither_side_of_an_alert_is_seen_by_anybody_else() {
    let key = NewKey::generate().unwrap();
    let keys = format!("billing:{}:{}", key.id, key.digest);
    let mut watch = Watch::default();
    let mut told = Vec::new();
    let secret = Receiver::new().secret();
    for turn in 0..echoes(&Receiver::new()).len() {
        for format in FORMATS {
            let receiver = Receiver::new();
            let (name, script) = echoes(&receiver).swap_remove(turn);
            receiver.server.next(script);
            let [(url_name, url), (secret_name, secret)] = receiver.settings();
            let settings = [
                ("D7B_TOKEN", TOKEN),
                ("D7B_KEYS", &*keys),
                ("D7B_ALERT_BELOW", "100"),
                (url_name, &*url),
                (secret_name, &*secret),
            ];
            let service = start(format, &settings);
            let name = format!("{name}, {format}");

            let request = service.request("GET", "/balance");
            let answer = request.bearer(key.key.expose_secret()).send();
            watch.answer(&name, &answer);
            wait_for_attempt(&service);
            for message in receiver.messages() {
                assert!(message.head.starts_with(&format!("POST {PATH} ")), "{name}");
                told.push(format!("{}{}", message.head, message.body));
            }
            finish(service, &name, &mut watch);
        }
    }

    let (path, bare) = (PATH.trim_start_matches('/'), &secret["whsec_".len()..]);
    watch.assert_clean(&[TOKEN, secret_of(&key), "MARKER_", path, &secret, bare]);
    let mut received = Watch::default();
    for message in told {
        // The path is what it was sent to.
        received.add("receiver", message.replace(PATH, ""));
    }
    received.assert_clean(&[TOKEN, secret_of(&key), "MARKER_", &secret, bare]);
}

#[test]
fn the_receivers_host_is_not_logged_however_much_is() {
    let receiver = Receiver::new();
    let port = receiver.server.addr().port();
    let urls = [
        (
            "secretsub.invalid",
            format!("https://secretsub.invalid:{port}/"),
        ),
        // Is resolved, and breaks in the handshake.
        ("localhost", format!("https://localhost:{port}/")),
        ("localhost", format!("http://localhost:{port}{PATH}")),
    ];
    let mut watch = Watch::default();
    for (host, url) in &urls {
        for format in FORMATS {
            receiver.write("url", url);
            let [(url_name, url_file), (secret_name, secret_file)] = receiver.settings();
            let settings = [
                ("D7B_ALERT_BELOW", "100"),
                (url_name, &*url_file),
                (secret_name, &*secret_file),
            ];
            let service = start(format, &settings);
            assert_eq!(service.balance_request().send().status, 200);
            wait_for_attempt(&service);
            finish(service, host, &mut watch);
        }
    }

    watch.assert_clean(&["secretsub", "localhost"]);
    let is_said = watch.seen.iter().any(|(_, text)| text.contains("TRACE"));
    assert!(is_said, "the log is as loud as it can be");
}
