//! Where keys are written down: the TOML file, and the inline form of
//! `D7B_KEYS`. Reading takes all of it or nothing; [`edit`] changes the file.

pub mod edit;
pub mod text;

use std::{
    collections::{HashMap, HashSet},
    io,
    ops::Range,
    path::Path,
    time::{Duration, SystemTime},
};

use serde::Deserialize;
use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};

use self::text::Text;
use super::{
    KeyRecord,
    key::{Digest, KeyId},
    limit::RateLimit,
};

/// Why a list of keys cannot be used. Tells where, never what stands there.
#[derive(Debug, thiserror::Error)]
pub enum KeysError {
    /// Not TOML of the expected shape.
    #[error("line {line}: {problem}")]
    Toml {
        /// Counted from 1.
        line: usize,
        /// What is wrong.
        problem: String,
    },
    /// Keys that cannot be right, all of them.
    #[error("{}", listed(.0))]
    Keys(Vec<KeyProblem>),
    /// Nobody could ask.
    #[error("holds no key; make one with `d7-balance key new --client NAME`")]
    Empty,
}

/// What is wrong with one key.
#[derive(Debug)]
pub struct KeyProblem {
    /// Counted from 1.
    number: usize,
    problem: &'static str,
}

fn listed(problems: &[KeyProblem]) -> String {
    // A file with thousands of keys is bad for one reason as a rule.
    const MOST: usize = 20;
    let told = |KeyProblem { number, problem }: &KeyProblem| format!("key {number}: {problem}");
    let mut told: Vec<_> = problems.iter().take(MOST).map(told).collect();
    if let Some(more @ 1..) = problems.len().checked_sub(MOST) {
        told.push(format!("and {more} more"));
    }
    told.join("; ")
}

