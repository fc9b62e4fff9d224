//! The real program as a process of its own: what it is told, and everything
//! that it says.

use std::{
    io::{BufRead, BufReader, Read},
    net::SocketAddr,
    process::{Child, Command, Stdio},
    sync::{Arc, Mutex},
    thread,
};

use crate::harness::{Request, wait_until};

const PROGRAM: &str = env!("CARGO_BIN_EXE_d7-balance");

/// A process with these variables and no others.
fn command(arguments: &[&str], variables: &[(String, String)]) -> Command {
    let mut command = Command::new(PROGRAM);
    command
        .args(arguments)
        .env_clear()
        .envs(variables.iter().map(|(name, value)| (name, value)))
        .stdin(Stdio::null());
    command
}

/// Runs a command that ends by itself: its exit code, and all that it says.
pub(super) fn run(arguments: &[&str], variables: &[(String, String)]) -> (Option<i32>, String) {
    let output = command(arguments, variables).output().unwrap();
    let said = [output.stdout, output.stderr].concat();
    (
        output.status.code(),
        String::from_utf8_lossy(&said).into_owned(),
    )
}

/// A running service.
pub(super) struct Process {
    pub(super) addr: SocketAddr,
    pub(super) admin_addr: SocketAddr,
    child: Child,
    said: Arc<Mutex<String>>,
    readers: Vec<thread::JoinHandle<()>>,
}

impl Process {
    /// Starts `serve` and waits until it does.
    pub(super) fn serve(variables: &[(String, String)]) -> Self {
        let mut child = command(&["serve"], variables)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::new(Mutex::new(String::new()));
        let readers = vec![
            collect(child.stdout.take().unwrap(), &said),
            collect(child.stderr.take().unwrap(), &said),
        ];
        let nowhere = SocketAddr::from(([0, 0, 0, 0], 0));
        let mut process = Self {
            addr: nowhere,
            admin_addr: nowhere,
            child,
            said,
            readers,
        };
        wait_until("the process has started", || process.started().is_some());
        (process.addr, process.admin_addr) = process.started().unwrap();
        wait_until("the process is ready", || {
            Request::new(process.admin_addr, "GET", "/readyz")
                .send()
                .status
                == 200
        });
        process
    }

    /// Both addresses, as the `started` event has them.
    fn started(&self) -> Option<(SocketAddr, SocketAddr)> {
        let said = self.said.lock().unwrap();
        let line = said
            .lines()
            .find(|line| line.contains("started") && line.contains("admin_addr"))?;
        Some((field(line, "addr")?, field(line, "admin_addr")?))
    }

    /// Ends it in order; all that it has ever said.
    pub(super) fn stop(mut self) -> String {
        let id = self.child.id();
        let signal = Command::new("sh")
            .args(["-c", &format!("kill -TERM {id}")])
            .status()
            .unwrap();
        assert!(signal.success());
        let child = Mutex::new(&mut self.child);
        wait_until("the process ends", || {
            child.lock().unwrap().try_wait().unwrap().is_some()
        });
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        self.said.lock().unwrap().clone()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may have ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

fn collect(from: impl Read + Send + 'static, said: &Arc<Mutex<String>>) -> thread::JoinHandle<()> {
    let said = Arc::clone(said);
    thread::spawn(move || {
        for line in BufReader::new(from).split(b'\n') {
            let line = line.unwrap();
            let mut said = said.lock().unwrap();
            said.push_str(&String::from_utf8_lossy(&line));
            said.push('\n');
        }
    })
}

/// A field of a log line, in JSON or as people read it.
fn field(line: &str, name: &str) -> Option<SocketAddr> {
    let (_, rest) = line
        .split_once(&format!("\"{name}\":\""))
        .or_else(|| line.split_once(&format!(" {name}=")))?;
    let end = rest.find(['"', ' ']).unwrap_or(rest.len());
    rest[..end].parse().ok()
}
