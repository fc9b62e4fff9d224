//! The D7 tokens: read here, shown to one header, and to nothing else.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;

use crate::balance::credential::{Credential, Found, Kept};

/// Longer than any token that D7 makes.
const LIMIT: usize = 8 * 1024;

/// Why some text is no token. Never says what the text was.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// White space, or nothing.
    #[error("is empty")]
    Empty,
    /// More than 8 KiB.
    #[error("is longer than 8 KiB")]
    TooLong,
    /// Not one line of text.
    #[error("holds a control character; a token is one line of text")]
    Control,
}

/// Cuts white space off both ends of `text` and takes what is left for a token.
///
/// # Errors
/// Where that cannot be one.
pub fn parse(text: &SecretString) -> Result<Credential, TokenError> {
    let token = text.expose_secret().trim();
    if token.is_empty() {
        return Err(TokenError::Empty);
    }
    if token.len() > LIMIT {
        return Err(TokenError::TooLong);
    }
    if token.chars().any(char::is_control) {
        return Err(TokenError::Control);
    }
    let expires = expiry(token);
    Ok(Credential::new(SecretString::from(token), expires))
}

/// What looks wrong with a token, though it may be right.
pub fn doubt(token: &Credential) -> Option<&'static str> {
    let token = token.secret().expose_secret();
    if token.starts_with("d7b_") {
        Some("the D7 token looks like a caller key of this service")
    } else if token.contains(char::is_whitespace) {
        Some(
            "the D7 token has white space in it; it is sent after `Bearer`, which is not part of it",
        )
    } else {
        None
    }
}

/// When `token` ends, if it is a JWT that says so (`exp`, RFC 7519 section
/// 4.1.4: seconds since 1970, perhaps with a fraction). D7 alone can verify its
/// signature, and D7's word alone counts: this is for a warning in time.
fn expiry(token: &str) -> Option<SystemTime> {
    let mut parts = token.split('.');
    let (_, claims, _, None) = (parts.next()?, parts.next()?, parts.next()?, parts.next()) else {
        return None;
    };
    let claims = BASE64_URL_SAFE_NO_PAD
        .decode(claims.trim_end_matches('='))
        .ok()?;
    let claims: BTreeMap<String, &RawValue> = serde_json::from_slice(&claims).ok()?;
    let seconds = claims.get("exp")?.get().split('.').next()?.parse().ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// Reads the text of a token from a file.
///
/// # Errors
/// Where the file cannot be read, or is not UTF-8.
pub fn read(path: &Path) -> io::Result<SecretString> {
    let mut text = String::new();
    // A little more than a token may have: what is longer is told as too long.
    let file = fs::File::open(path)?;
    file.take(8 * LIMIT as u64).read_to_string(&mut text)?;
    Ok(SecretString::from(text))
}

/// Where a token is kept.
#[derive(Debug, Clone)]
pub enum Place {
    /// In a setting: it is what it is.
    Fixed(Credential),
    /// In a file, which may change.
    File(PathBuf),
}

impl Place {
    /// What stands there now.
    fn look(&self) -> Found {
        match self {
            Self::Fixed(token) => Ok(token.clone()),
            Self::File(path) => Self::read_again(path),
        }
    }

    /// As [`read`], but of a regular file only: a pipe has nothing more to say,
    /// and would never end.
    fn read_again(path: &Path) -> Found {
        let is_file = fs::metadata(path).map(|known| known.is_file());
        let text = is_file.and_then(|is_file| {
            if is_file {
                read(path)
            } else {
                Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    "it is not a regular file",
                ))
            }
        });
        let text = text.map_err(|error| format!("cannot be read: {error}"))?;
        parse(&text).map_err(|error| error.to_string())
    }
}

/// Where the tokens of one account are kept.
#[derive(Debug, Clone)]
pub struct Places {
    /// `D7B_TOKEN` or `D7B_TOKEN_FILE`.
    pub primary: Place,
    /// `D7B_TOKEN_SECONDARY_FILE`.
    pub secondary: Option<Place>,
}

impl Places {
    /// Whether what stands there can change.
    pub fn can_change(&self) -> bool {
        matches!(self.primary, Place::File(_)) || self.secondary.is_some()
    }

    /// Reads all of them. On a thread of its own: a file may lie on a mount that
    /// hangs, and this one has signals to listen to.
    pub(super) async fn look(self) -> Kept {
        let looked = actix_rt::task::spawn_blocking(move || Kept {
            primary: self.primary.look(),
            secondary: self.secondary.map(|place| place.look()),
        });
        looked.await.unwrap_or_else(|_| Kept {
            primary: Err("reading it panicked".to_owned()),
            secondary: None,
        })
    }
}

#[cfg(test)]
mod tests;
