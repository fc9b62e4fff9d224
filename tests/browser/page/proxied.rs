//! The page behind the proxy of the README.

use super::{AMOUNT, BADGE, FORM};
use crate::{browser::Browser, harness::TestApp, proxy::Proxy};

/// A service that is told where its pages are seen.
fn service(origin: &str) -> TestApp {
    TestApp::builder().set("D7B_PUBLIC_ORIGINS", origin).start()
}

/// Signs in by the form, looks at the balance and signs out.
fn visit(browser: &Browser, app: &TestApp) {
    browser.wait_for_text(FORM, "Your team’s key");
    browser.type_into("#key", &app.key);
    browser.click(".sign-in button");
    browser.wait_for_text(AMOUNT, "99.9999999");
    browser.wait_for_text(BADGE, "Fresh");
    let [session] = &browser.cookies()[..] else {
        panic!("there is one cookie");
    };
    assert_eq!(session.name(), "__Host-d7b_session");
    assert_eq!(session.secure(), Some(true));

    browser.click(".sign-out button");

    browser.wait_for_text(FORM, "Your team’s key");
    assert!(browser.cookies().is_empty());
    let ended = app
        .request("GET", "/balance")
        .header("cookie", &format!("{}={}", session.name(), session.value()))
        .send();
    assert_eq!(ended.code(), "unauthorized");
    browser.assert_quiet();
}

#[test]
fn a_visit_works_over_tls() {
    let (app, proxy) = Proxy::with_tls(service);
    let browser = Browser::start();

    browser.open(&format!("https://{}/", proxy.addr));

    visit(&browser, &app);
}

#[test]
fn a_visit_works_in_a_browser_that_names_no_site_and_runs_no_script() {
    let (app, proxy) = Proxy::of_older_browser(service);
    let browser = Browser::start();
    browser.set_script_off();

    browser.open(&proxy.url("/"));

    visit(&browser, &app);
}

#[test]
fn a_visit_works_in_a_browser_that_names_no_site() {
    let (app, proxy) = Proxy::of_older_browser(service);
    let browser = Browser::start();

    browser.open(&proxy.url("/"));

    visit(&browser, &app);
}
