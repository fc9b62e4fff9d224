//! Events as JSON objects, a line each, written straight into the buffer.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    fmt::{self, Write},
    rc::Rc,
    sync::Arc,
    time::SystemTime,
};

use foldhash::fast::RandomState;
use time::OffsetDateTime;
use tracing::{
    Event, Metadata, Subscriber,
    callsite::Identifier,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, format::Writer},
    registry::LookupSpan,
};

use crate::clock::Clock;

/// Formats `{"timestamp":…,"level":…,"target":…,"message":…,…}`.
#[derive(Clone)]
pub struct Json {
    clock: Arc<dyn Clock>,
}

impl Json {
    /// The format, with the moments of `clock`.
    pub fn new(clock: Arc<dyn Clock>) -> Self {
        Self { clock }
    }
}

/// Enough for the event of a request, with some to spare.
const ROOM: usize = 640;

thread_local! {
    /// The memory for a line. It is taken while it is used: a value's own `Debug`
    /// may log, too.
    static LINE: Cell<String> = Cell::new(String::with_capacity(ROOM));

    /// The second of the line before, since 1970, and how it is written.
    static SECOND: RefCell<(Option<u64>, String)> = RefCell::default();
}

impl<S, N> FormatEvent<S, N> for Json
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        _: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let frame = Frame::of(event.metadata());
        // `out` is asked through a pointer for each piece that it is given: it
        // is given one.
        let mut line = LINE.take();
        line.push_str("{\"timestamp\":\"");
        push_timestamp(&mut line, self.clock.wall());
        line.push_str(&frame.level);
        let mut fields = Fields {
            line,
            names: &frame.names,
        };
        event.record(&mut fields);
        let mut line = fields.line;
        line.push_str(&frame.end);
        let written = out.write_str(&line);
        line.clear();
        line.shrink_to(ROOM);
        LINE.set(line);
        written
    }
}

/// What is the same in all lines of one place in the code.
struct Frame {
    /// From the timestamp to the first field.
    level: String,
    /// What stands before each field's value; nothing where it is not written.
    names: Box<[Option<String>]>,
    end: String,
}

thread_local! {
    /// Made once for each place, of which there are some dozens.
    static FRAMES: RefCell<HashMap<Identifier, Rc<Frame>, RandomState>> = RefCell::default();
}

impl Frame {
    fn of(meta: &Metadata<'_>) -> Rc<Self> {
        FRAMES.with_borrow_mut(|frames| {
            let frame = frames.entry(meta.callsite());
            Rc::clone(frame.or_insert_with(|| Rc::new(Self::new(meta))))
        })
    }

    fn new(meta: &Metadata<'_>) -> Self {
        let mut end = String::new();
        // A record of the `log` crate brings its own as a field.
        if meta.fields().field(LOG_TARGET).is_none() {
            end.push_str(",\"target\":");
            push_string(&mut end, meta.target());
        }
        end.push_str("}\n");
        let before = |field: Field| {
            let name = match field.name() {
                LOG_TARGET => "target",
                // Where in a library a record was made is of no use to a reader.
                "log.module_path" | "log.file" | "log.line" => return None,
                name => name,
            };
            let mut text = String::from(",");
            push_string(&mut text, name);
            text.push(':');
            Some(text)
        };
        Self {
            level: format!("\",\"level\":\"{}\"", meta.level()),
            names: meta.fields().iter().map(before).collect(),
            end,
        }
    }
}

const LOG_TARGET: &str = "log.target";

/// A moment as RFC 3339 has it, to the microsecond.
fn push_timestamp(line: &mut String, now: SystemTime) {
    // A clock that stands before 1970 has not been set yet.
    let since = now.duration_since(SystemTime::UNIX_EPOCH);
    let since = since.unwrap_or_default();
    SECOND.with_borrow_mut(|(second, text)| {
        if *second != Some(since.as_secs()) {
            *second = Some(since.as_secs());
            *text = second_of(SystemTime::UNIX_EPOCH + since);
        }
        line.push_str(text);
    });
    // Six digits, however small the number.
    let mut digits = itoa::Buffer::new();
    let digits = digits.format(1_000_000 + since.subsec_micros());
    line.push('.');
    line.push_str(&digits[1..]);
    line.push('Z');
}

/// A moment without what is less than a second.
fn second_of(moment: SystemTime) -> String {
    let moment = OffsetDateTime::from(moment);
    format!(
        "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
        moment.year(),
        u8::from(moment.month()),
        moment.day(),
        moment.hour(),
        moment.minute(),
        moment.second()
    )
}

struct Fields<'a> {
    line: String,
    names: &'a [Option<String>],
}

impl Fields<'_> {
    fn write(&mut self, field: &Field, value: impl FnOnce(&mut String)) {
        if let Some(Some(name)) = self.names.get(field.index()) {
            self.line.push_str(name);
            value(&mut self.line);
        }
    }
}

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write(field, |line| {
            if value.is_finite() {
                line.push_str(zmij::Buffer::new().format_finite(value));
            } else {
                line.push_str("null");
            }
        });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, |line| {
            line.push_str(itoa::Buffer::new().format(value));
        });
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, |line| {
            line.push_str(itoa::Buffer::new().format(value));
        });
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, |line| {
            line.push_str(if value { "true" } else { "false" });
        });
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, |line| push_string(line, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field, |line| {
            line.push('"');
            // Writing to a `String` cannot fail. What fails is the value's own
            // `Debug`, and what it wrote until then stands.
            let _: fmt::Result = write!(Escaping(line), "{value:?}");
            line.push('"');
        });
    }
}

