//! What `/metrics` says: of what is so now, of what was counted, and in which
//! words.

mod counts;
mod moment;
mod series;

use std::collections::BTreeMap;

use crate::harness::TestApp;

/// Every series with its value, as the exposition has it.
fn exported(app: &TestApp) -> BTreeMap<String, String> {
    let text = app.admin("/metrics").text();
    let samples = text.lines().filter(|line| !line.starts_with('#'));
    samples
        .map(|line| line.rsplit_once(' ').unwrap())
        .map(|(series, value)| (series.to_owned(), value.to_owned()))
        .collect()
}

/// The values of all series of `name` that are not zero, by what stands between
/// their braces.
fn counted(app: &TestApp, name: &str) -> BTreeMap<String, String> {
    let series = exported(app).into_iter().filter_map(|(series, value)| {
        let labels = series.strip_prefix(name)?;
        let labels = labels.strip_prefix('{')?.strip_suffix('}')?;
        (value != "0").then(|| (labels.to_owned(), value))
    });
    series.collect()
}

/// What [`counted`] is expected to be.
fn counts<const N: usize>(label: &str, counts: [(&str, u32); N]) -> BTreeMap<String, String> {
    let series = counts
        .into_iter()
        .map(|(value, count)| (format!("{label}=\"{value}\""), count.to_string()));
    series.collect()
}
