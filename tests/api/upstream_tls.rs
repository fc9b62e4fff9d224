//! TLS to D7: whom the service trusts, what it offers, and that the token stays
//! here where a handshake fails.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener as StdListener},
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::{
    ServerConfig, SupportedProtocolVersion,
    crypto::aws_lc_rs,
    pki_types::PrivateKeyDer,
    server::Acceptor,
    version::{TLS12, TLS13},
};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime::Builder,
    sync::oneshot,
};
use tokio_rustls::LazyConfigAcceptor;

use crate::harness::{TestApp, wait_until};
use d7_balance::simulator::Simulator;

/// A certificate authority of a test's own.
struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority of tests");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A server's configuration with a certificate for `name`.
    fn server(
        &self,
        name: &str,
        version: &'static SupportedProtocolVersion,
        change: impl FnOnce(&mut CertificateParams),
    ) -> Arc<ServerConfig> {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &self.0).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_protocol_versions(&[version])
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![certificate.der().clone()],
                PrivateKeyDer::try_from(key.serialize_der()).unwrap(),
            )
            .unwrap();
        config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
        Arc::new(config)
    }

    /// A file for `D7B_CA_FILE`.
    fn file(&self) -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        std::fs::write(&path, self.0.pem()).unwrap();
        (directory, path)
    }
}

/// What a terminator has seen of one connection.
#[derive(Debug, Clone, Default)]
struct Greeting {
    /// The protocols that the client offered.
    offered: Vec<Vec<u8>>,
    /// The name that it asked for.
    name: Option<String>,
    /// Whether the handshake came to a good end.
    is_complete: bool,
}

/// Ends TLS in front of a simulated D7 and passes everything on.
struct Terminator {
    addr: SocketAddr,
    config: Arc<Mutex<Arc<ServerConfig>>>,
    greetings: Arc<Mutex<Vec<Greeting>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Terminator {
    fn start(config: Arc<ServerConfig>, behind: SocketAddr) -> Self {
        let listener = StdListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        let addr = listener.local_addr().unwrap();
        let greetings = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&greetings);
        let config = Arc::new(Mutex::new(config));
        let in_force = Arc::clone(&config);
        let (stop, stopped) = oneshot::channel();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let thread = thread::spawn(move || {
            runtime.block_on(async {
                let listener = TcpListener::from_std(listener).unwrap();
                let serve = async {
                    loop {
                        let (stream, _) = listener.accept().await.unwrap();
                        let config = Arc::clone(&in_force.lock().unwrap());
                        tokio::spawn(pass_on(stream, config, behind, Arc::clone(&seen)));
                    }
                };
                tokio::select! {
                    () = serve => {}
                    _ = stopped => {}
                }
            });
        });
        Self {
            addr,
            config,
            greetings,
            stop: Some(stop),
            thread: Some(thread),
        }
    }

    /// Shows another certificate from now on.
    fn renew(&self, config: Arc<ServerConfig>) {
        *self.config.lock().unwrap() = config;
    }

    fn greetings(&self) -> Vec<Greeting> {
        self.greetings.lock().unwrap().clone()
    }
}

impl Drop for Terminator {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take() {
            drop(thread.join());
        }
    }
}

async fn pass_on(
    stream: TcpStream,
    config: Arc<ServerConfig>,
    behind: SocketAddr,
    seen: Arc<Mutex<Vec<Greeting>>>,
) {
    let Ok(begun) = LazyConfigAcceptor::new(Acceptor::default(), stream).await else {
        return;
    };
    let hello = begun.client_hello();
    let mut greeting = Greeting {
        offered: hello
            .alpn()
            .map(|names| names.map(<[u8]>::to_vec).collect())
            .unwrap_or_default(),
        name: hello.server_name().map(str::to_owned),
        is_complete: false,
    };
    // A client of TLS 1.3 may refuse after the server has finished.
    match begun.into_stream(config).await {
        Ok(mut front) => {
            greeting.is_complete = true;
            seen.lock().unwrap().push(greeting);
            let mut back = TcpStream::connect(behind).await.unwrap();
            drop(copy_bidirectional(&mut front, &mut back).await);
        }
        Err(_) => seen.lock().unwrap().push(greeting),
    }
}

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
