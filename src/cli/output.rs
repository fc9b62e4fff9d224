//! What the program itself prints: what was asked for, and what went wrong.
//! Somebody may have put a key where it does not belong: no message shows it.

use std::{
    error::Error,
    io::{self, Write},
};

use secrecy::{ExposeSecret, SecretString};

use super::UsageError;
use crate::{callers::key::KeyId, config::ConfigErrors};

/// What a command has come to.
pub struct Outcome {
    /// What was asked for: for standard output, and other programs. A key may
    /// stand in it.
    pub result: SecretString,
    /// What there is to say of it: for standard error, and people.
    pub remarks: String,
    /// What has been changed by then: to be told even where the result cannot be.
    pub change: Option<String>,
}

impl Outcome {
    /// Of a command that changes nothing and says no more than was asked for.
    pub(super) fn of(result: SecretString) -> Self {
        Self {
            result,
            remarks: String::new(),
            change: None,
        }
    }

    /// Prints it.
    ///
    /// # Errors
    /// Standard output does not take the result.
    pub fn print(self) -> Result<(), PrintError> {
        let Self {
            result,
            remarks,
            change,
        } = self;
        print(&result).map_err(|source| PrintError { change, source })?;
        tell(&remarks);
        Ok(())
    }
}

/// The result of a command could not be printed.
#[derive(Debug, thiserror::Error)]
#[error(
    "{}standard output cannot be written",
    change.as_ref().map(|change| format!("{change}; ")).unwrap_or_default()
)]
pub struct PrintError {
    change: Option<String>,
    source: io::Error,
}

/// Prints what was asked for; a key may stand in it.
///
/// # Errors
/// Standard output does not take it.
pub fn print(text: &SecretString) -> io::Result<()> {
    let mut stdout = io::stdout();
    stdout.write_all(text.expose_secret().as_bytes())?;
    stdout.flush()
}

/// Says what went wrong, with its causes.
pub fn complain(failure: &(dyn Error + 'static)) {
    let text = if failure.is::<UsageError>() {
        failure.to_string()
    } else if failure.is::<ConfigErrors>() {
        format!("d7-balance: the configuration cannot be used:\n{failure}")
    } else {
        let mut text = format!("d7-balance: {failure}");
        let mut cause = failure.source();
        while let Some(next) = cause {
            text = format!("{text}: {next}");
            cause = next.source();
        }
        text + "\n"
    };
    tell(&text);
}

/// Says something to whoever started the program; there may be no log.
fn tell(text: &str) {
    // Where nobody listens there is nobody to tell that to.
    drop(io::stderr().write_all(without_keys(text).as_bytes()));
}

/// The text without any key, or what may be one. Arguments and paths are named
/// in messages, by clap among others, and a key may have been pasted there.
fn without_keys(text: &str) -> String {
    const PREFIX: &str = "d7b_";
    let mut parts = text.split(PREFIX);
    let mut shown = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let end = part.find(|c: char| c.is_whitespace() || "'\"`".contains(c));
        let word = &part[..end.unwrap_or(part.len())];
        let rest = word.trim_end_matches([':', ';', ',', '.', ')']);
        shown.push_str(PREFIX);
        // Our own messages name the prefix, and keys by their public part.
        let public = rest.strip_suffix("_…").unwrap_or(rest);
        if public.is_empty() || KeyId::parse(public).is_some() {
            shown.push_str(part);
        } else {
            shown.push('…');
            shown.push_str(&part[rest.len()..]);
        }
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::without_keys;

    #[test]
    fn whatever_follows_the_prefix_of_a_key_is_left_out() {
        for (text, shown) in [
            ("", ""),
            ("error: 'd7b_' found", "error: 'd7b_' found"),
            (
                "as in d7b_k3j9x2ab_…), never",
                "as in d7b_k3j9x2ab_…), never",
            ),
            ("d7b_", "d7b_"),
            ("d7b_MARKER", "d7b_…"),
            ("d7b_k3j9x2ab_MARKER_…", "d7b_…"),
            (
                "'--json=d7b_k3j9x2ab_MARKER'.\nUsage",
                "'--json=d7b_…'.\nUsage",
            ),
            ("/a/d7b_a-MARKER/MARKER: no such", "/a/d7b_…: no such"),
            (
                "'d7b_MARKERd7b_MARKER' (d7b_MARKER)",
                "'d7b_…d7b_…' (d7b_…)",
            ),
        ] {
            assert_eq!(without_keys(text), shown);
        }
    }
}
