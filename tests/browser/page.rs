//! The service's own page.

mod accessible;
mod age;
mod demo;
mod faults;
mod firefox;
mod keyboard;
mod messages;
mod proxied;
mod signing;
mod together;
mod told;
mod without_script;

use std::{fs, ops::RangeInclusive, thread};

use d7_balance::{
    callers::{KeyRecord, file::record, key::NewKey},
    simulator::{REJECTION, answer},
};
use secrecy::ExposeSecret;
use tempfile::TempDir;

use crate::{
    browser::Browser,
    harness::{Request, TestApp},
};

const AMOUNT: &str = "[data-text=balance]";
const BADGE: &str = ".badge";
const REASON: &str = "[data-text=reason]";
const FORM: &str = ".sign-in";

/// Past the time to live, and past that in which a stale balance is answered
/// while a refresh runs.
const TO_REFRESH: u64 = 60 + 60;

/// For how long, in seconds, a page waits that has just got a fresh balance: less
/// than its time to live by what the answer has taken.
const TO_NEXT_LOOK: RangeInclusive<f64> = 30.0..=60.0;

/// What the console is told where the page is answered with an error.
const NOT_SIGNED_IN: &str = "status of 401";

/// A key, and its record.
struct Key {
    text: String,
    record: String,
}

impl Key {
    fn of(client: &str) -> Self {
        let new = NewKey::generate().unwrap();
        Self {
            text: new.key.expose_secret().to_owned(),
            record: record(&KeyRecord {
                client: client.to_owned(),
                id: new.id,
                digest: new.digest,
                expires: None,
                rate_limit: None,
            }),
        }
    }
}

/// A service with its keys in a file, and a browser that is at its page.
struct Scene {
    app: TestApp,
    browser: Browser,
    folder: TempDir,
    key: Key,
}

impl Scene {
    /// Not signed in.
    fn set() -> Self {
        Self::set_with(Browser::hold_timers)
    }

    /// The same, with something done to the browser before.
    fn set_with(prepare: impl FnOnce(&Browser)) -> Self {
        Self::with(&[], prepare)
    }

    /// The same, with settings of the service.
    fn with(settings: &[(&str, &str)], prepare: impl FnOnce(&Browser)) -> Self {
        Self::place(Browser::start(), settings, prepare)
    }

    /// The same in a browser.
    fn set_in(browser: Browser, prepare: impl FnOnce(&Browser)) -> Self {
        Self::place(browser, &[], prepare)
    }

    fn place(browser: Browser, settings: &[(&str, &str)], prepare: impl FnOnce(&Browser)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let key = Key::of("billing");
        let file = folder.path().join("keys.toml");
        fs::write(&file, &key.record).unwrap();
        let keys = ("D7B_KEYS_FILE", file.to_str().unwrap());
        let app = settings
            .iter()
            .chain([&keys])
            .fold(TestApp::builder(), |app, (name, value)| {
                app.set(name, value)
            })
            .start();
        prepare(&browser);
        browser.open(&format!("http://{}/", app.addr));
        Self {
            app,
            browser,
            folder,
            key,
        }
    }

    /// Signed in by the form, with the page's script at rest: it has the buttons, and
    /// nothing that it has asked for meets what the test does next.
    fn signed_in() -> Self {
        let scene = Self::set();
        scene.sign_in();
        scene.browser.wait_for_timer_of(TO_NEXT_LOOK);
        scene
    }

    /// Signs in by the form.
    fn sign_in(&self) {
        self.submit(&self.key.text);
        self.browser.wait_for_text(AMOUNT, "99.9999999");
    }

    /// The browser has the cookie, and no script can read it.
    fn assert_has_session(&self) {
        let cookies = self.browser.cookies();
        assert_eq!(cookies.len(), 1);
        assert_eq!(cookies[0].name(), "__Host-d7b_session");
        assert_eq!(cookies[0].secure(), Some(true));
        assert_eq!(cookies[0].http_only(), Some(true));
    }

    /// Sends the form with a key.
    fn submit(&self, key: &str) {
        // A page that is loaded looks for a session first.
        self.browser.wait_for_text(FORM, "Your team’s key");
        self.browser.type_into("#key", key);
        self.browser.click(".sign-in button");
    }

    /// Has the service see these balances, five minutes apart.
    fn see(&self, balances: &[&str]) {
        for balance in balances {
            self.app.advance_s(300);
            let body = format!("{{\"balance\": {balance}, \"sms_count\": 4711}}");
            self.app.d7.always(answer(200, &body));
            assert_eq!(self.balance_request().send().status, 200);
        }
    }

    /// Has D7 reject the token, and the service know it for certain.
    fn reject_token(&self) {
        self.app.d7.always(answer(401, REJECTION));
        self.app.advance_s(TO_REFRESH);
        let request = self.balance_request();
        let waiting = thread::spawn(move || request.send());
        self.app.wait_until_parked(1);
        self.app.advance_s(1);
        assert_eq!(waiting.join().unwrap().code(), "upstream_unauthorized");
    }

    fn balance_request(&self) -> Request {
        self.app.request("GET", "/balance").bearer(&self.key.text)
    }

    /// Takes the key out of the file.
    fn revoke(&self) {
        let other = Key::of("web");
        fs::write(self.folder.path().join("keys.toml"), other.record).unwrap();
        self.app.hang_up();
    }
}
