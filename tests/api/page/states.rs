//! What the page shows in each state, as a browser without JavaScript sees it.

use std::time::Duration;

use d7_balance::simulator::{REJECTION, answer, answer_with};

use super::{POLICY, inside, outside, shows};
use crate::{
    harness::{Response, TestApp},
    sessions::sign_in,
};

#[test]
fn whoever_is_not_signed_in_sees_the_form_and_nothing_of_the_account() {
    let app = TestApp::start();
    app.balance();

    let html = outside(&app).text();

    assert!(shows(
        &html,
        "visitor=signed-out refused limited ended left"
    ));
    assert!(!shows(&html, "visitor=signed-in"));
    for alert in ["visitor=refused", "visitor=limited", "visitor=ended"] {
        assert!(!shows(&html, alert), "{alert}");
    }
    for part in [
        "<form method=\"post\" action=\"/session\">",
        "<label for=\"key\">",
        "name=\"key\" type=\"password\"",
        "<title>Sign in – d7-balance</title>",
    ] {
        assert!(html.contains(part), "{part}");
    }
    for secret in ["99.9999999", "2026-11-23"] {
        assert!(!html.contains(secret), "{secret}");
    }
    assert_eq!(
        app.metric("d7b_denied_total{reason=\"missing\"}"),
        Some(0.0),
        "to look at the form is no failed attempt"
    );
}

/// The page with the cookie of a session, as a browser asks that navigates from
/// `site`.
fn resumed(app: &TestApp, path: &str, session: &str, site: &str) -> Response {
    app.request("GET", path)
        .header("cookie", &format!("__Host-d7b_session={session}"))
        .header("sec-fetch-site", site)
        .header("accept", "text/html,application/xhtml+xml,*/*;q=0.8")
        .send()
}

#[test]
fn a_session_shows_the_account_until_it_is_over_and_its_cookie_is_cleared() {
    let app = TestApp::start();
    app.balance();
    let session = sign_in(&app, &app.key);

    let typed = resumed(&app, "/", &session, "none");
    let led = resumed(&app, "/", &session, "same-origin");
    app.advance_s(12 * 3600);
    let over = resumed(&app, "/", &session, "none");

    for page in [typed, led] {
        assert!(shows(&page.text(), "visitor=signed-in"));
        assert!(page.text().contains("99.9999999"));
        assert_eq!(page.header("set-cookie"), None);
        assert!(!page.text().contains(&session));
    }
    assert_eq!(over.status, 200);
    assert!(shows(&over.text(), "visitor=ended"));
    assert!(!over.text().contains("99.9999999"));
    assert_eq!(
        over.expect("set-cookie"),
        "__Host-d7b_session=; Max-Age=0; Path=/; Secure; HttpOnly; SameSite=Strict"
    );
}

#[test]
fn from_another_site_the_form_is_shown_and_the_session_goes_on() {
    let app = TestApp::start();
    app.balance();
    let session = sign_in(&app, &app.key);

    let led = resumed(&app, "/", &session, "cross-site");

    let html = led.text();
    assert!(html.contains("data-visitor=\"signed-out\""));
    assert!(!html.contains("99.9999999"));
    assert_eq!(led.header("set-cookie"), None);
    let denied = app.metric("d7b_denied_total{reason=\"cross_site\"}");
    assert_eq!(denied, Some(0.0));
}

#[test]
fn why_nobody_is_signed_in_is_told_apart() {
    let app = TestApp::start();

    let refused = app.request("GET", "/?a=b&signin=failed").send();
    let again = resumed(&app, "/?signin=failed", "no-session", "same-origin");
    let ended = resumed(&app, "/?signin=other", "no-session", "same-origin");
    let revoked = app.request("GET", "/").bearer("d7b_no_more").send();
    let limited = app.request("GET", "/?signin=limited").send();

    for (page, shown, hidden) in [
        (refused, "visitor=refused", "visitor=ended"),
        (again, "visitor=refused", "visitor=ended"),
        (ended, "visitor=ended", "visitor=refused"),
        (revoked, "visitor=ended", "visitor=refused"),
        (limited, "visitor=limited", "visitor=refused"),
    ] {
        let html = page.text();
        assert!(shows(&html, shown) && !shows(&html, hidden), "{shown}");
        assert!(shows(
            &html,
            "visitor=signed-out refused limited ended left"
        ));
    }
}

