//! `key list`: for people a table, for programs JSON. Neither has a digest.

use std::{collections::HashMap, time::SystemTime};

use serde::Serialize;

use crate::callers::{KeyRecord, file::written};

/// A key as it is listed.
#[derive(Serialize)]
struct Row<'a> {
    client: &'a str,
    id: &'a str,
    /// RFC 3339, in UTC.
    expires: Option<String>,
    /// That of the client, whichever of its keys has it.
    rate_limit: Option<String>,
    expired: bool,
}

/// All keys in the order of the file.
///
/// # Panics
/// Never: JSON has text and truth values.
pub(super) fn text(keys: &[KeyRecord], now: SystemTime, json: bool) -> String {
    let limits: HashMap<_, _> = keys
        .iter()
        .filter_map(|key| Some((&key.client, key.rate_limit?)))
        .collect();
    let rows: Vec<_> = keys
        .iter()
        .map(|key| Row {
            client: &key.client,
            id: key.id.as_str(),
            expires: key.expires.map(written),
            rate_limit: limits.get(&key.client).map(ToString::to_string),
            expired: key.expires.is_some_and(|end| end <= now),
        })
        .collect();
    if json {
        let rows = serde_json::to_string_pretty(&rows);
        rows.expect("JSON has text and truth values") + "\n"
    } else {
        table(&rows)
    }
}

/// Columns as wide as they have to be, two blanks apart.
fn table(rows: &[Row<'_>]) -> String {
    let mut lines = vec![["CLIENT", "ID", "EXPIRES", "LIMIT", "STATE"]];
    lines.extend(rows.iter().map(|row| {
        [
            row.client,
            row.id,
            row.expires.as_deref().unwrap_or("never"),
            row.rate_limit.as_deref().unwrap_or("-"),
            if row.expired { "expired" } else { "active" },
        ]
    }));
    let width = |column: usize| lines.iter().map(|line| line[column].len()).max();
    let widths = [0, 1, 2, 3].map(|column| width(column).unwrap_or_default());
    lines
        .iter()
        .map(|[client, id, expires, limit, state]| {
            let [clients, ids, ends, limits] = widths;
            format!("{client:clients$}  {id:ids$}  {expires:ends$}  {limit:limits$}  {state}\n")
        })
        .collect()
}
