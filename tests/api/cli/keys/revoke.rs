//! `key revoke`: a key out of the file, and nothing else with it.

use std::fs;

use super::{TAKEN_OVER, a_file, id_of, ids, key, made, records, statuses};

#[test]
fn a_revoked_key_is_let_in_no_more_and_the_others_are() {
    let (_directory, path) = a_file();
    let keys = ["billing", "billing", "web"].map(|client| made(&path, client));
    let [first, second, third] = keys.each_ref().map(String::as_str);

    let ended = key("revoke", &path, &["--id", id_of(second)]);

    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    let done = format!(
        "The key {} of billing was taken out of {}.\n",
        id_of(second),
        path.display()
    );
    assert!(ended.stdout.starts_with(&done), "{}", ended.stdout);
    assert!(ended.stdout.contains(TAKEN_OVER), "{}", ended.stdout);
    assert_eq!(ids(&path), [id_of(first), id_of(third)]);
    assert_eq!(statuses(&path, &[first, second, third]), [200, 401, 200]);
}

#[test]
fn a_new_key_that_is_revoked_leaves_the_file_as_it_was() {
    let (_directory, path) = a_file();
    made(&path, "billing");
    let text = fs::read_to_string(&path).unwrap();
    let before = format!("# the teams\n\n{text}# the end\n");
    fs::write(&path, &before).unwrap();
    let new = made(&path, "web");

    let ended = key("revoke", &path, &["--id", id_of(&new)]);

    assert_eq!(ended.code, Some(0), "{ended:?}");
    assert_eq!(fs::read_to_string(&path).unwrap(), before);
}

#[test]
fn the_only_key_is_ended_and_its_record_stays_so_that_a_service_takes_it_over() {
    let (_directory, path) = a_file();
    let only = made(&path, "billing");

    let ended = key("revoke", &path, &["--id", id_of(&only)]);

    assert_eq!((ended.code, &*ended.stderr), (Some(0), ""));
    let start = format!("The key {} of billing ended at 20", id_of(&only));
    assert!(ended.stdout.starts_with(&start), "{}", ended.stdout);
    assert!(ended.stdout.contains("is the only one"), "{}", ended.stdout);
    assert!(records(&path)[0].expires.is_some());
    assert_eq!(statuses(&path, &[&only]), [401]);
    // Where there is another, it goes.
    let another = made(&path, "billing");
    key("revoke", &path, &["--id", id_of(&only)]);
    assert_eq!(ids(&path), [id_of(&another)]);
}

#[test]
fn the_limit_of_a_client_goes_over_to_another_of_its_keys() {
    let (_directory, path) = a_file();
    let first = made(&path, "billing");
    let text = fs::read_to_string(&path).unwrap();
    fs::write(&path, format!("{text}rate_limit = \"50/s\"\n")).unwrap();
    let second = made(&path, "billing");

    let ended = key("revoke", &path, &["--id", id_of(&first)]);

    assert_eq!(ended.code, Some(0), "{ended:?}");
    let told = format!("the key {} has it now", id_of(&second));
    assert!(ended.stdout.contains(&told), "{}", ended.stdout);
    let limit = records(&path)[0].rate_limit.unwrap();
    assert_eq!(limit.to_string(), "50/s");
}
