//! A browser, and what a test does in it and asks of it.

mod checks;
mod kind;

use std::{fs, ops::RangeInclusive, path::Path, thread, time::Duration};

use fantoccini::{
    Client, ClientBuilder, Locator,
    cookies::Cookie,
    elements::Element,
    error::{CmdError, ErrorStatus},
    wd::WindowHandle,
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::{Builder, Runtime};

use self::kind::Kind;
use crate::{harness::process::Process, stopwatch::Stopwatch};

/// How long something is waited for that a page does, at most.
const PATIENCE: Duration = Duration::from_secs(20);

/// A running browser with a profile of its own. Dropping it ends it; where the
/// test has failed, a screenshot shows what was to be seen.
pub(crate) struct Browser {
    kind: Kind,
    client: Client,
    runtime: Runtime,
    _driver: Process,
    _profile: TempDir,
}

/// A tab, to come back to.
pub(crate) struct Tab(WindowHandle);

impl Browser {
    /// Starts Chromium with an empty tab, as wide as a desktop's, light, and with
    /// scripts on.
    pub(crate) fn start() -> Self {
        Self::start_as(Kind::Chromium)
    }

    /// The same with Firefox.
    pub(crate) fn start_firefox() -> Self {
        Self::start_as(Kind::Firefox)
    }

    fn start_as(kind: Kind) -> Self {
        let profile = tempfile::tempdir().unwrap();
        let (driver, url) = kind.start_driver();
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        let mut builder = ClientBuilder::new(HttpConnector::new());
        builder.capabilities(kind.capabilities(profile.path()));
        let client = runtime.block_on(builder.connect(&url)).unwrap();
        let browser = Self {
            kind,
            client,
            runtime,
            _driver: driver,
            _profile: profile,
        };
        browser.set_width(1280);
        browser.set_scheme("light");
        browser
    }

    /// Has the timers, clocks and answers of the tab's pages go on when the test
    /// says so: timers by [`Browser::elapse`], the rest as `timers.js` has it.
    pub(crate) fn hold_timers(&self) {
        self.prepare(include_str!("timers.js"));
    }

    /// Keeps back what answers the page's requests, and waits for one.
    pub(crate) fn hold_an_answer(&self) {
        self.execute("holdAnswers()");
        self.wait_for_held_answer();
    }

    /// Ends the page's timers over and over, until an answer is kept back.
    pub(crate) fn wait_for_held_answer(&self) {
        wait_for("an answer is held", || {
            self.elapse();
            match self.execute("return heldAnswers()").as_u64() {
                Some(0) | None => Err("none is".to_owned()),
                Some(_) => Ok(()),
            }
        });
    }

    /// Ends the timers of the page.
    pub(crate) fn elapse(&self) {
        self.execute("elapse()");
    }

    /// Waits until the page has one timer, and returns how long that is.
    pub(crate) fn wait_for_timer(&self) -> Duration {
        wait_for("the page waits", || {
            let waiting = self.execute("return waiting()");
            match waiting.as_array().map(Vec::as_slice) {
                Some([one]) => Ok(Duration::from_millis(one.as_u64().unwrap())),
                _ => Err(format!("its timers are {waiting}")),
            }
        })
    }

    /// Waits until one of the page's timers is so many seconds long.
    pub(crate) fn wait_for_timer_of(&self, seconds: RangeInclusive<f64>) {
        wait_for(&format!("the page waits for {seconds:?} s"), || {
            let waiting = self.execute("return waiting()");
            let timers = waiting.as_array().unwrap().iter();
            let mut timers = timers.map(|wait| wait.as_f64().unwrap() / 1000.0);
            match timers.any(|wait| seconds.contains(&wait)) {
                true => Ok(()),
                false => Err(format!("its timers are {waiting}")),
            }
        });
    }

    /// Ends the page's timers over and over, until an element says `text`.
    pub(crate) fn elapse_until(&self, css: &str, text: &str) {
        wait_for(&format!("{css} says {text:?}"), || {
            self.elapse();
            self.says(css, text)
        });
    }

    /// Hides the window, as a person does who goes on to another one.
    pub(crate) fn hide(&self) {
        self.run(self.client.minimize_window());
    }

    /// Shows the window again.
    pub(crate) fn show(&self) {
        self.run(self.client.set_window_size(1280, 800));
    }

    /// Opens a page and waits until it is loaded.
    pub(crate) fn open(&self, url: &str) {
        self.run(self.client.goto(url));
    }

    /// Opens another window with an empty tab, and goes on in that.
    pub(crate) fn open_window(&self) -> Tab {
        let new = self.run(self.client.new_window(false));
        let tab = Tab(new.handle);
        self.enter(&tab);
        tab
    }

    /// The tab that a test is in.
    pub(crate) fn tab(&self) -> Tab {
        Tab(self.run(self.client.window()))
    }

    /// Goes on in a tab.
    pub(crate) fn enter(&self, tab: &Tab) {
        self.run(self.client.switch_to_window(tab.0.clone()));
    }

    /// The cookies that the browser would send, were the page loaded now.
    pub(crate) fn cookies(&self) -> Vec<Cookie<'static>> {
        self.run(self.client.get_all_cookies())
    }

    /// Runs the body of a function in the page.
    pub(crate) fn execute(&self, script: &str) -> Value {
        self.run(self.client.execute(script, Vec::new()))
    }

    /// Runs the body of a function in the page, which calls `done` at its end.
    fn execute_until_done(&self, script: &str) -> Value {
        let script = format!("const done = arguments[0]; {script}");
        self.run(self.client.execute_async(&script, Vec::new()))
    }

    /// The text of an element as it is to be seen, if there is such an element.
    pub(crate) fn text(&self, css: &str) -> Option<String> {
        let find = async {
            let found = self.client.find(Locator::Css(css)).await?;
            found.text().await
        };
        match self.runtime.block_on(find) {
            Ok(text) => Some(text),
            Err(error) if is_gone(&error) => None,
            Err(error) => panic!("{css}: {error}"),
        }
    }

    /// Waits until an element is to be seen that says `text` among other things.
    pub(crate) fn wait_for_text(&self, css: &str, text: &str) {
        wait_for(&format!("{css} says {text:?}"), || self.says(css, text));
    }

    /// Waits until the title of the page says `text` among other things, and
    /// returns it.
    pub(crate) fn wait_for_title(&self, text: &str) -> String {
        wait_for(&format!("the title says {text:?}"), || {
            let title = self.execute("return document.title");
            match title.as_str() {
                Some(title) if title.contains(text) => Ok(title.to_owned()),
                _ => Err(format!("it says {title}")),
            }
        })
    }

    /// Whether an element says `text` among other things, or what it says.
    fn says(&self, css: &str, text: &str) -> Result<(), String> {
        match self.text(css) {
            Some(said) if said.contains(text) => Ok(()),
            said => Err(format!("it says {said:?}")),
        }
    }

    /// An element that has to be there.
    fn element(&self, css: &str) -> Element {
        self.run(self.client.find(Locator::Css(css)))
    }

    /// Clicks on an element.
    pub(crate) fn click(&self, css: &str) {
        self.run(self.element(css).click());
    }

    /// Types into an element.
    pub(crate) fn type_into(&self, css: &str, text: &str) {
        self.run(self.element(css).send_keys(text));
    }

    /// Presses a key, or types text, where the focus is.
    pub(crate) fn press(&self, keys: &str) {
        self.run(async { self.client.active_element().await?.send_keys(keys).await });
    }

    /// Goes back, as a person does.
    pub(crate) fn back(&self) {
        self.run(self.client.back());
    }

    fn run<T>(&self, command: impl Future<Output = Result<T, CmdError>>) -> T {
        self.runtime
            .block_on(command)
            .unwrap_or_else(|error| panic!("the browser: {error}"))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let end = async {
            if thread::panicking()
                && let Ok(png) = self.client.screenshot().await
            {
                let test = thread::current().name().unwrap_or("test").to_owned();
                save(&format!("failed-{}", test.replace("::", "-")), &png);
            }
            self.client.clone().close().await
        };
        let end = async { tokio::time::timeout(PATIENCE, end).await };
        // One that does not end by itself ends with its driver.
        drop(self.runtime.block_on(end));
    }
}

/// Polls until there is something, or tells what there is instead.
fn wait_for<T>(what: &str, mut look: impl FnMut() -> Result<T, String>) -> T {
    let watch = Stopwatch::start();
    loop {
        match look() {
            Ok(found) => return found,
            Err(instead) => assert!(watch.now() < PATIENCE, "waited in vain: {what}; {instead}"),
        }
        watch.pause(Duration::from_millis(10));
    }
}

/// Whether there is no such element, or no longer.
fn is_gone(error: &CmdError) -> bool {
    let gone = [
        ErrorStatus::NoSuchElement,
        ErrorStatus::StaleElementReference,
    ];
    let CmdError::Standard(error) = error else {
        return false;
    };
    // While one page takes the place of another, the driver has no status for it.
    gone.contains(&error.error) || error.message.contains("does not belong to the document")
}

fn save(name: &str, png: &[u8]) {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("screenshots");
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join(format!("{name}.png")), png).unwrap();
}
