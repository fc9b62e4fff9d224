//! The program itself: its arguments, environment, output, signals and end.

use std::{
    cell::RefCell,
    ffi::{OsStr, OsString},
    io::Read,
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex, MutexGuard},
    thread,
};

use d7_balance::{callers::key::NewKey, simulator::Simulator};
use secrecy::ExposeSecret;
use serde_json::Value;

use super::{Request, Response, wait_until};

/// Variables of an environment.
pub(crate) type Variables = Vec<(OsString, OsString)>;

/// Variables from text.
pub(crate) fn variables<N: AsRef<OsStr>, V: AsRef<OsStr>>(
    pairs: impl IntoIterator<Item = (N, V)>,
) -> Variables {
    pairs
        .into_iter()
        .map(|(name, value)| (name.as_ref().to_owned(), value.as_ref().to_owned()))
        .collect()
}

/// The program under test.
pub(crate) const PROGRAM: &str = env!("CARGO_BIN_EXE_d7-balance");

/// A running program, with nothing in its environment but what was given.
/// Dropping it ends it.
pub(crate) struct Process {
    child: Mutex<Child>,
    stdout: Output,
    stderr: Output,
}

/// What a program has left behind.
#[derive(Debug)]
pub(crate) struct Ended {
    /// None where a signal killed it.
    pub(crate) code: Option<i32>,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ended {
    /// All that it has written, to either stream.
    pub(crate) fn said(&self) -> String {
        format!("{}\n{}", self.stdout, self.stderr)
    }
}

impl Process {
    /// Starts the program under test.
    pub(crate) fn start(arguments: &[&str], variables: Variables) -> Self {
        let mut command = Command::new(PROGRAM);
        command.args(arguments).env_clear().envs(variables);
        Self::spawn(command)
    }

    /// Starts any program with nothing to read, its streams collected.
    pub(crate) fn spawn(command: Command) -> Self {
        Self::spawn_reading(command, Stdio::null())
    }

    /// Starts any program, its streams collected.
    pub(crate) fn spawn_reading(mut command: Command, input: Stdio) -> Self {
        let mut child = command
            .stdin(input)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        Self {
            stdout: Output::of(child.stdout.take().unwrap()),
            stderr: Output::of(child.stderr.take().unwrap()),
            child: Mutex::new(child),
        }
    }

    /// What it has written to standard output so far.
    pub(crate) fn stdout(&self) -> String {
        self.stdout.text()
    }

    /// What it has written to standard error so far.
    pub(crate) fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// The events of its log so far, where that is JSON: every whole line has
    /// to be an object.
    pub(crate) fn events(&self) -> Vec<Value> {
        let log = self.stderr();
        let (whole, _) = log.rsplit_once('\n').unwrap_or_default();
        whole
            .lines()
            .map(|line| {
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{error} in {line:?}"))
            })
            .collect()
    }

    /// The events of one name.
    pub(crate) fn events_named(&self, name: &str) -> Vec<Value> {
        let mut events = self.events();
        events.retain(|event| event["event"] == name);
        events
    }

    /// Waits for the first event of a name.
    pub(crate) fn wait_for_event(&self, name: &str) -> Value {
        self.wait_for(&format!("the log tells {name:?}"), || {
            self.events_named(name).into_iter().next()
        })
    }

    /// Waits for the first line of its log that holds `text`.
    pub(crate) fn wait_for_line(&self, text: &str) -> String {
        self.wait_for(&format!("the log holds {text:?}"), || {
            let log = self.stderr();
            let (whole, _) = log.rsplit_once('\n')?;
            let line = whole.lines().find(|line| line.contains(text))?;
            Some(line.to_owned())
        })
    }

    /// Waits for something that it says or brings about.
    pub(crate) fn wait_for<T>(&self, what: &str, find: impl Fn() -> Option<T>) -> T {
        let found = RefCell::new(None);
        wait_until(what, || {
            // Looked at first: where it has ended by then, `find` sees the last word.
            let has_ended = self.has_ended();
            *found.borrow_mut() = find();
            let is_there = found.borrow().is_some();
            assert!(
                is_there || !has_ended,
                "ended before {what}:\n{}\n{}",
                self.stdout(),
                self.stderr()
            );
            is_there
        });
        found.take().unwrap()
    }

    /// Whether it has ended and all that it wrote has been read.
    fn has_ended(&self) -> bool {
        !self.runs() && self.stdout.has_ended() && self.stderr.has_ended()
    }

    pub(crate) fn runs(&self) -> bool {
        self.child().try_wait().unwrap().is_none()
    }

    /// Sends a signal, such as `TERM`, to this process and no other.
    pub(crate) fn signal(&self, name: &str) {
        let id = self.child().id();
        let kill = format!("kill -{name} {id}");
        let sent = Command::new("sh").arg("-c").arg(kill).status().unwrap();
        assert!(sent.success(), "{name} is sent");
    }

    /// The most memory that it has had at once, in bytes.
    #[cfg(target_os = "linux")]
    pub(crate) fn peak_memory(&self) -> u64 {
        let status = format!("/proc/{}/status", self.child().id());
        let status = std::fs::read_to_string(status).unwrap();
        let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = peak.and_then(|peak| peak.trim().strip_suffix(" kB"));
        kib.unwrap().parse::<u64>().unwrap() << 10
    }

