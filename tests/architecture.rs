//! The rules that the source is built by, read off the source itself: which room
//! may use which, how large a file may be, and what belongs in one place only.
#![allow(
    clippy::unwrap_used,
    reason = "`allow-unwrap-in-tests` does not reach helper functions of integration tests"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// What each room may use of its siblings. A room is a file right under `src`
/// with the folder of the same name.
const MAY_USE: [(&str, &[&str]); 18] = [
    (
        "main",
        &[
            "app",
            "cli",
            "clock",
            "config",
            "demo",
            "shutdown",
            "telemetry",
        ],
    ),
    ("lib", &[]),
    ("alerts", &["balance", "clock", "metrics", "secret_file"]),
    (
        "app",
        &[
            "alerts",
            "balance",
            "callers",
            "clock",
            "config",
            "http",
            "metrics",
            "reload",
            "secret_file",
            "shutdown",
            "telemetry",
            "upstream",
        ],
    ),
    ("balance", &["clock", "metrics"]),
    ("callers", &["clock", "metrics"]),
    ("cli", &["callers", "config"]),
    ("clock", &[]),
    ("config", &[]),
    (
        "demo",
        // A fault has the name of its error, and is put round the source of
        // balances, or is a signal.
        &[
            "app",
            "balance",
            "callers",
            "config",
            "http",
            "shutdown",
            "simulator",
        ],
    ),
    ("http", &["balance", "callers", "clock", "metrics"]),
    ("metrics", &[]),
    (
        "reload",
        &["balance", "callers", "clock", "metrics", "secret_file"],
    ),
    ("secret_file", &[]),
    ("shutdown", &[]),
    ("simulator", &[]),
    // The settings of the log, and nothing else of `config`.
    ("telemetry", &["clock", "config"]),
    ("upstream", &["balance", "metrics", "secret_file"]),
];

/// Libraries that a room must not name.
const MUST_NOT_NAME: [(&str, &[&str]); 9] = [
    ("alerts", &["actix_web", "actix_http"]),
    ("balance", &["actix_web", "actix_http", "awc"]),
    ("callers", &["actix_web", "actix_http", "awc"]),
    ("clock", &["actix_web", "actix_http", "awc"]),
    ("config", &["actix_web", "actix_http", "awc"]),
    ("http", &["awc", "rustls"]),
    ("metrics", &["actix_web", "actix_http", "awc"]),
    ("simulator", &["actix_web", "actix_http", "awc"]),
    ("upstream", &["actix_web"]),
];

/// Names of modules that are drawers for what has no place.
const DRAWERS: [&str; 7] = [
    "util", "utils", "helper", "helpers", "common", "misc", "mod",
];

const LONGEST: usize = 400;

/// The one poll with a deadline that everything waits by, and the one run whose
/// time is the machine's.
const MAY_SLEEP: [&str; 2] = ["tests/api/harness.rs", "tests/rotation/stopwatch.rs"];

/// One Rust file.
struct Source {
    /// From the top of the repository.
    path: PathBuf,
    text: String,
}

impl Source {
    /// The names of its path below `src` or `tests`.
    fn names(&self) -> Vec<&str> {
        let below = self.path.iter().skip(1);
        below
            .map(|name| name.to_str().unwrap())
            .map(|name| name.strip_suffix(".rs").unwrap_or(name))
            .collect()
    }

    fn room(&self) -> &str {
        self.names()[0]
    }

    /// Whether the file is nothing but unit tests.
    fn is_tests(&self) -> bool {
        self.names().last() == Some(&"tests")
    }

    /// Its code without comments, which may speak of anything.
    fn code(&self) -> String {
        let lines = self.text.lines();
        lines
            .map(|line| line.find("//").map_or(line, |at| &line[..at]))
            .map(|line| format!("{line}\n"))
            .collect()
    }

    /// The same without unit tests, which stand at the end.
    fn code_in_use(&self) -> String {
        let code = self.code();
        let end = code.find("#[cfg(test)]\nmod tests {");
        code[..end.unwrap_or(code.len())].to_owned()
    }
}

/// All Rust files under a folder.
fn sources(folder: &str) -> Vec<Source> {
    fn collect(folder: &Path, top: &Path, found: &mut Vec<Source>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                collect(&path, top, found);
            } else if path.extension().is_some_and(|end| end == "rs") {
                found.push(Source {
                    text: fs::read_to_string(&path).unwrap(),
                    path: path.strip_prefix(top).unwrap().to_owned(),
                });
            }
        }
    }
    let top = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    collect(&top.join(folder), top, &mut found);
    assert!(found.len() > 1, "{folder} is there");
    found
}

/// Whether `word` occurs in `code` as a word of its own.
fn names_word(code: &str, word: &str) -> bool {
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    code.match_indices(word).any(|(at, _)| {
        !code[..at].ends_with(is_of_word) && !code[at + word.len()..].starts_with(is_of_word)
    })
}

/// The rooms named after `root::`, alone or in braces.
fn rooms_after(code: &str, root: &str) -> BTreeSet<String> {
    let mut rooms = BTreeSet::new();
    let is_of_word = |c: char| c.is_alphanumeric() || c == '_';
    for (at, found) in code.match_indices(&format!("{root}::")) {
        if code[..at].ends_with(is_of_word) {
            continue;
        }
        let rest = &code[at + found.len()..];
        match rest.strip_prefix('{') {
            Some(list) => rooms.extend(heads_of_list(list)),
            None => rooms.extend(head(rest)),
        }
    }
    rooms
}

