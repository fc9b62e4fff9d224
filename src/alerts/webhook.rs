//! One attempt to deliver an alert: a POST to one host, by awc.
//!
//! A client of its own: D7's token goes by another one, which knows nothing of
//! this. What the receiver answers is not read beyond the status, and none of
//! its words, nor of the URL, reaches a log.

use std::{
    io,
    time::{Duration, SystemTime},
};

use awc::{
    Client, ClientBuilder, Connector,
    error::{ConnectError, SendRequestError},
    http::{StatusCode, header},
};
use tokio::sync::Mutex;

use super::{Places, SigningKey, Target, files::Receiver, outbox::Message};

const USER_AGENT: &str = concat!("d7-balance/", env!("CARGO_PKG_VERSION"));

/// Who is told, and how it is reached.
pub struct Hook {
    /// Where alerts go.
    pub target: Target,
    /// What they are signed with.
    pub key: SigningKey,
    /// Where both are kept.
    pub places: Places,
    /// The certificates to trust.
    pub tls: rustls::ClientConfig,
    /// For DNS and TCP, and again for TLS.
    pub connect_timeout: Duration,
    /// For one attempt, from the connection to the head of the answer.
    pub timeout: Duration,
}

/// Sends alerts. `!Send`, as awc's client is: it lives on the main thread.
pub(super) struct Webhook {
    http: Client,
    /// Locked while the files are read, and never while anything is sent: lanes
    /// do not wait for each other's receiver.
    receiver: Mutex<Receiver>,
    timeout: Duration,
}

/// Why an attempt has failed, in words of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Refusal {
    /// The status, if the receiver gave one.
    pub(super) status: Option<u16>,
    pub(super) cause: &'static str,
}

impl Webhook {
    /// Opens no connection yet.
    pub(super) fn new(hook: Hook) -> Self {
        let connector = Connector::new()
            .timeout(hook.connect_timeout)
            .handshake_timeout(hook.connect_timeout)
            // HTTP/1.1 by ALPN only, in the TLS configuration: awc's own
            // `max_http_version` would throw that configuration away.
            .rustls_0_23(hook.tls.into());
        let http = ClientBuilder::new()
            .connector(connector)
            // One deadline of ours over all of it instead.
            .disable_timeout()
            .disable_redirects()
            .add_default_header((header::USER_AGENT, USER_AGENT))
            .add_default_header((header::CONTENT_TYPE, "application/json"))
            .finish();
        Self {
            http,
            receiver: Mutex::new(Receiver::new(hook.target, hook.key, hook.places)),
            timeout: hook.timeout,
        }
    }

    /// Sends once, at `now`. Any 2xx is a delivery, and nothing else is.
    ///
    /// # Cancel safety
    /// May be dropped: the connection is closed. The receiver may have the
    /// message already, and knows it again by its id.
    pub(super) async fn send(&self, message: &Message, now: SystemTime) -> Result<(), Refusal> {
        let since = now.duration_since(SystemTime::UNIX_EPOCH);
        let timestamp = since.unwrap_or_default().as_secs();
        let (uri, signature) = {
            let mut receiver = self.receiver.lock().await;
            let (target, key) = receiver.look().await;
            let signature = key.sign(&message.id, timestamp, &message.body);
            (target.uri(), signature)
        };
        let sending = self
            .http
            .post(uri)
            .insert_header(("webhook-id", message.id.as_str()))
            .insert_header(("webhook-timestamp", timestamp.to_string()))
            .insert_header(("webhook-signature", signature))
            // One message now and then: a pooled connection buys nothing, and
            // what is not read of an answer ends with its connection.
            .force_close()
            .send_body(message.body.clone());
        match tokio::time::timeout(self.timeout, sending).await {
            Err(_) => Err(unsent("no answer within D7B_ALERT_WEBHOOK_TIMEOUT")),
            Ok(Err(error)) => Err(unsent(cause(&error))),
            Ok(Ok(answer)) if answer.status().is_success() => Ok(()),
            Ok(Ok(answer)) => Err(refused(answer.status())),
        }
    }
}

fn unsent(cause: &'static str) -> Refusal {
    Refusal {
        status: None,
        cause,
    }
}

fn refused(status: StatusCode) -> Refusal {
    let cause = if status.is_redirection() {
        "the receiver redirects, which is not followed"
    } else {
        "the receiver answers with another status than 2xx"
    };
    Refusal {
        status: Some(status.as_u16()),
        cause,
    }
}

/// What went wrong, without the words of anybody else: they may hold the URL,
/// or what a receiver has chosen.
fn cause(error: &SendRequestError) -> &'static str {
    match error {
        SendRequestError::Connect(ConnectError::Resolver(_) | ConnectError::NoRecords) => {
            "the receiver's name cannot be resolved"
        }
        SendRequestError::Connect(ConnectError::Timeout) => {
            "no connection within D7B_CONNECT_TIMEOUT"
        }
        SendRequestError::Connect(ConnectError::Io(error)) => cause_in_connecting(error),
        SendRequestError::Connect(_) => "no connection",
        SendRequestError::Response(_) => "the receiver answers no HTTP",
        _ => "the connection broke",
    }
}

fn cause_in_connecting(error: &io::Error) -> &'static str {
    let inner = error.get_ref();
    match inner.and_then(|inner| inner.downcast_ref::<rustls::Error>()) {
        Some(rustls::Error::InvalidCertificate(_)) => "the receiver's certificate is not trusted",
        Some(_) => "the TLS handshake failed",
        None if error.kind() == io::ErrorKind::ConnectionRefused => {
            "nobody listens at the receiver"
        }
        None => "no connection",
    }
}
