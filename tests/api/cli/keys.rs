//! The key commands. Here `key new`: a key shown once, a record kept.

mod list;
mod misplaced;
mod revoke;
mod rotate;
mod safety;
mod verify;

use std::{
    fs,
    os::unix::fs::{PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use d7_balance::callers::{KeyRecord, file, key::PresentedKey};
use tempfile::TempDir;

use super::nothing;
use crate::harness::process::{Ended, Service, run, variables};

/// What is said of an `--id` that is none.
const ID: &str = "--id takes the 8 characters between `d7b_` and the next `_` of a key (k3j9x2ab of \
                  d7b_k3j9x2ab_…), never a whole key; `d7-balance key list` shows the ids\n";

/// What every command that writes says of a running service.
const TAKEN_OVER: &str = "within D7B_RELOAD_INTERVAL (5s if not set), or at once on SIGHUP";

/// A key file in a folder of its own, not made yet.
fn a_file() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");
    (directory, path)
}

/// Runs a key command on the file.
fn key(command: &str, file: &Path, arguments: &[&str]) -> Ended {
    let file = ["--file", file.to_str().unwrap()];
    run(
        &[&["key", command], &file[..], arguments].concat(),
        nothing(),
    )
}

/// Makes a key of `client` in the file.
fn made(file: &Path, client: &str) -> String {
    key_of(&key("new", file, &["--client", client]))
}

/// The public part of a key.
fn id_of(key: &str) -> &str {
    key.split('_').nth(1).unwrap()
}

fn records(file: &Path) -> Vec<KeyRecord> {
    file::read(file).unwrap()
}

/// The ids of the file, in its order.
fn ids(file: &Path) -> Vec<String> {
    records(file).iter().map(|key| key.id.to_string()).collect()
}

/// The statuses that a service with this file answers keys with.
fn statuses(file: &Path, keys: &[&str]) -> Vec<u16> {
    let file = ("D7B_KEYS_FILE", file.to_str().unwrap());
    let service = Service::start(&[("D7B_KEYS", ""), file]);
    let balance = || service.request("GET", "/balance");
    let answers = keys.iter().map(|key| balance().bearer(key).send());
    answers.map(|answer| answer.status).collect()
}

fn new_key(arguments: &[&str]) -> Ended {
    run(&[&["key", "new"], arguments].concat(), nothing())
}

/// The key in what was printed: alone on standard output, and nowhere else.
fn key_of(ended: &Ended) -> String {
    let (key, rest) = key_and_record(ended);
    assert_eq!(rest, "", "{ended:?}");
    key
}

/// The key, and what follows it where it was put into no file.
fn key_and_record(ended: &Ended) -> (String, &str) {
    assert_eq!(ended.code, Some(0), "{ended:?}");
    let (key, rest) = ended.stdout.split_once('\n').unwrap();
    assert!(PresentedKey::parse(key).is_some(), "{ended:?}");
    assert_eq!(ended.said().matches(key).count(), 1, "{ended:?}");
    assert!(ended.stderr.contains("is shown this once"), "{ended:?}");
    (key.to_owned(), rest)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn a_new_key_is_printed_once_and_its_record_is_for_whoever_keeps_the_file() {
    // The file that a service reads is not changed unless it is named.
    let (_directory, path) = a_file();
    let file = variables([("D7B_KEYS_FILE", &path)]);
    for variables in [nothing(), file] {
        let ended = run(&["key", "new", "--client", "billing"], variables);

        let (key, rest) = key_and_record(&ended);
        let (id, secret) = key.strip_prefix("d7b_").unwrap().split_once('_').unwrap();
        let is_base_36 = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
        assert!(id.len() == 8 && id.bytes().all(is_base_36), "{key}");
        let is_base_62 = |b: u8| b.is_ascii_alphanumeric();
        assert!(
            secret.len() == 38 && secret.bytes().all(is_base_62),
            "{key}"
        );
        let digest = PresentedKey::parse(&key).unwrap().digest();
        let record = format!("client = \"billing\"\nid = \"{id}\"\nsha256 = \"{digest}\"\n");
        assert_eq!(rest, format!("\n[[keys]]\n{record}"));
        let inline = format!("\nbilling:{id}:{digest}\n");
        for told in [&*inline, "No file was changed", "--file"] {
            assert!(ended.stderr.contains(told), "{ended:?}");
        }
    }
    assert!(!path.exists());
}

#[test]
fn the_inline_form_that_is_printed_lets_its_key_in() {
    let ended = new_key(&["--client", "billing"]);
    let (key, _) = key_and_record(&ended);
    let mut lines = ended.stderr.lines();
    let inline = lines.find(|line| line.starts_with("billing:"));

    let service = Service::start(&[("D7B_KEYS", inline.unwrap())]);

    let response = service.request("GET", "/balance").bearer(&key).send();
    assert_eq!(response.status, 200);
    assert_eq!(service.balance_request().send().status, 401);
}

#[test]
fn an_expiry_is_in_the_record_and_the_inline_form_which_knows_none_is_left_out() {
    let ended = new_key(&["--client", "billing", "--expires", "90d"]);

    let (_, record) = key_and_record(&ended);
    let records = file::parse_file(record).unwrap();
    assert!(records[0].expires.is_some());
    assert!(!ended.said().contains("billing:"), "{ended:?}");
}

#[test]
fn a_key_file_is_made_for_its_owner_alone_and_a_service_takes_its_keys() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");
    let file = path.to_str().unwrap();

    let first = new_key(&["--client", "billing", "--file", file]);
    let second = new_key(&["--client", "web", "--expires", "90d", "--file", file]);

    assert_eq!(mode(&path), 0o600);
    let (first, second) = (key_of(&first), key_of(&second));
    let text = fs::read_to_string(&path).unwrap();
    assert!(!text.contains(&first) && !text.contains(&second), "{text}");
    let service = Service::start(&[("D7B_KEYS", ""), ("D7B_KEYS_FILE", file)]);
    for key in [&first, &second] {
        let response = service.request("GET", "/balance").bearer(key).send();
        assert_eq!(response.status, 200);
    }
}

#[test]
fn adding_a_key_keeps_every_byte_and_the_mode_and_the_link() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");
    let link = directory.path().join("link.toml");
    let before = format!(
        "# the teams\n\n[[keys]] # billing's\nclient   = 'billing'\nid = \"aaaaaaaa\"\n\
         sha256 = \"{}\"\n# the end, without a new line",
        "0".repeat(64)
    );
    fs::write(&path, &before).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    symlink(&path, &link).unwrap();

    let ended = new_key(&["--client", "web", "--file", link.to_str().unwrap()]);

    key_of(&ended);
    let after = fs::read_to_string(&path).unwrap();
    assert!(after.starts_with(&format!("{before}\n")), "{after}");
    let records = file::parse_file(&after).unwrap();
    let clients: Vec<_> = records.iter().map(|key| key.client.as_str()).collect();
    assert_eq!(clients, ["billing", "web"]);
    assert_eq!(mode(&path), 0o640);
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    // No temporary file is left behind.
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 2);
}

