//! A receiver of alerts: a real server that checks each signature by its own
//! reckoning.

use std::{fs, path::PathBuf};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine, prelude::BASE64_STANDARD};
use d7_balance::simulator::Simulator;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{Builder, wait_until};

/// Where messages are sent to: only the service and the receiver know it.
pub(crate) const PATH: &str = "/MARKER_HOOK/of-a-team?key=MARKER_QUERY";

/// A receiver, and the files by which a service knows it.
pub(crate) struct Receiver {
    pub(crate) server: Simulator,
    directory: TempDir,
    key: [u8; 32],
}

/// A message as it came.
#[derive(Debug, Clone)]
pub(crate) struct Message {
    pub(crate) head: String,
    pub(crate) body: String,
    pub(crate) id: String,
    pub(crate) timestamp: u64,
    signature: String,
}

impl Receiver {
    /// Takes every message, until its server is told otherwise.
    pub(crate) fn new() -> Self {
        let receiver = Self {
            server: Simulator::start().unwrap(),
            directory: tempfile::tempdir().unwrap(),
            key: *b"MARKER_SECRET of thirty-two byte",
        };
        receiver.write("url", &receiver.url());
        receiver.write("secret", &secret(&receiver.key));
        receiver
    }

    pub(crate) fn url(&self) -> String {
        format!("{}{PATH}", self.server.base_url())
    }

    /// The secret as it stands in the file.
    pub(crate) fn secret(&self) -> String {
        secret(&self.key)
    }

    /// Has the service sign with another key.
    pub(crate) fn rotate(&mut self, key: [u8; 32]) {
        self.key = key;
        self.write("secret", &secret(&key));
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), format!("{text}\n")).unwrap();
    }

    /// The settings by which a service knows it.
    pub(crate) fn settings(&self) -> [(&'static str, String); 2] {
        let path = |name| self.path(name).to_str().unwrap().to_owned();
        [
            ("D7B_ALERT_WEBHOOK_URL_FILE", path("url")),
            ("D7B_ALERT_WEBHOOK_SECRET_FILE", path("secret")),
        ]
    }

    pub(crate) fn known_to(&self, builder: Builder) -> Builder {
        let settings = self.settings();
        let set = |builder: Builder, (name, value): &(&str, String)| builder.set(name, value);
        settings.iter().fold(builder, set)
    }

    /// Waits for so many messages; checks that there are no more, and that each
    /// is signed.
    pub(crate) fn wait_for(&self, messages: usize) -> Vec<Message> {
        let told = || self.server.bodies().len() >= messages;
        wait_until("the messages come", told);
        let came = self.messages();
        assert_eq!(came.len(), messages, "{came:?}");
        for message in &came {
            message.assert_signed(&self.key);
        }
        came
    }

    /// What has come so far, with whatever signature.
    pub(crate) fn messages(&self) -> Vec<Message> {
        let requests = self.server.heads().into_iter().zip(self.server.bodies());
        requests
            .map(|(head, body)| Message::new(head, body))
            .collect()
    }
}

/// A secret as it is written.
fn secret(key: &[u8; 32]) -> String {
    format!("whsec_{}", BASE64_STANDARD.encode(key))
}

/// The types of messages.
pub(crate) fn kinds(messages: &[Message]) -> Vec<String> {
    let kind = |message: &Message| message.json()["type"].as_str().unwrap().to_owned();
    messages.iter().map(kind).collect()
}

impl Message {
    fn new(head: String, body: String) -> Self {
        let header = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            let (_, value) = lines
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .unwrap_or_else(|| panic!("no {name} in {head}"));
            value.to_owned()
        };
        Self {
            id: header("webhook-id"),
            timestamp: header("webhook-timestamp").parse().unwrap(),
            signature: header("webhook-signature"),
            head,
            body,
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }

    /// A text of its data.
    pub(crate) fn data(&self, name: &str) -> String {
        let json = self.json();
        let text = json["data"][name].as_str();
        text.unwrap_or_else(|| panic!("no {name} in {json}"))
            .to_owned()
    }

    /// HMAC (RFC 2104) written out, so that it is not the service's own.
    pub(crate) fn assert_signed(&self, key: &[u8; 32]) {
        let padded = |pad: u8| {
            let mut block = [pad; 64];
            for (byte, key) in block.iter_mut().zip(key) {
                *byte ^= key;
            }
            block
        };
        let Self {
            id,
            timestamp,
            body,
            ..
        } = self;
        let signed = format!("{id}.{timestamp}.{body}");
        let inner = digest(&SHA256, &[&padded(0x36), signed.as_bytes()].concat());
        let outer = digest(&SHA256, &[&padded(0x5c), inner.as_ref()].concat());
        let expected = format!("v1,{}", BASE64_STANDARD.encode(outer));
        assert_eq!(self.signature, expected, "{self:?}");
    }
}
