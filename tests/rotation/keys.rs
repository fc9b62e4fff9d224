//! Keys that are rotated every second, by every way in which operators do that:
//! the new key is handed over, seen in force, and only then the old one ends.

use std::{path::PathBuf, sync::Arc, time::Duration};

use d7_balance::callers::key::NewKey;
use secrecy::ExposeSecret;
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{
    Run,
    book::{Book, End, Key},
    harness::process::{run as run_program, variables},
    load::CLIENTS,
    mount::{Mount, Way},
};

/// How long a rotated key works on.
const GRACE: &str = "3s";

/// What the machine's clocks may differ by until a grace is over.
const DRIFT: Duration = Duration::from_millis(50);

/// What is done to the keys of a client.
#[derive(Debug, Clone, Copy)]
enum Step {
    /// `key new`.
    New,
    /// `key revoke`, of the oldest one.
    Revoke,
    /// `key rotate`, of the oldest one.
    Rotate,
    /// A new key comes and the oldest one goes, at once and by hand.
    ByHand(Way),
}

/// A rotation comes where there is another key to fall back on: the grace counts
/// from the command's start, and on a busy disk the command itself may take as
/// long.
const STEPS: [Step; 6] = [
    Step::New,
    Step::Rotate,
    Step::Revoke,
    Step::ByHand(Way::Rename),
    Step::ByHand(Way::Swap),
    Step::ByHand(Way::InPlace),
];

/// The keys of a client that have no end, oldest first. All but the last one
/// are in force.
struct Team {
    client: &'static str,
    keys: Vec<Arc<Key>>,
    step: usize,
}

/// The key file, and who rotates its keys.
pub(crate) struct KeyRotation {
    mount: Mount,
    teams: [Team; 2],
}

impl KeyRotation {
    /// A file with one key for each client.
    pub(crate) fn new(book: &Book) -> Self {
        let mut text = "# Who may ask.\n\n".to_owned();
        // Half a round apart, so that a short run has all of the steps.
        let mut step = 0;
        let teams = CLIENTS.map(|client| {
            let (key, record) = generate(client);
            book.add_old(&key);
            text.push_str(&record);
            step += STEPS.len() / 2;
            Team {
                client,
                keys: vec![key],
                step,
            }
        });
        let mount = Mount::new("keys.toml", text.as_bytes());
        Self { mount, teams }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.mount.path()
    }

    /// Rotates every second, each client in its turn.
    pub(crate) fn rotate(&mut self, run: &Run) {
        let start = run.watch.now();
        for (turn, second) in (0..run.length.as_secs()).enumerate() {
            run.watch.pause_until(start + Duration::from_secs(second));
            let team = turn % self.teams.len();
            self.take_step(run, team);
            run.report.rotated();
        }
    }

    fn take_step(&mut self, run: &Run, team: usize) {
        let Team { client, keys, step } = &mut self.teams[team];
        let (client, what) = (*client, STEPS[*step % STEPS.len()]);
        *step += 1;
        // What came last has to be in force before what was there may go.
        let newest = keys.last().unwrap();
        while !run.book.is_valid(newest, run.watch.now()) {
            run.watch.pause(Duration::from_millis(10));
        }
        match what {
            Step::New => {
                let new = self.key_new(run, client);
                self.teams[team].keys.push(new);
            }
            Step::Revoke => {
                let old = keys.remove(0);
                assert!(!keys.is_empty(), "a client always keeps a key");
                self.key_revoke(run, &old);
            }
            Step::Rotate => {
                let old = keys.remove(0);
                let new = self.key_rotate(run, client, &old);
                self.teams[team].keys.push(new);
            }
            Step::ByHand(way) => {
                let old = (keys.len() > 1).then(|| keys.remove(0));
                let new = self.by_hand(run, way, client, old.as_deref());
                self.teams[team].keys.push(new);
            }
        }
    }

    fn key_new(&self, run: &Run, client: &'static str) -> Arc<Key> {
        let shown = self.command(&["new", "--client", client]);
        let new = shown_key(client, &shown);
        run.book.add(&new, run.watch.now());
        new
    }

    fn key_revoke(&self, run: &Run, old: &Key) {
        run.book.may_end(old, run.watch.now());
        self.command(&["revoke", "--id", &old.id]);
        run.book.ended(old, run.watch.now(), End::Revoked);
    }

    fn key_rotate(&self, run: &Run, client: &'static str, old: &Key) -> Arc<Key> {
        let shown = self.command(&["rotate", "--id", &old.id, "--grace", GRACE]);
        let new = shown_key(client, &shown);
        let written = run.watch.now();
        run.book.add(&new, written);
        let end = run.watch.moment_of(self.expiry_of(old).into());
        run.book.may_end(old, end.saturating_sub(DRIFT));
        run.book.ended(old, written.max(end + DRIFT), End::Expired);
        new
    }

    /// Adds a key to the file, and takes `old` out of it, in an editor so to speak.
    fn by_hand(
        &mut self,
        run: &Run,
        way: Way,
        client: &'static str,
        old: Option<&Key>,
    ) -> Arc<Key> {
        let text = std::fs::read_to_string(self.path()).unwrap();
        let (new, record) = generate(client);
        let mut parts = text.split("[[keys]]");
        let mut edited = parts.next().unwrap().to_owned();
        for part in parts {
            if !old.is_some_and(|old| part.contains(&old.id)) {
                edited.push_str(&format!("[[keys]]{part}"));
            }
        }
        edited.push_str(&record);
        if let Some(old) = old {
            run.book.may_end(old, run.watch.now());
        }
        self.mount.write(way, edited.as_bytes());
        let written = run.watch.now();
        run.book.add(&new, written);
        if let Some(old) = old {
            run.book.ended(old, written, End::Revoked);
        }
        new
    }

    fn expiry_of(&self, key: &Key) -> OffsetDateTime {
        let keys: Value = serde_json::from_str(&self.command(&["list", "--json"])).unwrap();
        let mut keys = keys.as_array().unwrap().iter();
        let listed = keys.find(|listed| listed["id"] == key.id).unwrap();
        OffsetDateTime::parse(listed["expires"].as_str().unwrap(), &Rfc3339).unwrap()
    }

    /// Runs a key command on the file; what it shows.
    fn command(&self, arguments: &[&str]) -> String {
        let path = self.path();
        let file = ["--file", path.to_str().unwrap()];
        let arguments = [&["key"], arguments, &file].concat();
        let ended = run_program(&arguments, variables::<&str, &str>([]));
        assert_eq!(ended.code, Some(0), "{arguments:?}: {}", ended.stderr);
        ended.stdout
    }
}

/// The key that a command has shown, on its first line.
fn shown_key(client: &'static str, shown: &str) -> Arc<Key> {
    let text = shown.lines().next().unwrap().to_owned();
    let id = text.split('_').nth(1).unwrap().to_owned();
    Arc::new(Key { client, id, text })
}

/// A key and its record, as one writes it by hand.
fn generate(client: &'static str) -> (Arc<Key>, String) {
    let new = NewKey::generate().unwrap();
    let (id, digest) = (new.id.to_string(), new.digest);
    let record =
        format!("\n[[keys]]\nclient = \"{client}\"\nid = \"{id}\"\nsha256 = \"{digest}\"\n");
    let text = new.key.expose_secret().to_owned();
    (Arc::new(Key { client, id, text }), record)
}
