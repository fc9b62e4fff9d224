//! Events as JSON objects, a line each, written straight into the buffer.

use std::fmt::{self, Write};

use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{
        FmtContext, FormatEvent, FormatFields,
        format::Writer,
        time::{FormatTime, SystemTime},
    },
    registry::LookupSpan,
};

/// Formats `{"timestamp":…,"level":…,"target":…,"message":…,…}`.
#[derive(Debug, Clone, Copy)]
pub struct Json;

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
        let meta = event.metadata();
        out.write_str("{\"timestamp\":\"")?;
        SystemTime.format_time(&mut out)?;
        write!(out, "\",\"level\":\"{}\"", meta.level())?;
        let mut fields = Fields {
            out: &mut out,
            target: Target::Of(meta.target()),
            result: Ok(()),
        };
        event.record(&mut fields);
        fields.result?;
        if let Target::Of(target) = fields.target {
            out.write_str(",\"target\":")?;
            write_string(&mut out, target)?;
        }
        out.write_str("}\n")
    }
}

/// What stands as `target`: the event's own, unless it is a record of the
/// `log` crate, which brings its own as a field.
enum Target<'a> {
    Of(&'a str),
    Written,
}

struct Fields<'a, 'w, 't> {
    out: &'a mut Writer<'w>,
    target: Target<'t>,
    result: fmt::Result,
}

impl Fields<'_, '_, '_> {
    fn write(&mut self, field: &Field, value: impl FnOnce(&mut Writer<'_>) -> fmt::Result) {
        let name = match field.name() {
            "log.target" => {
                self.target = Target::Written;
                "target"
            }
            // Where in a library a record was made is of no use to a reader.
            "log.module_path" | "log.file" | "log.line" => return,
            name => name,
        };
        if self.result.is_ok() {
            self.result = self.try_write(name, value);
        }
    }

    fn try_write(
        &mut self,
        name: &str,
        value: impl FnOnce(&mut Writer<'_>) -> fmt::Result,
    ) -> fmt::Result {
        self.out.write_char(',')?;
        write_string(self.out, name)?;
        self.out.write_char(':')?;
        value(self.out)
    }
}

impl Visit for Fields<'_, '_, '_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        self.write(field, |out| {
            if value.is_finite() {
                write!(out, "{value}")
            } else {
                out.write_str("null")
            }
        });
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.write(field, |out| write!(out, "{value}"));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.write(field, |out| write!(out, "{value}"));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.write(field, |out| write!(out, "{value}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.write(field, |out| write_string(out, value));
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.write(field, |out| {
            out.write_char('"')?;
            write!(Escaping(out), "{value:?}")?;
            out.write_char('"')
        });
    }
}

fn write_string(out: &mut Writer<'_>, text: &str) -> fmt::Result {
    out.write_char('"')?;
    Escaping(out).write_str(text)?;
    out.write_char('"')
}

/// Passes text on with what a JSON string may not hold escaped (RFC 8259
/// section 7), and DEL and the C1 controls with it, for terminals' sake.
struct Escaping<'a, 'w>(&'a mut Writer<'w>);

impl Write for Escaping<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let mut rest = text;
        let special = |c: char| c.is_control() || c == '"' || c == '\\';
        while let Some(at) = rest.find(special) {
            let (plain, from) = rest.split_at(at);
            self.0.write_str(plain)?;
            let mut chars = from.chars();
            match chars.next() {
                Some(c @ ('"' | '\\')) => write!(self.0, "\\{c}")?,
                Some('\n') => self.0.write_str("\\n")?,
                Some(c) => write!(self.0, "\\u{:04x}", u32::from(c))?,
                None => {}
            }
            rest = chars.as_str();
        }
        self.0.write_str(rest)
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io,
        sync::{Arc, Mutex},
    };

    use serde_json::{Value, json};

    use super::Json;

    #[derive(Clone, Default)]
    struct Buffer(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Buffer {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn an_event_is_one_line_of_json_whatever_it_holds() {
        let buffer = Buffer::default();
        let writer = buffer.clone();
        let subscriber = tracing_subscriber::fmt()
            .event_format(Json)
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

        let text = String::from_utf8(buffer.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.matches('\n').count(), 1, "{text}");
        assert!(!text.contains(['\u{1b}', '\u{9b}']), "{text}");
        let mut line: Value = serde_json::from_str(&text).unwrap();
        assert!(line["timestamp"].take().as_str().unwrap().ends_with('Z'));
        assert_eq!(
            line,
            json!({
                "timestamp": null,
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
