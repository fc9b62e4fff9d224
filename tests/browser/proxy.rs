//! nginx with one of the recipes of `deploy/nginx`, or that of the README.

use std::{
    fs,
    net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    process::Command,
};

use tempfile::TempDir;

use crate::{
    harness::{Request, TestApp, process::Process},
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

    /// The proxy of the README, with TLS, in front of the service that `start`
    /// makes, which is told the origin that a browser sees.
    pub(crate) fn with_tls(start: impl Fn(&str) -> TestApp) -> (TestApp, Self) {
        Self::in_front_of(start, "https", |recipe| recipe)
    }

    /// The same without TLS, as a browser sees it that does not say where its
    /// requests come from.
    pub(crate) fn of_older_browser(start: impl Fn(&str) -> TestApp) -> (TestApp, Self) {
        let taken_away = "proxy_http_version 1.1;
            proxy_set_header Sec-Fetch-Site \"\";
            proxy_set_header Sec-Fetch-Mode \"\";
            proxy_set_header Sec-Fetch-Dest \"\";
            proxy_set_header Sec-Fetch-User \"\";";
        Self::in_front_of(start, "http", |recipe| {
            without_tls(&recipe).replace("proxy_http_version 1.1;", taken_away)
        })
    }

    fn in_front_of(
        start: impl Fn(&str) -> TestApp,
        scheme: &str,
        change: impl FnOnce(String) -> String,
    ) -> (TestApp, Self) {
        let readme = fs::read_to_string(top().join("README.md")).unwrap();
        let (_, recipe) = readme.split_once("```nginx\n").unwrap();
        let (recipe, _) = recipe.split_once("```").unwrap();
        let recipe = change(recipe.to_owned());
        let folder = tempfile::tempdir().unwrap();
        write_certificate(folder.path());
        Self::run(&recipe, folder, |addr| {
            let app = start(&format!("{scheme}://{addr}"));
            (app.addr, app)
        })
    }

    /// Starts nginx with a recipe in which nothing is replaced but addresses and
    /// paths. TLS is left out: it is not what is tested.
    fn start(recipe: &str, service: SocketAddr, folder: TempDir) -> Self {
        let recipe = fs::read_to_string(top().join("deploy/nginx").join(recipe)).unwrap();
        let ((), proxy) = Self::run(&without_tls(&recipe), folder, |_| (service, ()));
        proxy
    }

    /// Runs nginx at a free address, in front of the service that `behind` tells
    /// for that address. Returns what came with the service, too.
    fn run<T>(
        recipe: &str,
        folder: TempDir,
        behind: impl Fn(SocketAddr) -> (SocketAddr, T),
    ) -> (T, Self) {
        for _ in 0..ATTEMPTS {
            let addr = free_addr();
            let (service, of_service) = behind(addr);
            if let Some(process) = run(recipe, service, addr, folder.path()) {
                let proxy = Self {
                    addr,
                    _process: process,
                    _folder: folder,
                };
                return (of_service, proxy);
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

fn top() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn without_tls(recipe: &str) -> String {
    let is_of_tls = |line: &&str| line.trim().starts_with("ssl_");
    let lines = recipe.lines().filter(|line| !is_of_tls(line));
    let recipe: String = lines.map(|line| format!("{line}\n")).collect();
    recipe.replace("443 ssl", "443")
}

/// The files that the README's recipe names.
fn write_certificate(folder: &Path) {
    let names = vec![IpAddr::from(Ipv4Addr::LOCALHOST).to_string()];
    let issued = rcgen::generate_simple_self_signed(names).unwrap();
    fs::write(folder.join("balance.pem"), issued.cert.pem()).unwrap();
    fs::write(
        folder.join("balance.key"),
        issued.signing_key.serialize_pem(),
    )
    .unwrap();
}

/// Runs nginx at `addr`; nothing where another program has taken its port.
fn run(recipe: &str, service: SocketAddr, addr: SocketAddr, folder: &Path) -> Option<Process> {
    let path = folder.display().to_string();
    let examples = top().join("deploy/examples").display().to_string();
    let recipe = recipe
        .replace("127.0.0.1:8080", &service.to_string())
        .replace("/etc/nginx", &path)
        .replace("/etc/ssl", &path)
        .replace("/srv/app", &examples)
        .replace("listen 443", &format!("listen {addr}"));
    fs::write(folder.join("recipe.conf"), recipe).unwrap();
    let main = include_str!("nginx.conf").replace("@FOLDER@", &path);
    fs::write(folder.join("nginx.conf"), main).unwrap();
    let mut command = Command::new(program::find("nginx", "nginx"));
    command.args(["-e", "stderr", "-p"]).arg(folder);
    command.arg("-c").arg(folder.join("nginx.conf"));
    let process = Process::spawn(command);
    let is_there = process.wait_for("the proxy is there", || {
        let said = process.stderr();
        let is_taken = said.contains("Address already in use");
        // It says how it waits for events once it listens.
        (is_taken || said.contains("event method")).then_some(!is_taken)
    });
    is_there.then_some(process)
}

fn free_addr() -> SocketAddr {
    let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
    listener.local_addr().unwrap()
}