#[test]
fn a_client_by_a_name_that_is_none_is_misuse() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");
    let too_long = "a".repeat(64);

    for name in [
        "", "Billing", "-billing", "bill ing", "a\"b", "é", &too_long,
    ] {
        let client = format!("--client={name}");
        let ended = new_key(&[&client, "--file", path.to_str().unwrap()]);

        assert_eq!(ended.code, Some(64), "{name:?}: {ended:?}");
        assert_eq!(ended.stdout, "");
    }
    assert!(!path.exists());
    key_and_record(&new_key(&["--client", &too_long[1..]]));
}

#[test]
fn a_key_that_cannot_be_stored_is_not_shown() {
    let directory = tempfile::tempdir().unwrap();
    let missing = directory.path().join("missing/keys.toml");
    let bad = directory.path().join("bad.toml");
    fs::write(&bad, "not = 'a key file'").unwrap();

    for (path, told) in [
        (&*missing, "cannot be written"),
        (directory.path(), "cannot be read"),
        (&*bad, "not in order"),
    ] {
        let ended = new_key(&["--client", "a", "--file", path.to_str().unwrap()]);

        assert_eq!(ended.code, Some(1), "{ended:?}");
        assert_eq!(ended.stdout, "");
        assert!(ended.stderr.contains(told), "{ended:?}");
    }
    assert_eq!(fs::read_to_string(&bad).unwrap(), "not = 'a key file'");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn the_file_is_that_of_the_environment_where_none_is_named() {
    let (_directory, path) = a_file();
    let key = made(&path, "billing");
    let named = path.to_str().unwrap();
    let id = id_of(&key);

    for (command, arguments) in [
        ("list", &[][..]),
        ("rotate", &["--id", id]),
        ("revoke", &["--id", id]),
    ] {
        let arguments = [&["key", command], arguments].concat();

        let found = run(&arguments, variables([("D7B_KEYS_FILE", named)]));
        let unset = run(&arguments, nothing());
        let empty = run(&arguments, variables([("D7B_KEYS_FILE", "")]));

        assert_eq!(found.code, Some(0), "{found:?}");
        for ended in [unset, empty] {
            assert_eq!((ended.code, &*ended.stdout), (Some(64), ""), "{ended:?}");
            let told = "D7B_KEYS_FILE is not set; name the key file by it or by --file";
            assert!(ended.stderr.contains(told), "{ended:?}");
        }
    }
    // What is named counts more, and what else is set may be wrong.
    let elsewhere = variables([("D7B_KEYS_FILE", "/nowhere"), ("D7B_TYPO", "x")]);
    let listed = run(&["key", "list", "--file", named], elsewhere);
    assert_eq!(listed.code, Some(0), "{listed:?}");
}

#[test]
fn a_file_that_is_missing_or_not_in_order_is_told_by_its_name() {
    let (directory, bad) = a_file();
    let before = "[[keys]]\nclient = 'MARKER TEXT'\n";
    fs::write(&bad, before).unwrap();
    let missing = directory.path().join("missing.toml");

    for (command, arguments) in [
        ("list", &[][..]),
        ("rotate", &["--id", "k3j9x2ab"]),
        ("revoke", &["--id", "k3j9x2ab"]),
        ("verify", &[]),
    ] {
        for (path, told) in [(&missing, "cannot be read"), (&bad, "not in order")] {
            let ended = key(command, path, arguments);

            assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:?}");
            assert!(ended.stderr.contains(told), "{ended:?}");
            assert!(ended.stderr.contains(path.to_str().unwrap()), "{ended:?}");
            assert!(!ended.stderr.contains("MARKER"), "{ended:?}");
        }
    }
    assert!(!missing.exists());
    assert_eq!(fs::read_to_string(&bad).unwrap(), before);
}

#[test]
fn an_id_that_no_key_has_is_told_and_one_that_cannot_be_an_id_is_misuse() {
    let (_directory, path) = a_file();
    let whole = made(&path, "billing");
    let before = fs::read(&path).unwrap();

    for command in ["rotate", "revoke"] {
        let unknown = key(command, &path, &["--id", "00000000"]);
        let malformed = key(command, &path, &["--id", &whole]);

        assert_eq!((unknown.code, &*unknown.stdout), (Some(1), ""));
        for told in ["00000000", "`d7-balance key list` shows"] {
            assert!(unknown.stderr.contains(told), "{unknown:?}");
        }
        assert_eq!((malformed.code, &*malformed.stdout), (Some(64), ""));
        assert!(malformed.stderr.contains(ID), "{malformed:?}");
        assert!(!malformed.said().contains(&whole), "{malformed:?}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}
