//! A file on a mount that hangs keeps nothing from being read but itself.

use std::{
    fs,
    io::{BufRead, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
};

use tempfile::TempDir;

use super::{Key, file_of, metric, status, wait_for};
use crate::harness::{process::Service, wait_until};

/// Holds a lease on a file and does not give it back: whoever opens the file
/// waits, as where a mount hangs.
struct Stuck(Child);

impl Stuck {
    fn on(path: &Path) -> Self {
        const HOLD: &str = "
import fcntl, os, signal, sys
signal.signal(signal.SIGIO, signal.SIG_IGN)
file = os.open(sys.argv[1], os.O_RDWR)
while True:
    try:
        fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        break
    except BlockingIOError:
        pass  # It is being read at this moment.
print('held', flush=True)
sys.stdin.read()
";
        let mut holder = Command::new("python3")
            .args(["-c", HOLD])
            .arg(path)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut said = String::new();
        let stdout = holder.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut said).unwrap();
        assert_eq!(said, "held\n");
        Self(holder)
    }
}

impl Drop for Stuck {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.0.kill());
        drop(self.0.wait());
    }
}

/// The files of a service.
struct Files(TempDir);

impl Files {
    fn new(key: &Key) -> Self {
        let files = Self(tempfile::tempdir().unwrap());
        files.write("keys", &file_of([key]));
        files.write("session_secrets", SECRET);
        files.write("token", "old-token");
        files.write("token_secondary", "spare-token");
        files
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn start(&self) -> Service {
        let paths = [
            ("D7B_KEYS_FILE", "keys"),
            ("D7B_SESSION_SECRET_FILE", "session_secrets"),
            ("D7B_TOKEN_FILE", "token"),
            ("D7B_TOKEN_SECONDARY_FILE", "token_secondary"),
        ];
        let paths = paths.map(|(name, file)| (name, self.path(file)));
        let mut settings: Vec<_> = paths
            .iter()
            .map(|(name, path)| (*name, path.to_str().unwrap()))
            .collect();
        settings.extend([
            ("D7B_KEYS", ""),
            ("D7B_TOKEN", ""),
            ("D7B_RELOAD_INTERVAL", "100ms"),
        ]);
        Service::start(&settings)
    }
}

const SECRET: &str = "an-old-secret-of-more-than-32-bytes!";
const NEW_SECRET: &str = "a-new-secret-of-more-than-32-bytes!!";

fn reloads(service: &Service, file: &str, outcome: &str) -> f64 {
    let labels = format!("file=\"{file}\",outcome=\"{outcome}\"");
    metric(service, &format!("d7b_reloads_total{{{labels}}}"))
}

#[test]
fn one_file_that_hangs_does_not_delay_the_others() {
    for stuck in ["keys", "session_secrets"] {
        let (old, new) = (Key::of("billing"), Key::of("billing"));
        let files = Files::new(&old);
        let service = files.start();
        let _stuck = Stuck::on(&files.path(stuck));
        // From here on it is being read, and that does not end.
        service.process.signal("HUP");
        wait_for(&service, "hangup", 1);

        files.write("token", "new-token");
        if stuck == "keys" {
            files.write("session_secrets", NEW_SECRET);
            wait_until("the secrets are taken over", || {
                reloads(&service, "session_secrets", "taken") == 1.0
            });
        } else {
            files.write("keys", &file_of([&new]));
            wait_until("the new key works", || status(&service, &new) == 200);
            assert_eq!(status(&service, &old), 401);
        }
        wait_until("the token is taken over", || {
            reloads(&service, "token", "taken") == 1.0
        });

        // Which it would have been before the others were looked at again.
        let given_up = reloads(&service, stuck, "refused");
        assert_eq!(given_up, 0.0, "{stuck} is not even given up yet");
    }
}

#[test]
fn a_token_file_that_hangs_is_told_and_the_other_one_is_taken_over() {
    for (stuck, changed) in [("token", "token_secondary"), ("token_secondary", "token")] {
        let key = Key::of("billing");
        let files = Files::new(&key);
        let service = files.start();
        let _stuck = Stuck::on(&files.path(stuck));

        files.write(changed, "new-token");

        wait_until("the token is taken over", || {
            reloads(&service, changed, "taken") == 1.0
        });
        assert_eq!(reloads(&service, stuck, "refused"), 1.0, "{stuck}");
        let told = wait_for(&service, "token_unusable", 1);
        assert_eq!(told["file"], stuck);
        assert_eq!(told["cause"], "reading it takes too long");
    }
}
