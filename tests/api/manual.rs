//! README.md against the program.

use std::{collections::BTreeSet, fs, path::Path};

use crate::harness::process::{run, variables};

fn manual() -> String {
    fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap()
}

/// Every name of a setting in `text`.
fn settings(text: &str) -> BTreeSet<String> {
    let is_part = |c: char| c.is_ascii_uppercase() || c == '_';
    text.split("D7B_")
        .skip(1)
        .map(|rest| rest.split(|c| !is_part(c)).next().unwrap().to_owned())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn the_table_of_settings_lists_those_that_there_are_and_no_others() {
    let manual = manual();
    let table: String = manual
        .lines()
        .filter(|line| line.starts_with("| `D7B_"))
        .map(|line| line.split('|').nth(1).unwrap())
        .collect();
    let (token, keys) = ("t", format!("a:aaaaaaaa:{}", "a".repeat(64)));
    let inline = run(
        &["check-config"],
        variables([("D7B_TOKEN", token), ("D7B_KEYS", &keys)]),
    );

    let mut known = settings(&inline.stdout);
    known.extend(["TOKEN_FILE".to_owned(), "KEYS_FILE".to_owned()]);

    assert_eq!(settings(&table), known);
    for name in settings(&manual) {
        assert!(known.contains(&name), "README.md speaks of D7B_{name}");
    }
}

/// The names of events in the source: fields of that name, and the names that
/// its own macros are given.
fn events_of_the_source() -> BTreeSet<String> {
    fn collect(folder: &Path, events: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, events);
                continue;
            }
            let text = fs::read_to_string(&path).unwrap();
            let text: String = text.split_whitespace().collect();
            let macros = ["warn,\"", "info,\"", "error,\""].map(|level| format!("tell!({level}"));
            for begin in macros.iter().map(String::as_str).chain(["event=\""]) {
                for rest in text.split(begin).skip(1) {
                    events.insert(rest.split('"').next().unwrap().to_owned());
                }
            }
        }
    }
    let mut events = BTreeSet::new();
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/src");
    collect(Path::new(source), &mut events);
    events
}

#[test]
fn the_manual_lists_the_events_that_there_are_and_no_others() {
    let manual = manual();
    let (_, section) = manual.split_once("\n## Events\n").unwrap();
    let rows = section.lines().take_while(|line| !line.starts_with("## "));
    let listed = rows.filter_map(|row| row.strip_prefix("| `")?.split(" | ").next());
    let listed: BTreeSet<_> = listed
        .flat_map(|names| names.split(['`', ',', ' ']))
        .filter(|name| !name.is_empty())
        .map(str::to_owned)
        .collect();

    assert_eq!(listed, events_of_the_source());
}

#[test]
fn every_code_is_in_the_manual() {
    let manual = manual();

    for code in d7_balance::http::problem::Code::ALL {
        let code = format!("`{}`", code.as_str());
        assert!(manual.contains(&code), "{code}");
    }
}
