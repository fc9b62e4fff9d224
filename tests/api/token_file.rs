//! Tokens that are kept in files, and changed there.

mod bad_moments;
mod panics;
mod proof;
mod secondary;
mod text;
mod told;

use std::{fs, path::PathBuf, process::Command, time::Duration};

use d7_balance::simulator::{BALANCE, REJECTION, answer};
use tempfile::TempDir;

use crate::{
    harness::{Builder, TestApp, wait_until},
    rejections::assert_rejected,
};

/// Files of tokens, which can be changed.
pub(crate) struct Files(TempDir);

impl Files {
    pub(crate) fn new() -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write("old-token");
        files
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Writes the file that `D7B_TOKEN_FILE` names.
    pub(crate) fn write(&self, text: impl AsRef<[u8]>) {
        fs::write(self.path("token"), text).unwrap();
    }

    /// Writes the file that `D7B_TOKEN_SECONDARY_FILE` names.
    pub(crate) fn write_secondary(&self, text: &str) {
        fs::write(self.path("secondary"), text).unwrap();
    }

    /// A service that reads the first file.
    pub(crate) fn service(&self) -> Builder {
        let path = self.path("token");
        TestApp::builder().set("D7B_TOKEN_FILE", path.to_str().unwrap())
    }

    /// A service that reads both files.
    pub(crate) fn service_with_secondary(&self) -> Builder {
        self.write_secondary("spare-token");
        let path = self.path("secondary");
        self.service()
            .set("D7B_TOKEN_SECONDARY_FILE", path.to_str().unwrap())
    }
}

/// The tokens that D7 was shown, in order.
pub(crate) fn shown(app: &TestApp) -> Vec<String> {
    let heads = app.d7.heads();
    let token = |head: &String| {
        let (_, rest) = head.split_once("Bearer ").unwrap();
        rest.split_once("\r\n").unwrap().0.to_owned()
    };
    heads.iter().map(token).collect()
}

/// Waits until a change of `file` has ended in `outcome` so many times.
fn wait_for_reload(app: &TestApp, file: &str, outcome: &str, times: u32) {
    let series = format!("d7b_reloads_total{{file=\"{file}\",outcome=\"{outcome}\"}}");
    wait_until(&format!("{file} is {outcome}"), || {
        app.metric(&series) == Some(f64::from(times))
    });
}

/// Whether `file` holds something that is not in force.
fn is_pending(app: &TestApp, file: &str) -> bool {
    app.metric(&format!("d7b_reload_pending{{file=\"{file}\"}}")) == Some(1.0)
}

/// Changes the token to one that D7 rejects, and waits until that is known.
fn paste_a_rejected_one(files: &Files, app: &TestApp) {
    app.d7.reject("bad-token");
    files.write("bad-token");
    let asked = app.d7.count();
    app.hang_up();
    app.wait_for_d7(asked + 1);
    app.wait_until_parked(1);
    app.advance(Duration::from_millis(500));
    wait_for_reload(app, "token", "rejected", 1);
}

/// Has the token in force rejected for certain.
fn reject_for_certain(app: &TestApp) {
    app.d7.reject("old-token");
    assert_rejected(&app.balance_over_confirmation());
}

#[test]
fn a_token_that_changed_before_it_was_rejected_is_tried_at_once() {
    let files = Files::new();
    let app = files.service().start();
    app.d7.next(answer(401, REJECTION));
    files.write("new-token\n");

    // Nobody moves time: a pause would never end.
    let response = app.balance();

    assert_eq!(response.status, 200);
    assert_eq!(shown(&app), ["old-token", "new-token"]);
}

#[test]
fn an_unchanged_token_file_is_tried_again_after_the_pause() {
    let files = Files::new();
    let app = files.service().start();
    app.d7.always(answer(401, REJECTION));

    let response = app.balance_over_confirmation();

    assert_rejected(&response);
    assert_eq!(shown(&app), ["old-token", "old-token"]);
}

#[test]
fn a_changed_token_ends_the_hold_down_and_is_tried_by_the_next_refresh() {
    let files = Files::new();
    let app = files.service().start();
    reject_for_certain(&app);

    files.write("new-token");
    app.hang_up();
    wait_for_reload(&app, "token", "taken", 1);
    let response = app.balance();

    assert_eq!(response.cache_status(), "hit; ttl=60");
    assert_eq!(shown(&app), ["old-token", "old-token", "new-token"]);
}

#[test]
fn with_keep_warm_a_token_changed_after_a_rejection_is_tried_by_itself() {
    let files = Files::new();
    let app = files.service().set("D7B_CACHE_KEEP_WARM", "true").start();
    app.wait_for_refreshes(1);
    app.d7.reject("old-token");
    app.advance_s(60);
    app.wait_for_d7(2);
    // The poll, and the pause before the confirmation.
    app.wait_until_parked(1);
    app.advance_s(1);
    app.wait_for_outcomes("upstream_unauthorized", 1);

    files.write("new-token");
    app.hang_up();

    app.wait_for_refreshes(2);
    assert_eq!(shown(&app).last().unwrap(), "new-token");
}

#[test]
fn a_token_that_is_changed_after_a_rejection_and_rejected_too_is_told_as_such() {
    let files = Files::new();
    let app = files.service().start();
    reject_for_certain(&app);
    app.d7.reject("new-token");
    files.write("new-token");

    app.hang_up();
    app.wait_for_d7(3);
    app.wait_until_parked(1);
    app.advance(Duration::from_millis(500));
    wait_for_reload(&app, "token", "rejected", 1);

    assert_rejected(&app.balance());
    assert_eq!(shown(&app)[2..], ["new-token", "new-token"]);
    app.advance_s(29);
    assert_rejected(&app.balance());
    assert_eq!(app.d7.count(), 4, "its hold-down is one of its own");
}

#[test]
fn a_changed_token_is_not_blamed_for_what_was_held_against_the_old_one() {
    for at_once in [true, false] {
        let files = Files::new();
        let app = files.service().start();
        assert_eq!(app.balance().status, 200);
        app.advance_s(200);
        reject_for_certain(&app);
        app.d7.next(answer(429, ""));
        files.write("new-token");
        if at_once {
            app.hang_up();
            wait_for_reload(&app, "token", "unproven", 1);
        } else {
            app.advance_s(30);
        }

        let failed = app.balance();
        let held = app.balance();
        app.advance_s(1);
        let accepted = app.balance();

        // Nothing stale is served until D7 has accepted the new token.
        for response in [failed, held] {
            assert_eq!(
                (response.status, &*response.code()),
                (503, "upstream_rate_limited")
            );
            assert_eq!(response.expect("retry-after"), "1");
            assert!(response.problem().get("last_known").is_some());
        }
        assert_eq!(accepted.status, 200);
        assert_eq!(shown(&app).last().unwrap(), "new-token");
    }
}

#[test]
fn a_token_file_that_has_no_end_does_not_stop_the_service() {
    let files = Files::new();
    let app = files.service().start();
    let path = files.path("token");
    fs::remove_file(&path).unwrap();
    let made = Command::new("mkfifo").arg(&path).status().unwrap();
    assert!(made.success());
    app.d7.always(answer(401, REJECTION));

    let response = app.balance_over_confirmation();

    assert_rejected(&response);
    app.d7.always(answer(200, BALANCE));
    app.advance_s(30);
    assert_eq!(app.balance().status, 200);
    assert!(app.stop().is_ok());
}
