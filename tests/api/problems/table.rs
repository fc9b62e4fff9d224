//! `/problems`: the table of errors, for people and programs.

use d7_balance::http::problem::{Code, INTERNAL};

use crate::harness::TestApp;

#[test]
fn the_problem_pages_come_from_the_same_table_as_html_or_json() {
    let app = TestApp::start();
    let get = |path: &str, accept: &str| app.request("GET", path).header("accept", accept).send();

    let list = get("/problems", "application/json").json();

    let list = list.as_array().unwrap();
    assert_eq!(list.len(), Code::ALL.len());
    assert_eq!(Code::ALL.last(), Some(&INTERNAL));
    for (code, listed) in Code::ALL.into_iter().zip(list) {
        let (name, entry) = (code.as_str(), code.entry());
        assert_eq!(listed["code"], name);
        assert_eq!(listed["status"], entry.status);
        assert_eq!(
            &get(&format!("/problems/{name}"), "application/json").json(),
            listed
        );
        let page = get(&format!("/problems/{name}"), "text/html");
        assert_eq!(page.expect("content-type"), "text/html; charset=utf-8");
        assert_eq!(page.expect("vary"), "Accept");
        let html = page.text();
        assert!(html.contains(entry.title), "{name}");
        // In HTML what is code is marked up, and complete.
        assert!(!html.contains('`'), "{name}");
        let bearer = "<code>Authorization: Bearer d7b_…</code>";
        let has_bearer = entry.detail.contains("`Authorization: Bearer d7b_…`");
        assert_eq!(html.contains(bearer), has_bearer, "{name}");
    }
    for (accept, content_type) in [
        ("*/*", "text/html; charset=utf-8"),
        (
            "text/html, application/json;q=0.9",
            "text/html; charset=utf-8",
        ),
        ("application/json, text/html;q=0.9", "application/json"),
        ("application/problem+json", "application/json"),
        ("nonsense", "text/html; charset=utf-8"),
    ] {
        assert_eq!(
            get("/problems", accept).expect("content-type"),
            content_type,
            "{accept}"
        );
    }
    let without = app.request("GET", "/problems").send();
    assert_eq!(without.expect("content-type"), "text/html; charset=utf-8");
}
