//! Who may ask: clients, their keys, and the check of a presented key.
//!
//! Keys are kept as digests only. A lookup by id and one comparison in constant
//! time decide; an unknown id costs the same as a wrong secret. Whoever is
//! denied learns nothing about why, the log does ([`Denial`]).

pub mod file;
pub mod key;
pub mod limit;

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use self::{
    key::{Digest, KeyId, PresentedKey},
    limit::RateLimit,
};
use crate::metrics::Metrics;

/// A team or service: what its keys have in common.
pub struct Client {
    name: Box<str>,
    requests: prometheus_client::metrics::counter::Counter,
}

impl Client {
    /// Its name, as the key file has it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Counts one request of this client.
    pub fn count_request(&self) {
        self.requests.inc();
    }
}

/// One key as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyRecord {
    /// The client that it belongs to: `[a-z0-9][a-z0-9._-]{0,62}`.
    pub client: String,
    /// The public part of the key.
    pub id: KeyId,
    /// The digest of the whole key.
    pub digest: Digest,
    /// When it ends, if ever.
    pub expires: Option<SystemTime>,
    /// How often its client may ask, over all its keys.
    pub rate_limit: Option<RateLimit>,
}

/// A key that somebody has proved to hold.
#[derive(Clone)]
pub struct Caller(Arc<Key>);

struct Key {
    client: Arc<Client>,
    id: KeyId,
    digest: Digest,
    expires: Option<SystemTime>,
}

impl Caller {
    /// The client that the key belongs to.
    pub fn client(&self) -> &Client {
        &self.0.client
    }

    /// The key's public part.
    pub fn key_id(&self) -> &KeyId {
        &self.0.id
    }
}

/// Why a credential was not accepted. For the log and the metrics: the caller
/// is never told which.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// None was presented, or one of another scheme.
    Missing,
    /// More than one was presented.
    Ambiguous,
    /// It cannot be a key of ours: wrong shape or checksum.
    Malformed,
    /// No key has this id.
    Unknown,
    /// The id is right, the secret is not.
    WrongSecret,
    /// The key has ended.
    Expired,
}

impl Denial {
    /// Every reason.
    pub const ALL: [Self; 6] = [
        Self::Missing,
        Self::Ambiguous,
        Self::Malformed,
        Self::Unknown,
        Self::WrongSecret,
        Self::Expired,
    ];

    /// The word for the log and the metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Missing => "missing",
            Self::Ambiguous => "ambiguous",
            Self::Malformed => "malformed",
            Self::Unknown => "unknown",
            Self::WrongSecret => "wrong_secret",
            Self::Expired => "expired",
        }
    }
}

/// The keys in force.
pub struct KeyTable {
    keys: HashMap<KeyId, Arc<Key>>,
}

impl KeyTable {
    /// Builds the table; ids are unique, as the key file's reader has checked.
    pub fn new(records: Vec<KeyRecord>, metrics: &Metrics) -> Self {
        let mut clients: HashMap<String, Arc<Client>> = HashMap::new();
        let keys = records
            .into_iter()
            .map(|record| {
                let client = clients.entry(record.client).or_insert_with_key(|name| {
                    Arc::new(Client {
                        name: name.as_str().into(),
                        requests: metrics.for_client(name),
                    })
                });
                let key = Key {
                    client: Arc::clone(client),
                    id: record.id,
                    digest: record.digest,
                    expires: record.expires,
                };
                (record.id, Arc::new(key))
            })
            .collect();
        Self { keys }
    }

    /// Says whose key `presented` is.
    ///
    /// # Errors
    /// Why it is nobody's.
    pub fn authenticate(&self, presented: &str, now: SystemTime) -> Result<Caller, Denial> {
        let presented = PresentedKey::parse(presented).ok_or(Denial::Malformed)?;
        let digest = presented.digest();
        let Some(key) = self.keys.get(&presented.id()) else {
            // The same work as for a known id, so that time tells no ids.
            return match digest.matches(&Digest::default()) {
                true | false => Err(Denial::Unknown),
            };
        };
        if !digest.matches(&key.digest) {
            return Err(Denial::WrongSecret);
        }
        if key.expires.is_some_and(|end| end <= now) {
            return Err(Denial::Expired);
        }
        Ok(Caller(Arc::clone(key)))
    }
}
