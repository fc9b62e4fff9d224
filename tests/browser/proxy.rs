//! nginx with one of the recipes of `deploy/nginx`.

use std::{
    fs,
    net::{SocketAddr, TcpListener, TcpStream},
    path::Path,
    process::Command,
};

use tempfile::TempDir;

use crate::{
    harness::{Request, process::Process, wait_until},
    program,
};

/// How often a port is tried that was free a moment before.
const ATTEMPTS: usize = 5;

/// A user of the team, by name and password.
pub(crate) const USER: (&str, &str) = ("ada", "a password");

/// A running proxy. Dropping it ends it.
pub(crate) struct Proxy {
    pub(crate) addr: SocketAddr,
    _process: Process,
    _folder: TempDir,
}

impl Proxy {
    /// A team's proxy, which knows one user and asks the service at `service`
    /// with `key`.
    pub(crate) fn of_team(service: SocketAddr, key: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (user, password) = USER;
        let files = [
            ("app.users", format!("{user}:{{PLAIN}}{password}\n")),
            (
                "d7-balance.key",
                format!("proxy_set_header Authorization \"Bearer {key}\";\n"),
            ),
        ];
        for (name, content) in &files {
            fs::write(folder.path().join(name), content).unwrap();
        }
        Self::start("team-proxy.conf", service, folder)
    }

    /// A proxy with the files of a frontend, in front of the service at `service`.
    pub(crate) fn of_frontend(service: SocketAddr) -> Self {
        let folder = tempfile::tempdir().unwrap();
        Self::start("static-frontend.conf", service, folder)
    }

    /// Starts nginx with a recipe in which nothing is replaced but addresses and
    /// paths. TLS is left out: it is not what is tested.
    fn start(recipe: &str, service: SocketAddr, folder: TempDir) -> Self {
        let top = Path::new(env!("CARGO_MANIFEST_DIR"));
        let recipe = fs::read_to_string(top.join("deploy/nginx").join(recipe)).unwrap();
        let is_of_tls = |line: &&str| line.trim().starts_with("ssl_");
        let recipe: String = recipe
            .lines()
            .filter(|line| !is_of_tls(line))
            .map(|line| format!("{line}\n"))
            .collect();
        let path = folder.path().display();
        let examples = top.join("deploy/examples");
        let recipe = recipe
            .replace("127.0.0.1:8080", &service.to_string())
            .replace("/etc/nginx", &path.to_string())
            .replace("/srv/app", &examples.display().to_string());
        for _ in 0..ATTEMPTS {
            let addr = free_addr();
            let recipe = recipe.replace("443 ssl", &addr.to_string());
            fs::write(folder.path().join("recipe.conf"), recipe).unwrap();
            let main = include_str!("nginx.conf").replace("@FOLDER@", &path.to_string());
            fs::write(folder.path().join("nginx.conf"), main).unwrap();
            let process = run(folder.path());
            if is_served(addr, &process) {
                return Self {
                    addr,
                    _process: process,
                    _folder: folder,
                };
            }
        }
        panic!("no free port in {ATTEMPTS} attempts");
    }

    /// Where it is for a browser.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.addr)
    }

    /// The same with what the user signs in by.
    pub(crate) fn url_of_user(&self, path: &str) -> String {
        let (user, password) = USER;
        let password = password.replace(' ', "%20");
        format!("http://{user}:{password}@{}{path}", self.addr)
    }

    /// A request, of nobody.
    pub(crate) fn request(&self, method: &str, path: &str) -> Request {
        Request::new(self.addr, method, path)
    }
}

fn run(folder: &Path) -> Process {
    let mut command = Command::new(program::find("nginx", "nginx"));
    command.args(["-e", "stderr", "-p"]).arg(folder);
    command.arg("-c").arg(folder.join("nginx.conf"));
    Process::spawn(command)
}

/// Waits until a proxy can be reached; false where another program has taken
/// its port.
fn is_served(addr: SocketAddr, process: &Process) -> bool {
    let is_refused = || process.stderr().contains("Address already in use");
    wait_until("the proxy is there", || {
        let is_there = TcpStream::connect(addr).is_ok();
        assert!(
            process.runs() || is_refused(),
            "nginx has ended: {}",
            process.stderr()
        );
        is_there
    });
    process.runs() && !is_refused()
}

fn free_addr() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap()
}
