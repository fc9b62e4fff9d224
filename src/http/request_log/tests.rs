use std::{
    io::{self, Write},
    sync::{Arc, Mutex},
    time::SystemTime,
};

use actix_web::{
    App, HttpRequest, HttpResponse,
    middleware::from_fn,
    test::{TestRequest, init_service},
    web,
};
use secrecy::ExposeSecret;
use tracing_subscriber::fmt::MakeWriter;

use super::{Listener, RequestFacts, RequestLog};
use crate::{
    callers::{KeyRecord, KeyTable, key::NewKey},
    clock::{Clock, ManualClock},
    http::{get, probes::Readiness},
    metrics::Metrics,
};

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
    let caller = caller.ok().unwrap();
    let panicking = web::to(move |request: HttpRequest| {
        let caller = caller.clone();
        async move {
            RequestFacts::note(&request, |facts| facts.caller = Some(caller));
            assert!(request.headers().is_empty(), "as the test has asked");
            HttpResponse::Ok().finish()
        }
    });
    let ip = [127, 0, 0, 1].into();
    let readiness = Readiness::default();
    let log = Arc::new(RequestLog::new(
        Listener::Public,
        ip,
        clock,
        readiness,
        &metrics,
    ));
    let lines = Lines::default();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer(lines.clone())
        .finish();

    let failed = tracing::subscriber::with_default(subscriber, || {
        actix_rt::System::new().block_on(async {
            let app = App::new()
                .wrap(from_fn(move |request, next| {
                    Arc::clone(&log).handle(request, next)
                }))
                .service(get("/panic/{of}", panicking));
            let app = init_service(app).await;
            let request = TestRequest::get()
                .uri("/panic/ours")
                .insert_header(("host", "localhost"))
                .insert_header(("x-request-id", "the-panic"));
            let answer = actix_web::dev::Service::call(&app, request.to_request());
            answer.await.err().unwrap().error_response()
        })
    });

    assert_eq!(failed.status(), 500);
    let lines = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    let event = lines
        .lines()
        .find(|line| line.contains("event=\"request\""));
    let event = event.unwrap_or_else(|| panic!("no event in {lines}"));
    for field in [
        "http.matched_path=\"/panic/{of}\"",
        "http.status_code=500",
        "client=\"billing\"",
        &format!("key_id=\"{}\"", new.id),
        "error.kind=\"internal_error\"",
        "request_id=\"the-panic\"",
    ] {
        assert!(event.contains(field), "{field} in {event}");
    }
}
