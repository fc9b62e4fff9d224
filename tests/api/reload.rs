//! The key file changes while the service runs.

mod bad;
mod ended;
mod limits;
mod settled;
#[cfg(target_os = "linux")]
mod stuck;

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
};

use d7_balance::callers::{KeyRecord, file::record, key::NewKey};
use secrecy::ExposeSecret;
use serde_json::Value;
use tempfile::TempDir;

use crate::harness::{process::Service, wait_until};

/// A key, and its record.
pub(crate) struct Key {
    pub(crate) text: String,
    pub(crate) record: KeyRecord,
}

impl Key {
    pub(crate) fn of(client: &str) -> Self {
        let new = NewKey::generate().unwrap();
        Self {
            text: new.key.expose_secret().to_owned(),
            record: KeyRecord {
                client: client.to_owned(),
                id: new.id,
                digest: new.digest,
                expires: None,
                rate_limit: None,
            },
        }
    }
}

/// The text of a key file.
pub(crate) fn file_of<'a>(keys: impl IntoIterator<Item = &'a Key>) -> String {
    let records = keys.into_iter().map(|key| record(&key.record));
    records.collect::<Vec<_>>().join("\n")
}

/// The program, with its keys in a file that it looks at often.
struct Rig {
    directory: TempDir,
    service: Service,
}

impl Rig {
    fn start(text: &str) -> Self {
        Self::start_with(text, &[])
    }

    fn start_with(text: &str, settings: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("keys.toml");
        fs::write(&path, text).unwrap();
        let service = start_on(&path, settings);
        Self { directory, service }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("keys.toml")
    }

    /// Has a whole new file take the place of the old one.
    fn replace(&self, text: impl AsRef<[u8]>) {
        let new = self.directory.path().join("new");
        fs::write(&new, text).unwrap();
        fs::rename(new, self.path()).unwrap();
    }

    fn status(&self, key: &Key) -> u16 {
        status(&self.service, key)
    }

    fn wait_for(&self, event: &str, times: usize) -> Value {
        wait_for(&self.service, event, times)
    }

    fn reloads(&self, outcome: &str) -> f64 {
        let series = format!("d7b_reloads_total{{file=\"keys\",outcome=\"{outcome}\"}}");
        metric(&self.service, &series)
    }

    fn is_pending(&self) -> bool {
        metric(&self.service, "d7b_reload_pending{file=\"keys\"}") == 1.0
    }
}

fn start_on(path: &Path, settings: &[(&str, &str)]) -> Service {
    let usual = [
        ("D7B_KEYS", ""),
        ("D7B_KEYS_FILE", path.to_str().unwrap()),
        ("D7B_RELOAD_INTERVAL", "100ms"),
    ];
    Service::start(&[&usual, settings].concat())
}

fn status(service: &Service, key: &Key) -> u16 {
    let request = service.request("GET", "/balance").bearer(&key.text);
    request.send().status
}

/// Waits until an event has come so many times; returns the last one.
fn wait_for(service: &Service, event: &str, times: usize) -> Value {
    wait_until(event, || service.process.events_named(event).len() >= times);
    service.process.events_named(event).pop().unwrap()
}

fn metric(service: &Service, series: &str) -> f64 {
    let text = service.admin("/metrics").text();
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {series}"))
        .parse()
        .unwrap()
}

#[test]
fn a_changed_file_is_in_force_as_a_whole_without_a_restart() {
    let (old, kept, new) = (Key::of("billing"), Key::of("web"), Key::of("billing"));
    let rig = Rig::start(&file_of([&old, &kept]));
    assert_eq!([rig.status(&old), rig.status(&new)], [200, 401]);

    rig.replace(file_of([&kept, &new]));
    let told = rig.wait_for("keys_reloaded", 1);

    assert_eq!(
        [&old, &kept, &new].map(|key| rig.status(key)),
        [401, 200, 200]
    );
    assert_eq!(
        [&told["keys"], &told["added"], &told["removed"]],
        [&Value::from(2), &Value::from(1), &Value::from(1)]
    );
    assert_eq!((rig.reloads("taken"), rig.is_pending()), (1.0, false));
}

#[test]
fn a_denial_after_a_reload_has_its_reason_in_the_log() {
    let (old, kept) = (Key::of("billing"), Key::of("web"));
    let rig = Rig::start(&file_of([&old, &kept]));

    rig.replace(file_of([&kept]));
    rig.wait_for("keys_reloaded", 1);
    assert_eq!(rig.status(&old), 401);

    let request = rig.service.wait_for_requests(1).pop().unwrap();
    assert_eq!(request["denied"], "unknown");
}

#[test]
fn sighup_has_the_file_read_at_once() {
    let (old, new) = (Key::of("billing"), Key::of("billing"));
    let rig = Rig::start_with(&file_of([&old]), &[("D7B_RELOAD_INTERVAL", "10s")]);

    rig.replace(file_of([&new]));
    rig.service.process.signal("HUP");
    rig.wait_for("keys_reloaded", 1);

    assert_eq!([rig.status(&old), rig.status(&new)], [401, 200]);
}

#[test]
fn sighup_over_an_unchanged_file_changes_nothing_and_says_so() {
    let key = Key::of("billing");
    let rig = Rig::start_with(&file_of([&key]), &[("D7B_RELOAD_INTERVAL", "10s")]);

    rig.service.process.signal("HUP");
    rig.wait_for("keys_unchanged", 1);

    assert!(rig.service.process.events_named("keys_reloaded").is_empty());
    assert_eq!((rig.reloads("taken"), rig.status(&key)), (0.0, 200));
}

