//! Where keys are written down: the TOML file, and the inline form of
//! `D7B_KEYS`. Reading takes all of it or nothing; [`edit`] changes the file.

pub mod edit;
mod problem;
pub mod text;

use std::{
    collections::HashMap,
    io,
    path::Path,
    time::{Duration, SystemTime},
};

use time::{OffsetDateTime, UtcOffset, format_description::well_known::Rfc3339};
use toml::de::{DeTable, DeValue};

pub use self::problem::{KeyProblems, KeysError};
use self::{
    problem::{
        Faulty, KEYS, NO_TABLE, Problem, UNKNOWN_TABLE, line_of, no_toml, unknown, wrong_kind,
    },
    text::Text,
};
use super::{
    KeyRecord,
    key::{Digest, KeyId},
    limit::RateLimit,
};

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
    /// The file that would come of a change is none: a fault of this program.
    #[error("the change would not leave the key file in order; edit it by hand")]
    Broken,
    /// The new file cannot be written.
    #[error("the key file cannot be written")]
    Write(#[source] io::Error),
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
/// The place where it is no TOML or holds something else than keys, or all keys
/// that are wrong.
pub fn parse_file(text: &str) -> Result<Vec<KeyRecord>, KeysError> {
    let file = DeTable::parse(text);
    let file = file.map_err(|error| no_toml(text, error.span(), error.message()))?;
    let wrong = |at: usize, problem: &'static str| KeysError::Toml {
        line: line_of(text, at),
        problem: problem.into(),
    };
    let names = file.get_ref().keys();
    let others = names.filter(|name| name.get_ref() != KEYS);
    if let Some(first) = others.map(|name| name.span().start).min() {
        return Err(wrong(first, UNKNOWN_TABLE));
    }
    let keys = match file.get_ref().get(KEYS).map(|keys| (keys, keys.get_ref())) {
        None => [].iter(),
        Some((_, DeValue::Array(keys))) => keys.iter(),
        Some((keys, _)) => return Err(wrong(keys.span().start, NO_TABLE)),
    };
    let keys = keys.map(|key| (Some(key.span().start), check_table(key.get_ref())));
    collect(keys, |at| line_of(text, at), KeysError::Empty)
}

/// Reads the inline form: `client:id:sha256hex`, comma-separated.
///
/// # Errors
/// All keys that are wrong.
pub fn parse_inline(text: &str) -> Result<Vec<KeyRecord>, KeysError> {
    let entries = text.split(',').map(str::trim).filter(|e| !e.is_empty());
    let keys = entries.map(|entry| {
        let mut fields = entry.split(':');
        let key = match (fields.next(), fields.next(), fields.next(), fields.next()) {
            (Some(client), Some(id), Some(sha256), None) => check(Raw {
                client: Ok(client),
                id: Ok(id),
                sha256: Ok(sha256),
                expires: Ok(None),
                rate_limit: Ok(None),
                more: Vec::new(),
            }),
            _ => Err(Faulty {
                problems: vec!["must be client:id:sha256hex".into()],
                ..Faulty::default()
            }),
        };
        (None, key)
    });
    collect(keys, |_| 1, KeysError::EmptyList)
}

/// A key, or everything that is wrong with it.
type Checked = Result<KeyRecord, Faulty>;

/// All keys, each read from its place if it has one.
fn collect(
    keys: impl Iterator<Item = (Option<usize>, Checked)>,
    line_of: impl Fn(usize) -> usize,
    empty: KeysError,
) -> Result<Vec<KeyRecord>, KeysError> {
    let mut known = Known::default();
    let (mut records, mut wrong) = (Vec::new(), KeyProblems::default());
    for (index, (at, key)) in keys.enumerate() {
        let number = index + 1;
        let faulty = match key {
            Ok(record) => {
                let faulty = known.add(number, &record);
                records.push(record);
                faulty
            }
            Err(faulty) => Some(faulty),
        };
        if let Some(faulty) = faulty {
            wrong.add(number, at, &line_of, &faulty);
        }
    }
    match records {
        _ if !wrong.is_empty() => Err(KeysError::Keys(wrong)),
        records if records.is_empty() => Err(empty),
        records => Ok(records),
    }
}

