//! How often a client may ask.

use std::{fmt, num::NonZeroU32, time::Duration};

/// So many requests in a second, a minute or an hour; as many may come at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateLimit {
    /// How many requests.
    pub requests: NonZeroU32,
    /// In what time.
    pub per: Per,
}

/// The window of a [`RateLimit`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Per {
    /// One second.
    Second,
    /// 60 seconds.
    Minute,
    /// 3600 seconds.
    Hour,
}

impl Per {
    /// Its length.
    pub fn duration(self) -> Duration {
        Duration::from_secs(match self {
            Self::Second => 1,
            Self::Minute => 60,
            Self::Hour => 3600,
        })
    }
}

/// The most requests that a limit may name: more is no limit.
const MOST: u32 = 1_000_000;

impl RateLimit {
    /// Reads `N/s`, `N/m` or `N/h`, N from 1 to 1 000 000.
    pub fn parse(text: &str) -> Option<Self> {
        let (number, unit) = text.split_once('/')?;
        let per = match unit {
            "s" => Per::Second,
            "m" => Per::Minute,
            "h" => Per::Hour,
            _ => return None,
        };
        // `parse` alone would take a sign.
        let is_number = number.bytes().all(|b| b.is_ascii_digit());
        let requests = number.parse().ok().filter(|_| is_number)?;
        NonZeroU32::new(requests)
            .filter(|requests| requests.get() <= MOST)
            .map(|requests| Self { requests, per })
    }
}

impl fmt::Display for RateLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unit = match self.per {
            Per::Second => 's',
            Per::Minute => 'm',
            Per::Hour => 'h',
        };
        write!(f, "{}/{unit}", self.requests)
    }
}

#[cfg(test)]
mod tests {
    use super::RateLimit;

    #[test]
    fn a_limit_is_a_number_of_requests_in_a_second_a_minute_or_an_hour() {
        for text in ["1/s", "50/s", "600/m", "1000000/h"] {
            assert_eq!(RateLimit::parse(text).unwrap().to_string(), text);
        }
        for text in [
            "",
            "50",
            "/s",
            "0/s",
            "-1/s",
            "+1/s",
            "1.5/s",
            "50/d",
            "50/S",
            " 50/s",
            "50 /s",
            "50/s ",
            "50/s/s",
            "1000001/h",
            "5000000000/s",
        ] {
            assert_eq!(RateLimit::parse(text), None, "{text:?}");
        }
    }
}
