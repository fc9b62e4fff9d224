//! The page's files: how they are served, and what must not be in them.

use std::{fs, path::Path};

use aws_lc_rs::digest;
use d7_balance::balance::{credential::standing::CredentialState, outlook::Freshness};

use super::{inside, outside};
use crate::harness::{Response, TestApp};

/// The paths of the files that `text` refers to.
fn assets(text: &str) -> Vec<String> {
    let absolute = text.split("\"/assets/").skip(1);
    let relative = text.split("from \"./").skip(1);
    absolute
        .chain(relative)
        .map(|rest| format!("/assets/{}", rest.split('"').next().unwrap()))
        .collect()
}

/// All files of the page: those that it names, and those that these name.
pub(crate) fn all_assets(app: &TestApp) -> Vec<(String, Response)> {
    let mut found: Vec<(String, Response)> = Vec::new();
    let mut named = assets(&outside(app).text());
    while let Some(path) = named.pop() {
        if found.iter().all(|(known, _)| *known != path) {
            let file = app.request("GET", &path).send();
            named.extend(assets(&file.text()));
            found.push((path, file));
        }
    }
    found
}

/// The page's own files in the source, without those of others.
fn own_sources() -> Vec<(String, String)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/http/page");
    let mut sources = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let extension = path.extension().and_then(|end| end.to_str());
        if let Some("html" | "css" | "js" | "svg") = extension {
            let text = fs::read_to_string(&path).unwrap();
            sources.push((path.display().to_string(), text));
        }
    }
    assert!(sources.len() >= 5);
    sources
}

#[test]
fn every_file_is_served_for_good_under_a_name_that_tells_its_content() {
    let app = TestApp::start();

    let files = all_assets(&app);

    assert_eq!(files.len(), 10, "icon, two style sheets, seven scripts");
    for (path, file) in &files {
        assert_eq!(file.status, 200, "{path}");
        let cached = "public, max-age=31536000, immutable";
        assert_eq!(file.expect("cache-control"), cached, "{path}");
        let (stem, extension) = path.rsplit_once('.').unwrap();
        let content_type = match extension {
            "css" => "text/css; charset=utf-8",
            "js" => "text/javascript; charset=utf-8",
            "svg" => "image/svg+xml",
            _ => panic!("what is {path}?"),
        };
        assert_eq!(file.expect("content-type"), content_type);
        let hash = digest::digest(&digest::SHA256, &file.body);
        let hash: String = hash.as_ref()[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert!(stem.ends_with(&format!(".{hash}")), "{path} has {hash}");
        let head = app.request("HEAD", path).send();
        assert_eq!(head.expect("content-length"), file.body.len().to_string());
    }
    for unknown in [
        "/assets/page.js",
        "/assets/page.0123456789abcdef.js",
        "/assets/..%2fpage.html",
    ] {
        assert_eq!(app.request("GET", unknown).send().code(), "not_found");
    }
}

#[test]
fn the_whole_page_is_under_150_kib() {
    let app = TestApp::start();
    app.balance();

    let files = all_assets(&app);

    let sizes = files.iter().map(|(_, file)| file.body.len());
    let sum = sizes.sum::<usize>() + inside(&app).body.len();
    assert!(sum < 150 * 1024, "{sum} bytes");
}

#[test]
fn every_state_has_its_words() {
    let (_, html) = own_sources()
        .into_iter()
        .find(|(path, _)| path.ends_with("page.html"))
        .unwrap();
    let conditions: Vec<(&str, Vec<&str>)> = html
        .split("data-when=\"")
        .skip(1)
        .map(|rest| rest.split('"').next().unwrap().split_once('=').unwrap())
        .map(|(state, words)| (state, words.split(' ').collect()))
        .collect();
    let has_words = |state: &str, word: &str| {
        conditions
            .iter()
            .any(|(known, words)| *known == state && words.contains(&word))
    };

    for state in CredentialState::ALL {
        assert!(has_words("credential", state.as_str()), "{state:?}");
    }
    for freshness in Freshness::ALL {
        assert!(has_words("freshness", freshness.as_str()), "{freshness:?}");
    }
}

#[test]
fn nothing_is_inline_and_nothing_comes_from_another_host() {
    for (path, text) in own_sources() {
        let text = text.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for forbidden in [
            "://",
            "\"//",
            "'//",
            "url(//",
            "javascript:",
            "data:",
            "@import",
            "<style",
            "style=\"",
            "eval(",
            "new Function",
            "innerHTML",
            "insertAdjacentHTML",
            "document.write",
            "localStorage",
            "document.cookie",
        ] {
            assert!(!text.contains(forbidden), "{path} has {forbidden}");
        }
        for script in text.split("<script").skip(1) {
            assert!(script.starts_with(" src=\"/assets/"), "{path}");
        }
        for (at, _) in text.match_indices(" on") {
            let word = text[at + 3..].split(|c: char| !c.is_ascii_lowercase());
            let rest = &text[at + 3 + word.clone().next().unwrap().len()..];
            assert!(!rest.starts_with("=\""), "{path} has a handler in its HTML");
        }
    }
}
