//! A header's value, put together without the heap.

use actix_web::http::header::HeaderValue;

/// The longest text that there is room for.
const ROOM: usize = 160;

/// A text that grows.
pub(super) struct HeaderText {
    bytes: [u8; ROOM],
    length: usize,
}

impl HeaderText {
    /// The text that begins with `start`.
    pub(super) fn new(start: &str) -> Self {
        let mut text = Self {
            bytes: [0; ROOM],
            length: 0,
        };
        text.push(start);
        text
    }

    /// Adds `more`.
    pub(super) fn push(&mut self, more: &str) -> &mut Self {
        let end = self.length + more.len();
        if let Some(place) = self.bytes.get_mut(self.length..end) {
            place.copy_from_slice(more.as_bytes());
        }
        // What has no room is not a value any more.
        self.length = end;
        self
    }

    /// Adds `number`.
    pub(super) fn push_number(&mut self, number: impl itoa::Integer) -> &mut Self {
        self.push(itoa::Buffer::new().format(number))
    }

    /// The value, if there was room for it and it may be one.
    pub(super) fn to_value(&self) -> Option<HeaderValue> {
        let text = self.bytes.get(..self.length)?;
        HeaderValue::from_bytes(text).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{HeaderText, ROOM};

    #[test]
    fn a_text_is_whole_or_nothing() {
        let mut text = HeaderText::new("n=");
        text.push_number(u64::MAX).push(";t=").push_number(i64::MIN);
        let value = text.to_value().unwrap();
        assert_eq!(value, "n=18446744073709551615;t=-9223372036854775808");

        let all = "a".repeat(ROOM);
        assert_eq!(HeaderText::new(&all).to_value().unwrap(), all.as_str());
        assert_eq!(HeaderText::new(&all).push("b").push("").to_value(), None);
        assert_eq!(HeaderText::new("\n").to_value(), None);
    }
}
