//! What a hit costs, part by part, so that a regression is found where it
//! happens: the key, the look-up with the decision, the response, the log event,
//! and the whole request without its socket.

use std::{
    hint::black_box,
    io,
    sync::Arc,
    time::{Duration, SystemTime},
};

use actix_web::{http::header::HeaderMap, test};
use criterion::{Criterion, criterion_group, criterion_main};
use d7_balance::{
    balance::{
        AccountId, Amount, Reading, Snapshot,
        decision::{Asked, Lifetimes, decide},
        memory::MemoryCache,
        refresher,
        service::{BalanceService, Now},
        state::AccountState,
    },
    callers::{
        KeyRecord, KeyTable,
        key::NewKey,
        limit::{Limiter, RateLimit},
        session::{Secrets, Sessions},
    },
    clock::{Clock, SystemClock},
    http::{Origins, Public, RequestLog, Since, probes::Readiness, respond},
    metrics::Metrics,
    telemetry::Json,
};
use futures_util::FutureExt;
use secrecy::{ExposeSecret, SecretString};

const LIFETIMES: Lifetimes = Lifetimes {
    ttl: Duration::from_secs(24 * 3600),
    stale_while_revalidate: Duration::from_secs(60),
    stale_if_error: Duration::from_secs(900),
    min_refresh: Duration::from_secs(5),
};

/// A table of a thousand keys, and one of them.
fn keys(clock: &Arc<dyn Clock>, metrics: &Metrics) -> (KeyTable, SecretString) {
    let new: Vec<_> = (0..1000)
        .map(|_| NewKey::generate().expect("the system has random bytes"))
        .collect();
    let records = new
        .iter()
        .enumerate()
        .map(|(number, new)| KeyRecord {
            client: format!("client-{}", number % 64),
            id: new.id,
            digest: new.digest,
            expires: None,
            rate_limit: None,
        })
        .collect();
    let table = KeyTable::new(records, None, Arc::clone(clock), metrics.clone());
    (table, new[500].key.clone())
}

fn fresh_state(clock: &dyn Clock) -> Arc<AccountState> {
    let balance = Amount::parse("99.9999999").expect("a number");
    let reading = Reading {
        balance,
        sms_count: None,
    };
    let snapshot = Snapshot::new(&reading, clock.wall(), clock.mono());
    Arc::new(AccountState::new(
        Some(Arc::new(snapshot)),
        None,
        Some(clock.mono()),
    ))
}

fn service(clock: &Arc<dyn Clock>) -> BalanceService {
    let (account, cache) = (AccountId::default(), MemoryCache::new(LIFETIMES.ttl));
    cache.put(account.clone(), fresh_state(&**clock));
    let (handle, _inbox) = refresher::channel();
    BalanceService::new(account, cache, handle, LIFETIMES, Arc::clone(clock))
}

fn parts(criterion: &mut Criterion) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let (table, key) = keys(&clock, &Metrics::new(None));
    criterion.bench_function("key check", |bencher| {
        let now = SystemTime::UNIX_EPOCH;
        bencher.iter(|| black_box(table.authenticate(black_box(key.expose_secret()), now)).is_ok());
    });

    let limit = RateLimit::parse("1000000/s").expect("a limit");
    let limiter = Limiter::new(limit, Arc::clone(&clock));
    criterion.bench_function("limit", |bencher| {
        bencher.iter(|| black_box(limiter.check()).remaining);
    });

    let (state, asked) = (fresh_state(&*clock), Asked::default());
    criterion.bench_function("decision", |bencher| {
        bencher.iter(|| black_box(decide(&state, clock.mono(), &LIFETIMES, black_box(&asked))));
    });

    let service = service(&clock);
    criterion.bench_function("look-up and decision", |bencher| {
        bencher.iter(|| match service.get_now(black_box(&asked), clock.mono()) {
            Now::Answer(answer) => black_box(answer).is_ok(),
            Now::Wait => unreachable!("the balance is fresh"),
        });
    });

    let Now::Answer(Ok(served)) = service.get_now(&asked, clock.mono()) else {
        unreachable!("the balance is fresh");
    };
    let headers = HeaderMap::new();
    criterion.bench_function("response", |bencher| {
        bencher.iter(|| respond(black_box(&headers), black_box(&served)));
    });

    let subscriber = tracing_subscriber::fmt()
        .event_format(Json::new(Arc::clone(&clock)))
        .with_writer(io::sink)
        .finish();
    tracing::subscriber::with_default(subscriber, || {
        criterion.bench_function("log event", |bencher| {
            bencher.iter(|| {
                tracing::info!(
                    event = "request",
                    http.method = black_box("GET"),
                    http.matched_path = "/balance",
                    http.status_code = 200,
                    duration_ms = black_box(0.123),
                    cache.status = "hit",
                    client = "billing",
                    key_id = "k3j9x2ab",
                    request_id = "01a206ba-92a9-77a0-bf3d-f095ce4b702e",
                    "request answered"
                );
            });
        });
    });
}

fn whole(criterion: &mut Criterion) {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let metrics = Metrics::new(None);
    let (table, key) = keys(&clock, &metrics);
    let readiness = Readiness::default();
    let random = Secrets::random().expect("the system has random bytes");
    let public = Public {
        service: service(&clock),
        keys: Arc::new(table),
        sessions: Arc::new(Sessions::new(random, Duration::from_secs(3600))),
        origins: Origins::new(Vec::new()),
        clock: Arc::clone(&clock),
        readiness: readiness.clone(),
        metrics: metrics.clone(),
        since: Since(clock.wall()),
    };
    let log = Arc::new(RequestLog::new(
        public,
        [127, 0, 0, 1].into(),
        None,
        clock,
        readiness,
        &metrics,
    ));
    let bearer = format!("Bearer {}", key.expose_secret());
    criterion.bench_function("request, log off, no socket", |bencher| {
        bencher.iter(|| {
            let request = test::TestRequest::get()
                .uri("/balance")
                .insert_header(("host", "localhost"))
                .insert_header(("authorization", bearer.as_str()))
                .to_request();
            let answer = log.handle(request).now_or_never();
            let answer = answer.expect("a hit never waits");
            assert!(answer.is_ok_and(|answer| answer.status() == 200));
        });
    });
}

criterion_group!(benches, parts, whole);
criterion_main!(benches);