/// Why something could not be done with the key file.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file cannot be read.
    #[error("the key file cannot be read")]
    Read(#[source] io::Error),
    /// The file is not a good key file as it stands.
    #[error("the key file is not in order; put it right first")]
    Bad(#[source] KeysError),
    /// No key has the id that was named.
    #[error(
        "no key of the file has the id {0}; `d7-balance key list` shows the ids that there are"
    )]
    Unknown(KeyId),
    /// Two parts of a change are about the same text: a fault of this program.
    #[error("the change would not leave the key file in order; edit it by hand")]
    Overlap,
    /// The new file cannot be written.
    #[error("the key file cannot be written")]
    Write(#[source] io::Error),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeysFile {
    #[serde(default)]
    keys: Vec<RawKey>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RawKey {
    client: String,
    id: String,
    sha256: String,
    expires: Option<toml::value::Datetime>,
    rate_limit: Option<String>,
}

/// Reads the key file at `path`.
///
/// # Errors
/// The file cannot be read, or is not in order.
pub fn read(path: &Path) -> Result<Vec<KeyRecord>, FileError> {
    let text = Text::read(path).map_err(FileError::Read)?;
    parse_file(text.as_str()).map_err(FileError::Bad)
}

/// Reads the text of a key file.
///
/// # Errors
/// The place where it is no TOML, or all keys that are wrong.
pub fn parse_file(text: &str) -> Result<Vec<KeyRecord>, KeysError> {
    let file: KeysFile =
        toml::from_str(text).map_err(|error| no_toml(text, error.span(), error.message()))?;
    collect(file.keys.into_iter().map(RawKey::check))
}

fn no_toml(text: &str, at: Option<Range<usize>>, message: &str) -> KeysError {
    KeysError::Toml {
        line: line_of(text, at.map_or(0, |at| at.start)),
        problem: without_content(message),
    }
}

/// Reads the inline form: `client:id:sha256hex`, comma-separated.
///
/// # Errors
/// All keys that are wrong.
pub fn parse_inline(text: &str) -> Result<Vec<KeyRecord>, KeysError> {
    let entries = text.split(',').map(str::trim).filter(|e| !e.is_empty());
    collect(entries.map(|entry| {
        let mut fields = entry.split(':');
        match (fields.next(), fields.next(), fields.next(), fields.next()) {
            (Some(client), Some(id), Some(sha256), None) => {
                check(client, id, sha256, Ok(None), Ok(None))
            }
            _ => Err(vec!["must be client:id:sha256hex"]),
        }
    }))
}

/// A key, or everything that is wrong with it.
type Checked = Result<KeyRecord, Vec<&'static str>>;

fn collect(keys: impl Iterator<Item = Checked>) -> Result<Vec<KeyRecord>, KeysError> {
    let (mut ids, mut limits) = (HashSet::new(), HashMap::new());
    let (mut records, mut wrong) = (Vec::new(), Vec::new());
    for (index, key) in keys.enumerate() {
        let number = index + 1;
        let problems = match key {
            Ok(record) => {
                let mut problems = Vec::new();
                if !ids.insert(record.id) {
                    problems.push("has the id of another key; ids are unique");
                }
                // A key without a limit leaves its client the others' one.
                if let Some(limit) = record.rate_limit
                    && *limits.entry(record.client.clone()).or_insert(limit) != limit
                {
                    problems.push("rate_limit differs from that of another key of its client");
                }
                records.push(record);
                problems
            }
            Err(problems) => problems,
        };
        wrong.extend(
            problems
                .into_iter()
                .map(|problem| KeyProblem { number, problem }),
        );
    }
    match (records, wrong) {
        (_, wrong) if !wrong.is_empty() => Err(KeysError::Keys(wrong)),
        (records, _) if records.is_empty() => Err(KeysError::Empty),
        (records, _) => Ok(records),
    }
}

impl RawKey {
    fn check(self) -> Checked {
        let expires = self.expires.map(|end| {
            moment(&end.to_string()).ok_or(
                "expires must be a date and time with an offset, such as 2027-01-31T00:00:00Z",
            )
        });
        let rate_limit = self.rate_limit.map(|limit| {
            RateLimit::parse(&limit)
                .ok_or("rate_limit must be N/s, N/m or N/h, N from 1 to 1000000")
        });
        check(
            &self.client,
            &self.id,
            &self.sha256,
            expires.transpose(),
            rate_limit.transpose(),
        )
    }
}

fn check(
    client: &str,
    id: &str,
    sha256: &str,
    expires: Result<Option<SystemTime>, &'static str>,
    rate_limit: Result<Option<RateLimit>, &'static str>,
) -> Checked {
    let client = is_client_name(client)
        .then(|| client.to_owned())
        .ok_or("client must match [a-z0-9][a-z0-9._-]{0,62}");
    let id = KeyId::parse(id).ok_or("id must match [0-9a-z]{8}");
    let digest = Digest::parse(sha256).ok_or("sha256 must be 64 lower-case hexadecimal digits");
    match (client, id, digest, expires, rate_limit) {
        (Ok(client), Ok(id), Ok(digest), Ok(expires), Ok(rate_limit)) => Ok(KeyRecord {
            client,
            id,
            digest,
            expires,
            rate_limit,
        }),
        (client, id, digest, expires, rate_limit) => Err([
            client.err(),
            id.err(),
            digest.err(),
            expires.err(),
            rate_limit.err(),
        ]
        .into_iter()
        .flatten()
        .collect()),
    }
}

/// `[a-z0-9][a-z0-9._-]{0,62}`.
pub fn is_client_name(text: &str) -> bool {
    let plain = |b: &u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    match text.as_bytes() {
        [first, rest @ ..] => {
            plain(first) && rest.len() <= 62 && rest.iter().all(|b| plain(b) || b"._-".contains(b))
        }
        [] => false,
    }
}

/// A message of the TOML reader without the values that it quotes: a digest, or
/// worse a key, may stand where it does not belong.
fn without_content(message: &str) -> String {
    let message = message.lines().next().unwrap_or_default();
    // Here it quotes names of fields.
    if message.starts_with("missing field") || message.starts_with("unknown field") {
        return message.to_owned();
    }
    let (problem, expected) = match message.rsplit_once(", expected ") {
        Some((problem, expected)) => (problem, format!(", expected {expected}")),
        None => (message, String::new()),
    };
    let plain = problem.split(['"', '`']).next().unwrap_or_default();
    format!("{}{expected}", plain.trim_end())
}

fn line_of(text: &str, offset: usize) -> usize {
    1 + text.bytes().take(offset).filter(|b| *b == b'\n').count()
}

/// Reads RFC 3339, of a time that [`written`] can write.
fn moment(text: &str) -> Option<SystemTime> {
    OffsetDateTime::parse(text, &Rfc3339)
        .ok()?
        .checked_to_offset(UtcOffset::UTC)
        .filter(|at| at.year() >= 0)
        .map(SystemTime::from)
}

/// A time as the key file has it: RFC 3339, in UTC.
///
/// # Panics
/// Where it lies outside of the years 0 to 9999: no time that was read from a
/// key file or made by [`expiry`] does.
pub fn written(at: SystemTime) -> String {
    OffsetDateTime::from(at)
        .format(&Rfc3339)
        .expect("times of keys lie in the years 0 to 9999")
}

/// The fields of a key, each as the key file has it.
fn fields(record: &KeyRecord) -> Vec<String> {
    let mut fields = vec![
        format!("client = \"{}\"", record.client),
        format!("id = \"{}\"", record.id),
        format!("sha256 = \"{}\"", record.digest),
    ];
    let expires = record.expires.map(written);
    fields.extend(expires.map(|end| format!("expires = {end}")));
    let limit = record.rate_limit;
    fields.extend(limit.map(|limit| format!("rate_limit = \"{limit}\"")));
    fields
}

/// A key as a table of the key file.
///
/// # Panics
/// As [`written`] does.
pub fn record(record: &KeyRecord) -> String {
    format!("[[keys]]\n{}\n", fields(record).join("\n"))
}

/// A key as an element of an array that is called `keys`.
fn element(record: &KeyRecord) -> String {
    format!("{{ {} }}", fields(record).join(", "))
}

/// A key in the form of `D7B_KEYS`, which knows no expiry.
pub fn inline(record: &KeyRecord) -> String {
    format!("{}:{}:{}", record.client, record.id, record.digest)
}

/// Whole seconds: what a key file shows of a time.
pub fn expiry(now: SystemTime, life: Duration) -> Option<SystemTime> {
    let since_epoch = now
        .checked_add(life)?
        .duration_since(SystemTime::UNIX_EPOCH)
        .ok()?;
    // Four digits for the year are all that TOML knows.
    const YEAR_10000: u64 = 253_402_300_800;
    let seconds = since_epoch.as_secs();
    (seconds < YEAR_10000).then(|| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
}

#[cfg(test)]
mod tests;
