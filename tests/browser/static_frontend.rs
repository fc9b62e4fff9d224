//! The recipe for a static frontend, whose people sign in with keys.

use std::time::Duration;

use d7_balance::simulator::{Simulator, answer};
use serde_json::json;

use crate::{
    browser::{Browser, Tab},
    harness::TestApp,
    proxy::Proxy,
};

/// What the recipe's server is called.
const ORIGIN: &str = "https://app.example.com";

const NOT_SIGNED_IN: &str = "status of 401";

/// A service, the proxy with the frontend's files, and a browser that sees the
/// form to sign in.
struct Scene {
    app: TestApp,
    _proxy: Proxy,
    browser: Browser,
}

impl Scene {
    fn set() -> Self {
        let app = TestApp::builder().set("D7B_PUBLIC_ORIGINS", ORIGIN).start();
        let proxy = Proxy::of_frontend(app.addr);
        let browser = Browser::start();
        browser.hold_timers();
        browser.open(&proxy.url("/sign-in.html"));
        let scene = Self {
            app,
            _proxy: proxy,
            browser,
        };
        scene.browser.elapse();
        scene.browser.wait_for_text("#sign-in", "Your key");
        scene.browser.assert_quiet_but(&[NOT_SIGNED_IN]);
        scene
    }

    /// Opens another tab, which shows the form, too.
    fn open_second_tab(&self) -> Tab {
        let browser = &self.browser;
        let url = browser.execute("return location.href");
        let tab = browser.open_window();
        browser.hold_timers();
        browser.open(url.as_str().unwrap());
        browser.elapse();
        browser.wait_for_text("#sign-in", "Your key");
        browser.assert_quiet_but(&[NOT_SIGNED_IN]);
        tab
    }

    /// Types a key in, and lets the page ask.
    fn sign_in(&self) {
        self.browser.type_into("#key", &self.app.key);
        self.browser.click("#sign-in button");
        self.poll();
        self.browser.wait_for_text("#balance", "99.9999999");
    }

    /// Lets the page ask.
    fn poll(&self) {
        self.browser.wait_for_timer();
        self.browser.elapse();
    }
}

#[test]
fn a_key_is_exchanged_for_a_cookie_that_no_script_sees() {
    let scene = Scene::set();
    let browser = &scene.browser;

    scene.sign_in();

    let cookies = browser.cookies();
    let [session] = &cookies[..] else {
        panic!("there is one cookie: {cookies:?}");
    };
    assert_eq!(session.name(), "__Host-d7b_session");
    assert_eq!(session.http_only(), Some(true));
    assert_eq!(session.secure(), Some(true));
    assert_eq!(session.same_site().unwrap().to_string(), "Strict");
    assert_eq!(session.path(), Some("/"));
    let kept = browser.execute(
        "return [
            document.cookie, document.getElementById('key').value,
            localStorage.length, sessionStorage.length, location.search,
        ]",
    );
    assert_eq!(kept, json!(["", "", 0, 0, ""]));
    let page = browser.execute("return document.documentElement.outerHTML");
    assert!(!page.as_str().unwrap().contains(&scene.app.key));
    browser.assert_quiet();
}

#[test]
fn signing_out_ends_the_session_and_offers_another_one() {
    let scene = Scene::set();
    let browser = &scene.browser;
    scene.sign_in();

    browser.click("#sign-out");

    // No time of before is ended: what is asked then could be answered either way.
    browser.wait_for_timer_of(0.0..=0.0);
    browser.elapse();
    browser.wait_for_text("#note", "You are signed out.");
    browser.wait_for_text("#sign-in", "Your key");
    assert!(browser.cookies().is_empty());
    browser.assert_quiet_but(&[NOT_SIGNED_IN]);
    scene.sign_in();
    browser.assert_quiet();
}

#[test]
fn a_session_that_is_over_ends_in_the_form_to_sign_in() {
    let scene = Scene::set();
    let browser = &scene.browser;
    scene.sign_in();
    scene.app.advance(Duration::from_hours(12));

    scene.poll();

    browser.wait_for_text("#sign-in", "Your key");
    assert!(browser.cookies().is_empty());
    browser.assert_quiet_but(&[NOT_SIGNED_IN]);
}

#[test]
fn a_key_that_is_not_accepted_is_told_so() {
    let scene = Scene::set();
    let browser = &scene.browser;

    browser.type_into("#key", "d7b_00000000_nosuchkey");
    browser.click("#sign-in button");

    browser.wait_for_text("#note", "This key is not accepted.");
    assert!(browser.cookies().is_empty());
    browser.assert_quiet_but(&[NOT_SIGNED_IN]);
}

#[test]
fn what_no_header_can_hold_is_told_to_be_no_key() {
    let scene = Scene::set();
    let browser = &scene.browser;
    // As in a page that has no such pattern.
    browser.execute("document.getElementById('key').removeAttribute('pattern')");

    for key in ["d7b_é", "d7b_✓", "d7b_\u{1f511}"] {
        browser.execute(&format!(
            "document.getElementById('note').textContent = '';
            document.getElementById('key').value = '{key}'"
        ));
        browser.click("#sign-in button");

        browser.wait_for_text("#note", "This key is not accepted.");
    }
    browser.assert_quiet_but(&[NOT_SIGNED_IN]);
}

