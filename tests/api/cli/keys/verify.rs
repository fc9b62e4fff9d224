//! `key verify`: what a file knows of a key, which is never shown.

use std::{
    fs,
    io::{Seek, Write},
    path::Path,
    process::{Command, Stdio},
};

use super::{a_file, id_of, key, key_of, made};
use crate::harness::process::{Ended, PROGRAM, Process};

/// Runs `key verify` with bytes on its standard input.
fn verify(file: &Path, input: &[u8]) -> Ended {
    let mut stdin = tempfile::tempfile().unwrap();
    stdin.write_all(input).unwrap();
    stdin.rewind().unwrap();
    verify_reading(file, stdin.into())
}

fn verify_reading(file: &Path, input: Stdio) -> Ended {
    let mut command = Command::new(PROGRAM);
    command
        .args(["key", "verify", "--file"])
        .arg(file)
        .env_clear();
    Process::spawn_reading(command, input).wait()
}

/// The parts of a key that nobody else may see.
fn assert_unseen(key: &str, ended: &Ended) {
    let secret = key.rsplit('_').next().unwrap();
    for part in [secret, &secret[..20]] {
        assert!(!ended.said().contains(part), "{ended:?}");
    }
}

#[test]
fn a_key_of_the_file_is_known_by_client_id_and_end() {
    let (_directory, path) = a_file();
    let lasting = made(&path, "billing");
    let ending = key_of(&key("new", &path, &["--client", "web", "--expires", "90d"]));

    for (key, client, end) in [
        (&lasting, "billing", "good without an end\n"),
        (&ending, "web", "good until 20"),
    ] {
        for input in [key.clone(), format!(" \r\n\t{key}\n\n")] {
            let ended = verify(&path, input.as_bytes());

            assert_eq!((ended.code, &*ended.stderr), (Some(0), ""), "{ended:?}");
            let told = format!("client {client}, id {}, {end}", id_of(key));
            assert!(ended.stdout.starts_with(&told), "{ended:?}");
            assert_eq!(ended.stdout.lines().count(), 1, "{ended:?}");
            assert_unseen(key, &ended);
        }
    }
}

#[test]
fn what_is_no_key_of_the_file_is_told_why_and_not_shown() {
    let (directory, path) = a_file();
    let known = made(&path, "billing");
    let revoked = made(&path, "billing");
    let ended_key = made(&path, "web");
    let elsewhere = made(&directory.path().join("other.toml"), "web");
    key("revoke", &path, &["--id", id_of(&revoked)]);
    let rotation = ["--id", id_of(&ended_key), "--grace", "0s"];
    key_of(&key("rotate", &path, &rotation));
    let text = fs::read_to_string(&path).unwrap();
    // As if another key had been drawn with the id of this one.
    let impostor = made(&path, "billing");
    let text = text.replace(id_of(&known), id_of(&impostor));
    fs::write(&path, text).unwrap();
    let typo = known.replace("d7b_", "d7b-");
    let cut = &known[..known.len() - 1];
    let two = format!("{known}\n{known}");
    let long = format!("{known}{}", " ".repeat(2000));

    for (input, told) in [
        ("", "no key came on standard input"),
        (" \n\t\n", "no key came on standard input"),
        (&typo, "this is no key of this service"),
        (cut, "this is no key of this service"),
        (&two, "this is no key of this service"),
        (&long, "this is no key of this service"),
        ("d7b_MARKER", "this is no key of this service"),
        (&known, "no key of the file has the id"),
        (&revoked, "no key of the file has the id"),
        (&elsewhere, "no key of the file has the id"),
        (&impostor, "but the secret is not that of this key"),
        (&ended_key, "of web ended at 20"),
    ] {
        let ended = verify(&path, input.as_bytes());

        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{input}");
        assert!(ended.stderr.contains(told), "{told} in {ended:?}");
        assert!(!ended.said().contains("MARKER"), "{ended:?}");
        for key in [&known, &revoked, &elsewhere, &impostor, &ended_key] {
            assert_unseen(key, &ended);
        }
    }
    let bytes = verify(&path, b"\xff\xfe");
    assert!(bytes.stderr.contains("no key of this service"), "{bytes:?}");
}

#[test]
fn an_input_without_an_end_is_not_waited_for() {
    let (_directory, path) = a_file();
    made(&path, "billing");
    let endless = fs::File::open("/dev/zero").unwrap();

    let ended = verify_reading(&path, endless.into());

    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("no key of this service"), "{ended:?}");
}

#[test]
fn a_key_among_the_arguments_is_refused_and_not_shown() {
    let (_directory, path) = a_file();
    let known = made(&path, "billing");

    let flag = format!("--key={known}");
    for arguments in [&[&*known][..], &[&known, &known], &["--", &known], &[&flag]] {
        let ended = key("verify", &path, arguments);

        assert_eq!((ended.code, &*ended.stdout), (Some(64), ""), "{ended:?}");
        assert!(ended.stderr.contains("--help"), "{ended:?}");
        assert_unseen(&known, &ended);
    }
    let told = key("verify", &path, &[&known]).stderr;
    assert!(told.contains("is read from standard input"), "{told}");
}
