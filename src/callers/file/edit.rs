//! Changes to the key file: readers see the old file or the new one, whole, and
//! of several writers at once none loses what another has written.

use std::{
    fs, io,
    io::Write,
    os::unix::fs::{MetadataExt, PermissionsExt, fchown},
    path::Path,
};

use super::{KeysError, parse_file, record};
use crate::callers::KeyRecord;

/// Why a key could not be added. The file is what it was before.
#[derive(Debug, thiserror::Error)]
pub enum AppendError {
    /// The file cannot be read.
    #[error("the key file cannot be read")]
    Read(#[source] io::Error),
    /// The file is not a good key file as it stands.
    #[error("the key file is not in order, so nothing was added to it")]
    Bad(#[source] KeysError),
    /// The new file cannot be written.
    #[error("the key file cannot be written")]
    Write(#[source] io::Error),
}

/// Adds a key to the file at `path`, which is made if it is missing. Readers
/// see the old file or the new one, whole. The file's mode is 600 when it is
/// made; mode and owner are kept afterwards.
///
/// # Errors
/// The file cannot be read, is not in order, or cannot be written.
pub fn append(path: &Path, new: &KeyRecord) -> Result<(), AppendError> {
    // A link is followed, so that it is not replaced by a file.
    let path = match fs::canonicalize(path) {
        Ok(path) => path,
        Err(_) if !path.is_symlink() => path.to_owned(),
        Err(error) => return Err(AppendError::Read(error)),
    };
    let directory = match path.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    // Held until the end: of several that add keys at once none loses any.
    let lock = fs::File::open(directory).map_err(AppendError::Write)?;
    lock.lock().map_err(AppendError::Write)?;
    let (mut text, before) = match fs::read_to_string(&path) {
        Ok(text) => {
            let before = fs::metadata(&path).map_err(AppendError::Read)?;
            (text, Some(before))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => (String::new(), None),
        Err(error) => return Err(AppendError::Read(error)),
    };
    match parse_file(&text) {
        Ok(_) | Err(KeysError::Empty) => {}
        Err(error) => return Err(AppendError::Bad(error)),
    }
    if !text.is_empty() {
        text.push_str(if text.ends_with('\n') { "\n" } else { "\n\n" });
    }
    text.push_str(&record(new));
    parse_file(&text).map_err(AppendError::Bad)?;
    replace(directory, &path, &text, before.as_ref()).map_err(AppendError::Write)?;
    // The rename is on disk only when the directory is.
    lock.sync_all().map_err(AppendError::Write)
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