#[test]
fn a_second_tab_signs_in_where_the_first_one_has() {
    let scene = Scene::set();
    let browser = &scene.browser;
    let first = browser.tab();
    let second = scene.open_second_tab();
    browser.enter(&first);
    scene.sign_in();

    browser.enter(&second);
    scene.sign_in();

    assert_eq!(browser.cookies().len(), 1);
    browser.assert_quiet_but(&["status of 400"]);
}

#[test]
fn a_key_is_not_lost_to_the_cookie_of_a_session_that_is_over() {
    let scene = Scene::set();
    let browser = &scene.browser;
    let first = browser.tab();
    let second = scene.open_second_tab();
    browser.enter(&first);
    scene.sign_in();
    browser.assert_quiet();
    let [before] = &browser.cookies()[..] else {
        panic!("there is a session");
    };
    scene.app.advance(Duration::from_hours(12));

    browser.enter(&second);
    scene.sign_in();

    let [after] = &browser.cookies()[..] else {
        panic!("there is a session");
    };
    assert_ne!(after.value(), before.value());
    browser.assert_quiet_but(&["status of 400", NOT_SIGNED_IN]);
}

#[test]
fn only_pages_of_the_frontends_origin_sign_in_through_the_proxy() {
    let app = TestApp::builder().set("D7B_PUBLIC_ORIGINS", ORIGIN).start();
    let proxy = Proxy::of_frontend(app.addr);
    let by = |name: &str, value: &str| {
        let request = proxy.request("POST", "/session").bearer(&app.key);
        request.header(name, value).send().status
    };

    assert_eq!(by("sec-fetch-site", "same-origin"), 204);
    assert_eq!(by("sec-fetch-site", "same-site"), 403);
    assert_eq!(by("sec-fetch-site", "cross-site"), 403);
    // From a browser that says no more than this.
    assert_eq!(by("origin", ORIGIN), 204);
    assert_eq!(by("origin", "https://evil.example.com"), 403);
    assert_eq!(by("origin", "http://localhost"), 403);
}

#[test]
fn nothing_but_the_balance_and_the_session_is_to_be_seen_through_the_proxy() {
    let app = TestApp::start();
    let proxy = Proxy::of_frontend(app.addr);

    for path in [
        "/balance",
        "/status",
        "/problems",
        "/metrics",
        "/api/",
        "/api/status",
    ] {
        let answer = proxy.request("GET", path).bearer(&app.key).send();

        assert_eq!(answer.status, 404, "{path}");
        assert_eq!(answer.header("x-request-id"), None, "{path}");
    }
}

#[test]
fn of_all_cookies_only_the_session_goes_through_the_proxy() {
    let balances = Simulator::start().unwrap();
    balances.always(answer(200, "{}"));
    let proxy = Proxy::of_frontend(balances.addr());
    let session = "__Host-d7b_session=a.b-c_d=";
    let two = format!("{session}; __Host-d7b_session=e");

    for (sent, goes_on) in [
        (session, Some(session)),
        (&format!("a=1; {session}; team=1"), Some(session)),
        (&format!("team=1;{session}"), Some(session)),
        (&two, Some(two.as_str())),
        (
            &format!("a=1; {session}; team=1; __Host-d7b_session=e; b=2"),
            Some(two.as_str()),
        ),
        ("team=1; not__Host-d7b_session=x", None),
        ("team=__Host-d7b_session=x", None),
        ("__host-d7b_session=x", None),
    ] {
        let request = proxy.request("GET", "/api/balance");
        assert_eq!(request.header("cookie", sent).send().status, 200);

        let heads = balances.heads();
        let head = heads.last().unwrap();
        let headers = head.lines().filter_map(|line| line.split_once(": "));
        let mut cookies = headers.filter(|(name, _)| name.eq_ignore_ascii_case("cookie"));
        assert_eq!(cookies.next().map(|(_, value)| value), goes_on, "{sent}");
    }
}

#[test]
fn two_sessions_are_none_through_the_proxy_either() {
    let app = TestApp::start();
    let proxy = Proxy::of_frontend(app.addr);
    let begun = app.request("POST", "/session").bearer(&app.key).send();
    let session = begun.expect("set-cookie").split(';').next().unwrap();
    let asked_with = |cookies: &str| {
        let request = proxy.request("GET", "/api/balance");
        request.header("cookie", cookies).send().status
    };

    assert_eq!(asked_with(&format!("team=1; {session}")), 200);
    assert_eq!(asked_with(&format!("{session}; {session}")), 401);
}

#[test]
fn the_form_and_the_balance_can_be_read_by_everyone_on_any_screen() {
    let scene = Scene::set();
    let browser = &scene.browser;
    let looks = [
        (360, "light"),
        (360, "dark"),
        (1280, "light"),
        (1280, "dark"),
    ];
    let look_at = |state: &str| {
        for (width, scheme) in looks {
            browser.set_width(width);
            browser.set_scheme(scheme);
            browser.assert_fits();
            browser.assert_accessible();
            browser.screenshot(&format!("{state}-{width}-{scheme}"));
        }
    };

    look_at("example-sign-in");
    scene.sign_in();
    look_at("example-signed-in");

    browser.assert_quiet();
}
