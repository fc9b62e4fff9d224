//! What every answer promises of its age, held against the clocks.

use std::time::{Duration, SystemTime};

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::{SWR, TTL, d7::OLDER_THAN_ARRIVAL, harness::Response, stopwatch::Stopwatch};

/// How far the machine's two clocks may drift apart while an answer is kept.
const DRIFT: Duration = Duration::from_millis(50);

/// An answer, and the body that it stands for.
pub(crate) struct Served<'a> {
    pub(crate) response: &'a Response,
    /// The body; that of the 200 before, if this is a 304.
    pub(crate) body: &'a Value,
    pub(crate) sent: Duration,
    pub(crate) answered: Duration,
}

/// How old an answer was.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Ages {
    /// As it says itself.
    pub(crate) told: Duration,
    /// By D7's figure, when it was asked for.
    pub(crate) by_figure: Duration,
}

impl Ages {
    pub(crate) fn max(self, other: Self) -> Self {
        Self {
            told: self.told.max(other.told),
            by_figure: self.by_figure.max(other.by_figure),
        }
    }
}

/// Holds an answer against what is promised where D7 is well, if slow at times.
///
/// # Errors
/// The promise that it breaks.
pub(crate) fn check(served: &Served<'_>, watch: &Stopwatch) -> Result<Ages, String> {
    let age: u64 = parsed(served.response.expect("age"))?;
    let told = Duration::from_secs(age);
    if told >= TTL + SWR {
        return Err(format!("it is {told:?} old"));
    }
    check_cache_status(served.response.cache_status(), age)?;
    check_as_of(served, told, watch)?;
    let figure = served.body["balance"].as_u64().ok_or("no balance")?;
    let by_figure = served.sent.saturating_sub(Duration::from_millis(figure));
    if by_figure > TTL + SWR + OLDER_THAN_ARRIVAL {
        return Err(format!("its balance is {by_figure:?} old"));
    }
    Ok(Ages { told, by_figure })
}

fn check_cache_status(status: &str, age: u64) -> Result<(), String> {
    let of = |name: &str| {
        let parameters = status.split("; ");
        parameters.filter_map(|one| one.strip_prefix(name)).next()
    };
    let ttl: i64 = parsed(of("ttl=").ok_or("no ttl")?)?;
    // Both are rounded down, so their sum may lack what was cut off.
    let sum = ttl + i64::try_from(age).map_err(|error| error.to_string())?;
    let whole = i64::try_from(TTL.as_secs()).map_err(|error| error.to_string())?;
    if sum != whole && sum != whole - 1 {
        return Err(format!("age {age} and ttl {ttl} do not go together"));
    }
    match of("detail=") {
        None | Some("min_refresh") => Ok(()),
        Some(detail) => Err(format!("D7 is well, but {detail}")),
    }
}

/// The age was taken between sending and answering, and was cut to seconds.
fn check_as_of(served: &Served<'_>, age: Duration, watch: &Stopwatch) -> Result<(), String> {
    let text = served.body["as_of"].as_str().ok_or("no as_of")?;
    let as_of = OffsetDateTime::parse(text, &Rfc3339).map_err(|error| error.to_string())?;
    let as_of = watch.moment_of(SystemTime::from(as_of));
    let youngest = served.sent.saturating_sub(as_of);
    let oldest = (served.answered + DRIFT).saturating_sub(as_of);
    if age > oldest || age + Duration::from_secs(1) + DRIFT < youngest {
        return Err(format!(
            "its as_of was {youngest:?} ago when it was asked for, its age is {age:?}"
        ));
    }
    Ok(())
}

fn parsed<T: std::str::FromStr>(text: &str) -> Result<T, String> {
    text.parse().map_err(|_| format!("{text:?} is no number"))
}
