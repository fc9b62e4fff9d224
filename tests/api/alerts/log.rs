//! What the log tells of alerts, and what it does not.

use std::fs;

use d7_balance::simulator::answer;
use serde_json::Value;

use super::receiver::Receiver;
use crate::harness::{process::Service, wait_until};

fn start(receiver: Option<&Receiver>) -> Service {
    let settings = receiver.map(Receiver::settings);
    let settings = settings.iter().flatten();
    let mut all: Vec<_> = settings
        .map(|(name, value)| (*name, value.as_str()))
        .collect();
    all.extend([("D7B_ALERT_BELOW", "100"), ("D7B_CACHE_MIN_REFRESH", "0s")]);
    Service::start(&all)
}

fn read(service: &Service, balance: &str) {
    let body = format!(r#"{{"balance": {balance}}}"#);
    service.d7.always(answer(200, &body));
    let request = service.balance_request();
    let answer = request.header("cache-control", "no-cache").send();
    assert_eq!(answer.json()["balance_text"], balance);
}

fn text<'a>(event: &'a Value, name: &str) -> &'a str {
    let text = event[name].as_str();
    text.unwrap_or_else(|| panic!("no {name} in {event}"))
}

#[test]
fn without_a_receiver_the_log_tells_of_the_balance() {
    let service = start(None);

    read(&service, "99.5");
    read(&service, "98");
    read(&service, "110");

    let low = service.process.wait_for_event("balance_low");
    assert_eq!(text(&low, "level"), "WARN");
    assert_eq!(
        (text(&low, "balance"), text(&low, "below")),
        ("99.5", "100")
    );
    let recovered = service.process.wait_for_event("balance_recovered");
    assert_eq!(text(&recovered, "level"), "INFO");
    assert_eq!(text(&recovered, "balance"), "110");
    assert_eq!(service.process.events_named("balance_low").len(), 1);
}

#[test]
fn a_delivery_is_told_with_its_attempts_and_a_failure_when_it_begins_or_changes() {
    let receiver = Receiver::new();
    let service = start(Some(&receiver));
    let elsewhere = "location: http://127.0.0.1:1/MARKER\r\n";
    let redirect = d7_balance::simulator::answer_with(302, elsewhere, "MARKER");
    receiver.server.next(redirect.clone());
    receiver.server.next(redirect);
    receiver.server.next(answer(500, "MARKER"));

    read(&service, "99");

    let delivered = service.process.wait_for_event("alert_delivered");
    let id = receiver.wait_for(4).remove(0).id;
    assert_eq!(text(&delivered, "level"), "INFO");
    assert_eq!(text(&delivered, "type"), "balance.low");
    assert_eq!(text(&delivered, "id"), id);
    assert_eq!(delivered["attempts"], 4);
    let failed = service.process.events_named("alert_failed");
    let [failed, changed] = &failed[..] else {
        panic!("{failed:?}")
    };
    assert_eq!(text(changed, "level"), "WARN");
    assert_eq!(
        (&changed["status"], &changed["attempts"]),
        (&500.into(), &3.into())
    );
    assert_eq!(text(failed, "level"), "WARN");
    assert_eq!(failed["status"], 302);
    assert_eq!(text(failed, "id"), id);
    let cause = "the receiver redirects, which is not followed";
    assert_eq!(text(failed, "cause"), cause);
    assert!(!service.process.stderr().contains("MARKER"));
}

#[test]
fn a_file_that_is_refused_is_told_of_once_and_without_its_path() {
    let receiver = Receiver::new();
    let service = start(Some(&receiver));
    receiver.write("url", "ftp://MARKER");
    fs::remove_file(receiver.path("secret")).unwrap();

    for (told, balance) in ["99", "150", "99"].into_iter().enumerate() {
        read(&service, balance);
        // In the log after all that the attempt has to say.
        wait_until("it is delivered", || {
            service.process.events_named("alert_delivered").len() == told + 1
        });
    }

    let refused = service.process.events_named("alert_file_refused");
    let files: Vec<_> = refused.iter().map(|event| text(event, "file")).collect();
    assert_eq!(files, ["alert_webhook_url", "alert_webhook_secret"]);
    assert_eq!(text(&refused[0], "level"), "WARN");
    let log = service.process.stderr();
    let path = receiver.path("secret").to_str().unwrap().to_owned();
    assert!(!log.contains("MARKER") && !log.contains(&path), "{log}");
}

#[test]
fn a_changed_file_is_told_of_when_it_is_in_use_and_one_that_was_refused_as_well() {
    let (receiver, other) = (Receiver::new(), Receiver::new());
    let service = start(Some(&receiver));
    let mut balances = ["99", "150"].into_iter().cycle();
    let mut delivered = 0;
    let mut taken = || {
        read(&service, balances.next().unwrap());
        delivered += 1;
        // In the log after all that the attempt has to say.
        wait_until("it is delivered", || {
            service.process.events_named("alert_delivered").len() == delivered
        });
        let taken = service.process.events_named("alert_file_taken");
        assert!(taken.iter().all(|event| text(event, "level") == "INFO"));
        taken
            .iter()
            .map(|event| text(event, "file").to_owned())
            .collect::<Vec<_>>()
    };

    assert_eq!(taken(), [""; 0]);
    receiver.write("url", &other.url());
    assert_eq!(taken(), ["alert_webhook_url"]);
    receiver.write("secret", "whsec_MARKER");
    assert_eq!(taken(), ["alert_webhook_url"]);
    receiver.write("secret", &receiver.secret());
    let both = ["alert_webhook_url", "alert_webhook_secret"];
    assert_eq!(taken(), both);
    assert_eq!(taken(), both, "and not again");

    let log = service.process.stderr();
    let host = other.server.addr().to_string();
    assert!(!log.contains("MARKER") && !log.contains(&host), "{log}");
}

#[test]
fn what_is_not_delivered_at_the_end_is_told_as_one_number() {
    let receiver = Receiver::new();
    let service = start(Some(&receiver));
    receiver.server.always(answer(500, ""));
    read(&service, "99");
    read(&service, "150");
    service.process.wait_for_event("balance_recovered");

    let ended = service.stop();

    assert_eq!(ended.code, Some(0));
    let told = ended.stderr.matches("\"event\":\"alerts_pending\"").count();
    assert_eq!(told, 1, "{}", ended.stderr);
    assert!(ended.stderr.contains("\"pending\":2"), "{}", ended.stderr);
}
