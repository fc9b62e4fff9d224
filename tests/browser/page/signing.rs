//! Signing in and out, and the end of a session.

use std::time::Duration;

use serde_json::json;

use super::{AMOUNT, BADGE, FORM, NOT_SIGNED_IN, Scene, accessible::check_all};
use crate::harness::wait_until;

#[test]
fn a_key_in_the_form_leads_to_the_balance() {
    let scene = Scene::set();
    let browser = &scene.browser;
    browser.wait_for_text(FORM, "Your team’s key");

    scene.sign_in();

    browser.wait_for_text(BADGE, "Fresh");
    assert_eq!(browser.text(AMOUNT).unwrap(), "99.9999999");
    assert_eq!(browser.text(FORM).unwrap(), "");
    scene.assert_has_session();
    let page = browser.execute("return document.documentElement.outerHTML");
    assert!(!page.as_str().unwrap().contains(&scene.key.text));
    assert_eq!(scene.app.d7.count(), 1);
    browser.assert_quiet();
}

#[test]
fn a_key_that_is_not_accepted_leads_back_to_the_form_with_the_reason() {
    let scene = Scene::set();
    let browser = &scene.browser;

    scene.submit("d7b_00000000_nosuchkey");

    browser.wait_for_text(FORM, "This key was not accepted.");
    assert_eq!(browser.execute("return location.search"), "");
    assert!(browser.cookies().is_empty());
    assert_eq!(scene.app.d7.count(), 0);
    check_all(browser, "refused");
    browser.assert_quiet();
}

#[test]
fn signing_out_leads_to_the_form_and_going_back_shows_nothing() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    browser.assert_quiet();

    browser.click(".sign-out button");

    browser.wait_for_text(FORM, "You have signed out.");
    assert!(browser.cookies().is_empty());
    browser.back();
    browser.wait_for_text(FORM, "Your team’s key");
    assert_eq!(browser.text(AMOUNT).unwrap(), "");
    let page = browser.execute("return document.documentElement.outerHTML");
    assert!(!page.as_str().unwrap().contains("99.9999999"));
    browser.assert_quiet();
}

#[test]
fn a_session_ends_when_its_key_is_revoked() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    browser.assert_quiet();

    scene.revoke();

    browser.elapse_until(FORM, "Your session has ended.");
    assert_eq!(browser.text(AMOUNT).unwrap(), "");
    assert!(browser.cookies().is_empty());
    browser.assert_quiet_but(&[NOT_SIGNED_IN]);
    check_all(browser, "ended");
}

#[test]
fn a_session_ends_with_its_time() {
    let scene = Scene::signed_in();
    scene.app.advance(Duration::from_hours(12));

    scene.browser.elapse_until(FORM, "Your session has ended.");

    scene.browser.assert_quiet_but(&[NOT_SIGNED_IN]);
}

#[test]
fn a_tab_that_is_seen_again_finds_the_session_of_another_one() {
    let scene = Scene::set();
    let browser = &scene.browser;
    let first = browser.tab();
    browser.hide();
    browser.open_window();
    browser.open(&format!("http://{}/", scene.app.addr));
    scene.sign_in();
    browser.assert_quiet();

    browser.enter(&first);
    browser.show();

    browser.wait_for_text(AMOUNT, "99.9999999");
    browser.assert_quiet();
}

#[test]
fn an_answer_that_comes_after_signing_out_shows_nothing() {
    let scene = Scene::signed_in();
    let browser = &scene.browser;
    browser.wait_for_text(BADGE, "Fresh");
    // One that cannot be called back any more.
    for late in ["/balance", "/status", "/history"] {
        browser.execute(&format!(
            "const content = {{
                balance_text: '77.25', as_of: new Date().toISOString(), sms_count: 5,
            }};
            const answers = {{
                '/balance': content,
                '/status': {{
                    credential: {{ state: 'rejected' }},
                    upstream: {{ requests_last_hour: 8 }},
                    balance: {{ last_known: content, age: 0, ttl: 60, freshness: 'fresh' }},
                }},
                '/history': {{ samples: [content] }},
            }};
            window.isLate = false;
            answerWith((path, {{ method }}) => {{
                if (method === 'DELETE') return new Response(null, {{ status: 204 }});
                const [route] = path.split('?');
                const answer = Response.json(answers[route], {{ headers: {{ 'cache-status': 'd7-balance; hit; ttl=60' }} }});
                if (route !== '{late}') return answer;
                window.isLate = true;
                return new Promise((resolve) => {{ window.release = () => resolve(answer); }});
            }});"
        ));
        wait_until("an answer is late", || {
            browser.elapse();
            browser.execute("return isLate") == true
        });
        browser.click(".sign-out button");
        browser.wait_for_text(FORM, "You have signed out.");

        browser.execute("release()");

        let shown = browser.execute("return document.body.textContent");
        assert!(!shown.as_str().unwrap().contains("77.25"), "{late}");
        let state = browser.execute("return [document.title, document.body.dataset.credential]");
        assert_eq!(state, json!(["Sign in – d7-balance", "unproven"]), "{late}");
        browser.execute("answerWith(null)");
        scene.app.advance_s(61);
        browser.open(&format!("http://{}/", scene.app.addr));
        browser.wait_for_text(AMOUNT, "99.9999999");
    }
    browser.assert_quiet();
}
