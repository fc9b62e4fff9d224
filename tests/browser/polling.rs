//! The example of a frontend that polls, in a browser, behind a team's proxy.

use std::time::Duration;

use d7_balance::simulator::{answer, answer_with};
use serde_json::json;

use crate::{
    browser::Browser,
    harness::{TestApp, wait_until},
    proxy::Proxy,
};

/// How often the example asks.
const EVERY: Duration = Duration::from_secs(15);

/// Has the page's clocks move beyond the time to live.
const TO_OLD_AGE: &str = "pass(61)";

/// A service, a team's proxy in front of it, and a browser in which the team's
/// user has signed in and sees the example.
struct Scene {
    app: TestApp,
    proxy: Proxy,
    browser: Browser,
}

impl Scene {
    fn set() -> Self {
        let app = TestApp::start();
        let proxy = Proxy::of_team(app.addr, &app.key);
        let browser = Browser::start();
        browser.hold_timers();
        // A page whose own address has a password in it could not fetch, and does
        // not come to it.
        browser.open(&proxy.url_of_user("/"));
        browser.open(&proxy.url("/"));
        Self {
            app,
            proxy,
            browser,
        }
    }

    /// Lets the page ask, and waits until it has its answer.
    fn poll(&self) -> Duration {
        self.browser.elapse();
        self.browser.wait_for_timer()
    }

    /// The same, where it has to be told something.
    fn poll_until_told(&self, note: &str) -> Duration {
        let wait = self.poll();
        self.browser.wait_for_text("#note", note);
        wait
    }

    /// How many requests of the team the service has answered.
    fn answered(&self, class: &str) -> f64 {
        let series = format!("d7b_requests_total{{client=\"billing\",status_class=\"{class}\"}}");
        self.app.metric(&series).unwrap_or_default()
    }
}

#[test]
fn the_browser_asks_for_what_it_has_already_with_its_etag() {
    let scene = Scene::set();

    let wait = scene.poll();

    scene.browser.wait_for_text("#balance", "99.9999999");
    assert_eq!(wait, EVERY);
    assert_eq!((scene.answered("2xx"), scene.answered("3xx")), (1.0, 0.0));
    for confirmed in 1..4 {
        scene.poll();
        assert_eq!(scene.answered("3xx"), f64::from(confirmed));
    }
    assert_eq!(scene.answered("2xx"), 1.0);
    assert_eq!(scene.browser.text("#balance").unwrap(), "99.9999999");
    scene.browser.assert_quiet();
}

#[test]
fn another_balance_is_seen_at_the_next_poll_in_all_its_digits() {
    let scene = Scene::set();
    scene.poll();
    scene.browser.wait_for_text("#balance", "99.9999999");
    let digits = "-1234567890123456789012345678901234567890.12345678901234567890";
    let body = format!("{{\"balance\": {digits}}}");
    scene.app.d7.always(answer(200, &body));
    scene.app.advance_s(120);

    scene.poll();

    scene.browser.wait_for_text("#balance", digits);
    scene.browser.assert_quiet();
}

#[test]
fn a_balance_past_its_time_is_marked_as_old() {
    let scene = Scene::set();
    scene.poll_until_told("As of");
    scene.app.advance_s(75);

    let wait = scene.poll_until_told("Old: of");

    assert_eq!(wait, EVERY);
    scene.browser.wait_for_text("#balance.old", "99.9999999");
    scene.app.wait_for_refreshes(2);
    scene.poll_until_told("As of");
    scene
        .browser
        .wait_for_text("#balance:not(.old)", "99.9999999");
    scene.browser.assert_quiet();
}

#[test]
fn a_balance_grows_old_by_itself_before_the_next_answer() {
    let scene = Scene::set();
    let browser = &scene.browser;
    scene.poll_until_told("As of");
    browser.hold_an_answer();

    browser.execute(TO_OLD_AGE);

    browser.wait_for_text("#note", "Old: of");
    browser.wait_for_text("#balance.old", "99.9999999");
    browser.execute("releaseAnswers()");
    // It was that long on the way, and counts from when it was asked for.
    assert_eq!(browser.wait_for_timer(), EVERY);
    browser.wait_for_text("#balance.old", "99.9999999");
    scene.poll_until_told("As of");
    browser.assert_quiet();
}

#[test]
fn a_tab_that_is_seen_again_shows_what_has_grown_old_before_it_asks() {
    let scene = Scene::set();
    let browser = &scene.browser;
    // Then nothing but being seen again can tell.
    browser.prepare("window.setInterval = () => 0");
    browser.open(&scene.proxy.url("/"));
    scene.poll_until_told("As of");
    browser.hide();
    browser.execute(TO_OLD_AGE);

    browser.show();

    browser.wait_for_text("#note", "Old: of");
    assert_eq!(browser.wait_for_timer(), Duration::ZERO);
    scene.poll_until_told("As of");
    browser.assert_quiet();
}

#[test]
fn a_pause_is_kept_as_it_is_asked_for_up_to_an_hour() {
    let scene = Scene::set();
    let browser = &scene.browser;
    scene.poll_until_told("As of");
    let every = EVERY.as_secs();
    // As of a proxy in front of the service.
    for (pause, seconds) in [
        ("'70'", 70),
        ("'9999999999'", 3600),
        ("'Fri, 31 Dec 9999 23:59:59 GMT'", 3600),
        ("'Thu, 01 Jan 1970 00:00:00 GMT'", every),
        ("'-70'", every),
        ("'soon'", every),
    ] {
        browser.execute(&format!(
            "const headers = {{ 'retry-after': {pause} }};
            answerWith(() => Response.json({{ title: 'Away' }}, {{ status: 503, headers }}));"
        ));

        let wait = scene.poll_until_told("Away.");

        assert_eq!(wait, Duration::from_secs(seconds), "{pause}");
    }
    browser.assert_quiet();
}

