//! TLS to D7: whom the service trusts, what it offers, and that the token stays
//! here where a handshake fails.

use std::sync::Arc;

use rcgen::date_time_ymd;
use rustls::{
    ServerConfig,
    version::{TLS12, TLS13},
};

use crate::harness::{
    TestApp,
    tls::{Authority, Terminator},
    wait_until,
};
use d7_balance::simulator::Simulator;

/// A service whose D7 stands behind TLS, and what stands between.
fn behind_tls(config: Arc<ServerConfig>, trusted: Option<&Authority>) -> (TestApp, Terminator) {
    let d7 = Simulator::start().unwrap();
    let terminator = Terminator::start(config, d7.addr());
    let base_url = format!("https://localhost:{}", terminator.addr.port());
    let mut builder = TestApp::builder().set("D7B_BASE_URL", &base_url);
    // Read at start, and not needed after that.
    let file = trusted.map(Authority::file);
    if let Some((_, path)) = &file {
        builder = builder.set("D7B_CA_FILE", path.to_str().unwrap());
    }
    (builder.start_with(d7), terminator)
}

fn assert_not_trusted(name: &str, config: Arc<ServerConfig>, trusted: Option<&Authority>) {
    let (app, terminator) = behind_tls(config, trusted);

    let response = app.balance();

    assert_eq!(response.status, 502, "{name}");
    let body = response.problem();
    assert_eq!(body["code"], "upstream_unreachable", "{name}");
    assert_eq!(body["retry_after"], 1, "{name}");
    assert_eq!(body.get("upstream_status"), None, "{name}");
    wait_until("both handshakes end", || terminator.greetings().len() == 2);
    assert_eq!(app.d7.heads(), Vec::<String>::new(), "{name}");
    let series = "d7b_upstream_requests_total{outcome=\"upstream_unreachable\"}";
    assert_eq!(app.metric(series), Some(2.0), "{name}");
}

#[test]
fn a_bundle_of_ones_own_is_trusted_with_tls_1_3_and_1_2() {
    for version in [&TLS13, &TLS12] {
        let authority = Authority::new();
        let config = authority.server("localhost", version, |_| ());
        let (app, terminator) = behind_tls(config, Some(&authority));

        let response = app.balance();

        assert_eq!(response.status, 200, "{}", response.text());
        assert_eq!(response.json()["balance_text"], "99.9999999");
        assert_eq!(app.d7.count(), 1);
        assert!(app.d7.heads()[0].contains("authorization: Bearer the-token\r\n"));
        assert!(terminator.greetings()[0].is_complete);
    }
}

#[test]
fn http_1_1_is_all_that_is_offered() {
    let authority = Authority::new();
    let config = authority.server("localhost", &TLS13, |_| ());
    let (app, terminator) = behind_tls(config, Some(&authority));

    assert_eq!(app.balance().status, 200);

    let greetings = terminator.greetings();
    assert_eq!(greetings.len(), 1);
    assert_eq!(greetings[0].offered, [b"http/1.1".to_vec()]);
    assert_eq!(greetings[0].name.as_deref(), Some("localhost"));
}

#[test]
fn the_public_roots_do_not_vouch_for_an_authority_of_ones_own() {
    let authority = Authority::new();
    let config = authority.server("localhost", &TLS13, |_| ());

    assert_not_trusted("public roots", config, None);
}

#[test]
fn another_authority_of_the_same_name_is_not_trusted() {
    let (trusted, other) = (Authority::new(), Authority::new());
    let config = other.server("localhost", &TLS13, |_| ());

    assert_not_trusted("unknown authority", config, Some(&trusted));
}

#[test]
fn a_certificate_out_of_its_time_is_not_trusted() {
    let authority = Authority::new();
    let expired = authority.server("localhost", &TLS13, |params| {
        params.not_before = date_time_ymd(2020, 1, 1);
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let early = authority.server("localhost", &TLS12, |params| {
        params.not_before = date_time_ymd(4000, 1, 1);
    });

    assert_not_trusted("expired", expired, Some(&authority));
    assert_not_trusted("not yet valid", early, Some(&authority));
}

#[test]
fn a_certificate_for_another_name_is_not_trusted() {
    let authority = Authority::new();
    for name in ["api.d7networks.com", "localhost.example", "*.localhost"] {
        let config = authority.server(name, &TLS13, |_| ());

        assert_not_trusted(name, config, Some(&authority));
    }
}

#[test]
fn a_handshake_that_stalls_is_unreachable_and_the_token_stays_here() {
    // Plain HTTP waits for the end of a head that never comes.
    let d7 = Simulator::start().unwrap();
    let base_url = format!("https://localhost:{}", d7.addr().port());
    let app = TestApp::builder()
        .set("D7B_BASE_URL", &base_url)
        .set("D7B_CONNECT_TIMEOUT", "200ms")
        .start_with(d7);

    let response = app.balance();

    assert_eq!(response.status, 502);
    assert_eq!(response.code(), "upstream_unreachable");
    assert_eq!(app.d7.count(), 0);
}

#[test]
fn a_certificate_that_is_renewed_is_trusted_again() {
    let authority = Authority::new();
    let expired = authority.server("localhost", &TLS13, |params| {
        params.not_after = date_time_ymd(2021, 1, 1);
    });
    let (app, terminator) = behind_tls(expired, Some(&authority));
    assert_eq!(app.balance().code(), "upstream_unreachable");
    terminator.renew(authority.server("localhost", &TLS13, |_| ()));
    app.advance_s(1);

    let recovered = app.balance();

    assert_eq!(recovered.status, 200);
    assert_eq!(app.d7.count(), 1);
}
