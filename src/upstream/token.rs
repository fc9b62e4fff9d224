//! The D7 tokens: read here, shown to one header, and to nothing else.

use std::{
    cell::RefCell,
    collections::BTreeMap,
    path::{Path, PathBuf},
    rc::Rc,
    time::{Duration, SystemTime},
};

use actix_rt::task::spawn_blocking;
use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use futures_util::{
    FutureExt,
    future::{LocalBoxFuture, OptionFuture, Shared},
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

/// How long a look may take before that counts as a problem.
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
}

/// Reads tokens again: each file by itself, one reading of it at a time.
pub(super) struct Rereader {
    primary: Reread,
    secondary: Option<Reread>,
}

impl Rereader {
    pub(super) fn new(places: Places) -> Self {
        Self {
            primary: Reread::new(places.primary),
            secondary: places.secondary.map(Reread::new),
        }
    }

    /// Reads them. One that hangs keeps the other waiting for as long as it has
    /// to be waited for, and not again after that.
    pub(super) fn look(&self) -> LocalBoxFuture<'static, Kept> {
        let primary = self.primary.look();
        let secondary = OptionFuture::from(self.secondary.as_ref().map(Reread::look));
        async move {
            let (primary, secondary) = tokio::join!(primary, secondary);
            Kept { primary, secondary }
        }
        .boxed_local()
    }
}

/// One place, and the reading of it that is under way.
#[derive(Clone)]
struct Reread {
    place: Place,
    under_way: Rc<RefCell<Option<UnderWay>>>,
}

#[derive(Clone)]
struct UnderWay {
    reading: Shared<LocalBoxFuture<'static, Found>>,
    /// Whether it has been waited for in vain.
    is_late: bool,
}

impl Reread {
    fn new(place: Place) -> Self {
        Self {
            place,
            under_way: Rc::default(),
        }
    }

    /// Reads it on a thread of its own: a file may lie on a mount that hangs,
    /// and this one has signals to listen to. While that lasts no other reading
    /// is begun: each would take a thread with it.
    fn look(&self) -> impl Future<Output = Found> + use<> {
        let this = self.clone();
        let earlier = self.under_way.borrow().clone();
        async move {
            // Whoever looks because something has changed is not told what stood
            // there before, unless that is all that is to be had in time.
            let mut before = None;
            let read = async {
                if let Some(UnderWay { reading, is_late }) = earlier {
                    let patience = if is_late { Duration::ZERO } else { PATIENCE };
                    before = Some(tokio::time::timeout(patience, reading).await.ok()?);
                }
                Some(this.reading().await)
            };
            if let Ok(Some(found)) = tokio::time::timeout(PATIENCE, read).await {
                return found;
            }
            if let Some(under_way) = &mut *this.under_way.borrow_mut() {
                under_way.is_late = true;
            }
            before.unwrap_or_else(|| Err("reading it takes too long".to_owned()))
        }
    }

    /// The reading under way; begins one, if there is none.
    fn reading(&self) -> Shared<LocalBoxFuture<'static, Found>> {
        let mut slot = self.under_way.borrow_mut();
        let under_way = slot.get_or_insert_with(|| UnderWay {
            reading: self.begin(),
            is_late: false,
        });
        under_way.reading.clone()
    }

    fn begin(&self) -> Shared<LocalBoxFuture<'static, Found>> {
        let (place, slot) = (self.place.clone(), Rc::clone(&self.under_way));
        async move {
            let found = match place {
                Place::Fixed(token) => Ok(token),
                Place::File(path) => spawn_blocking(move || read(&path))
                    .await
                    .unwrap_or_else(|_| Err("reading it panicked".to_owned())),
            };
            slot.replace(None);
            found
        }
        .boxed_local()
        .shared()
    }
}

/// What stands in the file at `path` now.
fn read(path: &Path) -> Found {
    let text = secret_file::read_again(path);
    let text = text.map_err(|error| format!("cannot be read: {error}"))?;
    parse(&text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests;
