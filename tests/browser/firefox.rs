//! Firefox as Debian has it, its driver from crates.io, and what is theirs alone.

use std::{path::Path, process};

use fantoccini::wd::Capabilities;
use serde_json::json;

use crate::{command::Command, harness::process::Process, program};

/// The driver, and how to come by it.
const DRIVER: &str = "geckodriver@0.37.1";

// Scripts for the browser itself, each with one argument.

/// Makes the page so many pixels wide. The window cannot be as narrow as a phone.
pub(crate) const WIDTH: &str = "gBrowser.selectedBrowser.style.maxWidth = `${arguments[0]}px`";

/// Has pages prefer the colours `light` or `dark`.
pub(crate) const SCHEME: &str =
    "Services.prefs.setIntPref('ui.systemUsesDarkTheme', Number(arguments[0] === 'dark'))";

/// Switches the scripts of pages off.
pub(crate) const SCRIPT_OFF: &str = "Services.prefs.setBoolPref('javascript.enabled', false)";

/// Runs a script in each page that is opened from now on, before its own.
pub(crate) const PREPARE: &str = "
    const run = (script) => addEventListener('DOMWindowCreated', ({ target }) => {
        const page = target.defaultView;
        const own = { sandboxPrototype: page, wantXrays: false };
        Cu.evalInSandbox(script, new Cu.Sandbox(page, own));
    });
    const code = `(${run})(${JSON.stringify(arguments[0])})`;
    Services.mm.loadFrameScript(`data:,${encodeURIComponent(code)}`, true);";

/// Reads what the console was told of pages, once. The browser's own affairs are
/// in there, too.
pub(crate) const CONSOLE: &str = "
    const lines = Services.console.getMessageArray();
    Services.console.reset();
    return lines
        .filter((line) => line instanceof Ci.nsIScriptError && /^https?:/.test(line.sourceName))
        .map((line) => ({ message: `${line}` }));";

/// Starts the driver on a port that it picks. Returns it with its URL.
pub(crate) fn start_driver() -> (Process, String) {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name(DRIVER);
    let program = path.join("bin/geckodriver");
    assert!(
        program.is_file(),
        "geckodriver is missing: get it by `cargo install --locked --debug --root {} {DRIVER}`, \
         or run tests/run",
        path.display()
    );
    let mut command = process::Command::new(program);
    // Tests reach into the browser itself. Pages show times of the day.
    command
        .args(["--port=0", "--allow-system-access"])
        .env("TZ", "UTC");
    let driver = Process::spawn(command);
    let address = driver.wait_for("the driver tells its port", || {
        let said = driver.stdout();
        let (_, rest) = said.split_once("Listening on ")?;
        let (address, _) = rest.split_once('\n')?;
        Some(address.trim().to_owned())
    });
    (driver, format!("http://{address}"))
}

/// A browser without a window, a proxy and motion.
pub(crate) fn capabilities(profile: &Path) -> Capabilities {
    let capabilities = json!({
        "browserName": "firefox",
        // Of the proxies that tests run.
        "acceptInsecureCerts": true,
        "moz:firefoxOptions": {
            "binary": program::find("firefox-esr", "firefox-esr"),
            "args": ["-headless", "-profile", profile],
            "prefs": {
                "network.proxy.type": 0,
                "ui.prefersReducedMotion": 1,
            },
        },
    });
    serde_json::from_value(capabilities).unwrap()
}

/// Has scripts run in the browser itself, `chrome`, or in its page, `content`.
pub(crate) fn scope(name: &str) -> Command {
    Command::new("moz/context", json!({"context": name}))
}

/// Takes a picture of the whole page.
pub(crate) fn screenshot() -> Command {
    Command::question("moz/screenshot/full")
}
