//! `key verify`: whether a key would be let in. What was presented is
//! overwritten when it has been looked at, and never shown.

use std::{
    fs,
    io::{self, IsTerminal, Read},
    os::fd::AsFd,
    time::SystemTime,
};

use secrecy::{ExposeSecret, ExposeSecretMut, SecretSlice, SecretString};

use super::KeyError;
use crate::callers::{
    KeyRecord,
    file::written,
    key::{KeyId, PresentedKey},
};

/// Many times the length of a key, in bytes.
const LIMIT: usize = 1024;

/// Why a key would not be let in. Ids are public.
#[derive(Debug, thiserror::Error)]
pub enum Rejection {
    /// Nothing, or white space.
    #[error("no key came on standard input; try `d7-balance key verify < FILE`")]
    Nothing,
    /// Something else.
    #[error(
        "this is no key of this service: its shape or its checksum is wrong; \
         look whether a part is missing or mistyped"
    )]
    Malformed,
    /// A key of elsewhere, or of before.
    #[error("no key of the file has the id {0}: it was revoked, or is one of another service")]
    Unknown(KeyId),
    /// Made up, or the file is another.
    #[error("the file has a key with the id {0}, but the secret is not that of this key")]
    WrongSecret(KeyId),
    /// It was one.
    #[error("the key {id} of {client} ended at {}", written(*.at))]
    Expired {
        /// Whose it was.
        client: String,
        /// Its public part.
        id: KeyId,
        /// When.
        at: SystemTime,
    },
}

/// Looks for the key on standard input among `keys`.
pub(super) fn of_stdin(keys: &[KeyRecord], now: SystemTime) -> Result<SecretString, KeyError> {
    let stdin = io::stdin();
    let is_typed = stdin.is_terminal();
    if is_typed {
        ask();
    }
    // Not by way of `Stdin`: it would keep a copy of the key in its buffer.
    let input = stdin
        .as_fd()
        .try_clone_to_owned()
        .map_err(KeyError::Input)?;
    let mut buffer = SecretSlice::from(vec![0; LIMIT + 1]);
    let filled = fill(
        buffer.expose_secret_mut(),
        &mut fs::File::from(input),
        is_typed,
    )
    .map_err(KeyError::Input)?;
    let presented = &buffer.expose_secret()[..filled];
    let key = find(keys, presented, now)?;
    let end = match key.expires {
        Some(end) => format!("good until {}", written(end)),
        None => "good without an end".to_owned(),
    };
    Ok(SecretString::from(format!(
        "client {}, id {}, {end}\n",
        key.client, key.id
    )))
}

#[expect(
    clippy::print_stderr,
    reason = "a terminal that waits without a word looks like a program that hangs"
)]
fn ask() {
    eprintln!("Type or paste the key, then Enter:");
}

/// Reads until `buffer` is full or the input ends; what is typed ends with its
/// line. Returns how many bytes there are.
fn fill(buffer: &mut [u8], input: &mut impl Read, is_typed: bool) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() && !(is_typed && buffer[..filled].ends_with(b"\n")) {
        match input.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// Says which of `keys` was presented.
fn find<'a>(
    keys: &'a [KeyRecord],
    presented: &[u8],
    now: SystemTime,
) -> Result<&'a KeyRecord, Rejection> {
    let text = match presented.trim_ascii() {
        [] => return Err(Rejection::Nothing),
        _ if presented.len() > LIMIT => return Err(Rejection::Malformed),
        text => str::from_utf8(text).map_err(|_| Rejection::Malformed)?,
    };
    let presented = PresentedKey::parse(text).ok_or(Rejection::Malformed)?;
    let id = presented.id();
    let mut keys = keys.iter();
    let key = keys
        .find(|key| key.id == id)
        .ok_or(Rejection::Unknown(id))?;
    if !presented.digest().matches(&key.digest) {
        return Err(Rejection::WrongSecret(id));
    }
    match key.expires {
        Some(at) if at <= now => Err(Rejection::Expired {
            client: key.client.clone(),
            id,
            at,
        }),
        _ => Ok(key),
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Cursor, Read};

    use super::{LIMIT, fill};

    #[test]
    fn what_is_typed_ends_with_its_line_and_what_is_piped_with_the_input() {
        let mut buffer = [0; LIMIT + 1];
        let both = || Cursor::new("the key\n").chain(Cursor::new("more\n"));

        let typed = fill(&mut buffer, &mut both(), true).unwrap();
        let piped = fill(&mut buffer, &mut both(), false).unwrap();

        assert_eq!((typed, piped), (8, 13));
        assert!(buffer.starts_with(b"the key\nmore\n"));
    }
}
