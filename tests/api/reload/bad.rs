//! A key file that cannot be used leaves the keys from before in force.

use std::{fs, os::unix::fs::symlink, path::Path};

use d7_balance::callers::limit::RateLimit;

use super::{Key, Rig, file_of};

/// Makes the file bad, and looks what becomes of it.
#[track_caller]
fn assert_refused(make_bad: impl Fn(&Rig, &Key), told: &str) {
    let (old, new) = (Key::of("billing"), Key::of("billing"));
    let rig = Rig::start(&file_of([&old]));

    make_bad(&rig, &new);
    let event = rig.wait_for("keys_refused", 1);

    let problem = event["problem"].as_str().unwrap();
    assert!(problem.contains(told), "{problem}");
    assert_eq!([rig.status(&old), rig.status(&new)], [200, 401]);
    assert_eq!((rig.reloads("refused"), rig.reloads("taken")), (1.0, 0.0));
    assert!(rig.is_pending());
    // Looked at again and again, told once.
    rig.replace(file_of([&old, &new]));
    rig.wait_for("keys_reloaded", 1);
    assert_eq!([rig.status(&old), rig.status(&new)], [200, 200]);
    assert!(!rig.is_pending());
    let told = rig.service.process.events_named("keys_refused");
    let same = told.iter().filter(|event| event["problem"] == problem);
    assert_eq!(same.count(), 1, "{told:?}");
    assert!(told.iter().all(|event| event["level"] == "WARN"));
}

#[test]
fn half_of_a_file_is_refused() {
    assert_refused(
        |rig, new| {
            let text = file_of([&Key::of("web"), new]);
            rig.replace(&text[..text.len() - 20]);
        },
        "line ",
    );
}

#[test]
fn an_empty_file_is_refused_and_locks_nobody_out() {
    assert_refused(|rig, _| fs::write(rig.path(), "").unwrap(), "holds no key");
}

#[test]
fn a_file_without_keys_is_refused() {
    assert_refused(|rig, _| rig.replace("# none\n"), "holds no key");
}

#[test]
fn a_file_that_has_vanished_is_refused() {
    assert_refused(
        |rig, _| fs::remove_file(rig.path()).unwrap(),
        "cannot be read: No such file or directory",
    );
}

#[test]
fn a_file_that_is_not_utf_8_is_refused() {
    assert_refused(
        |rig, new| {
            let mut text = file_of([new]).into_bytes();
            text.extend_from_slice(b"# \xff\xfe\n");
            rig.replace(text);
        },
        "cannot be read: stream did not contain valid UTF-8",
    );
}

#[test]
fn a_file_with_an_id_twice_is_refused() {
    assert_refused(
        |rig, new| rig.replace(file_of([new, new])),
        "has the id of key 1",
    );
}

#[test]
fn a_file_with_two_limits_for_one_client_is_refused() {
    assert_refused(
        |rig, new| {
            let mut other = Key::of("billing");
            other.record.rate_limit = RateLimit::parse("50/s");
            let mut limited = Key::of("billing");
            limited.record.rate_limit = RateLimit::parse("60/s");
            rig.replace(file_of([new, &other, &limited]));
        },
        "rate_limit differs from that of key 2",
    );
}

#[test]
fn a_folder_or_a_pipe_in_the_place_of_the_file_is_refused() {
    // A folder cannot take the place of a file at once: a link to it can.
    let make_folder = |path: &Path| {
        let folder = path.with_file_name("folder");
        fs::create_dir(&folder).unwrap();
        symlink(folder, path).unwrap();
    };
    let make_pipe = |path: &Path| {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
    };
    for make in [&make_folder as &dyn Fn(&Path), &make_pipe] {
        assert_refused(
            |rig, _| {
                let other = rig.directory.path().join("other");
                make(&other);
                fs::rename(other, rig.path()).unwrap();
            },
            "cannot be read: it is not a regular file",
        );
    }
}

#[test]
fn a_file_that_nobody_would_write_by_hand_is_not_read_to_its_end() {
    assert_refused(
        |rig, _| {
            let huge = rig.directory.path().join("huge");
            let file = fs::File::create(&huge).unwrap();
            // Takes no room on the disk.
            file.set_len(1 << 40).unwrap();
            fs::rename(huge, rig.path()).unwrap();
        },
        "cannot be read: it is larger than 64 MiB",
    );
}

#[test]
fn what_is_wrong_with_a_file_is_told_without_its_content() {
    let old = Key::of("billing");
    let rig = Rig::start(&file_of([&old]));
    let new = Key::of("billing");

    rig.replace(format!("{}\nsecret = \"{}\"\n", file_of([&new]), new.text));
    rig.wait_for("keys_refused", 1);

    let said = rig.service.process.stderr();
    for secret in [&new.text, &new.record.digest.to_string()] {
        assert!(!said.contains(secret), "{said}");
    }
}

#[test]
fn a_signal_tells_again_why_a_file_is_refused() {
    let old = Key::of("billing");
    let rig = Rig::start(&file_of([&old]));
    rig.replace("rubbish");
    rig.wait_for("keys_refused", 1);

    rig.service.process.signal("HUP");

    rig.wait_for("keys_refused", 2);
    assert_eq!(rig.status(&old), 200);
}