/// The first name in each entry of a list in braces, up to its end.
fn heads_of_list(list: &str) -> Vec<String> {
    let mut heads = Vec::new();
    let (mut depth, mut entry) = (0, 0);
    for (at, c) in list.char_indices() {
        match (c, depth) {
            (',' | '}', 0) => {
                heads.extend(head(list[entry..at].trim_start()));
                entry = at + 1;
                if c == '}' {
                    break;
                }
            }
            ('{', _) => depth += 1,
            ('}', _) => depth -= 1,
            _ => {}
        }
    }
    heads
}

fn head(text: &str) -> Option<String> {
    let end = text.find(|c: char| !c.is_alphanumeric() && c != '_');
    let name = &text[..end.unwrap_or(text.len())];
    (!name.is_empty()).then(|| name.to_owned())
}

#[test]
fn lists_and_paths_are_read_as_the_compiler_reads_them() {
    let code =
        "use crate::{\n    a::{b, c},\n    d::E, f,\n};\ncrate::g::h(); $crate::i; mycrate::j";

    let rooms: Vec<_> = rooms_after(code, "crate").into_iter().collect();

    assert_eq!(rooms, ["a", "d", "f", "g", "i"]);
}

#[test]
fn each_room_uses_only_the_rooms_that_it_may() {
    for source in sources("src") {
        let room = source.room();
        let (_, allowed) = MAY_USE
            .iter()
            .find(|(known, _)| *known == room)
            .unwrap_or_else(|| panic!("{room} is not in the table"));
        let code = source.code();

        let mut used = rooms_after(&code, "crate");
        used.extend(rooms_after(&code, "d7_balance"));

        used.retain(|other| other != room && !allowed.contains(&other.as_str()));
        assert!(used.is_empty(), "{:?} uses {used:?}", source.path);
    }
}

#[test]
fn no_room_is_left_by_way_of_its_parent() {
    for source in sources("src") {
        let path = &source.path;
        let code = source.code();
        assert!(!code.contains("super::super"), "{path:?}");
        if source.names().len() == 1 {
            assert!(!source.code_in_use().contains("super::"), "{path:?}");
        }
    }
}

#[test]
fn each_room_names_only_the_libraries_that_it_may() {
    for source in sources("src") {
        let forbidden = MUST_NOT_NAME
            .iter()
            .filter(|(room, _)| *room == source.room())
            .flat_map(|(_, libraries)| *libraries);
        for library in forbidden {
            assert!(
                !names_word(&source.code(), library),
                "{:?} names {library}",
                source.path
            );
        }
    }
}

#[test]
fn every_row_of_the_tables_is_a_room() {
    let sources = sources("src");
    let rooms: BTreeSet<_> = sources.iter().map(Source::room).collect();

    let rows: BTreeSet<_> = MAY_USE.iter().map(|(room, _)| *room).collect();

    assert_eq!(rows, rooms);
    for (room, _) in MUST_NOT_NAME {
        assert!(rooms.contains(room), "{room}");
    }
}

#[test]
fn no_file_is_longer_than_400_lines() {
    for source in sources("src").iter().chain(&sources("tests")) {
        let lines = source.text.lines().count();
        assert!(lines <= LONGEST, "{:?} has {lines} lines", source.path);
    }
}

#[test]
fn no_module_is_a_drawer() {
    for source in sources("src").iter().chain(&sources("tests")) {
        for name in source.names() {
            assert!(!DRAWERS.contains(&name), "{:?}", source.path);
        }
        for drawer in DRAWERS {
            let inline = format!("mod {drawer} {{");
            assert!(!source.code().contains(&inline), "{:?}", source.path);
        }
    }
}

#[test]
fn every_file_begins_with_what_it_is_for() {
    for source in sources("src").iter().chain(&sources("tests")) {
        // Unit tests are for what they stand under.
        let is_told = source.text.starts_with("//! ") || source.is_tests();
        assert!(is_told, "{:?} begins without //!", source.path);
    }
}

#[test]
fn a_balance_is_never_a_floating_point_number() {
    for source in sources("src") {
        let is_of_balance = ["alerts", "balance", "upstream"].contains(&source.room());
        if is_of_balance && !source.is_tests() {
            for float in ["f64", "f32"] {
                let code = source.code_in_use();
                assert!(!names_word(&code, float), "{:?}", source.path);
            }
        }
    }
}

#[test]
fn only_the_clock_reads_the_time() {
    for source in sources("src") {
        if source.room() == "clock" {
            continue;
        }
        // What governor calls the readings of a clock, ours among them.
        let code = source.code().replace("type Instant = Duration;", "");
        for reads in [
            "SystemTime::now",
            "Instant::now",
            "Instant",
            "now_utc",
            "now_local",
            "UNIX_EPOCH.elapsed",
        ] {
            assert!(
                !names_word(&code, reads),
                "{:?} reads the time by {reads}",
                source.path
            );
        }
    }
}

#[test]
fn only_the_configuration_reads_the_environment() {
    for source in sources("src") {
        let code = source.code();
        let reads = ["env::var", "env::vars", "env::vars_os", "env::var_os"];
        let is_read = reads.iter().any(|read| names_word(&code, read));
        assert!(!is_read || source.room() == "config", "{:?}", source.path);
    }
}

#[test]
fn tests_neither_sleep_nor_are_left_out() {
    // Written in two halves, so as not to find itself.
    let ignored = ["#[", "ignore"].concat();
    let mutation = ["set", "_var"].concat();
    let sleep = ["thread::", "sleep("].concat();
    for source in sources("tests") {
        let code = source.code();
        let may_sleep = MAY_SLEEP.iter().any(|path| source.path == Path::new(path));
        assert!(!code.contains(&sleep) || may_sleep, "{:?}", source.path);
        assert!(!code.contains(&ignored), "{:?}", source.path);
        assert!(!names_word(&code, &mutation), "{:?}", source.path);
    }
}