#[test]
fn sighup_where_there_is_no_file_says_so() {
    let service = Service::start(&[]);

    service.process.signal("HUP");
    let told = service.process.wait_for_event("hangup");

    let message = told["message"].as_str().unwrap();
    assert!(message.contains("no file to read again"), "{message}");
    assert_eq!(service.balance_request().send().status, 200);
}

#[test]
fn a_link_that_is_swapped_as_kubernetes_does_is_followed() {
    let (old, new) = (Key::of("billing"), Key::of("billing"));
    let directory = tempfile::tempdir().unwrap();
    let mount = directory.path();
    let publish = |version: &str, text: String| {
        fs::create_dir(mount.join(version)).unwrap();
        fs::write(mount.join(version).join("keys.toml"), text).unwrap();
        symlink(version, mount.join("..data_tmp")).unwrap();
        fs::rename(mount.join("..data_tmp"), mount.join("..data")).unwrap();
    };
    publish("..1", file_of([&old]));
    symlink("..data/keys.toml", mount.join("keys.toml")).unwrap();
    let service = start_on(&mount.join("keys.toml"), &[]);

    publish("..2", file_of([&new]));
    fs::remove_dir_all(mount.join("..1")).unwrap();
    wait_for(&service, "keys_reloaded", 1);

    assert_eq!([status(&service, &old), status(&service, &new)], [401, 200]);
    assert!(service.process.events_named("keys_refused").is_empty());
}

#[test]
fn a_file_that_is_written_in_place_is_taken_over() {
    let (old, new) = (Key::of("billing"), Key::of("billing"));
    let rig = Rig::start(&file_of([&old]));

    fs::write(rig.path(), file_of([&new])).unwrap();
    wait_until("the new key works", || rig.status(&new) == 200);

    assert_eq!(rig.status(&old), 401);
}

#[test]
fn a_pipe_is_read_once_and_said_to_be() {
    let key = Key::of("billing");
    let directory = tempfile::tempdir().unwrap();
    let [keys, token] = ["keys", "token"].map(|name| directory.path().join(name));
    for path in [&keys, &token] {
        let made = std::process::Command::new("mkfifo").arg(path).status();
        assert!(made.unwrap().success());
    }
    let text = file_of([&key]);
    let writes = [
        (keys.clone(), text),
        (token.clone(), "the-token".to_owned()),
    ];
    let writers = writes.map(|(path, text)| std::thread::spawn(move || fs::write(path, text)));

    let service = start_on(
        &keys,
        &[
            ("D7B_TOKEN", ""),
            ("D7B_TOKEN_FILE", token.to_str().unwrap()),
        ],
    );
    for writer in writers {
        writer.join().unwrap().unwrap();
    }
    service.process.signal("HUP");
    wait_for(&service, "hangup", 1);

    assert_eq!(status(&service, &key), 200);
    let told = service.process.events_named("configuration");
    for name in ["D7B_KEYS_FILE", "D7B_TOKEN_FILE"] {
        let is_told = |event: &&Value| {
            let message = event["message"].as_str().unwrap();
            message.starts_with(name) && message.contains("was read once")
        };
        assert_eq!(told.iter().filter(is_told).count(), 1, "{told:?}");
    }
    for event in ["keys_refused", "token_unusable"] {
        assert!(service.process.events_named(event).is_empty());
    }
}

#[test]
fn ten_thousand_keys_are_taken_over_and_every_one_works() {
    let first = Key::of("billing");
    let rig = Rig::start(&file_of([&first]));
    let many: Vec<_> = (0..10_000).map(|n| Key::of(&format!("team-{n}"))).collect();

    rig.replace(file_of(&many));
    let told = rig.wait_for("keys_reloaded", 1);

    assert_eq!(told["keys"], 10_000);
    assert_eq!(rig.status(&first), 401);
    for key in many.iter().step_by(997) {
        assert_eq!(rig.status(key), 200);
    }
    rig.replace(file_of([&first]));
    rig.wait_for("keys_reloaded", 2);
    assert_eq!([rig.status(&first), rig.status(&many[0])], [200, 401]);
}

#[test]
fn what_the_key_commands_write_is_taken_over() {
    let old = Key::of("billing");
    let rig = Rig::start(&file_of([&old]));
    let run = |arguments: &[&str]| {
        let path = rig.path();
        let file = ["--file", path.to_str().unwrap()];
        let ended = crate::harness::process::run(&[arguments, &file].concat(), Vec::new());
        assert_eq!(ended.code, Some(0), "{ended:?}");
        ended.stdout.lines().next().unwrap().to_owned()
    };
    let id = old.record.id.to_string();

    let text = run(&["key", "rotate", "--id", &id, "--grace", "1h"]);
    rig.wait_for("keys_reloaded", 1);
    let new = Key {
        text,
        record: old.record.clone(),
    };
    assert_eq!([rig.status(&old), rig.status(&new)], [200, 200]);
    run(&["key", "revoke", "--id", &id]);
    rig.wait_for("keys_reloaded", 2);

    assert_eq!([rig.status(&old), rig.status(&new)], [401, 200]);
}
