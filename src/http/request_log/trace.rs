//! Which trace a request belongs to: `traceparent` of W3C Trace Context.

use actix_web::http::header::{HeaderMap, HeaderName};

const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The caller's trace, and its own part in it. Lower-case hexadecimal digits and
/// nothing else, so that it can hold no secret and no control character.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct TraceParent {
    trace_id: [u8; 32],
    parent_id: [u8; 16],
}

impl TraceParent {
    /// Reads the header, if there is one and it is valid: anything else is as if
    /// there were none (section 3.2.2.3 and 4.3 of the recommendation).
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        let first = headers.get(TRACEPARENT)?;
        let is_only = headers.get_all(TRACEPARENT).nth(1).is_none();
        Self::parse(first.as_bytes()).filter(|_| is_only)
    }

    /// `version "-" trace-id "-" parent-id "-" trace-flags`, and what a version
    /// after 00 may add behind another hyphen.
    fn parse(text: &[u8]) -> Option<Self> {
        let (known, more) = text.split_at_checked(55)?;
        let mut parts = known.split(|b| *b == b'-');
        let [version, trace_id, parent_id, flags] = [(); 4].map(|()| parts.next());
        let version = <[u8; 2]>::try_from(version?).ok()?;
        let flags = <[u8; 2]>::try_from(flags?).ok()?;
        let parent = Self {
            trace_id: trace_id?.try_into().ok()?,
            parent_id: parent_id?.try_into().ok()?,
        };
        let is_hex = |part: &[u8]| part.iter().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        let is_id = |id: &[u8]| is_hex(id) && id.iter().any(|b| *b != b'0');
        let ends_well = match &version {
            b"ff" => false,
            b"00" => more.is_empty(),
            _ => more.is_empty() || more.starts_with(b"-"),
        };
        let is_valid = is_hex(&version)
            && is_hex(&flags)
            && is_id(&parent.trace_id)
            && is_id(&parent.parent_id)
            && ends_well;
        is_valid.then_some(parent)
    }

    /// The id of the whole trace.
    pub(super) fn trace_id(&self) -> &str {
        to_text(&self.trace_id)
    }

    /// The id of the caller's part.
    pub(super) fn parent_id(&self) -> &str {
        to_text(&self.parent_id)
    }
}

fn to_text(digits: &[u8]) -> &str {
    std::str::from_utf8(digits).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use actix_web::http::header::{HeaderMap, HeaderValue};

    use super::{TRACEPARENT, TraceParent};

    const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
    const PARENT: &str = "00f067aa0ba902b7";

    fn of(values: &[&str]) -> Option<(String, String)> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(TRACEPARENT, HeaderValue::from_str(value).unwrap());
        }
        let parent = TraceParent::of(&headers)?;
        Some((parent.trace_id().to_owned(), parent.parent_id().to_owned()))
    }

    #[test]
    fn a_valid_header_names_the_trace_and_the_callers_part() {
        for valid in [
            format!("00-{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}-00"),
            format!("cc-{TRACE}-{PARENT}-09"),
            format!("cc-{TRACE}-{PARENT}-01-what-the-future-brings"),
        ] {
            let expected = Some((TRACE.to_owned(), PARENT.to_owned()));
            assert_eq!(of(&[&valid]), expected, "{valid}");
        }
    }

    #[test]
    fn anything_else_is_as_if_there_were_none() {
        let zeros = "0".repeat(32);
        for invalid in [
            String::new(),
            "00".to_owned(),
            format!("00-{TRACE}-{PARENT}"),
            format!("00-{TRACE}-{PARENT}-1"),
            format!("00-{TRACE}-{PARENT}-011"),
            format!("00-{TRACE}-{PARENT}-01-more"),
            format!("cc-{TRACE}-{PARENT}-01more"),
            format!("ff-{TRACE}-{PARENT}-01"),
            format!("0x-{TRACE}-{PARENT}-01"),
            format!("00-{TRACE}-{PARENT}-0x"),
            format!("00-{}-{PARENT}-01", TRACE.to_uppercase()),
            format!("00-{zeros}-{PARENT}-01"),
            format!("00-{TRACE}-{}-01", &zeros[..16]),
            format!("00-{PARENT}-{TRACE}-01"),
            format!("00_{TRACE}_{PARENT}_01"),
            format!("00-{TRACE}-{}-{}-1", &PARENT[..8], &PARENT[..7]),
        ] {
            assert_eq!(of(&[&invalid]), None, "{invalid}");
        }
        let valid = format!("00-{TRACE}-{PARENT}-01");
        assert_eq!(of(&[&valid, &valid]), None, "two headers");
    }
}
