//! Sessions of browsers: a caller key turned into a cookie that no script can
//! read.
//!
//! A session is a signed token and nothing that the service remembers, so that
//! every replica with the same secrets knows it. It names the key that it was
//! begun with and ends with that: a session is never worth more than its key.

mod ended;
mod secrets;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, Header, Validation, decode, encode};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};

use self::ended::EndedSessions;
pub use self::secrets::{Secrets, SecretsError};
use super::{Caller, Denial, Denied, KeyTable, key::KeyId};

/// 128 random bits.
type SessionId = [u8; 16];

/// Who signs, and for whom: a token of another service with the same secret is
/// not a session.
const ISSUER: &str = "d7-balance";
const AUDIENCE: &str = "d7-balance session";

/// Far more bytes than a token of ours has: nobody is to have long ones hashed.
const LONGEST: usize = 1024;

/// Begins, resumes and ends sessions.
pub struct Sessions {
    secrets: ArcSwap<Secrets>,
    ended: EndedSessions,
    ttl: Duration,
    validation: Validation,
}

/// A session that has just begun.
pub struct NewSession {
    /// The cookie's value.
    pub token: SecretString,
    /// How long it lasts, in seconds.
    pub max_age: u64,
}

/// Why no session can begin: the system gives no random bytes.
#[derive(Debug, thiserror::Error)]
#[error("no session can be made")]
pub struct NoSession;

/// What a session says, in the words of RFC 7519 where there are some.
#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    jti: String,
    exp: u64,
    /// The id of the key that it was begun with.
    key: String,
    /// The beginning of that key's digest: a key with the same id that was
    /// replaced is another one.
    mark: String,
}

impl Sessions {
    /// Sessions that last for `ttl`, signed by the first of `secrets`.
    pub fn new(secrets: Secrets, ttl: Duration) -> Self {
        let mut validation = Validation::new(Algorithm::HS256);
        validation.set_issuer(&[ISSUER]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["exp", "iss", "aud"]);
        // By our own clock, and to the second.
        validation.validate_exp = false;
        Self {
            secrets: ArcSwap::from_pointee(secrets),
            ended: EndedSessions::default(),
            ttl,
            validation,
        }
    }

    /// Signs and verifies by `secrets` from now on.
    pub fn replace(&self, secrets: Secrets) {
        self.secrets.store(Arc::new(secrets));
    }

    /// Begins a session of `caller`, which ends after its time or with the
    /// caller's key, whichever is sooner.
    ///
    /// # Errors
    /// Where the system's source of randomness fails.
    pub fn begin(&self, caller: &Caller, now: SystemTime) -> Result<NewSession, NoSession> {
        let mut id = SessionId::default();
        getrandom::fill(&mut id).map_err(|_| NoSession)?;
        let now = seconds(now);
        let longest = now.saturating_add(self.ttl.as_secs());
        let end = caller
            .0
            .expires
            .map_or(longest, |end| seconds(end).min(longest));
        let claims = Claims {
            iss: ISSUER.to_owned(),
            aud: AUDIENCE.to_owned(),
            jti: BASE64_URL_SAFE_NO_PAD.encode(id),
            exp: end,
            key: caller.key_id().to_string(),
            mark: caller.mark(),
        };
        let token = encode(&Header::default(), &claims, &self.secrets.load().first);
        Ok(NewSession {
            token: token.map_err(|_| NoSession)?.into(),
            max_age: end.saturating_sub(now),
        })
    }

    /// Says whose session `token` is.
    ///
    /// # Errors
    /// Why it is nobody's, or whose it was.
    pub fn resume(&self, token: &str, keys: &KeyTable, now: SystemTime) -> Result<Caller, Denied> {
        let (claims, id) = self.verify(token).ok_or(Denial::SessionInvalid)?;
        let caller = KeyId::parse(&claims.key)
            .and_then(|id| keys.find(id))
            .filter(|caller| caller.mark() == claims.mark);
        let reason = match &caller {
            _ if claims.exp <= seconds(now) => Denial::SessionExpired,
            _ if self.ended.contains(id) => Denial::SessionEnded,
            Some(caller) if !caller.0.has_ended(now) => return Ok(caller.clone()),
            _ => Denial::SessionKey,
        };
        Err(Denied { reason, caller })
    }

    /// Ends the session `token`, and every copy of it. What is none has ended
    /// already.
    pub fn end(&self, token: &str, keys: &KeyTable, now: SystemTime) {
        let now = seconds(now);
        if let Some((claims, id)) = self.verify(token).filter(|(claims, _)| claims.exp > now) {
            let caller = KeyId::parse(&claims.key).and_then(|id| keys.find(id));
            let client = caller.as_ref().map(|caller| caller.client().name());
            self.ended.insert(client, id, claims.exp, now);
        }
    }

    fn verify(&self, token: &str) -> Option<(Claims, SessionId)> {
        if token.len() > LONGEST {
            return None;
        }
        let secrets = self.secrets.load();
        let verify = |secret| decode::<Claims>(token, secret, &self.validation).ok();
        let claims = secrets.all.iter().find_map(verify)?.claims;
        let id = BASE64_URL_SAFE_NO_PAD.decode(&claims.jti).ok()?;
        let id = id.try_into().ok()?;
        Some((claims, id))
    }
}

/// Whole seconds since 1970.
fn seconds(at: SystemTime) -> u64 {
    at.duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs()
}

#[cfg(test)]
mod tests;
