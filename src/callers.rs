//! Who may ask: clients, their keys, and the check of a presented key.
//!
//! Keys are kept as digests only. A lookup by id and one comparison in constant
//! time decide; an unknown id costs the same as a wrong secret. Whoever is
//! denied learns nothing about why, the log does ([`Denied`]).
//!
//! The table is replaced whole while requests are served ([`KeyTable::replace`]):
//! what a client has used of its limit, and its counters, go over to the next.
//!
//! [`session`] has a browser ask with a cookie that stands for a key.

mod client;
pub mod file;
pub mod key;
pub mod limit;
pub mod session;

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::SystemTime,
};

use arc_swap::ArcSwap;
use foldhash::fast::RandomState;

pub use self::client::Client;
use self::{
    key::{Digest, KeyId, PresentedKey},
    limit::RateLimit,
};
use crate::{clock::Clock, metrics::Metrics};

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

impl Key {
    fn is_as(&self, other: &Self) -> bool {
        let is_same_client = self.client.name() == other.client.name();
        is_same_client && self.digest == other.digest && self.expires == other.expires
    }

    fn has_ended(&self, now: SystemTime) -> bool {
        self.expires.is_some_and(|end| end <= now)
    }
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

    /// The first 8 bytes of the key's digest.
    fn mark(&self) -> String {
        let mut digest = self.0.digest.to_string();
        digest.truncate(16);
        digest
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
    /// A session's cookie from another site, or from who knows where.
    CrossSite,
    /// It is no session that this service has signed.
    SessionInvalid,
    /// The session's time is over.
    SessionExpired,
    /// Somebody has signed out of the session.
    SessionEnded,
    /// The key of the session is revoked, changed or has ended.
    SessionKey,
}

impl Denial {
    /// Every reason.
    pub const ALL: [Self; 11] = [
        Self::Missing,
        Self::Ambiguous,
        Self::Malformed,
        Self::Unknown,
        Self::WrongSecret,
        Self::Expired,
        Self::CrossSite,
        Self::SessionInvalid,
        Self::SessionExpired,
        Self::SessionEnded,
        Self::SessionKey,
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
            Self::CrossSite => "cross_site",
            Self::SessionInvalid => "session_invalid",
            Self::SessionExpired => "session_expired",
            Self::SessionEnded => "session_ended",
            Self::SessionKey => "session_key",
        }
    }

    /// Whether it is about a session, which is over then in any case.
    pub fn is_of_session(self) -> bool {
        match self {
            Self::SessionInvalid | Self::SessionExpired | Self::SessionEnded | Self::SessionKey => {
                true
            }
            Self::Missing
            | Self::Ambiguous
            | Self::Malformed
            | Self::Unknown
            | Self::WrongSecret
            | Self::Expired
            | Self::CrossSite => false,
        }
    }
}

/// A denial, and whose key it is about.
#[derive(Clone)]
pub struct Denied {
    /// Why.
    pub reason: Denial,
    /// Who has proved to hold the key that has ended; in all other cases nothing
    /// is proved, and this is none. For the log: it is told to nobody else, and
    /// counts for nothing.
    pub caller: Option<Caller>,
}

impl From<Denial> for Denied {
    fn from(reason: Denial) -> Self {
        let caller = None;
        Self { reason, caller }
    }
}

/// What a replacement of keys has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// How many keys there are now.
    pub keys: usize,
    /// How many of their ids were not there before.
    pub added: usize,
    /// How many are other than before: their end, their client or their digest.
    pub changed: usize,
    /// How many ids are not there any more.
    pub removed: usize,
}

/// The keys in force. A look-up takes no lock.
pub struct KeyTable {
    keys: ArcSwap<Keys>,
    /// Those that have a key in force. The lock is for replacements, one of
    /// which must not see half of another.
    clients: Mutex<Clients>,
    default_limit: Option<RateLimit>,
    clock: Arc<dyn Clock>,
    metrics: Metrics,
}

type Keys = HashMap<KeyId, Arc<Key>, RandomState>;
type Clients = HashMap<String, Arc<Client>>;

