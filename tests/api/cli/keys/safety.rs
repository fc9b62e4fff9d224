//! The key file under commands that come at once, and where it cannot be
//! written.

use std::{
    fs,
    os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink},
    path::Path,
    process::Command,
};

use super::{a_file, id_of, ids, key, key_of, made, mode, nothing, records};
use crate::harness::process::{Ended, PROGRAM, Process};

/// The commands that write, with all but the file.
fn writing(id: &str) -> [Vec<&str>; 3] {
    [
        vec!["new", "--client", "web"],
        vec!["rotate", "--id", id],
        vec!["revoke", "--id", id],
    ]
}

#[test]
fn of_twenty_changes_at_once_none_is_lost() {
    let (_directory, path) = a_file();
    let keys: Vec<_> = (0..14).map(|_| made(&path, "billing")).collect();
    let file = path.to_str().unwrap();
    let start = |arguments: &[&str]| {
        let arguments = [&["key"], arguments, &["--file", file]].concat();
        Process::start(&arguments, nothing())
    };

    let changes = (0..20).map(|number: usize| match number {
        0..7 => start(&["rotate", "--id", id_of(&keys[number])]),
        7..14 => start(&["revoke", "--id", id_of(&keys[number])]),
        _ => start(&["new", "--client", "web"]),
    });
    let changes: Vec<_> = changes.collect();
    let ended: Vec<_> = changes.into_iter().map(Process::wait).collect();

    for ended in &ended {
        assert_eq!(ended.code, Some(0), "{ended:?}");
    }
    let (made, revoked): (Vec<_>, Vec<_>) = ended
        .iter()
        .partition(|ended| ended.stdout.starts_with("d7b_"));
    assert_eq!((made.len(), revoked.len()), (13, 7));
    let mut expected: Vec<_> = keys[..7].iter().map(|key| id_of(key).to_owned()).collect();
    expected.extend(
        made.into_iter()
            .map(|ended| id_of(&key_of(ended)).to_owned()),
    );
    expected.sort();
    let mut found = ids(&path);
    found.sort();
    assert_eq!(found, expected);
    let rotated = |id: &str| keys[..7].iter().any(|key| id_of(key) == id);
    for key in records(&path) {
        assert_eq!(key.expires.is_some(), rotated(key.id.as_str()), "{key:?}");
    }
    assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 1);
}

#[test]
fn mode_owner_and_link_of_the_file_are_kept() {
    let (directory, path) = a_file();
    let link = directory.path().join("link.toml");
    let old = made(&path, "billing");
    made(&path, "billing");
    assert_eq!(mode(&path), 0o600);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&path, &link).unwrap();
    // Only root can give a file away; for anybody else it stays its own.
    let given = chown(&path, Some(65532), Some(65532)).is_ok();

    for arguments in writing(id_of(&old)) {
        let before = fs::metadata(&path).unwrap();

        let ended = key(arguments[0], &link, &arguments[1..]);

        assert_eq!(ended.code, Some(0), "{ended:?}");
        let after = fs::metadata(&path).unwrap();
        assert_ne!(after.ino(), before.ino(), "it is replaced whole");
        assert_eq!(mode(&path), 0o640);
        assert_eq!((after.uid(), after.gid()), (before.uid(), before.gid()));
        assert_eq!(after.uid() == 65532, given);
        assert!(link.is_symlink());
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
    }
}

/// Runs each writing command by way of another program, and expects it to leave
/// the file as it was.
fn assert_each_fails(path: &Path, key: &str, around: impl Fn() -> Command) {
    let before = fs::read(path).unwrap();
    for arguments in writing(id_of(key)) {
        let mut command = around();
        command.arg("key").args(arguments).arg("--file").arg(path);
        command.env_clear();

        let ended: Ended = Process::spawn(command).wait();

        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:?}");
        assert!(ended.stderr.contains("cannot be written"), "{ended:?}");
        assert_eq!(fs::read(path).unwrap(), before);
        let folder = fs::read_dir(path.parent().unwrap()).unwrap();
        assert_eq!(folder.count(), 1, "no temporary file is left behind");
    }
}

#[test]
fn a_full_disk_leaves_the_file_as_it_was() {
    let (_directory, path) = a_file();
    let key = made(&path, "billing");

    assert_each_fails(&path, &key, || {
        let mut full = Command::new("sh");
        // No file may have a byte; the program is told by an error, not a signal.
        let limited = "trap '' XFSZ; ulimit -f 0; exec \"$0\" \"$@\"";
        full.args(["-c", limited, PROGRAM]);
        full
    });
}

#[test]
fn a_folder_that_may_not_be_written_leaves_the_file_as_it_was() {
    let (directory, path) = a_file();
    let key = made(&path, "billing");
    let is_root = fs::metadata(directory.path()).unwrap().uid() == 0;
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o500)).unwrap();

    assert_each_fails(&path, &key, || {
        if !is_root {
            return Command::new(PROGRAM);
        }
        // Modes bind root, too, without the right to pass over them.
        let mut bound = Command::new("setpriv");
        bound.args(["--bounding-set=-dac_override,-dac_read_search", PROGRAM]);
        bound
    });
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o700)).unwrap();
}

#[test]
fn a_key_that_is_stored_and_cannot_be_shown_is_told_by_its_id() {
    let (_directory, path) = a_file();
    let old = made(&path, "billing");
    let [new, rotate, revoke] = writing(id_of(&old));
    let unheard = |arguments: &[&str]| {
        let mut command = Command::new("sh");
        command.args(["-c", "exec \"$0\" \"$@\" > /dev/full", PROGRAM, "key"]);
        command.args(arguments).arg("--file").arg(&path).env_clear();
        let ended = Process::spawn(command).wait();
        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert!(ended.stderr.contains("No space left"), "{ended:?}");
        ended.stderr
    };
    let changed = format!("{} was changed", path.display());

    for arguments in [new, rotate] {
        let before = ids(&path);
        let told = unheard(&arguments);

        let after = ids(&path);
        let new = after.iter().find(|id| !before.contains(id)).unwrap();
        for part in [&*changed, &format!("`d7-balance key revoke --id {new}`")] {
            assert!(told.contains(part), "{part} in {told}");
        }
        assert!(!told.contains("shown this once"), "{told}");
    }
    let told = unheard(&revoke);
    assert!(told.contains(&changed), "{told}");
    assert!(!ids(&path).contains(&id_of(&old).to_owned()));
    // Nothing has been changed where there is nothing to change.
    let list = unheard(&["list"]);
    assert!(!list.contains("was changed"), "{list}");
}
