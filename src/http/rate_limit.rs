//! The two headers that tell a client of its limit
//! (draft-ietf-httpapi-ratelimit-headers-11).

use actix_web::http::header::{HeaderMap, HeaderName};

use super::{header_text::HeaderText, kept::Kept};
use crate::callers::limit::{RateLimit, Verdict};

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
    let policy = KEPT.with(|kept| {
        kept.get(*limit, |limit| {
            let mut policy = HeaderText::new("\"client\";q=");
            policy.push_number(limit.requests.get());
            policy.push(";w=").push_number(limit.per.seconds());
            Some([policy.to_value()?])
        })
    });
    let mut left = HeaderText::new("\"client\";r=");
    left.push_number(*remaining);
    left.push(";t=").push_number(*full_after_s);
    // They always are values: ASCII, and far from filling their room.
    if let (Some([policy]), Some(left)) = (policy, left.to_value()) {
        headers.append(RATELIMIT_POLICY, policy);
        headers.append(RATELIMIT, left);
    }
}

thread_local! {
    /// `RateLimit-Policy`: most clients have the same.
    static KEPT: Kept<RateLimit, 1> = const { Kept::new() };
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
