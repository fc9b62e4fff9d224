//! A file that is being written is not taken for a whole one.

use std::{fs, time::Duration};

use tempfile::TempDir;

use super::{Key, file_of};
use crate::harness::{TestApp, wait_until};

/// A service whose files are in force within 1.6 s: it looks at them 1.2 s after
/// it has last done so, and each tenth of a second while they change.
fn start(text: &str) -> (TempDir, TestApp) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");
    fs::write(&path, text).unwrap();
    let app = TestApp::builder()
        .set("D7B_KEYS_FILE", path.to_str().unwrap())
        .set("D7B_RELOAD_INTERVAL", "1600ms")
        .start();
    (directory, app)
}

const LOOK: Duration = Duration::from_millis(1200);
const STEP: Duration = Duration::from_millis(100);

fn write(directory: &TempDir, text: &str) {
    fs::write(directory.path().join("keys.toml"), text).unwrap();
}

/// Moves time on, and waits until the service waits again.
fn advance(app: &TestApp, by: Duration) {
    app.advance(by);
    app.wait_until_parked(0);
}

fn status(app: &TestApp, key: &Key) -> u16 {
    let request = app.request("GET", "/balance").bearer(&key.text);
    request.send().status
}

fn reloads(app: &TestApp) -> Option<f64> {
    app.metric("d7b_reloads_total{file=\"keys\",outcome=\"taken\"}")
}

#[test]
fn a_half_that_could_be_a_whole_is_not_taken_over_while_it_is_being_written() {
    let (one, two) = (Key::of("billing"), Key::of("web"));
    let whole = file_of([&one, &two]);
    let (directory, app) = start(&whole);
    let longer = format!("{whole}\n{}", file_of([&Key::of("third")]));

    write(&directory, &file_of([&one]));
    advance(&app, LOOK);
    write(&directory, &longer);
    advance(&app, STEP);
    let during = (status(&app, &two), reloads(&app));
    advance(&app, STEP);
    wait_until("it is taken over", || reloads(&app) == Some(1.0));

    assert_eq!(during, (200, Some(0.0)));
    assert_eq!(status(&app, &two), 200);
}

#[test]
fn a_change_that_is_there_twice_is_taken_over_before_the_interval_ends() {
    let (old, new) = (Key::of("billing"), Key::of("billing"));
    let (directory, app) = start(&file_of([&old]));

    write(&directory, &file_of([&new]));
    advance(&app, LOOK);
    let first = status(&app, &old);
    app.advance(STEP);
    wait_until("it is taken over", || reloads(&app) == Some(1.0));

    assert_eq!(
        [first, status(&app, &old), status(&app, &new)],
        [200, 401, 200]
    );
}

#[test]
fn a_file_that_goes_on_changing_is_taken_over_when_the_interval_ends() {
    let old = Key::of("billing");
    let (directory, app) = start(&file_of([&old]));
    let newer: Vec<_> = (0..4).map(|_| Key::of("billing")).collect();

    write(&directory, &file_of([&newer[0]]));
    advance(&app, LOOK);
    for key in &newer[1..3] {
        write(&directory, &file_of([key]));
        advance(&app, STEP);
        assert_eq!(reloads(&app), Some(0.0));
    }
    write(&directory, &file_of([&newer[3]]));
    app.advance(STEP);
    wait_until("it is taken over", || reloads(&app) == Some(1.0));

    assert_eq!([status(&app, &old), status(&app, &newer[3])], [401, 200]);
}

#[test]
fn a_file_that_vanishes_for_a_moment_is_not_even_told_of() {
    let key = Key::of("billing");
    let (directory, app) = start(&file_of([&key]));

    fs::remove_file(directory.path().join("keys.toml")).unwrap();
    advance(&app, LOOK);
    write(&directory, &file_of([&key]));
    advance(&app, STEP);
    advance(&app, LOOK);

    let refused = app.metric("d7b_reloads_total{file=\"keys\",outcome=\"refused\"}");
    assert_eq!((refused, reloads(&app)), (Some(0.0), Some(0.0)));
    assert_eq!(status(&app, &key), 200);
}
