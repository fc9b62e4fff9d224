//! A balance within another answer: the members of the 200's body, digit by
//! digit.

use serde::Serialize;
use serde_json::value::RawValue;

use crate::balance::Snapshot;

/// The balance that was seen last, however old.
#[derive(Debug, Serialize)]
#[serde(transparent)]
pub(super) struct LastKnown(Box<RawValue>);

impl LastKnown {
    /// None is never the answer: a snapshot's body is JSON.
    pub(super) fn of(snapshot: &Snapshot) -> Option<Self> {
        let body = std::str::from_utf8(snapshot.body()).ok()?;
        RawValue::from_string(body.to_owned()).ok().map(Self)
    }
}