#[test]
fn the_balance_is_shown_digit_by_digit_with_its_time_and_how_long_it_is_fresh() {
    let app = TestApp::start();
    app.d7
        .always(answer(200, r#"{"balance": 100.00, "sms_count": 7.50}"#));
    app.balance();
    app.advance(Duration::from_millis(12_500));

    let html = inside(&app).text();

    for part in [
        "<title>100.00 – d7-balance</title>",
        "data-length=\"short\" data-when=\"freshness=fresh renewing unconfirmed stale expired\">100.00</p>",
        "<time data-time=\"as_of\" datetime=\"2026-11-23T01:00:00.123Z\">2026-11-23 01:00:00 UTC</time>",
        "12 s old, fresh for 47 s",
        ">7.50</span> messages",
        "Asked <span data-text=\"requests\">once</span>",
    ] {
        assert!(html.contains(part), "{part}");
    }
    for condition in [
        "freshness=fresh",
        "credential=ok",
        "d7=well",
        "messages=told",
    ] {
        assert!(shows(&html, condition), "{condition}");
    }
    assert_eq!(reload(&html), Some(48), "then its time is over");
    for told in [
        "Fresh<noscript><span> when loaded</span></noscript>",
        "<noscript><p class=\"hint\">All of this is as of when the page was loaded.</p></noscript>",
    ] {
        assert!(html.contains(told), "{told}");
    }
}

#[test]
fn an_old_balance_is_marked_with_the_reason_in_words() {
    let app = TestApp::start();
    app.balance();
    app.advance_s(120);
    app.d7.always(answer(503, ""));
    app.balance();

    let html = inside(&app).text();

    for part in [
        "<title>Old: 99.9999999 – d7-balance</title>",
        "2 min old, past its time by 60 s",
        "<p class=\"reason\" data-text=\"reason\">D7 is unavailable.</p>",
        "D7 said 503.",
        "It is left alone until <time data-time=\"held_until\" datetime=\"2026-11-23T01:02:0",
    ] {
        assert!(html.contains(part), "{part}");
    }
    for condition in ["freshness=stale expired", "d7=failing", "held=yes"] {
        assert!(shows(&html, condition), "{condition}");
    }
    assert!(!shows(&html, "freshness=fresh"));
}

/// After how many seconds a browser loads the page again that runs no script.
fn reload(html: &str) -> Option<u64> {
    let (_, rest) = html.split_once("<noscript><meta http-equiv=\"refresh\" content=\"")?;
    let (seconds, _) = rest.split_once("\"></noscript>")?;
    seconds.parse().ok()
}

#[test]
fn without_a_script_the_page_is_loaded_again_when_there_may_be_news() {
    let of = |ttl: &str, age: u64| {
        let app = TestApp::builder().set("D7B_CACHE_TTL", ttl).start();
        app.balance();
        app.advance_s(age);
        // One that the page starts is not over before the page is made.
        let gate = app.hold(answer(503, ""));
        let html = inside(&app).text();
        gate.open();
        reload(&html)
    };
    assert_eq!(of("1m", 0), Some(61));
    assert_eq!(of("1m", 59), Some(3));
    // A newer one is on its way.
    assert_eq!(of("1m", 61), Some(3));
    assert_eq!(of("1s", 0), Some(3));
    assert_eq!(of("1d", 0), Some(3600));

    let app = TestApp::start();
    app.balance();
    for (pause, seconds) in [("120", 121), ("5", 60)] {
        app.advance_s(1000);
        let busy = answer_with(503, &format!("retry-after: {pause}\r\n"), "");
        app.d7.always(busy);
        app.balance();

        assert_eq!(reload(&inside(&app).text()), Some(seconds), "{pause}");
    }
    assert_eq!(reload(&outside(&app).text()), None, "a form is filled in");
}

#[test]
fn a_failure_that_is_over_is_still_told() {
    let app = TestApp::start();
    app.d7.next(answer(429, ""));
    app.balance();
    app.advance_s(60);
    app.balance();

    let html = inside(&app).text();

    assert!(shows(&html, "d7=well") && shows(&html, "past=failed"));
    assert!(html.contains(">D7 asks this service to slow down</span>"));
}

#[test]
fn a_rejected_token_is_told_with_what_to_do_and_nothing_of_d7s_own_text() {
    let app = TestApp::start();
    app.balance();
    app.advance_s(60);
    let rejection = REJECTION.replace("It looks like", "<b>It</b> looks like");
    app.d7.always(answer(401, &rejection));
    app.balance();
    app.wait_until_parked(1);
    app.advance(Duration::from_millis(500));
    app.wait_for_outcomes("upstream_unauthorized", 1);

    let html = inside(&app).text();

    assert!(shows(&html, "credential=rejected") && shows(&html, "d7=failing"));
    assert!(html.contains("data-freshness=\"expired\""));
    assert!(html.contains("D7 said 401, ACCESS_TOKEN_SIGNATURE_VERIFICATION_FAILED."));
    assert!(!html.contains("looks like"));
    // From the table, with its apostrophe made safe.
    assert!(html.contains("D7 did not accept this service&#39;s token."));
}

#[test]
fn where_nothing_is_known_and_d7_fails_the_reason_stands_there() {
    let app = TestApp::start();
    app.d7.always(answer(402, "{}"));
    app.balance();

    let html = inside(&app).text();

    assert!(shows(&html, "freshness=none"));
    assert!(html.contains("<title>No balance yet – d7-balance</title>"));
    assert!(html.contains("data-text=\"reason\">D7 asks for a payment.</p>"));
    assert!(reload(&html) >= Some(60), "to wait does not help soon");
}

#[test]
fn over_the_limit_the_page_is_429_and_says_so_without_a_figure() {
    let app = TestApp::builder().set("D7B_RATE_LIMIT", "2/h").start();
    let session = sign_in(&app, &app.key);
    let within = resumed(&app, "/", &session, "none");
    app.wait_for_refreshes(1);
    app.advance_s(60);

    let by_session = resumed(&app, "/", &session, "none");
    let by_key = inside(&app);

    assert_eq!(within.status, 200);
    assert!(!shows(&within.text(), "link=limited"));
    for over in [by_session, by_key] {
        assert_eq!(over.status, 429);
        for (name, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("content-security-policy", POLICY),
            ("cache-control", "no-store"),
            ("retry-after", "1740"),
            ("ratelimit", "\"client\";r=0;t=3540"),
        ] {
            assert_eq!(over.expect(name), value, "{name}");
        }
        for name in ["etag", "vary", "set-cookie"] {
            assert_eq!(over.header(name), None, "{name}");
        }
        let html = over.text();
        for condition in ["link=limited", "visitor=signed-in", "freshness=none"] {
            assert!(shows(&html, condition), "{condition}");
        }
        assert_eq!(reload(&html), Some(1741));
        assert!(html.contains("data-seconds=\"1740\""));
        for untold in [
            "d7=well unknown failing",
            "credential=unproven ok suspect rejected expiring",
        ] {
            assert!(!shows(&html, untold), "{untold}");
        }
        for part in [
            "<title>Asking too often – d7-balance</title>",
            "again <span data-text=\"retry\">in 29 min</span>",
            "Your team’s limit is reached.</p>",
        ] {
            assert!(html.contains(part), "{part}");
        }
        for figure in ["99.9999999", "2026-11-23"] {
            assert!(!html.contains(figure), "{figure}");
        }
    }
    assert_eq!(app.d7.count(), 1, "nothing is asked for it");
    let problems = "d7b_problems_total{code=\"rate_limited\"}";
    assert_eq!(app.metric(problems), Some(2.0));
}

#[test]
fn over_the_limit_a_program_gets_the_problem_of_the_page_too() {
    let app = TestApp::builder().set("D7B_RATE_LIMIT", "1/h").start();
    inside(&app);
    for accept in [None, Some("*/*"), Some("application/json, text/html;q=0.5")] {
        let request = app.request("GET", "/").bearer(&app.key);
        let over = match accept {
            Some(accept) => request.header("accept", accept).send(),
            None => request.send(),
        };

        assert_eq!(over.status, 429, "{accept:?}");
        assert_eq!(over.problem()["code"], "rate_limited", "{accept:?}");
        assert_eq!(over.expect("retry-after"), "3600", "{accept:?}");
    }
}

#[test]
fn what_the_browser_has_of_the_page_is_no_way_round_the_limit() {
    let app = TestApp::builder().set("D7B_RATE_LIMIT", "1/h").start();
    let known = || {
        app.request("GET", "/")
            .bearer(&app.key)
            .header("if-none-match", "*")
    };

    assert_eq!(known().send().status, 304);
    assert_eq!(known().send().status, 429);
    let head = app.request("HEAD", "/").bearer(&app.key).send();

    assert_eq!(head.status, 429);
    assert_eq!(head.expect("retry-after"), "3600");
}

#[test]
fn a_hundred_digits_come_out_as_they_came_in() {
    let app = TestApp::start();
    let digits = format!("-{}.{}", "1234567890".repeat(6), "0987654321".repeat(4));
    app.d7
        .always(answer(200, &format!("{{\"balance\": {digits}}}")));
    app.balance();

    let html = inside(&app).text();

    assert!(html.contains(&format!(">{digits}</p>")));
    assert!(html.contains("data-length=\"longest\""));
}
