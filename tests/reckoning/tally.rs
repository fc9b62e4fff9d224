//! What was counted on this side, under the names that `/metrics` has.

use std::collections::BTreeMap;

/// Counts by series, written as the exposition writes it.
#[derive(Debug, Default, Clone)]
pub(crate) struct Tally {
    counts: BTreeMap<String, u64>,
    /// By status, errors whose code cannot be known: a HEAD has no body to tell
    /// it.
    untold: BTreeMap<u16, u64>,
    /// Answers that do not go with what was asked.
    surprises: Vec<String>,
}

impl Tally {
    /// Counts one. Labels stand in the order of the exposition.
    pub(crate) fn count(&mut self, name: &str, labels: &[(&str, &str)]) {
        self.count_many(name, labels, 1);
    }

    pub(crate) fn count_many(&mut self, name: &str, labels: &[(&str, &str)], times: u64) {
        let series = series(name, labels);
        *self.counts.entry(series).or_default() += times;
    }

    pub(crate) fn count_untold(&mut self, status: u16) {
        *self.untold.entry(status).or_default() += 1;
    }

    pub(crate) fn surprise(&mut self, what: String) {
        self.surprises.push(what);
    }

    /// Takes another one's counts in.
    pub(crate) fn add(&mut self, other: Self) {
        for (series, times) in other.counts {
            *self.counts.entry(series).or_default() += times;
        }
        for (status, times) in other.untold {
            *self.untold.entry(status).or_default() += times;
        }
        self.surprises.extend(other.surprises);
    }

    pub(crate) fn of(&self, series: &str) -> u64 {
        self.counts.get(series).copied().unwrap_or_default()
    }

    /// All series of a name.
    pub(crate) fn of_name(&self, name: &str) -> impl Iterator<Item = (&String, u64)> {
        let all = self.counts.iter();
        all.filter(move |(series, _)| is_of_name(series, name))
            .map(|(series, times)| (series, *times))
    }

    /// The sum of all series of a name.
    pub(crate) fn sum(&self, name: &str) -> u64 {
        self.of_name(name).map(|(_, times)| times).sum()
    }

    pub(crate) fn untold(&self) -> &BTreeMap<u16, u64> {
        &self.untold
    }

    pub(crate) fn surprises(&self) -> &[String] {
        &self.surprises
    }
}

/// A series, as the exposition writes it.
pub(crate) fn series(name: &str, labels: &[(&str, &str)]) -> String {
    if labels.is_empty() {
        return name.to_owned();
    }
    let labels = labels
        .iter()
        .map(|(label, value)| format!("{label}=\"{value}\""));
    format!("{name}{{{}}}", labels.collect::<Vec<_>>().join(","))
}

/// Whether a series has this name.
pub(crate) fn is_of_name(series: &str, name: &str) -> bool {
    let rest = series.strip_prefix(name);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('{'))
}
