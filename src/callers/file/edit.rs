//! Changes to the key file: readers see the old file or the new one, whole, and
//! of several writers at once none loses what another has written.
//!
//! The file's mode is 600 when it is made; mode and owner are kept afterwards.

mod text;

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    path::{Path, PathBuf},
    time::SystemTime,
};

use self::text::{Edit, KeysText};
use super::{FileError, KeysError, parse_file, text::Text, written};
use crate::callers::{
    KeyRecord,
    key::{KeyId, NewKey},
    limit::RateLimit,
};

/// Adds a key to the file at `path`, which is made if it is missing.
///
/// # Errors
/// The file cannot be read, is not in order, or cannot be written.
pub fn append(path: &Path, new: &KeyRecord) -> Result<(), FileError> {
    change(path, IfMissing::Make, |text, _| Ok((text.add(new), ())))
}

/// What a rotation has led to.
#[derive(Debug)]
pub struct Rotated {
    /// The new key.
    pub new: KeyRecord,
    /// When the old one ends.
    pub until: SystemTime,
    /// Whether it had an end before.
    pub had_end: bool,
}

/// Adds `new`, which ends when `expires` says, right behind the key of the id
/// `old`: for its client, with its limit. The old one ends at `until` if it
/// does not end before.
///
/// # Errors
/// The file cannot be read, is not in order, lacks the old key, or cannot be
/// written.
pub fn rotate(
    path: &Path,
    old: KeyId,
    until: SystemTime,
    new: &NewKey,
    expires: Option<SystemTime>,
) -> Result<Rotated, FileError> {
    change(path, IfMissing::Fail, |text, keys| {
        let (index, old) = find(keys, old)?;
        let new = KeyRecord {
            client: old.client.clone(),
            id: new.id,
            digest: new.digest,
            expires,
            rate_limit: old.rate_limit,
        };
        let had_end = old.expires.is_some();
        let (until, mut edits) = end(text, index, old, until);
        edits.extend(text.add_after(index, &new));
        let rotated = Rotated {
            new,
            until,
            had_end,
        };
        Ok((edits, rotated))
    })
}

/// What a revocation has led to.
#[derive(Debug)]
pub struct Revoked {
    /// Whose key it was.
    pub client: String,
    /// What has become of its record.
    pub record: Removal,
}

/// What has become of the record of a key that was revoked.
#[derive(Debug)]
pub enum Removal {
    /// It was taken out. If it alone had the limit of its client, another key
    /// of that client has it now.
    Removed {
        /// The other key, and the limit.
        heir: Option<(KeyId, RateLimit)>,
    },
    /// It is the only one of the file: a running service would refuse a file
    /// without a key, and the key would go on working.
    Ended {
        /// When its key ended.
        at: SystemTime,
    },
}

/// Takes the key of the id `id` out of the file; the only one is given `now` as
/// its end instead.
///
/// # Errors
/// The file cannot be read, is not in order, lacks the key, or cannot be
/// written.
pub fn revoke(path: &Path, id: KeyId, now: SystemTime) -> Result<Revoked, FileError> {
    change(path, IfMissing::Fail, |text, keys| {
        let (index, key) = find(keys, id)?;
        let (edits, record) = if keys.len() == 1 {
            let (at, edits) = end(text, index, key, now);
            (edits, Removal::Ended { at })
        } else {
            let heir = heir(keys, key);
            let limit = heir.map(|(heir, limit)| text.set(heir, "rate_limit", &quoted(limit)));
            let edits = text.remove(index).into_iter().chain(limit).collect();
            let heir = heir.map(|(heir, limit)| (keys[heir].id, limit));
            (edits, Removal::Removed { heir })
        };
        let client = key.client.clone();
        Ok((edits, Revoked { client, record }))
    })
}

fn find(keys: &[KeyRecord], id: KeyId) -> Result<(usize, &KeyRecord), FileError> {
    let mut numbered = keys.iter().enumerate();
    numbered
        .find(|(_, key)| key.id == id)
        .ok_or(FileError::Unknown(id))
}

/// Has a key end at `until`, or before if it does so already.
fn end(
    text: &KeysText,
    index: usize,
    key: &KeyRecord,
    until: SystemTime,
) -> (SystemTime, Vec<Edit>) {
    match key.expires {
        Some(end) if end <= until => (end, Vec::new()),
        _ => (until, vec![text.set(index, "expires", &written(until))]),
    }
}

