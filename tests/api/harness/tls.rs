//! The other end of TLS: an authority of a test's own, and what ends TLS in
//! front of a simulator.

use std::{
    net::{Ipv4Addr, SocketAddr, TcpListener as StdListener},
    path::PathBuf,
    sync::{Arc, Mutex},
    thread,
};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use rustls::{
    ServerConfig, SupportedProtocolVersion, crypto::aws_lc_rs, pki_types::PrivateKeyDer,
    server::Acceptor,
};
use tempfile::TempDir;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    runtime::Builder,
    sync::oneshot,
};
use tokio_rustls::LazyConfigAcceptor;

/// A certificate authority of a test's own.
pub(crate) struct Authority(CertifiedIssuer<'static, KeyPair>);

impl Authority {
    pub(crate) fn new() -> Self {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority of tests");
        Self(CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap())
    }

    /// A server's configuration with a certificate for `name`.
    pub(crate) fn server(
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
    pub(crate) fn file(&self) -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("ca.pem");
        std::fs::write(&path, self.0.pem()).unwrap();
        (directory, path)
    }
}

/// What a terminator has seen of one connection.
#[derive(Debug, Clone, Default)]
pub(crate) struct Greeting {
    /// The protocols that the client offered.
    pub(crate) offered: Vec<Vec<u8>>,
    /// The name that it asked for.
    pub(crate) name: Option<String>,
    /// Whether the handshake came to a good end.
    pub(crate) is_complete: bool,
}

/// Ends TLS in front of a simulator and passes everything on.
pub(crate) struct Terminator {
    pub(crate) addr: SocketAddr,
    config: Arc<Mutex<Arc<ServerConfig>>>,
    greetings: Arc<Mutex<Vec<Greeting>>>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<thread::JoinHandle<()>>,
}

impl Terminator {
    pub(crate) fn start(config: Arc<ServerConfig>, behind: SocketAddr) -> Self {
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
    pub(crate) fn renew(&self, config: Arc<ServerConfig>) {
        *self.config.lock().unwrap() = config;
    }

    pub(crate) fn greetings(&self) -> Vec<Greeting> {
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
