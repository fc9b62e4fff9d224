//! The domain: a balance, how old it is, and who may be told what about it.
//!
//! Owns the words that the rest of the service speaks. Knows neither HTTP nor
//! D7's wire format: `http` renders what is decided here, `upstream` brings
//! readings in. Start with [`decision`], the table of what is answered when.

pub mod credential;
pub mod decimal;
pub mod decision;
mod flight;
mod history;
pub mod hold_down;
pub mod memory;
pub mod outlook;
mod recent;
pub mod refresher;
pub mod service;
pub mod source;
pub mod state;

use std::{sync::Arc, time::SystemTime};

use aws_lc_rs::digest;
use bytes::Bytes;
use time::{OffsetDateTime, format_description::BorrowedFormatItem, macros::format_description};

use crate::clock::MonoTime;

/// Which D7 account a balance belongs to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct AccountId(Arc<str>);

impl Default for AccountId {
    fn default() -> Self {
        Self(Arc::from("default"))
    }
}

/// A number exactly as it was written: the text of a JSON number (RFC 8259
/// section 6), never put through a floating-point type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Amount(Box<str>);

impl Amount {
    /// Takes `text` if the whole of it is a JSON number.
    pub fn parse(text: &str) -> Option<Self> {
        is_json_number(text.as_bytes()).then(|| Self(text.into()))
    }

    /// The digits as they came.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// `number = [ minus ] int [ frac ] [ exp ]` of RFC 8259 section 6.
fn is_json_number(text: &[u8]) -> bool {
    fn skip_digits(text: &[u8]) -> Option<&[u8]> {
        let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
        (digits > 0).then(|| &text[digits..])
    }
    fn number(text: &[u8]) -> Option<&[u8]> {
        let text = text.strip_prefix(b"-").unwrap_or(text);
        let mut rest = match text.strip_prefix(b"0") {
            Some(rest) => rest,
            None => skip_digits(text)?,
        };
        if let Some(fraction) = rest.strip_prefix(b".") {
            rest = skip_digits(fraction)?;
        }
        if let Some(exponent) = rest.strip_prefix(b"e").or_else(|| rest.strip_prefix(b"E")) {
            let exponent = exponent
                .strip_prefix(b"+")
                .or_else(|| exponent.strip_prefix(b"-"))
                .unwrap_or(exponent);
            rest = skip_digits(exponent)?;
        }
        Some(rest)
    }
    number(text).is_some_and(<[u8]>::is_empty)
}

/// What one valid answer of D7 says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reading {
    /// The credit left. D7 names no currency.
    pub balance: Amount,
    /// The number of messages that D7 says it is good for, where it does.
    pub sms_count: Option<Amount>,
}

/// A reading with its time, and everything of its answer that does not depend
/// on the moment of asking, made once so that a hit only copies references.
#[derive(Debug)]
pub struct Snapshot {
    reading: Reading,
    as_of: SystemTime,
    fetched_at: MonoTime,
    body: Bytes,
    etag: Bytes,
}

impl Snapshot {
    /// Builds the body and its strong entity tag (RFC 9110 section 8.8.3).
    ///
    /// `as_of` and `fetched_at` are the same moment, D7's answer's arrival, on
    /// the wall clock and on the monotonic one.
    pub fn new(reading: &Reading, as_of: SystemTime, fetched_at: MonoTime) -> Self {
        let balance = reading.balance.as_str();
        let sms_count = reading
            .sms_count
            .as_ref()
            .map(|count| format!(",\"sms_count\":{}", count.as_str()))
            .unwrap_or_default();
        // A clock that shows another year than one of four digits shows none.
        let as_of_text = Rfc3339(as_of).text().unwrap_or_default();
        let body = format!(
            r#"{{"balance":{balance},"balance_text":"{balance}"{sms_count},"as_of":"{as_of_text}"}}"#
        );
        Self {
            reading: reading.clone(),
            as_of,
            fetched_at,
            etag: entity_tag(body.as_bytes()),
            body: Bytes::from(body),
        }
    }

    /// The credit left.
    pub fn balance(&self) -> &Amount {
        &self.reading.balance
    }

    /// Whether both have the same digits, of the balance and of `sms_count`.
    pub fn says_the_same_as(&self, other: &Self) -> bool {
        self.reading == other.reading
    }

    /// When D7's answer arrived, on the wall clock.
    pub fn as_of(&self) -> SystemTime {
        self.as_of
    }

    /// When D7's answer arrived, on the monotonic clock.
    pub fn fetched_at(&self) -> MonoTime {
        self.fetched_at
    }

    /// The JSON object that a 200 carries, and that a problem carries as
    /// `last_known`.
    pub fn body(&self) -> &Bytes {
        &self.body
    }

    /// The strong entity tag of [`Snapshot::body`], quotes included.
    pub fn etag(&self) -> &Bytes {
        &self.etag
    }
}

/// A strong entity tag of a body (RFC 9110 section 8.8.3), quotes included.
pub fn entity_tag(body: &[u8]) -> Bytes {
    let digest = digest::digest(&digest::SHA256, body);
    // 128 bits of the digest: no two bodies of one service will meet.
    let tag: String = digest.as_ref()[..16]
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect();
    Bytes::from(format!("\"{tag}\""))
}

/// A moment as RFC 3339 has it, in UTC, with three decimals.
#[derive(Debug, Clone, Copy)]
pub struct Rfc3339(pub SystemTime);

impl Rfc3339 {
    /// The text; none where the year has more than four digits.
    pub fn text(self) -> Option<String> {
        const FORMAT: &[BorrowedFormatItem<'_>] = format_description!(
            "[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z"
        );
        let nanos = match self.0.duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i128::try_from(after.as_nanos()).ok()?,
            Err(before) => -i128::try_from(before.duration().as_nanos()).ok()?,
        };
        let moment = OffsetDateTime::from_unix_timestamp_nanos(nanos).ok()?;
        moment.format(FORMAT).ok()
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, SystemTime};

    use super::{Amount, Rfc3339};

    #[test]
    fn a_moment_has_three_decimals_and_one_beyond_the_calendar_has_no_text() {
        let at = |millis| SystemTime::UNIX_EPOCH + Duration::from_millis(millis);
        let text = |at| Rfc3339(at).text();

        assert_eq!(
            text(at(1_795_395_600_123)).as_deref(),
            Some("2026-11-23T01:00:00.123Z")
        );
        assert_eq!(
            text(SystemTime::UNIX_EPOCH - Duration::from_millis(500)).as_deref(),
            Some("1969-12-31T23:59:59.500Z")
        );
        assert_eq!(text(at(253_402_300_800_000)), None);
    }

    #[test]
    fn an_amount_is_a_whole_json_number_and_nothing_else() {
        for number in [
            "99.9999999",
            "100.00",
            "0",
            "-0",
            "-0.5",
            "1e3",
            "1E+400",
            "0e-0",
            "10",
        ] {
            assert_eq!(
                Amount::parse(number).as_ref().map(Amount::as_str),
                Some(number)
            );
        }

        for other in [
            "", "-", "+1", "01", "-01", "1.", ".5", "1e", "1e+", "0x10", " 1", "1 ", "NaN",
            "Infinity", "true", "null", "1_000", "1,5", "٣",
        ] {
            assert_eq!(Amount::parse(other), None, "{other:?}");
        }
    }
}
