//! Files that hold one small secret: a token, a URL, a key.

use std::{
    fs::{self, File},
    io::{self, Read},
    path::Path,
};

use secrecy::SecretString;

/// The most bytes that a secret may have.
pub const LIMIT: usize = 8 * 1024;

/// Reads the text of a secret.
///
/// # Errors
/// Where the file cannot be read, or is not UTF-8.
pub fn read(path: &Path) -> io::Result<SecretString> {
    let mut text = String::new();
    // More than a secret may have: what is longer is told as too long.
    File::open(path)?
        .take(8 * LIMIT as u64)
        .read_to_string(&mut text)?;
    Ok(SecretString::from(text))
}

/// As [`read`], but of a regular file only: a pipe has nothing more to say, and
/// would never end.
///
/// # Errors
/// As [`read`], and where it is no regular file.
pub fn read_again(path: &Path) -> io::Result<SecretString> {
    if fs::metadata(path)?.is_file() {
        read(path)
    } else {
        let problem = "it is not a regular file";
        Err(io::Error::new(io::ErrorKind::InvalidInput, problem))
    }
}