/// What keys must agree on with those before them, and the numbers of these.
#[derive(Default)]
struct Known {
    ids: HashMap<KeyId, usize>,
    limits: HashMap<String, (RateLimit, usize, KeyId)>,
}

impl Known {
    /// Adds a key; says what is wrong between it and another one.
    fn add(&mut self, number: usize, key: &KeyRecord) -> Option<Faulty> {
        let mut problems: Vec<Problem> = Vec::new();
        let first = *self.ids.entry(key.id).or_insert(number);
        if first != number {
            problems.push(format!("has the id of key {first}; ids are unique").into());
        }
        // A key without a limit leaves its client the others' one.
        if let Some(limit) = key.rate_limit {
            let known = self.limits.entry(key.client.clone());
            let (other, first, id) = *known.or_insert((limit, number, key.id));
            if other != limit {
                let differs = format!("rate_limit differs from that of key {first} ({id})");
                problems.push(differs.into());
            }
        }
        (!problems.is_empty()).then(|| Faulty {
            id: Some(key.id),
            client: Some(key.client.clone()),
            problems,
        })
    }
}

/// A key of a file.
fn check_table(key: &DeValue<'_>) -> Checked {
    let DeValue::Table(fields) = key else {
        return Err(Faulty {
            problems: vec![NO_TABLE.into()],
            ..Faulty::default()
        });
    };
    let text = |name| match fields.get(name) {
        None => Err(format!("{name} is missing").into()),
        Some(value) => match value.get_ref() {
            DeValue::String(text) => Ok(text.as_ref()),
            _ => Err(wrong_kind(name, value.span().start)),
        },
    };
    let expires = fields.get("expires").map(|value| match value.get_ref() {
        DeValue::Datetime(end) => moment(&end.to_string()).ok_or(
            "expires must be a date and time with an offset, such as 2027-01-31T00:00:00Z".into(),
        ),
        _ => Err(wrong_kind("expires", value.span().start)),
    });
    let rate_limit = fields.get("rate_limit").map(|_| {
        RateLimit::parse(text("rate_limit")?)
            .ok_or("rate_limit must be N/s, N/m or N/h, N from 1 to 1000000, such as 50/s".into())
    });
    let names = fields
        .keys()
        .map(|name| (name.get_ref().as_ref(), name.span().start));
    check(Raw {
        client: text("client"),
        id: text("id"),
        sha256: text("sha256"),
        expires: expires.transpose(),
        rate_limit: rate_limit.transpose(),
        more: unknown(names),
    })
}

/// What was found of a key, and what is wrong with that as it stands.
struct Raw<'a> {
    client: Result<&'a str, Problem>,
    id: Result<&'a str, Problem>,
    sha256: Result<&'a str, Problem>,
    expires: Result<Option<SystemTime>, Problem>,
    rate_limit: Result<Option<RateLimit>, Problem>,
    /// What is wrong beside these.
    more: Vec<Problem>,
}

fn check(raw: Raw<'_>) -> Checked {
    let client = raw.client.and_then(|client| {
        is_client_name(client)
            .then(|| client.to_owned())
            .ok_or("client must match [a-z0-9][a-z0-9._-]{0,62}".into())
    });
    let id = raw
        .id
        .and_then(|id| KeyId::parse(id).ok_or("id must match [0-9a-z]{8}".into()));
    let digest = raw.sha256.and_then(|sha256| {
        Digest::parse(sha256).ok_or("sha256 must be 64 lower-case hexadecimal digits".into())
    });
    match (client, id, digest, raw.expires, raw.rate_limit) {
        (Ok(client), Ok(id), Ok(digest), Ok(expires), Ok(rate_limit)) if raw.more.is_empty() => {
            Ok(KeyRecord {
                client,
                id,
                digest,
                expires,
                rate_limit,
            })
        }
        (client, id, digest, expires, rate_limit) => {
            let (shown_id, shown_client) =
                (id.as_ref().ok().copied(), client.as_ref().ok().cloned());
            let problems = [
                client.err(),
                id.err(),
                digest.err(),
                expires.err(),
                rate_limit.err(),
            ];
            Err(Faulty {
                id: shown_id,
                client: shown_client,
                problems: problems.into_iter().flatten().chain(raw.more).collect(),
            })
        }
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