    /// Waits for its end.
    pub(crate) fn wait(self) -> Ended {
        wait_until("the program ends", || !self.runs());
        let code = self.child().wait().unwrap().code();
        Ended {
            code,
            stdout: self.stdout.whole(),
            stderr: self.stderr.whole(),
        }
    }

    fn child(&self) -> MutexGuard<'_, Child> {
        self.child.lock().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let mut child = self.child();
        // It may have ended by itself.
        drop(child.kill());
        drop(child.wait());
    }
}

/// A stream, collected by a thread of its own.
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    ended: Arc<Mutex<bool>>,
}

impl Output {
    fn of(mut stream: impl Read + Send + 'static) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let ended = Arc::new(Mutex::new(false));
        let (collected, done) = (Arc::clone(&bytes), Arc::clone(&ended));
        thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = stream.read(&mut chunk) {
                collected.lock().unwrap().extend_from_slice(&chunk[..read]);
            }
            *done.lock().unwrap() = true;
        });
        Self { bytes, ended }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.bytes.lock().unwrap()).into_owned()
    }

    fn has_ended(&self) -> bool {
        *self.ended.lock().unwrap()
    }

    fn whole(&self) -> String {
        wait_until("the stream ends", || self.has_ended());
        self.text()
    }
}

/// Runs the program to its end.
pub(crate) fn run(arguments: &[&str], variables: Variables) -> Ended {
    Process::start(arguments, variables).wait()
}

/// The address in a line of a log, `name=address` or `"name":"address"`.
fn address_after(name: &str, line: &str) -> SocketAddr {
    let is_of_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let is_of_address = |c: char| c.is_ascii_hexdigit() || ".:[]".contains(c);
    line.match_indices(name)
        .find(|(at, _)| !line[..*at].ends_with(is_of_name))
        .and_then(|(at, _)| {
            let rest = line[at + name.len()..].trim_start_matches(['"', ':', '=']);
            let end = rest.find(|c| !is_of_address(c)).unwrap_or(rest.len());
            rest[..end].parse().ok()
        })
        .unwrap_or_else(|| panic!("no {name} in {line}"))
}

/// A running service, with a simulated D7.
pub(crate) struct Service {
    pub(crate) process: Process,
    pub(crate) addr: SocketAddr,
    pub(crate) admin_addr: SocketAddr,
    pub(crate) d7: Simulator,
    /// A key of client `billing`.
    pub(crate) key: String,
    /// The public part of that key.
    pub(crate) key_id: String,
}

impl Service {
    /// Starts `serve` on free ports. Settings go over the usual ones; an empty
    /// value takes one of them away.
    pub(crate) fn start(settings: &[(&str, &str)]) -> Self {
        Self::start_until(settings, "\"event\":\"started\"")
    }

    /// The same, where the log may be none of JSON: it has started when a line
    /// holds `text`.
    pub(crate) fn start_until(settings: &[(&str, &str)], text: &str) -> Self {
        let d7 = Simulator::start().unwrap();
        let new = NewKey::generate().unwrap();
        let keys = format!("billing:{}:{}", new.id, new.digest);
        let base_url = d7.base_url();
        let mut all = variables([
            ("D7B_TOKEN", "the-token"),
            ("D7B_BASE_URL", &base_url),
            ("D7B_KEYS", &keys),
            ("D7B_SERVER_ADDR", "127.0.0.1:0"),
            ("D7B_ADMIN_ADDR", "127.0.0.1:0"),
            ("D7B_SERVER_WORKERS", "2"),
        ]);
        // Of two values the environment keeps the later one.
        all.extend(variables(settings.iter().copied()));
        let process = Process::start(&["serve"], all);
        let started = process.wait_for_line(text);
        let addr = |name: &str| address_after(name, &started);
        Self {
            addr: addr("addr"),
            admin_addr: addr("admin_addr"),
            process,
            d7,
            key: new.key.expose_secret().to_owned(),
            key_id: new.id.to_string(),
        }
    }

    /// A request to the public listener, without a credential.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.addr, method, path)
    }

    /// `GET /balance` with the key of `billing`, not sent yet.
    pub(crate) fn balance_request(&self) -> Request {
        self.request("GET", "/balance").bearer(&self.key)
    }

    /// A request to the admin listener.
    pub(crate) fn admin(&self, path: &str) -> Response {
        Request::new(self.admin_addr, "GET", path).send()
    }

    /// Sends `GET /balance` from a thread of its own.
    pub(crate) fn balance_behind(&self) -> thread::JoinHandle<Response> {
        let request = self.balance_request();
        thread::spawn(move || request.send())
    }

    /// Waits until so many requests have reached D7.
    pub(crate) fn wait_for_d7(&self, requests: usize) {
        wait_until("D7 is asked", || self.d7.count() >= requests);
    }

    /// Waits until so many requests on the public listener have been logged,
    /// and returns their events.
    pub(crate) fn wait_for_requests(&self, requests: usize) -> Vec<Value> {
        wait_until("the requests are logged", || {
            self.process.events_named("request").len() >= requests
        });
        self.process.events_named("request")
    }

    /// Ends it by SIGTERM.
    pub(crate) fn stop(self) -> Ended {
        self.process.signal("TERM");
        self.process.wait()
    }
}