/// The key that is to have the limit of its client when `key` goes, where no
/// other has it: a key without one has that of the others.
fn heir(keys: &[KeyRecord], key: &KeyRecord) -> Option<(usize, RateLimit)> {
    let limit = key.rate_limit?;
    let is_other = |other: &KeyRecord| other.client == key.client && other.id != key.id;
    let mut others = keys.iter().filter(|other| is_other(other));
    if others.any(|other| other.rate_limit.is_some()) {
        return None;
    }
    let heir = keys.iter().position(is_other)?;
    Some((heir, limit))
}

fn quoted(limit: RateLimit) -> String {
    format!("\"{limit}\"")
}

/// What to do where there is no file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum IfMissing {
    Make,
    Fail,
}

/// Changes the file at `path` by the edits that `edit` wants, and returns what
/// else it says. Without edits the file is left alone.
fn change<T>(
    path: &Path,
    if_missing: IfMissing,
    edit: impl FnOnce(&KeysText, &[KeyRecord]) -> Result<(Vec<Edit>, T), FileError>,
) -> Result<T, FileError> {
    // Held until the end: of several that change the file at once none undoes
    // what another did.
    let (path, lock) = locked(path, if_missing, |directory| {
        let lock = fs::File::open(directory)?;
        lock.lock()?;
        Ok(lock)
    })?;
    let (text, before) = match Text::read(&path) {
        Ok(text) => {
            let before = fs::metadata(&path).map_err(FileError::Read)?;
            (text.into_string(), Some(before))
        }
        Err(error) if is_to_be_made(&error, if_missing) => (String::new(), None),
        Err(error) => return Err(FileError::Read(error)),
    };
    let keys = match parse_file(&text) {
        Err(KeysError::Empty) => Vec::new(),
        keys => keys.map_err(FileError::Bad)?,
    };
    let text = KeysText::new(text).map_err(FileError::Bad)?;
    let (edits, said) = edit(&text, &keys)?;
    if edits.is_empty() {
        return Ok(said);
    }
    let text = text.after(edits).ok_or(FileError::Broken)?;
    parse_file(&text).map_err(|_| FileError::Broken)?;
    replace(directory_of(&path), &path, &text, before.as_ref()).map_err(FileError::Write)?;
    // The rename is on disk only when the directory is.
    lock.sync_all().map_err(FileError::Write)?;
    Ok(said)
}

/// Locks the folder of the file that `path` leads to, by `lock`; says which file
/// that is.
///
/// Whoever waits for a lock may hold that of a folder where the file is no more:
/// a link may lead elsewhere by then. So it is followed again under the lock.
fn locked<L>(
    path: &Path,
    if_missing: IfMissing,
    lock: impl Fn(&Path) -> io::Result<L>,
) -> Result<(PathBuf, L), FileError> {
    const ATTEMPTS: usize = 10;
    let mut file = followed(path, if_missing)?;
    for _ in 0..ATTEMPTS {
        let lock = lock(directory_of(&file)).map_err(FileError::Write)?;
        let leads_to = followed(path, if_missing)?;
        if leads_to == file {
            return Ok((file, lock));
        }
        file = leads_to;
    }
    let problem = "the link to it leads elsewhere at every look";
    Err(FileError::Read(io::Error::other(problem)))
}

/// The file that `path` leads to. A link is followed, so that it is not replaced
/// by a file.
fn followed(path: &Path, if_missing: IfMissing) -> Result<PathBuf, FileError> {
    match fs::canonicalize(path) {
        Ok(file) => Ok(file),
        Err(_) if if_missing == IfMissing::Make && !path.is_symlink() => Ok(path.to_owned()),
        Err(error) => Err(FileError::Read(error)),
    }
}

fn directory_of(file: &Path) -> &Path {
    match file.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    }
}

fn is_to_be_made(error: &io::Error, if_missing: IfMissing) -> bool {
    error.kind() == io::ErrorKind::NotFound && if_missing == IfMissing::Make
}

fn replace(
    directory: &Path,
    path: &Path,
    text: &str,
    before: Option<&fs::Metadata>,
) -> io::Result<()> {
    // Nobody else may read it until it has its owner: mode 600 at first.
    let mut file = tempfile::Builder::new()
        .prefix(".keys-")
        .permissions(fs::Permissions::from_mode(0o600))
        .tempfile_in(directory)?;
    if let Some(before) = before {
        let made = file.as_file().metadata()?;
        if (made.uid(), made.gid()) != (before.uid(), before.gid()) {
            // The service may run as the owner: it must go on reading it.
            fchown(file.as_file(), Some(before.uid()), Some(before.gid()))?;
        }
        file.as_file().set_permissions(before.permissions())?;
    }
    file.write_all(text.as_bytes())?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}

#[cfg(test)]
mod tests;
