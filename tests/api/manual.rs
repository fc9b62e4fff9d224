//! README.md against the program.

use std::{collections::BTreeSet, fs};

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

#[test]
fn every_code_is_in_the_manual() {
    let manual = manual();

    for code in d7_balance::http::problem::Code::ALL {
        let code = format!("`{}`", code.as_str());
        assert!(manual.contains(&code), "{code}");
    }
}
