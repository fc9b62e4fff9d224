//! `If-None-Match` (RFC 9110 section 13.1.2), by weak comparison.
//!
//! A header that is malformed anywhere is ignored as a whole. actix-web's own
//! reader is not used: it splits tags at the commas inside them and lets the
//! well-formed rest of a malformed list count.

use actix_web::{
    HttpResponse,
    http::{
        StatusCode,
        header::{self, HeaderMap, HeaderName, HeaderValue},
    },
};
use bytes::Bytes;

use crate::balance::entity_tag;

/// An answer for one caller alone, who may keep `body` and asks each time whether
/// it is still right.
pub(super) fn revalidated(
    asked: &HeaderMap,
    content_type: &'static str,
    body: impl Into<Bytes>,
) -> HttpResponse {
    // What 200 and 304 have in common (RFC 9110 section 15.4.5).
    const COMMON: [(HeaderName, HeaderValue); 2] = [
        (
            header::CACHE_CONTROL,
            HeaderValue::from_static("private, no-cache"),
        ),
        (
            header::VARY,
            HeaderValue::from_static("Authorization, Cookie"),
        ),
    ];
    let body = body.into();
    let etag = entity_tag(&body);
    let mut answer = if none_match_fails(asked, &etag) {
        HttpResponse::new(StatusCode::NOT_MODIFIED)
    } else {
        HttpResponse::Ok().content_type(content_type).body(body)
    };
    let headers = answer.headers_mut();
    for (name, value) in COMMON {
        headers.append(name, value);
    }
    // Always a value: hexadecimal digits in quotes.
    if let Ok(etag) = HeaderValue::from_maybe_shared(etag) {
        headers.append(header::ETAG, etag);
    }
    answer
}

/// Whether the caller already has what `etag` names, quotes included.
pub(super) fn none_match_fails(headers: &HeaderMap, etag: &[u8]) -> bool {
    let mut has_it = false;
    let mut is_any = false;
    let mut tags = 0_usize;
    for line in headers.get_all(header::IF_NONE_MATCH) {
        let mut rest = trim(line.as_bytes());
        if rest == b"*" {
            is_any = true;
            continue;
        }
        // What a browser sends back, and most that is sent.
        if rest == etag {
            tags += 1;
            has_it = true;
            continue;
        }
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix(b",") {
                rest = trim(after);
                continue;
            }
            let Some((tag, after)) = cut_tag(rest) else {
                return false;
            };
            tags += 1;
            has_it |= tag == etag;
            rest = trim(after);
            if !rest.is_empty() && !rest.starts_with(b",") {
                return false;
            }
        }
    }
    // `*` stands alone, or the header is malformed.
    if is_any { tags == 0 } else { has_it }
}

/// Cuts one entity tag off the front; its weakness does not matter here.
fn cut_tag(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let text = text.strip_prefix(b"W/").unwrap_or(text);
    let opaque = text.strip_prefix(b"\"")?;
    let end = opaque.iter().position(|b| *b == b'"')?;
    // etagc = %x21 / %x23-7E / obs-text
    let is_tag = opaque[..end]
        .iter()
        .all(|b| matches!(b, 0x21..=0x7e | 0x80..));
    is_tag.then(|| text.split_at(end + 2))
}

/// Without the optional white space round it.
fn trim(text: &[u8]) -> &[u8] {
    let is_space = |b: &u8| matches!(b, b' ' | b'\t');
    let start = text.iter().position(|b| !is_space(b)).unwrap_or(text.len());
    let end = text
        .iter()
        .rposition(|b| !is_space(b))
        .map_or(start, |at| at + 1);
    &text[start..end]
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderMap, HeaderValue, IF_NONE_MATCH};

    use super::none_match_fails;

    fn fails(lines: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                IF_NONE_MATCH,
                HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
        }
        none_match_fails(&headers, b"\"ours\"")
    }

    #[test]
    fn a_list_that_holds_our_tag_matches_weak_or_strong() {
        for lines in [
            &["\"ours\""][..],
            &["W/\"ours\""],
            &["*"],
            &[" * "],
            &["\"a\", \"ours\""],
            &["\"a\",W/\"ours\",\"b\""],
            &[" , \"a\" ,, \"ours\" , "],
            &["\"a,b\", \"ours\""],
            &["\"a\"", "\"ours\""],
            &["\"\", \"ours\""],
            &["\"\u{e9}\", \"ours\""],
        ] {
            assert!(fails(lines), "{lines:?}");
        }
    }

    #[test]
    fn another_tag_or_a_malformed_header_does_not() {
        for lines in [
            &[][..],
            &[""],
            &["\"theirs\""],
            &["ours"],
            &["\"ours"],
            &["w/\"ours\""],
            &["W/ \"ours\""],
            &["\"ours\" \"b\""],
            &["\"ours\", b"],
            &["b, \"ours\""],
            &["\"a b\", \"ours\""],
            &["\"ours\", *"],
            &["*, \"ours\""],
            &["*", "\"theirs\""],
            &["\"ours\";"],
        ] {
            assert!(!fails(lines), "{lines:?}");
        }
    }
}
