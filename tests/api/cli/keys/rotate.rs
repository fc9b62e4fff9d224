//! `key rotate`: a second key beside the old one, which is given an end.

use std::{
    fs,
    time::{Duration, SystemTime},
};

use d7_balance::callers::{file::written, key::PresentedKey, limit::RateLimit};

use super::{TAKEN_OVER, a_file, id_of, ids, key, key_of, made, records, statuses};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// The end of the key in whole days from `start`, which was no later than its
/// making.
fn days(end: Option<SystemTime>, start: SystemTime) -> u64 {
    let life = end.unwrap().duration_since(start).unwrap();
    (life.as_secs() + DAY.as_secs() / 2) / DAY.as_secs()
}

/// When a file was written: the tests' own reading of the clock.
fn written_at(path: &std::path::Path) -> SystemTime {
    fs::metadata(path).unwrap().modified().unwrap()
}

#[test]
fn both_keys_work_after_a_rotation_and_only_the_new_one_is_shown() {
    let (_directory, path) = a_file();
    let old = made(&path, "billing");
    let other = made(&path, "web");
    let start = written_at(&path);

    let ended = key("rotate", &path, &["--id", id_of(&old)]);

    let new = key_of(&ended);
    let keys = records(&path);
    assert_eq!(ids(&path), [id_of(&old), id_of(&new), id_of(&other)]);
    assert_eq!(keys[1].client, "billing");
    assert_eq!((days(keys[0].expires, start), keys[1].expires), (7, None));
    let until = format!(
        "the old key, {}, works until {}.",
        id_of(&old),
        written(keys[0].expires.unwrap())
    );
    for told in [&*until, "new key of billing", TAKEN_OVER] {
        assert!(ended.stderr.contains(told), "{told} in {}", ended.stderr);
    }
    assert!(!ended.said().contains(&old), "{ended:?}");
    assert_eq!(statuses(&path, &[&old, &new, &other]), [200; 3]);
}

#[test]
fn a_rotation_without_grace_ends_the_old_key_at_once() {
    let (_directory, path) = a_file();
    let old = made(&path, "billing");

    let ended = key("rotate", &path, &["--id", id_of(&old), "--grace", "0s"]);

    let new = key_of(&ended);
    assert!(ended.stderr.contains(" ended at 20"), "{}", ended.stderr);
    assert_eq!(statuses(&path, &[&old, &new]), [401, 200]);
    // An ended key may be rotated like any other.
    let newer = key_of(&key("rotate", &path, &["--id", id_of(&old)]));
    assert_eq!(ids(&path), [id_of(&old), id_of(&newer), id_of(&new)]);
    assert_eq!(statuses(&path, &[&old, &newer]), [401, 200]);
}

#[test]
fn a_rotation_takes_the_limit_over_and_gives_both_keys_the_ends_asked_for() {
    let (_directory, path) = a_file();
    let old = made(&path, "billing");
    let text = fs::read_to_string(&path).unwrap();
    let text = format!("# ours\n{text}rate_limit = '50/m' # as agreed\n");
    fs::write(&path, &text).unwrap();
    let start = written_at(&path);

    let lives = ["--grace", "30d", "--expires", "90d"];
    let ended = key(
        "rotate",
        &path,
        &[&["--id", id_of(&old)], &lives[..]].concat(),
    );

    let new = key_of(&ended);
    let keys = records(&path);
    let ends = keys.iter().map(|key| days(key.expires, start));
    assert_eq!(ends.collect::<Vec<_>>(), [30, 90]);
    assert_eq!(keys[1].rate_limit, RateLimit::parse("50/m"));
    assert_eq!(keys[1].digest, PresentedKey::parse(&new).unwrap().digest());
    let after = fs::read_to_string(&path).unwrap();
    let end = written(keys[0].expires.unwrap());
    let kept = format!("{text}expires = {end}\n\n[[keys]]\n");
    assert!(after.starts_with(&kept), "{after}");
}

#[test]
fn an_end_too_far_ahead_is_told_and_nothing_is_changed() {
    let (_directory, path) = a_file();
    let old = made(&path, "billing");
    let before = fs::read(&path).unwrap();

    for flag in ["--grace", "--expires"] {
        let ended = key("rotate", &path, &["--id", id_of(&old), flag, "3000000d"]);

        assert_eq!((ended.code, &*ended.stdout), (Some(1), ""), "{ended:?}");
        let told = format!("the end of {flag} lies too far ahead");
        assert!(ended.stderr.contains(&told), "{ended:?}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[test]
fn a_new_key_without_an_end_in_the_place_of_one_with_an_end_is_told() {
    const TOLD: &str = "The new key never ends; give it an end with --expires.\n";
    let (_directory, path) = a_file();
    let ending = ["--client", "billing", "--expires", "90d"];
    let ending = key_of(&key("new", &path, &ending));
    let lasting = made(&path, "web");

    for (old, more, is_told) in [
        (&ending, &[][..], true),
        (&ending, &["--expires", "90d"], false),
        (&lasting, &[], false),
        (&lasting, &["--expires", "90d"], false),
        // It was given an end by the rotations before.
        (&lasting, &[], true),
    ] {
        let ended = key("rotate", &path, &[&["--id", id_of(old)], more].concat());

        key_of(&ended);
        assert_eq!(ended.stderr.contains(TOLD), is_told, "{more:?}: {ended:?}");
    }
}
