//! What is wrong with a list of keys, and where. No message shows what stands in
//! the list, but for the names that we gave its fields, and ids and names of
//! clients that are well-formed: a key may stand anywhere else.

use std::{borrow::Cow, fmt, ops::Range, sync::LazyLock};

use crate::callers::key::KeyId;

/// Why a list of keys cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Not TOML of the expected shape.
    #[error("line {line}: {problem}")]
    Toml {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        problem: Cow<'static, str>,
    },
    /// Keys that cannot be right, all of them.
    #[error("{0}")]
    Keys(KeyProblems),
    /// Nobody could ask, with this file.
    #[error("holds no key; make one with `d7-balance key new --client NAME --file FILE`")]
    Empty,
    /// Nobody could ask, with this list.
    #[error("holds no key; make one with `d7-balance key new --client NAME`")]
    EmptyList,
}

/// What is wrong with one key.
pub(super) struct Problem {
    text: Cow<'static, str>,
    /// Where in the text of the file, if not just where the key begins.
    at: Option<usize>,
}

impl<T: Into<Cow<'static, str>>> From<T> for Problem {
    fn from(text: T) -> Self {
        let text = text.into();
        Self { text, at: None }
    }
}

/// Everything that is wrong with one key, and what of it can be shown.
#[derive(Default)]
pub(super) struct Faulty {
    /// If it is one.
    pub(super) id: Option<KeyId>,
    /// If it has the shape of a client's name.
    pub(super) client: Option<String>,
    pub(super) problems: Vec<Problem>,
}

/// What is wrong with keys: the first of it in words, the rest as a number. A
/// file with thousands of keys is bad for one reason as a rule.
#[derive(Debug, Default)]
pub struct KeyProblems {
    told: Vec<String>,
    more: usize,
}

impl KeyProblems {
    const MOST: usize = 20;

    /// Adds what is wrong with the key of a number, counted from 1, which begins
    /// `at` some place; `line_of` is only asked for what is told.
    pub(super) fn add(
        &mut self,
        number: usize,
        at: Option<usize>,
        line_of: impl Fn(usize) -> usize,
        faulty: &Faulty,
    ) {
        let room = Self::MOST - self.told.len();
        self.more += faulty.problems.len().saturating_sub(room);
        let told = faulty.problems.iter().take(room).map(|problem| {
            let line = problem.at.or(at).map(&line_of);
            format!("{}: {}", name(number, line, faulty), problem.text)
        });
        self.told.extend(told);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.told.is_empty()
    }
}

impl fmt::Display for KeyProblems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.told.join("; "))?;
        match self.more {
            0 => Ok(()),
            more => write!(f, "; and {more} more"),
        }
    }
}

/// A key by what is known of it: `key 5 (8kkl4w3y of billing, line 29)`.
fn name(number: usize, line: Option<usize>, faulty: &Faulty) -> String {
    let id = faulty.id.map(|id| id.to_string());
    let client = faulty.client.as_ref().map(|client| format!("of {client}"));
    let whose: Vec<_> = [id, client].into_iter().flatten().collect();
    let whose = Some(whose.join(" ")).filter(|whose| !whose.is_empty());
    let line = line.map(|line| format!("line {line}"));
    let known: Vec<_> = [whose, line].into_iter().flatten().collect();
    match known.join(", ") {
        known if known.is_empty() => format!("key {number}"),
        known => format!("key {number} ({known})"),
    }
}

/// What all keys stand under.
pub(super) const KEYS: &str = "keys";

/// What is wrong with a key that is something else altogether.
pub(super) const NO_TABLE: &str = "keys must be tables, each under [[keys]]";

/// What is wrong with anything that does not stand under it.
pub(super) const UNKNOWN_TABLE: &str = "must be in a table under [[keys]]: nothing else is known";

/// The fields that there are, and how each should be.
const FIELDS: [(&str, &str); 6] = [
    (KEYS, NO_TABLE),
    ("client", r#"client must be text such as "billing""#),
    ("id", r#"id must be text such as "k3j9x2ab""#),
    (
        "sha256",
        "sha256 must be text: 64 hexadecimal digits in quotes",
    ),
    (
        "expires",
        "expires must be a date and time without quotes, such as 2027-01-31T00:00:00Z",
    ),
    ("rate_limit", r#"rate_limit must be text such as "50/s""#),
];

/// What is wrong with a field of a key whose value, `at` some place, is of another
/// kind.
pub(super) fn wrong_kind(name: &str, at: usize) -> Problem {
    let text = field(name).map_or("has a field of the wrong kind", |(_, how)| how);
    Problem {
        text: text.into(),
        at: Some(at),
    }
}

/// What is wrong with a key whose fields have these names, each at some place:
/// those that are unknown, in the order of their places.
pub(super) fn unknown<'a>(names: impl Iterator<Item = (&'a str, usize)>) -> Vec<Problem> {
    let known = &FIELDS[1..];
    let is_unknown = |name: &str| known.iter().all(|(known, _)| *known != name);
    let mut places: Vec<_> = names
        .filter(|(name, _)| is_unknown(name))
        .map(|(_, at)| at)
        .collect();
    places.sort_unstable();
    let problem = |at| Problem {
        text: UNKNOWN_FIELD.as_str().into(),
        at: Some(at),
    };
    places.into_iter().map(problem).collect()
}

/// What is wrong with a key for each such field: made once, since a file may be full
/// of them.
static UNKNOWN_FIELD: LazyLock<String> = LazyLock::new(|| {
    let known: Vec<_> = FIELDS[1..].iter().map(|(name, _)| *name).collect();
    format!("has an unknown field; there are {}", known.join(", "))
});

/// What the TOML reader complains of, in our words.
pub(super) fn no_toml(text: &str, at: Option<Range<usize>>, message: &str) -> KeysError {
    let at = at.unwrap_or_default();
    KeysError::Toml {
        line: line_of(text, at.start),
        problem: in_our_words(text, at, message),
    }
}

fn in_our_words(text: &str, at: Range<usize>, message: &str) -> Cow<'static, str> {
    if message.starts_with("duplicate key") {
        return match field(text.get(at).unwrap_or_default()) {
            Some((name, _)) => format!("`{name}` is there twice").into(),
            None => "a field is there twice".into(),
        };
    }
    match field_before(text, at.start) {
        Some((_, how)) => Cow::from(*how),
        None => without_content(message).into(),
    }
}

/// The field of this name, in quotes or not.
fn field(name: &str) -> Option<&'static (&'static str, &'static str)> {
    let name = name.trim_matches(['"', '\'']);
    FIELDS.iter().find(|(known, _)| *known == name)
}

/// The field whose value begins at `at`, on the line of its name as all do.
fn field_before(text: &str, at: usize) -> Option<&'static (&'static str, &'static str)> {
    let before = text.get(..at)?.trim_end_matches([' ', '\t']);
    let name = before.strip_suffix('=')?.trim_end_matches([' ', '\t']);
    let is_between = |c: char| c.is_whitespace() || "{,.".contains(c);
    field(name.rsplit(is_between).next()?)
}

/// A message of the TOML reader without what it quotes, but for what it expects:
/// that is from us, or from TOML.
fn without_content(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    let (problem, expected) = match message.rsplit_once(", expected ") {
        Some((problem, expected)) => (problem, format!(", expected {expected}")),
        None => (message, String::new()),
    };
    let plain = problem.split(['"', '`']).next().unwrap_or_default();
    format!("{}{expected}", plain.trim_end())
}

/// The line of a place, counted from 1.
pub(super) fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}

#[cfg(test)]
mod tests;
