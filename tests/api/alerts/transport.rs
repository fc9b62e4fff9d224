//! What the request looks like, and whom the service trusts with it.

use std::{
    io,
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
};

use d7_balance::simulator::Simulator;
use rustls::version::TLS13;

use super::{
    read,
    receiver::{PATH, Receiver, kinds},
    telling,
};
use crate::harness::{
    TestApp,
    tls::{Authority, Terminator},
    wait_until,
};

#[test]
fn a_message_is_one_post_that_holds_nothing_of_d7s_or_of_callers() {
    let receiver = Receiver::new();
    let app = telling(&receiver).start();

    read(&app, "99");

    let message = receiver.wait_for(1).remove(0);
    let (line, rest) = message.head.split_once("\r\n").unwrap();
    assert_eq!(line, format!("POST {PATH} HTTP/1.1"));
    let mut headers: Vec<_> = rest
        .lines()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value))
        .collect();
    headers.sort();
    let names: Vec<_> = headers.iter().map(|(name, _)| name.as_str()).collect();
    assert_eq!(
        names,
        [
            "accept-encoding",
            "connection",
            "content-length",
            "content-type",
            "date",
            "host",
            "user-agent",
            "webhook-id",
            "webhook-signature",
            "webhook-timestamp",
        ]
    );
    for (name, expected) in [
        ("connection", "close"),
        ("content-type", "application/json"),
        (
            "user-agent",
            concat!("d7-balance/", env!("CARGO_PKG_VERSION")),
        ),
        ("host", &receiver.server.addr().to_string()),
    ] {
        let (_, value) = headers.iter().find(|(known, _)| known == name).unwrap();
        assert_eq!(*value, expected);
    }
    assert!(message.id.starts_with("msg_"), "{}", message.id);
    for secret in ["the-token", &app.key, "MARKER"] {
        assert!(!message.body.contains(secret), "{}", message.body);
        assert!(!rest.contains(secret), "{rest}");
    }
}

/// A receiver behind TLS, and what stands between.
fn behind_tls(authority: &Authority, name: &str) -> (Receiver, Terminator) {
    let receiver = Receiver::new();
    let config = authority.server(name, &TLS13, |_| ());
    let terminator = Terminator::start(config, receiver.server.addr());
    let port = terminator.addr.port();
    receiver.write("url", &format!("https://localhost:{port}{PATH}"));
    (receiver, terminator)
}

fn trusting(receiver: &Receiver, authority: Option<&Authority>) -> TestApp {
    let file = authority.map(Authority::file);
    let mut builder = telling(receiver);
    if let Some((_, path)) = &file {
        builder = builder.set("D7B_ALERT_WEBHOOK_CA_FILE", path.to_str().unwrap());
    }
    builder.start_with(Simulator::start().unwrap())
}

#[test]
fn an_authority_of_ones_own_vouches_for_the_receiver() {
    let authority = Authority::new();
    let (receiver, terminator) = behind_tls(&authority, "localhost");
    let app = trusting(&receiver, Some(&authority));

    read(&app, "99");

    assert_eq!(kinds(&receiver.wait_for(1)), ["balance.low"]);
    let greetings = terminator.greetings();
    assert_eq!(greetings.len(), 1);
    assert_eq!(greetings[0].offered, [b"http/1.1".to_vec()]);
    assert_eq!(greetings[0].name.as_deref(), Some("localhost"));
}

#[test]
fn a_receiver_that_nobody_trusted_vouches_for_hears_nothing() {
    let (own, other) = (Authority::new(), Authority::new());
    for (name, trusted) in [
        ("localhost", None),
        ("localhost", Some(&other)),
        ("hooks.example", Some(&own)),
    ] {
        let (receiver, terminator) = behind_tls(&own, name);
        let app = trusting(&receiver, trusted);

        read(&app, "99");

        let failed = "d7b_alert_attempts_total{outcome=\"failed\"}";
        wait_until("the attempt fails", || app.metric(failed) == Some(1.0));
        wait_until("the handshake ends", || terminator.greetings().len() == 1);
        assert_eq!(receiver.server.count(), 0, "{name}");
        assert_eq!(app.metric("d7b_alerts_pending"), Some(1.0));
    }
}

/// Passes one connection on. Ends with it.
fn pass_on(listener: TcpListener, behind: SocketAddr) -> io::Result<()> {
    let (mut near, _) = listener.accept()?;
    let mut far = TcpStream::connect(behind)?;
    let (mut from_far, mut to_near) = (far.try_clone()?, near.try_clone()?);
    thread::spawn(move || io::copy(&mut from_far, &mut to_near));
    io::copy(&mut near, &mut far).map(drop)
}

#[test]
fn a_receiver_of_this_machine_may_have_an_ipv6_address() {
    // Some containers have no such address.
    let Ok(listener) = TcpListener::bind("[::1]:0") else {
        return;
    };
    let receiver = Receiver::new();
    let addr = listener.local_addr().unwrap();
    receiver.write("url", &format!("http://{addr}{PATH}"));
    let behind = receiver.server.addr();
    thread::spawn(move || pass_on(listener, behind));
    let app = telling(&receiver).start();

    read(&app, "99");

    assert_eq!(kinds(&receiver.wait_for(1)), ["balance.low"]);
}
