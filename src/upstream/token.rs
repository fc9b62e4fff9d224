//! The D7 tokens: read here, shown to one header, and to nothing else.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::PathBuf,
    rc::Rc,
    time::{Duration, SystemTime},
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::{
    FutureExt,
    future::{LocalBoxFuture, Shared},
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::value::RawValue;

use crate::{
    balance::credential::{Credential, Found, Kept},
    secret_file,
};

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
    // An editor's byte order mark is none of it.
    let text = text.expose_secret().trim_start_matches('\u{feff}');
    let token = text.trim();
    if token.is_empty() {
        return Err(TokenError::Empty);
    }
    // No token that D7 makes is as long.
    if token.len() > secret_file::LIMIT {
        return Err(TokenError::TooLong);
    }
    if token.chars().any(char::is_control) {
        return Err(TokenError::Control);
    }
    let (expires, doubt) = (expiry(token), doubt(token));
    Ok(Credential::new(SecretString::from(token), expires, doubt))
}

/// What looks wrong with a token, though it may be right.
fn doubt(token: &str) -> Option<&'static str> {
    if token.starts_with("d7b_") {
        Some("the D7 token looks like a caller key of this service")
    } else if token.contains(char::is_whitespace) {
        Some(
            "the D7 token has white space in it: was `Bearer` pasted with it, or more than one word?",
        )
    } else if token.starts_with(['"', '\'']) {
        Some("the D7 token begins with a quotation mark, which is no part of it as a rule")
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
            Self::File(path) => {
                let text = secret_file::read_again(path);
                let text = text.map_err(|error| format!("cannot be read: {error}"))?;
                parse(&text).map_err(|error| error.to_string())
            }
        }
    }
}

/// How long the files may take to be read before that counts as a problem.
const PATIENCE: Duration = Duration::from_secs(5);

/// Where the tokens of one account are kept.
#[derive(Debug, Clone)]
pub struct Places {
    /// `D7B_TOKEN` or `D7B_TOKEN_FILE`.
    pub primary: Place,
    /// `D7B_TOKEN_SECONDARY_FILE`.
    pub secondary: Option<Place>,
}

impl Places {
    /// Which of the two is in a file, and so can change.
    pub fn in_files(&self) -> [bool; 2] {
        let is_file = |place: &Place| matches!(place, Place::File(_));
        let secondary = self.secondary.as_ref();
        [is_file(&self.primary), secondary.is_some_and(is_file)]
    }

    fn read(&self) -> Kept {
        Kept {
            primary: self.primary.look(),
            secondary: self.secondary.as_ref().map(Place::look),
        }
    }

    /// What is to be said of them when they cannot be read.
    fn unread(&self, problem: &str) -> Kept {
        let found = |place: &Place| match place {
            Place::Fixed(token) => Ok(token.clone()),
            Place::File(_) => Err(problem.to_owned()),
        };
        Kept {
            primary: found(&self.primary),
            secondary: self.secondary.as_ref().map(found),
        }
    }
}

/// Reads tokens again, one reading at a time.
pub(super) struct Rereader {
    places: Places,
    under_way: Rc<RefCell<Option<Reading>>>,
}

type Reading = Shared<LocalBoxFuture<'static, Kept>>;

impl Rereader {
    pub(super) fn new(places: Places) -> Self {
        Self {
            places,
            under_way: Rc::default(),
        }
    }

    /// Reads them on a thread of its own: a file may lie on a mount that hangs,
    /// and this one has signals to listen to. While that lasts no other reading
    /// is begun: each would take a thread with it.
    pub(super) fn look(&self) -> LocalBoxFuture<'static, Kept> {
        let places = self.places.clone();
        let mut under_way = self.under_way.borrow_mut();
        let reading = under_way.get_or_insert_with(|| {
            let (slot, places) = (Rc::clone(&self.under_way), places.clone());
            async move {
                let unread = places.unread("reading it panicked");
                let kept = actix_rt::task::spawn_blocking(move || places.read()).await;
                slot.replace(None);
                kept.unwrap_or(unread)
            }
            .boxed_local()
            .shared()
        });
        let reading = reading.clone();
        Box::pin(async move {
            let read = tokio::time::timeout(PATIENCE, reading).await;
            read.unwrap_or_else(|_| places.unread("reading it takes too long"))
        })
    }
}

#[cfg(test)]
mod tests;
