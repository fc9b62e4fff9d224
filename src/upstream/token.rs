//! The D7 token: held here, shown to one header, and to nothing else.

use std::{
    cell::RefCell,
    fs,
    io::{self, Read},
    path::{Path, PathBuf},
};

use awc::http::header::HeaderValue;
use secrecy::{ExposeSecret, SecretString};
use tracing::{info, warn};

use crate::balance::source::Reloaded;

/// Longer than any token that D7 makes.
const LIMIT: usize = 8 * 1024;

/// A token that can stand in a header.
#[derive(Clone)]
pub struct Token(SecretString);

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

impl Token {
    /// Cuts white space off both ends and checks what is left.
    ///
    /// # Errors
    /// Where that cannot be a token.
    pub fn parse(text: &SecretString) -> Result<Self, TokenError> {
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
        Ok(Self(SecretString::from(token)))
    }
}

impl Token {
    /// What looks wrong with it, though it may be right.
    pub fn doubt(&self) -> Option<&'static str> {
        let token = self.0.expose_secret();
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

/// As [`read`], but of a regular file only: a pipe has nothing more to say, and
/// would never end.
fn read_again(path: &Path) -> io::Result<SecretString> {
    if fs::metadata(path)?.is_file() {
        read(path)
    } else {
        Err(io::ErrorKind::InvalidInput.into())
    }
}

/// The token in force, and where a newer one may come from.
pub struct TokenSource {
    token: RefCell<Token>,
    file: Option<PathBuf>,
}

impl TokenSource {
    /// A source that begins with `token` and looks at `file` when asked.
    pub fn new(token: Token, file: Option<PathBuf>) -> Self {
        Self {
            token: RefCell::new(token),
            file,
        }
    }

    /// The `Authorization` header, marked so that no `Debug` shows it.
    pub(super) fn authorization(&self) -> HeaderValue {
        let bearer = format!("Bearer {}", self.token.borrow().0.expose_secret());
        let mut value = HeaderValue::from_maybe_shared(bearer.into_bytes())
            .expect("a token is text without control characters");
        value.set_sensitive(true);
        value
    }

    /// Whether the token stands in `text`.
    pub(super) fn occurs_in(&self, text: &str) -> bool {
        text.contains(self.token.borrow().0.expose_secret())
    }

    /// `text` without the token.
    pub(super) fn redact(&self, text: &str) -> String {
        text.replace(self.token.borrow().0.expose_secret(), "[redacted]")
    }

    /// Reads the file again. What cannot be a token leaves the old one in
    /// force.
    ///
    /// On a thread of its own: the file may lie on a mount that hangs, and this
    /// one has signals to listen to.
    pub(super) async fn reload(&self) -> Reloaded {
        let Some(path) = self.file.clone() else {
            return Reloaded::Same;
        };
        let text = actix_rt::task::spawn_blocking(move || read_again(&path)).await;
        let problem = match text {
            Ok(Ok(text)) => match Token::parse(&text) {
                Ok(token) => return self.replace(token),
                Err(error) => error.to_string(),
            },
            Ok(Err(error)) => format!("cannot be read: {}", error.kind()),
            Err(_) => "reading it panicked".to_owned(),
        };
        warn!(
            event = "token_unusable",
            problem, "the token file was not taken over"
        );
        Reloaded::Same
    }

    fn replace(&self, token: Token) -> Reloaded {
        let is_same = self.token.borrow().0.expose_secret() == token.0.expose_secret();
        if is_same {
            return Reloaded::Same;
        }
        self.token.replace(token);
        info!(event = "token_changed", "a changed token was taken over");
        Reloaded::Changed
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use secrecy::{ExposeSecret, SecretString};

    use super::{Token, TokenError, TokenSource};
    use crate::balance::source::Reloaded;

    fn parse(text: &str) -> Result<Token, TokenError> {
        Token::parse(&SecretString::from(text))
    }

    fn source(token: &str, file: Option<&std::path::Path>) -> TokenSource {
        TokenSource::new(parse(token).ok().unwrap(), file.map(Into::into))
    }

    #[test]
    fn a_token_is_one_line_with_the_white_space_round_it_cut() {
        let token = parse(" \t\r\nabc.def \n").ok().unwrap();

        assert_eq!(token.0.expose_secret(), "abc.def");
        for (text, error) in [
            ("", TokenError::Empty),
            (" \n\t", TokenError::Empty),
            ("a\nb", TokenError::Control),
            ("a\0b", TokenError::Control),
            ("a\u{7f}b", TokenError::Control),
            ("a\u{85}b", TokenError::Control),
            (&"a".repeat(8 * 1024 + 1), TokenError::TooLong),
        ] {
            assert_eq!(parse(text).err(), Some(error), "{text:?}");
        }
        assert!(parse(&"a".repeat(8 * 1024)).is_ok());
        assert!(parse("tökén").is_ok());
    }

    #[test]
    fn a_token_that_is_likely_something_else_is_doubted() {
        let doubt = |text| parse(text).ok().unwrap().doubt();

        assert!(doubt("d7b_k3j9x2ab_x").is_some_and(|doubt| doubt.contains("caller key")));
        for text in ["Bearer abc", "abc def", "abc\u{a0}def"] {
            assert!(
                doubt(text).is_some_and(|doubt| doubt.contains("white space")),
                "{text}"
            );
        }
        assert_eq!(doubt("eyJhbGciOi.J9.x-_"), None);
    }

    #[test]
    fn the_header_does_not_show_itself() {
        let header = source("MARKER", None).authorization();

        assert_eq!(header.as_bytes(), b"Bearer MARKER");
        assert!(!format!("{header:?}").contains("MARKER"));
    }

    #[test]
    fn reloading_takes_a_changed_token_and_keeps_the_old_one_otherwise() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("token");
        let source = source("one", Some(&path));
        let reload = || actix_rt::System::new().block_on(source.reload());

        assert_eq!(reload(), Reloaded::Same, "no file");
        fs::write(&path, "one\n").unwrap();
        assert_eq!(reload(), Reloaded::Same, "the same token");
        fs::write(&path, " \n").unwrap();
        assert_eq!(reload(), Reloaded::Same, "an empty file");
        fs::write(&path, [0xff, 0xfe]).unwrap();
        assert_eq!(reload(), Reloaded::Same, "not UTF-8");
        assert_eq!(source.authorization().as_bytes(), b"Bearer one");
        fs::write(&path, "two\n").unwrap();
        assert_eq!(reload(), Reloaded::Changed);
        assert_eq!(source.authorization().as_bytes(), b"Bearer two");
    }

    #[test]
    fn a_token_is_taken_out_of_foreign_text() {
        let source = source("MARKER", None);

        assert!(source.occurs_in("A_MARKER_B"));
        assert_eq!(source.redact("MARKER, MARKER!"), "[redacted], [redacted]!");
    }
}
