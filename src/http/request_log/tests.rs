use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::SystemTime,
};

use actix_web::test::TestRequest;
use futures_util::FutureExt;
use secrecy::ExposeSecret;
use tracing_subscriber::fmt::MakeWriter;

use super::{Listener, Method, RequestLog};
use crate::{
    callers::{Caller, KeyRecord, KeyTable, key::NewKey},
    clock::{Clock, ManualClock},
    http::{Answer, Call, Route, Routes, probes::Readiness},
    metrics::Metrics,
};

/// A listener whose handlers know their caller and panic, at once or later.
struct Panicking(Caller);

impl Panicking {
    fn at_once(&self, call: Call<'_>) -> Answer {
        call.facts.caller = Some(self.0.clone());
        panic!("as the test has asked");
    }

    fn later(&self, call: Call<'_>) -> Answer {
        call.facts.caller = Some(self.0.clone());
        Answer::Later(async { panic!("as the test has asked") }.boxed_local())
    }
}

impl Routes for Panicking {
    const LISTENER: Listener = Listener::Public;
    const TABLE: &'static [Route<Self>] = &[
        Route {
            pattern: "/at-once/{of}",
            allow: "GET, HEAD",
            handlers: &[(Method::GET, Self::at_once)],
        },
        Route {
            pattern: "/later/{of}",
            allow: "GET, HEAD",
            handlers: &[(Method::GET, Self::later)],
        },
    ];
}

/// What has been logged.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

#[test]
fn a_panic_takes_nothing_away_that_was_known_of_the_request() {
    for (path, pattern) in [
        ("/at-once/ours", "/at-once/{of}"),
        ("/later/ours", "/later/{of}"),
    ] {
        let clock: Arc<dyn Clock> = Arc::new(ManualClock::new(SystemTime::UNIX_EPOCH));
        let metrics = Metrics::new(None);
        let new = NewKey::generate().unwrap();
        let record = KeyRecord {
            client: "billing".to_owned(),
            id: new.id,
            digest: new.digest,
            expires: None,
            rate_limit: None,
        };
        let keys = KeyTable::new(vec![record], None, Arc::clone(&clock), metrics.clone());
        let caller = keys.authenticate(new.key.expose_secret(), clock.wall());
        let log = Arc::new(RequestLog::new(
            Panicking(caller.ok().unwrap()),
            [127, 0, 0, 1].into(),
            None,
            clock,
            Readiness::default(),
            &metrics,
        ));
        let lines = Lines::default();
        let subscriber = tracing_subscriber::fmt()
            .with_ansi(false)
            .with_writer(lines.clone())
            .finish();

        let answer = tracing::subscriber::with_default(subscriber, || {
            let request = TestRequest::get()
                .uri(path)
                .insert_header(("host", "localhost"))
                .insert_header(("x-request-id", "the-panic"));
            log.handle(request.to_request()).now_or_never()
        });

        assert_eq!(answer.unwrap().unwrap().status(), 500);
        let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let event = lines
            .lines()
            .find(|line| line.contains("event=\"request\""));
        let event = event.unwrap_or_else(|| panic!("no event in {lines}"));
        for field in [
            &format!("http.matched_path=\"{pattern}\""),
            "http.status_code=500",
            "client=\"billing\"",
            &format!("key_id=\"{}\"", new.id),
            "error.kind=\"internal_error\"",
            "request_id=\"the-panic\"",
        ] {
            assert!(event.contains(field), "{field} in {event}");
        }
    }
}