#[test]
fn the_pause_of_an_answer_that_is_no_json_is_kept_too() {
    let scene = Scene::set();
    let browser = &scene.browser;
    scene.poll_until_told("As of");
    // As nginx answers by itself.
    browser.execute(
        "const headers = { 'retry-after': '120', 'content-type': 'text/html' };
        answerWith(() => new Response('<h1>Away</h1>', { status: 503, headers }));",
    );

    let wait = scene.poll_until_told("No answer from the service");

    assert_eq!(wait, Duration::from_secs(120));
    browser.wait_for_text("#balance.old", "99.9999999");
    browser.assert_quiet();
}

#[test]
fn json_of_somebody_else_is_no_answer_and_leaves_the_last_balance() {
    let scene = Scene::set();
    let browser = &scene.browser;
    for status in [200, 503] {
        for body in ["{}", "null", "[]", "{ balance_text: 7, title: 7 }"] {
            browser.execute("answerWith(null)");
            scene.poll_until_told("As of");
            browser.execute(&format!(
                "answerWith(() => Response.json({body}, {{ status: {status} }}))"
            ));

            let wait = scene.poll_until_told("No answer from the service");

            assert_eq!(wait, EVERY);
            browser.wait_for_text("#balance.old", "99.9999999");
        }
    }
    browser.assert_quiet();
}

#[test]
fn a_page_that_is_signed_out_is_told_of_nothing_else() {
    let scene = Scene::set();
    let browser = &scene.browser;
    browser.execute(
        "answerWith(() => new Response('{}', { status: 401 }));
        import('/polling.js').then(({ pollBalance }) => {
            pollBalance((state) => { window.told = state; });
        });",
    );

    wait_until("the page is told", || {
        browser.elapse();
        browser.execute("return 'told' in window") == true
    });

    let told = browser.execute("return [told.signedOut, told.problem === undefined, told.old]");
    assert_eq!(told, json!([true, true, true]));
}

#[test]
fn on_an_error_the_last_balance_is_shown_as_old_and_retry_after_is_obeyed() {
    let scene = Scene::set();
    scene.poll_until_told("As of");
    let busy = answer_with(503, "retry-after: 120\r\n", "{}");
    scene.app.d7.always(busy);
    // Past the time in which an error hides behind it.
    scene.app.advance_s(60 + 15 * 60);

    let wait = scene.poll_until_told("D7 is unavailable");

    assert_eq!(wait, Duration::from_secs(120));
    scene.browser.wait_for_text("#note", "Old: of");
    scene.browser.wait_for_text("#balance.old", "99.9999999");
    scene.browser.assert_quiet_but(&["status of 503"]);
    scene.app.d7.always(answer(200, "{\"balance\": 5}"));
    scene.app.advance_s(120);
    assert_eq!(scene.poll_until_told("As of"), EVERY);
    scene.browser.wait_for_text("#balance:not(.old)", "5");
    scene.browser.assert_quiet();
}

#[test]
fn a_network_that_fails_is_told_and_asked_again() {
    let scene = Scene::set();
    scene.poll_until_told("As of");
    let Scene {
        app: _app,
        proxy,
        browser,
    } = scene;
    drop(proxy);

    browser.elapse();

    browser.wait_for_text("#note", "No answer from the service");
    browser.wait_for_text("#balance.old", "99.9999999");
    assert_eq!(browser.wait_for_timer(), EVERY);
    browser.assert_quiet_but(&["ERR_CONNECTION_REFUSED"]);
}

#[test]
fn a_hidden_tab_asks_for_nothing_and_at_once_when_it_is_seen_again() {
    let scene = Scene::set();
    let browser = &scene.browser;
    scene.poll_until_told("As of");

    browser.hide();

    assert_eq!(browser.execute("return document.hidden"), true);
    assert_eq!(browser.execute("return waiting().length"), 0);
    browser.show();
    assert_eq!(browser.wait_for_timer(), Duration::ZERO);
    assert_eq!(scene.poll(), EVERY);
    assert_eq!(scene.answered("3xx"), 1.0);
}

#[test]
fn ten_polling_pages_cause_one_request_to_d7_in_each_time_to_live() {
    let scene = Scene::set();
    let mut tabs = vec![scene.browser.tab()];
    for _ in 1..10 {
        tabs.push(scene.browser.open_window());
        scene.browser.hold_timers();
        scene.browser.open(&scene.proxy.url("/"));
    }

    for lifetime in 1..=3 {
        for _ in 0..4 {
            for tab in &tabs {
                scene.browser.enter(tab);
                // Who comes at the end of the time to live gets an old one.
                scene.poll_until_told(" of ");
            }
            scene.app.advance(EVERY);
        }
        assert_eq!(scene.app.d7.count(), lifetime);
    }
    assert_eq!(scene.answered("2xx") + scene.answered("3xx"), 120.0);
}

#[test]
fn the_example_can_be_read_by_everyone_on_any_screen() {
    let scene = Scene::set();
    let browser = &scene.browser;
    let body = format!("{{\"balance\": {}.5}}", "9".repeat(100));
    scene.app.d7.always(answer(200, &body));
    for (width, scheme) in [
        (360, "light"),
        (360, "dark"),
        (1280, "light"),
        (1280, "dark"),
    ] {
        browser.set_width(width);
        browser.set_scheme(scheme);
        browser.open(&scene.proxy.url("/"));

        scene.poll_until_told("As of");

        browser.assert_fits();
        browser.assert_still();
        browser.assert_accessible();
        browser.assert_quiet();
        browser.screenshot(&format!("example-{width}-{scheme}"));
    }
}
