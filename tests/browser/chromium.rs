//! Chromium and its driver, as Debian has them, and what is theirs alone.

use std::{fs, path::Path, process};

use fantoccini::wd::Capabilities;
use serde_json::{Value, json};

use crate::{
    command::Command,
    harness::{process::Process, wait_until},
    program,
};

/// The package that brings axe-core, and how to come by it.
const AXE: &str = "axe-playwright-python==0.1.8";

/// Starts the driver on a port that it picks. Returns it with its URL.
pub(crate) fn start_driver() -> (Process, String) {
    let mut command = process::Command::new(program::find("chromedriver", "chromium-driver"));
    // Pages show times of the day.
    command.arg("--port=0").env("TZ", "UTC");
    let driver = Process::spawn(command);
    let find = || {
        let said = driver.stdout();
        let (_, rest) = said.split_once("started successfully on port ")?;
        let (port, _) = rest.split_once('.')?;
        port.parse::<u16>().ok()
    };
    wait_until("the driver tells its port", || {
        assert!(driver.runs(), "chromedriver has ended: {}", driver.stderr());
        find().is_some()
    });
    let url = format!("http://127.0.0.1:{}", find().unwrap());
    (driver, url)
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