fn push_string(line: &mut String, text: &str) {
    line.push('"');
    push_escaped(line, text);
    line.push('"');
}

/// Adds text with what a JSON string may not hold escaped (RFC 8259 section 7),
/// and DEL and the C1 controls with it, for terminals' sake.
fn push_escaped(line: &mut String, text: &str) {
    if is_plain(text.as_bytes()) {
        line.push_str(text);
        return;
    }
    for c in text.chars() {
        match c {
            '"' | '\\' => line.extend(['\\', c]),
            '\n' => line.push_str("\\n"),
            c if c.is_control() => {
                // Writing to a `String` cannot fail.
                let _: fmt::Result = write!(line, "\\u{:04x}", u32::from(c));
            }
            c => line.push(c),
        }
    }
}

/// Whether nothing needs to be escaped, which is so for nearly all text. Eight
/// bytes are looked at in one step.
fn is_plain(text: &[u8]) -> bool {
    match text.last_chunk() {
        // The last eight again where the steps do not come out even.
        Some(last) => {
            let (words, _) = text.as_chunks();
            words.iter().chain([last]).all(|word| is_plain_word(*word))
        }
        None => text.iter().all(|byte| is_plain_word([*byte; 8])),
    }
}

fn is_plain_word(word: [u8; 8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const HIGH_BITS: u64 = ONES << 7;
    let word = u64::from_ne_bytes(word);
    // The high bit of each byte tells whether that byte is below `limit`, or
    // else one before it is: enough to know of them all.
    let below = |bytes: u64, limit: u64| bytes.wrapping_sub(ONES * limit) & !bytes;
    let is = |byte: u8| below(word ^ (ONES * u64::from(byte)), 1);
    // From 0x80 on the high bit is set already.
    let special = below(word, 0x20) | is(b'"') | is(b'\\') | is(0x7f) | word;
    special & HIGH_BITS == 0
}

/// Passes text on with [`push_escaped`].
struct Escaping<'a>(&'a mut String);

impl Write for Escaping<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        push_escaped(self.0, text);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, SystemTime},
    };

    use serde_json::{Value, json};

    use super::{Json, is_plain};
    use crate::{clock::ManualClock, telemetry::writer::tests::Written};

    #[test]
    fn what_needs_escaping_is_found_wherever_it_stands() {
        for byte in 0..=u8::MAX {
            let is_special = !(0x20..0x7f).contains(&byte) || byte == b'"' || byte == b'\\';
            for length in 0..20 {
                let plain = vec![b'a'; length];
                assert!(is_plain(&plain));
                for at in 0..length {
                    let mut text = plain.clone();
                    text[at] = byte;
                    assert_eq!(
                        is_plain(&text),
                        !is_special,
                        "{byte:#x} at {at} of {length}"
                    );
                }
            }
        }
    }

    #[test]
    fn each_line_has_its_own_moment() {
        let moment = |micros: u64| {
            let mut line = String::new();
            let since = Duration::from_micros(micros);
            super::push_timestamp(&mut line, SystemTime::UNIX_EPOCH + since);
            line
        };

        assert_eq!(moment(0), "1970-01-01T00:00:00.000000Z");
        assert_eq!(moment(1_795_435_199_999_999), "2026-11-23T11:59:59.999999Z");
        assert_eq!(moment(1_795_435_200_000_007), "2026-11-23T12:00:00.000007Z");
        assert_eq!(moment(1_795_435_200_120_000), "2026-11-23T12:00:00.120000Z");
        // Back, where a clock is set.
        assert_eq!(moment(1_795_435_199_000_000), "2026-11-23T11:59:59.000000Z");
    }

    #[test]
    fn an_event_is_one_line_of_json_whatever_it_holds() {
        let written = Written::default();
        let writer = written.clone();
        let noon = SystemTime::UNIX_EPOCH + Duration::from_micros(1_795_435_200_000_045);
        let subscriber = tracing_subscriber::fmt()
            .event_format(Json::new(Arc::new(ManualClock::new(noon))))
            .with_writer(move || writer.clone())
            .finish();

        tracing::subscriber::with_default(subscriber, || {
            tracing::warn!(
                text = "a\"b\\c\nd\u{1b}[31m\u{9b}é",
                none = None::<&str>,
                number = 7_u64,
                signed = -7,
                float = 0.25,
                not_a_number = f64::NAN,
                flag = true,
                debug = ?"x\ny",
                "hello"
            );
        });

        let text = written.text();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text}");
        let line: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            line,
            json!({
                "timestamp": "2026-11-23T12:00:00.000045Z",
                "level": "WARN",
                "target": "d7_balance::telemetry::json::tests",
                "message": "hello",
                "text": "a\"b\\c\nd\u{1b}[31m\u{9b}é",
                "number": 7,
                "signed": -7,
                "float": 0.25,
                "not_a_number": null,
                "flag": true,
                "debug": "\"x\\ny\"",
            })
        );
    }
}
