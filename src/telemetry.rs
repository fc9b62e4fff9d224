//! The log: one line an event, on standard error, behind a writer that nobody
//! waits for.
//!
//! Standard output belongs to what a command was asked for. Lines that cannot be
//! written, or not as fast as they come, are dropped and counted rather than
//! making a request wait.
//!
//! # Design
//! The JSON formatter is our own: `tracing-subscriber`'s builds a `serde_json`
//! map per event and nests fields under spans that we do not use. One event
//! costs a fraction of a microsecond this way, and a hit is hardly more.

mod json;
mod writer;

use std::{
    io::{self, IsTerminal},
    sync::Arc,
};

use prometheus_client::metrics::counter::Counter;
use tracing::{Level, Metadata};
use tracing_subscriber::{
    EnvFilter, filter::filter_fn, layer::SubscriberExt, util::SubscriberInitExt,
};

pub use self::json::Json;
use self::writer::{LineWriter, WriterGuard};
use crate::{
    clock::Clock,
    config::{LogFormat, Telemetry},
};

/// The log is open while this lives: dropping it writes what is left.
pub struct Log {
    dropped: Counter,
    _guard: WriterGuard,
}

impl Log {
    /// Counts the lines that were lost.
    pub fn dropped(&self) -> Counter {
        self.dropped.clone()
    }
}

/// The log cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// There can be no thread that writes it.
    #[error("the log's thread cannot be started")]
    Thread(#[from] io::Error),
    /// The filter is none.
    #[error("the log filter cannot be read")]
    Filter(#[from] tracing_subscriber::filter::ParseError),
    /// There is a log already.
    #[error("the log is open already")]
    Open(#[from] tracing_subscriber::util::TryInitError),
}

/// Opens the process's log, with the moments of `clock`, and sends panics there
/// too.
///
/// # Errors
/// Where the filter is none, or a log is open already.
pub fn open(settings: &Telemetry, clock: Arc<dyn Clock>) -> Result<Log, LogError> {
    let stderr = io::stderr();
    let format = settings.format.unwrap_or(if stderr.is_terminal() {
        LogFormat::Pretty
    } else {
        LogFormat::Json
    });
    let ansi = stderr.is_terminal();
    let dropped = Counter::default();
    let (writer, guard) = LineWriter::start(stderr, dropped.clone())?;
    let filter = EnvFilter::builder().parse(&settings.filter)?;
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(writer)
        .with_ansi(ansi);
    match format {
        LogFormat::Pretty => builder.finish().with(filter_fn(is_heard)).try_init()?,
        LogFormat::Json => builder
            .event_format(Json::new(clock))
            .finish()
            .with(filter_fn(is_heard))
            .try_init()?,
    }
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string);
        let text = panic.payload_as_str().unwrap_or("(not text)");
        tracing::error!(event = "panic", location, text, "a task panicked");
    }));
    Ok(Log {
        dropped,
        _guard: guard,
    })
}

/// Libraries whose events are not logged at all. They read what comes over the
/// wire and quote it: actix-http, for one, a `Content-Length` that is no number,
/// in which a caller or D7 may have put a secret. And whoever sends rubbish
/// would write a line with each connection. actix-tls says which host it
/// resolves and connects to, and that of the alerts' receiver is a secret.
const UNHEARD: [&str; 4] = ["actix_http", "actix_tls", "awc", "h2"];

/// A library that tells each start and stop of its own in five lines.
const TALKATIVE: &str = "actix_server";

/// Whether an event may be logged at all. No setting overrides it.
fn is_heard(metadata: &Metadata<'_>) -> bool {
    match metadata.target().split("::").next().unwrap_or_default() {
        TALKATIVE => *metadata.level() <= Level::WARN,
        library => !UNHEARD.contains(&library),
    }
}