impl KeyTable {
    /// Builds the table. `default_limit` is for clients without one of their
    /// own; limits are counted on `clock`.
    pub fn new(
        records: Vec<KeyRecord>,
        default_limit: Option<RateLimit>,
        clock: Arc<dyn Clock>,
        metrics: Metrics,
    ) -> Self {
        let table = Self {
            keys: ArcSwap::default(),
            clients: Mutex::default(),
            default_limit,
            clock,
            metrics,
        };
        table.replace(records);
        table
    }

    /// Puts `records` in force, all of them at once and none of those before.
    ///
    /// A client with the same limit as before goes on with the bucket that it
    /// has; one with another limit begins with a full bucket, and its counters
    /// go on. Those of a client that has no key any more are not exported any
    /// longer. A request under way keeps what it has.
    ///
    /// Ids are unique, and limits of one client the same, as the key file's
    /// reader has checked.
    pub fn replace(&self, records: Vec<KeyRecord>) -> Change {
        // It is replaced as a whole: a panic leaves the one before.
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        let next = self.clients_of(&records, &clients);
        let keys = records.into_iter().map(|record| {
            let key = Key {
                // Every record's client is among them.
                client: Arc::clone(&next[&record.client]),
                id: record.id,
                digest: record.digest,
                expires: record.expires,
            };
            (record.id, Arc::new(key))
        });
        let keys: Keys = keys.collect();
        let before = self.keys.load();
        let pairs = keys
            .iter()
            .filter_map(|(id, key)| Some((key, before.get(id)?)));
        let (common, changed) = pairs.fold((0, 0), |(common, changed), (key, old)| {
            (common + 1, changed + usize::from(!key.is_as(old)))
        });
        let change = Change {
            keys: keys.len(),
            added: keys.len() - common,
            changed,
            removed: before.len() - common,
        };
        self.keys.store(Arc::new(keys));
        for gone in clients.keys().filter(|name| !next.contains_key(*name)) {
            self.metrics.forget_client(gone);
        }
        *clients = next;
        change
    }

    /// The clients of `records`, carried over from those `before` where they
    /// are the same.
    fn clients_of(&self, records: &[KeyRecord], before: &Clients) -> Clients {
        let mut limits: HashMap<&str, Option<RateLimit>> = HashMap::new();
        for record in records {
            let limit = limits.entry(&record.client).or_default();
            *limit = limit.or(record.rate_limit);
        }
        let carried_over = |(name, limit): (&str, Option<RateLimit>)| {
            let limit = limit.or(self.default_limit);
            let client = match before.get(name) {
                Some(client) if client.limit() == limit => Arc::clone(client),
                known => {
                    let metrics = known.map_or_else(
                        || self.metrics.for_client(name),
                        |client| client.metrics().clone(),
                    );
                    Arc::new(Client::new(name, limit, &self.clock, metrics))
                }
            };
            (name.to_owned(), client)
        };
        limits.into_iter().map(carried_over).collect()
    }

    /// The keys that have ended by `now`, in the order of their ids.
    pub fn ended(&self, now: SystemTime) -> Vec<Caller> {
        let keys = self.keys.load();
        let ended = keys.values().filter(|key| key.has_ended(now));
        let mut ended: Vec<_> = ended.cloned().map(Caller).collect();
        ended.sort_by(|one, other| one.key_id().as_str().cmp(other.key_id().as_str()));
        ended
    }

    /// The holder of the key `id`, whoever asks.
    fn find(&self, id: KeyId) -> Option<Caller> {
        self.keys.load().get(&id).cloned().map(Caller)
    }

    /// Says whose key `presented` is.
    ///
    /// # Errors
    /// Why it is nobody's, or whose it was.
    pub fn authenticate(&self, presented: &str, now: SystemTime) -> Result<Caller, Denied> {
        let presented = PresentedKey::parse(presented).ok_or(Denial::Malformed)?;
        let digest = presented.digest();
        let keys = self.keys.load();
        let Some(key) = keys.get(&presented.id()) else {
            // The same work as for a known id, so that time tells no ids.
            return match digest.matches(&Digest::default()) {
                true | false => Err(Denial::Unknown.into()),
            };
        };
        if !digest.matches(&key.digest) {
            return Err(Denial::WrongSecret.into());
        }
        let caller = Caller(Arc::clone(key));
        if key.has_ended(now) {
            return Err(Denied {
                reason: Denial::Expired,
                caller: Some(caller),
            });
        }
        Ok(caller)
    }
}

#[cfg(test)]
mod tests;
