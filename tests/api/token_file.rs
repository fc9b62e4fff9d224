//! A token that is kept in a file, and changed there.

use std::{fs, process::Command};

use d7_balance::simulator::{REJECTION, answer};
use tempfile::TempDir;

use crate::{
    harness::{Builder, TestApp},
    rejections::assert_rejected,
};

/// A token file that can be changed, and a service that reads it.
fn with_token_file() -> (TempDir, Builder) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("token");
    fs::write(&path, "old-token").unwrap();
    let builder = TestApp::builder().set("D7B_TOKEN_FILE", path.to_str().unwrap());
    (directory, builder)
}

#[test]
fn a_changed_token_is_tried_at_once() {
    let (directory, builder) = with_token_file();
    let app = builder.start();
    app.d7.next(answer(401, REJECTION));
    fs::write(directory.path().join("token"), "new-token\n").unwrap();

    // Nobody moves time: a pause would never end.
    let response = app.balance();

    assert_eq!(response.status, 200);
    assert_eq!(app.clock.parked(), 0);
    let heads = app.d7.heads();
    assert_eq!(heads.len(), 2);
    assert!(heads[0].contains("Bearer old-token\r\n"));
    assert!(heads[1].contains("Bearer new-token\r\n"));
}

#[test]
fn an_unchanged_token_file_is_tried_again_after_the_pause() {
    let (_directory, builder) = with_token_file();
    let app = builder.start();
    app.d7.always(answer(401, REJECTION));

    let response = app.balance_over_confirmation();

    assert_rejected(&response);
    assert_eq!(app.d7.count(), 2);
}

#[test]
fn a_token_that_is_changed_later_is_taken_by_the_next_refresh() {
    let (directory, builder) = with_token_file();
    let app = builder.start();
    app.d7.next(answer(401, REJECTION));
    app.d7.next(answer(401, REJECTION));
    assert_rejected(&app.balance_over_confirmation());
    fs::write(directory.path().join("token"), "new-token").unwrap();
    app.d7.next(answer(401, REJECTION));

    app.advance_s(30);
    let response = app.balance();

    assert_eq!(response.status, 200);
    assert!(app.d7.heads()[3].contains("Bearer new-token\r\n"));
}

#[test]
fn a_changed_token_is_not_blamed_for_what_was_held_against_the_old_one() {
    let (directory, builder) = with_token_file();
    let app = builder.start();
    assert_eq!(app.balance().status, 200);
    app.advance_s(200);
    app.d7.next(answer(401, REJECTION));
    app.d7.next(answer(401, REJECTION));
    assert_rejected(&app.balance_over_confirmation());
    fs::write(directory.path().join("token"), "new-token").unwrap();
    app.d7.next(answer(401, REJECTION));
    app.d7.next(answer(503, ""));

    app.advance_s(30);
    let failed = app.balance();
    let held = app.balance();
    app.advance_s(1);
    let accepted = app.balance();

    // Nothing stale is served until D7 has accepted the new token.
    for response in [failed, held] {
        assert_eq!(
            (response.status, &*response.code()),
            (503, "upstream_unavailable")
        );
        assert_eq!(response.expect("retry-after"), "1");
    }
    assert_eq!(accepted.status, 200);
    assert!(app.d7.heads()[5].contains("Bearer new-token\r\n"));
    assert_eq!(app.d7.count(), 6);
}

#[test]
fn a_token_file_that_has_no_end_does_not_stop_the_service() {
    let (directory, builder) = with_token_file();
    let app = builder.start();
    let path = directory.path().join("token");
    fs::remove_file(&path).unwrap();
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    app.d7.always(answer(401, REJECTION));

    let response = app.balance_over_confirmation();

    assert_rejected(&response);
    assert!(app.stop().is_ok());
}
