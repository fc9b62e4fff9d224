//! Request directives: what a caller asks for by `Cache-Control`
//! (RFC 9111 section 5.2.1).
//!
//! Only three are known. A malformed argument makes its directive count as
//! absent, everything else is passed over, and of two wishes the stricter one
//! counts.

use std::time::Duration;

use actix_web::http::header::{self, HeaderMap};

use crate::balance::decision::Asked;

/// Reads all `Cache-Control` lines of a request.
pub(super) fn asked(headers: &HeaderMap) -> Asked {
    let mut asked = Asked::default();
    for line in headers.get_all(header::CACHE_CONTROL) {
        // What is no text may stand beside what is, in somebody's quoted string.
        let line = String::from_utf8_lossy(line.as_bytes());
        split(&line).for_each(|directive| take(&mut asked, directive.trim()));
    }
    asked
}

fn take(asked: &mut Asked, directive: &str) {
    let (name, argument) = match directive.split_once('=') {
        Some((name, argument)) => (name, Some(argument)),
        None => (directive, None),
    };
    let wish = match argument {
        None if name.eq_ignore_ascii_case("no-cache") => Some(Duration::ZERO),
        None if name.eq_ignore_ascii_case("only-if-cached") => {
            asked.only_if_cached = true;
            None
        }
        Some(argument) if name.eq_ignore_ascii_case("max-age") => delta_seconds(argument),
        _ => None,
    };
    asked.max_age = match (asked.max_age, wish) {
        (Some(one), Some(other)) => Some(one.min(other)),
        (one, other) => one.or(other),
    };
}

/// RFC 9111 section 1.2.2; as a quoted string too (section 5.2).
fn delta_seconds(argument: &str) -> Option<Duration> {
    let digits = argument
        .strip_prefix('"')
        .and_then(|quoted| quoted.strip_suffix('"'))
        .unwrap_or(argument);
    let is_number = !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit());
    // What does not fit is longer than anything that is stored.
    is_number.then(|| Duration::from_secs(digits.parse().unwrap_or(u64::MAX)))
}

/// Splits at commas that are not inside a quoted string.
fn split(line: &str) -> impl Iterator<Item = &str> {
    let mut is_quoted = false;
    let mut is_escaped = false;
    line.split(move |c| {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ',' => return !is_quoted,
            _ => {}
        }
        false
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use actix_web::http::header::{CACHE_CONTROL, HeaderMap, HeaderValue};

    use super::asked;

    fn read(lines: &[&str]) -> (Option<u64>, bool) {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                CACHE_CONTROL,
                HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
        }
        let asked = asked(&headers);
        (
            asked.max_age.as_ref().map(Duration::as_secs),
            asked.only_if_cached,
        )
    }

    #[test]
    fn wishes_are_read_whatever_their_case_and_place() {
        for (lines, expected) in [
            (&[][..], (None, false)),
            (&["no-cache"], (Some(0), false)),
            (&["No-Cache"], (Some(0), false)),
            (&["max-age=0"], (Some(0), false)),
            (&["MAX-AGE=30"], (Some(30), false)),
            (&["max-age=\"30\""], (Some(30), false)),
            (&["only-if-cached"], (None, true)),
            (&["max-age=30, only-if-cached"], (Some(30), true)),
            (
                &["max-age=30", "Only-If-Cached , max-age=7"],
                (Some(7), true),
            ),
            (&["max-age=30, no-cache"], (Some(0), false)),
            (&[",, max-age=5 ,"], (Some(5), false)),
            (&["x=\"\u{e9}\", max-age=5"], (Some(5), false)),
            (
                &["max-age=99999999999999999999999"],
                (Some(u64::MAX), false),
            ),
        ] {
            assert_eq!(read(lines), expected, "{lines:?}");
        }
    }

    #[test]
    fn malformed_and_foreign_directives_count_as_absent() {
        for line in [
            "max-age",
            "max-age=",
            "max-age=-1",
            "max-age=+1",
            "max-age=1.5",
            "max-age=1s",
            "max-age= 1",
            "max-age =1",
            "max-age=\"1",
            "no-cache=x",
            "no-cache=",
            "only-if-cached=1",
            "no-store",
            "max-stale=5",
            "min-fresh=5",
            "no-cachet",
            "x=\"no-cache, max-age=1\"",
            "x=\"a\\\", no-cache\"",
            "no cache",
            "no-cache;",
        ] {
            assert_eq!(read(&[line]), (None, false), "{line}");
        }
        assert_eq!(read(&["max-age=x, max-age=9"]), (Some(9), false));
    }
}
