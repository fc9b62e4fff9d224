//! The two headers that tell a client of its limit
//! (draft-ietf-httpapi-ratelimit-headers-11).

use std::{fmt, io::Write};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};

use crate::callers::limit::Verdict;

const RATELIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const RATELIMIT: HeaderName = HeaderName::from_static("ratelimit");

/// Tells of the limit, `q` requests in `w` seconds, and of what is left of it:
/// `r` requests at once, and all of them in `t` seconds.
pub(super) fn insert_headers(headers: &mut HeaderMap, verdict: &Verdict) {
    let Verdict {
        limit,
        remaining,
        full_after_s,
        ..
    } = verdict;
    let (q, w) = (limit.requests, limit.per.seconds());
    let policy = value(format_args!("\"client\";q={q};w={w}"));
    let left = value(format_args!("\"client\";r={remaining};t={full_after_s}"));
    if let (Some(policy), Some(left)) = (policy, left) {
        headers.insert(RATELIMIT_POLICY, policy);
        headers.insert(RATELIMIT, left);
    }
}

/// A header's value, by way of the stack. `None` is never the answer: the texts
/// are ASCII, and their two numbers have room for every digit of theirs.
fn value(text: fmt::Arguments<'_>) -> Option<HeaderValue> {
    let mut buffer = [0; 48];
    let mut rest = &mut buffer[..];
    rest.write_fmt(text).ok()?;
    let left = rest.len();
    HeaderValue::from_bytes(&buffer[..buffer.len() - left]).ok()
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use actix_web::http::header::HeaderMap;

    use super::insert_headers;
    use crate::callers::limit::{Per, RateLimit, Verdict};

    #[test]
    fn the_largest_numbers_have_room() {
        let mut headers = HeaderMap::new();
        let verdict = Verdict {
            limit: RateLimit {
                requests: NonZeroU32::MAX,
                per: Per::Hour,
            },
            remaining: u32::MAX,
            full_after_s: u64::MAX,
            refused_for_s: None,
        };

        insert_headers(&mut headers, &verdict);

        assert_eq!(
            headers.get("ratelimit-policy").unwrap(),
            "\"client\";q=4294967295;w=3600"
        );
        assert_eq!(
            headers.get("ratelimit").unwrap(),
            "\"client\";r=4294967295;t=18446744073709551615"
        );
    }
}
