//! The text of a key file as it was read, and what tells it from another.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use aws_lc_rs::digest::{self, SHA256};

/// Room for some hundred thousand keys, in bytes.
const LIMIT: u64 = 64 << 20;

/// What a key file holds.
pub struct Text(String);

/// Tells one text from another: SHA-256.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Text {
    /// Reads the file at `path`.
    ///
    /// # Errors
    /// Where it cannot be read, is not UTF-8, or is larger than 64 MiB.
    pub fn read(path: &Path) -> io::Result<Self> {
        let mut text = String::new();
        let read = File::open(path)?
            .take(LIMIT + 1)
            .read_to_string(&mut text)?;
        if read as u64 > LIMIT {
            return Err(too_large());
        }
        Ok(Self(text))
    }

    /// As [`Text::read`], but of a regular file only: a pipe has nothing more
    /// to say, and would never end.
    ///
    /// # Errors
    /// As [`Text::read`], and where it is no regular file.
    pub fn read_again(path: &Path) -> io::Result<Self> {
        let known = fs::metadata(path)?;
        if !known.is_file() {
            let problem = "it is not a regular file";
            return Err(io::Error::new(io::ErrorKind::InvalidInput, problem));
        }
        // Else it would be read up to the limit at every look.
        if known.len() > LIMIT {
            return Err(too_large());
        }
        Self::read(path)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, to be changed.
    pub(super) fn into_string(self) -> String {
        self.0
    }

    /// What tells it from another.
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(self.0.as_bytes())
    }
}

impl Fingerprint {
    /// That of `text`.
    pub fn of(text: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest::digest(&SHA256, text).as_ref());
        Self(bytes)
    }
}

fn too_large() -> io::Error {
    io::Error::new(io::ErrorKind::FileTooLarge, "it is larger than 64 MiB")
}
