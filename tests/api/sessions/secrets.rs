//! What sessions are signed with: kept in a file by all replicas, and changed
//! without anybody noticing.

use std::{fs, path::PathBuf};

use tempfile::TempDir;

use super::{balance, sign_in};
use crate::harness::{TestApp, process::Service, wait_until};

/// Secrets in a file.
struct Secrets(TempDir);

impl Secrets {
    fn of(secrets: &[&str]) -> Self {
        let file = Self(tempfile::tempdir().unwrap());
        file.write(&secrets.join("\n"));
        file
    }

    fn path(&self) -> PathBuf {
        self.0.path().join("secrets")
    }

    fn write(&self, text: &str) {
        fs::write(self.path(), text).unwrap();
    }

    fn start(&self, keys: &[(&str, &str)]) -> TestApp {
        let usual = TestApp::builder();
        let builder = usual.set("D7B_SESSION_SECRET_FILE", self.path().to_str().unwrap());
        let builder = keys
            .iter()
            .fold(builder, |builder, (name, value)| builder.set(name, value));
        builder.start()
    }
}

const OLD: &str = "an-old-secret-of-more-than-32-bytes!";
const NEW: &str = "a-new-secret-of-more-than-32-bytes!!";

fn reloads(app: &TestApp, outcome: &str) -> Option<f64> {
    let labels = format!("{{file=\"session_secrets\",outcome=\"{outcome}\"}}");
    app.metric(&format!("d7b_reloads_total{labels}"))
}

#[test]
fn replicas_with_the_same_secrets_know_each_others_sessions() {
    let secrets = Secrets::of(&[OLD]);
    let new = d7_balance::callers::key::NewKey::generate().unwrap();
    let keys = format!("billing:{}:{}", new.id, new.digest);
    let key = secrecy::ExposeSecret::expose_secret(&new.key).to_owned();
    let keys = [("D7B_KEYS", keys.as_str())];
    let (one, other) = (secrets.start(&keys), secrets.start(&keys));
    let stranger = TestApp::builder().set(keys[0].0, keys[0].1).start();

    let session = sign_in(&one, &key);

    assert_eq!(balance(&other, &session).status, 200);
    assert_eq!(balance(&stranger, &session).status, 401);
}

#[test]
fn a_new_secret_takes_over_and_the_old_ones_sessions_go_on_while_it_is_listed() {
    let secrets = Secrets::of(&[OLD]);
    let app = secrets.start(&[]);
    let by_old = sign_in(&app, &app.key);

    secrets.write(&format!("{NEW}\n{OLD}\n"));
    app.hang_up();
    wait_until("the file is taken over", || {
        reloads(&app, "taken") == Some(1.0)
    });
    let by_new = sign_in(&app, &app.key);
    assert_eq!(balance(&app, &by_old).status, 200);
    assert_eq!(balance(&app, &by_new).status, 200);

    secrets.write(NEW);
    app.hang_up();
    wait_until("the file is taken over", || {
        reloads(&app, "taken") == Some(2.0)
    });
    assert_eq!(balance(&app, &by_old).status, 401);
    assert_eq!(balance(&app, &by_new).status, 200);
}

#[test]
fn a_bad_file_leaves_the_secrets_from_before_in_force() {
    let secrets = Secrets::of(&[OLD]);
    let app = secrets.start(&[]);
    let session = sign_in(&app, &app.key);
    let pending = "d7b_reload_pending{file=\"session_secrets\"}";

    secrets.write("short");
    app.hang_up();
    wait_until("the file is refused", || {
        reloads(&app, "refused") == Some(1.0)
    });
    assert_eq!(balance(&app, &session).status, 200);
    assert_eq!(app.metric(pending), Some(1.0));
    let status = app.request("GET", "/status").bearer(&app.key).send().json();
    let reload = &status["reloads"][0];
    assert_eq!(reload["file"], "session_secrets");
    assert_eq!(reload["outcome"], "refused");

    secrets.write(NEW);
    app.hang_up();
    wait_until("the file is taken over", || {
        reloads(&app, "taken") == Some(1.0)
    });
    assert_eq!(app.metric(pending), Some(0.0));
    assert_eq!(balance(&app, &session).status, 401);
}

#[test]
fn a_changed_file_is_seen_without_a_signal_and_told_without_its_secrets() {
    let secrets = Secrets::of(&[OLD]);
    let path = secrets.path();
    let service = Service::start(&[
        ("D7B_SESSION_SECRET_FILE", path.to_str().unwrap()),
        ("D7B_RELOAD_INTERVAL", "100ms"),
    ]);
    let named = |event: &str| service.process.events_named(event);
    assert!(named("session_secret_random").is_empty());

    secrets.write(&format!("{NEW}\n{OLD}"));
    wait_until("it is taken over", || {
        !named("session_secrets_reloaded").is_empty()
    });
    assert_eq!(named("session_secrets_reloaded")[0]["secrets"], 2);
    secrets.write("a-short-marker");
    wait_until("it is refused", || {
        !named("session_secrets_refused").is_empty()
    });

    let log = service.process.stderr();
    for secret in [OLD, NEW, "a-short-marker"] {
        assert!(!log.contains(secret));
    }
}

#[test]
fn without_a_file_the_log_says_that_sessions_end_with_the_process() {
    let service = Service::start(&[]);

    let told = service.process.events_named("session_secret_random");

    assert_eq!(told.len(), 1);
    assert_eq!(told[0]["level"], "INFO");
}
