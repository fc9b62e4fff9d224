//! A key file behind a link that leads elsewhere by the time it is locked, and
//! one that is no key file.

use std::{
    cell::Cell,
    fs::{self, File},
    os::unix::fs::symlink,
    path::Path,
};

use super::{FileError, id, now, revoke, stored, tables};
use crate::callers::file::edit::{IfMissing, locked};

/// Has a link lead elsewhere, at once.
fn swap(link: &Path, target: &Path) {
    let next = link.with_extension("next");
    symlink(target, &next).unwrap();
    fs::rename(next, link).unwrap();
}

#[test]
fn a_link_that_is_swapped_until_the_lock_is_held_is_followed_anew() {
    let (one, two, links) = (stored("one"), stored("two"), tempfile::tempdir().unwrap());
    let link = links.path().join("keys.toml");
    symlink(&one.1, &link).unwrap();
    let locks = Cell::new(0);

    let (path, _lock) = locked(&link, IfMissing::Fail, |directory| {
        locks.set(locks.get() + 1);
        swap(&link, &two.1);
        File::open(directory)
    })
    .unwrap();

    assert_eq!(path, fs::canonicalize(&two.1).unwrap());
    assert_eq!(locks.get(), 2);
}

#[test]
fn a_link_that_never_stands_still_is_told() {
    let files = [stored("one"), stored("two")];
    let links = tempfile::tempdir().unwrap();
    let link = links.path().join("keys.toml");
    symlink(&files[0].1, &link).unwrap();
    let locks = Cell::new(0);

    let error = locked(&link, IfMissing::Fail, |directory| {
        locks.set(locks.get() + 1);
        swap(&link, &files[locks.get() % 2].1);
        File::open(directory)
    })
    .err();

    assert!(matches!(error, Some(FileError::Read(_))), "{error:?}");
    assert!(locks.get() > 2);
}

#[test]
fn a_file_that_is_made_until_the_lock_is_held_is_found() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");

    let (found, _lock) = locked(&path, IfMissing::Make, |directory| {
        fs::write(&path, "").unwrap();
        File::open(directory)
    })
    .unwrap();

    assert_eq!(found, fs::canonicalize(&path).unwrap());
}

#[test]
fn a_file_too_large_for_a_service_is_not_read_whole() {
    let [a, b, _] = tables(['a', 'b', 'c']);
    let (_directory, path) = stored(&(a + &b));
    let file = File::options().write(true).open(&path).unwrap();
    file.set_len((64 << 20) + 1).unwrap();

    let error = revoke(&path, id("aaaaaaaa"), now()).unwrap_err();

    let FileError::Read(error) = error else {
        panic!("{error:?}");
    };
    assert_eq!(error.to_string(), "it is larger than 64 MiB");
}
