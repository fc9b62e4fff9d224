//! A key where it does not belong: it is never shown, on no stream.

use std::{os::unix::ffi::OsStringExt, process::Command};

use d7_balance::callers::key::NewKey;
use secrecy::ExposeSecret;

use super::{a_file, nothing};
use crate::harness::process::{Ended, PROGRAM, Process, run};

/// That nothing of a key has been shown that is longer than its public part.
fn assert_unseen(key: &str, ended: &Ended) {
    let secret = key.rsplit('_').next().unwrap();
    for part in [secret, &secret[..6], &secret[secret.len() - 6..]] {
        assert!(!ended.said().contains(part), "{ended:?}");
    }
}

#[test]
fn a_key_among_the_arguments_of_any_command_is_misuse_and_not_shown() {
    let new = NewKey::generate().unwrap();
    let key = new.key.expose_secret();
    let flag = |name: &str| format!("--{name}={key}");
    let (json, file, dashed) = (flag("json"), format!("--{key}"), format!("-{key}"));
    let client = ["key", "new", "--client"];
    let rotate = ["key", "rotate", "--id", "k3j9x2ab"];

    for arguments in [
        &[key][..],
        &["serve", key],
        &["demo", key],
        &["healthcheck", key],
        &["check-config", key],
        &[&dashed],
        &["key", key],
        &["key", "new", key],
        &[&client[..], &[key]].concat(),
        &[&client[..], &["billing", key]].concat(),
        &[&client[..], &["billing", "--expires", key]].concat(),
        &["key", "list", key],
        &["key", "list", &json],
        &["key", "list", &file],
        &["key", "list", &dashed],
        &[&rotate[..], &[key]].concat(),
        &[&rotate[..3], &[key]].concat(),
        &[&rotate[..], &["--grace", key]].concat(),
        &[&rotate[..], &["--expires", key]].concat(),
        &["key", "revoke", key],
        &["key", "revoke", "--id", key],
        &["key", "verify", key],
    ] {
        let ended = run(arguments, nothing());

        assert_eq!((ended.code, &*ended.stdout), (Some(64), ""), "{ended:?}");
        assert!(ended.stderr.contains("--help"), "{ended:?}");
        assert_unseen(key, &ended);
    }
}

#[test]
fn a_key_that_is_not_text_is_not_shown_either() {
    let new = NewKey::generate().unwrap();
    let key = new.key.expose_secret();
    let mut bytes = key.as_bytes().to_vec();
    bytes[20] = 0xff;
    let mut command = Command::new(PROGRAM);
    command.args(["key", "list"]).env_clear();
    command.arg(std::ffi::OsString::from_vec(bytes));

    let ended = Process::spawn(command).wait();

    assert_eq!((ended.code, &*ended.stdout), (Some(64), ""), "{ended:?}");
    assert_unseen(key, &ended);
}

#[test]
fn a_key_in_the_place_of_a_file_is_not_shown() {
    let new = NewKey::generate().unwrap();
    let key = new.key.expose_secret();
    let (_directory, path) = a_file();
    let nowhere = path.with_file_name(key).join("keys.toml");

    for file in [key, nowhere.to_str().unwrap()] {
        let ended = run(&["key", "list", "--file", file], nothing());

        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:?}");
        assert!(ended.stderr.contains("cannot be read"), "{ended:?}");
        assert_unseen(key, &ended);
    }
}

#[test]
fn what_is_no_key_is_shown_as_it_was_typed() {
    for (arguments, told) in [
        (&["key", "lst"][..], "'lst'"),
        (&["key", "list", "--jsn"], "'--jsn'"),
        (&["--port", "80"], "'--port'"),
    ] {
        let ended = run(arguments, nothing());

        assert!(ended.stderr.contains(told), "{ended:?}");
    }
}
