//! What the source is asked with: a credential, seen from the cache. No secret
//! is looked into here.
//!
//! [`choice`] says which one is in force, [`expiry`] when to tell that it ends,
//! [`standing`] what everybody may know of it.

pub mod choice;
pub mod expiry;
pub mod standing;

use std::{fmt, sync::Arc, time::SystemTime};

use secrecy::{ExposeSecret, SecretString};

/// A credential. Copies are references: the secret stands in memory once.
#[derive(Clone)]
pub struct Credential {
    secret: Arc<SecretString>,
    expires: Option<SystemTime>,
    doubt: Option<&'static str>,
}

impl Credential {
    /// `expires` is when it ends, where it says so itself, and `doubt` what
    /// looks wrong with it, though it may be right.
    pub fn new(
        secret: SecretString,
        expires: Option<SystemTime>,
        doubt: Option<&'static str>,
    ) -> Self {
        Self {
            secret: Arc::new(secret),
            expires,
            doubt,
        }
    }

    /// The secret, for the one header that it goes into.
    pub fn secret(&self) -> &SecretString {
        &self.secret
    }

    /// What looks wrong with it, though it may be right.
    pub fn doubt(&self) -> Option<&'static str> {
        self.doubt
    }

    /// When it ends, where it says so itself.
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires
    }
}

impl PartialEq for Credential {
    fn eq(&self, other: &Self) -> bool {
        self.secret.expose_secret() == other.secret.expose_secret()
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Credential(…)")
    }
}

/// Which of two credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The one that is meant to be used.
    Primary,
    /// The one that stands by.
    Secondary,
}

impl Role {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Primary, Self::Secondary];

    /// The name of the file that holds it, for logs and metrics.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Primary => "token",
            Self::Secondary => "token_secondary",
        }
    }

    /// The other one.
    pub fn other(self) -> Self {
        match self {
            Self::Primary => Self::Secondary,
            Self::Secondary => Self::Primary,
        }
    }
}

/// What stands in one place now: a credential, or why there is none.
pub type Found = Result<Credential, String>;

/// What stands in both places now.
#[derive(Debug, Clone)]
pub struct Kept {
    /// The primary one.
    pub primary: Found,
    /// The secondary one, if there is to be one.
    pub secondary: Option<Found>,
}
