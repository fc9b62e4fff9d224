//! Chromium and its driver, as Debian has them, and what is theirs alone.

use std::{fs, path::Path, process};

use fantoccini::wd::Capabilities;
use serde_json::{Value, json};

use crate::{command::Command, harness::process::Process, program};

/// The package that brings axe-core, and how to come by it.
const AXE: &str = "axe-playwright-python==0.1.8";

/// How often the driver picks a port. It takes one that is free for IPv6, and ends
/// where something has the same for IPv4, as the other tests' servers do.
const ATTEMPTS: usize = 5;

/// What it says then.
const PORT_TAKEN: &str = "IPv4 port not available";

/// Starts the driver on a port that it picks. Returns it with its URL.
pub(crate) fn start_driver() -> (Process, String) {
    (0..ATTEMPTS)
        .find_map(|_| start_driver_once())
        .unwrap_or_else(|| panic!("no free port in {ATTEMPTS} attempts"))
}

/// Nothing where the driver picked a port that is taken.
fn start_driver_once() -> Option<(Process, String)> {
    let mut command = process::Command::new(program::find("chromedriver", "chromium-driver"));
    // Pages show times of the day.
    command.arg("--port=0").env("TZ", "UTC");
    let driver = Process::spawn(command);
    let port = driver.wait_for("the driver tells its port", || {
        let said = driver.stdout();
        if said.contains(PORT_TAKEN) {
            return Some(None);
        }
        let (_, rest) = said.split_once("started successfully on port ")?;
        let (port, _) = rest.split_once('.')?;
        Some(Some(port.parse::<u16>().unwrap()))
    })?;
    Some((driver, format!("http://127.0.0.1:{port}")))
}

/// A browser without a window and a network but loopback's, that keeps what its
/// console is told.
pub(crate) fn capabilities(profile: &Path) -> Capabilities {
    let arguments = json!([
        "--headless",
        // There is none for root, nor in most containers.
        "--no-sandbox",
        // So that it ends with its driver, however that ends.
        "--remote-debugging-pipe",
        "--disable-gpu",
        "--disable-dev-shm-usage",
        "--disable-background-networking",
        "--no-proxy-server",
        "--no-first-run",
        "--lang=en-GB",
        format!("--user-data-dir={}", profile.display()),
    ]);
    let capabilities = json!({
        "browserName": "chrome",
        // Of the proxies that tests run.
        "acceptInsecureCerts": true,
        "goog:chromeOptions": {
            "binary": program::find("chromium", "chromium"),
            "args": arguments,
        },
        "goog:loggingPrefs": {"browser": "ALL"},
    });
    match capabilities {
        Value::Object(capabilities) => capabilities,
        other => unreachable!("an object was written: {other}"),
    }
}

/// axe-core as one script.
pub(crate) fn axe() -> String {
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("axe");
    let folder = target.join(AXE);
    fs::read_to_string(folder.join("axe_playwright_python/axe.min.js")).unwrap_or_else(|error| {
        panic!(
            "axe-core is missing ({error}): get it by \
             `python3 -m pip install --no-deps --target {} {AXE}`, or run tests/run",
            folder.display()
        )
    })
}

/// One of <https://chromedevtools.github.io/devtools-protocol/>.
pub(crate) fn devtools(name: &str, parameters: Value) -> Command {
    let body = json!({"cmd": name, "params": parameters});
    Command::new("goog/cdp/execute", body)
}

/// Reads what the console was told, once.
pub(crate) fn console() -> Command {
    Command::new("se/log", json!({"type": "browser"}))
}
