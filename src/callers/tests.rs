use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, SystemTime},
};

use secrecy::ExposeSecret;

use super::{Caller, Denial, Denied, KeyRecord, KeyTable, key::NewKey, limit::RateLimit};
use crate::{
    clock::ManualClock,
    metrics::{Format, Metrics, Moment},
};

/// A table, its clock and its figures.
struct Fixture {
    table: KeyTable,
    clock: Arc<ManualClock>,
    metrics: Metrics,
}

impl Fixture {
    fn new(records: Vec<KeyRecord>) -> Self {
        Self::with_default(None, records)
    }

    fn with_default(default_limit: Option<&str>, records: Vec<KeyRecord>) -> Self {
        let clock = Arc::new(ManualClock::new(SystemTime::UNIX_EPOCH));
        let metrics = Metrics::new(None);
        let default_limit = default_limit.and_then(RateLimit::parse);
        let timed_by = Arc::clone(&clock) as _;
        let table = KeyTable::new(records, default_limit, timed_by, metrics.clone());
        Self {
            table,
            clock,
            metrics,
        }
    }

    fn authenticate(&self, key: &NewKey) -> Result<Caller, Denial> {
        let authenticated = self.decide(key);
        authenticated.map_err(|denied| denied.reason)
    }

    fn decide(&self, key: &NewKey) -> Result<Caller, Denied> {
        let presented = key.key.expose_secret();
        self.table.authenticate(presented, SystemTime::UNIX_EPOCH)
    }

    /// Counts a request by `key`: what is left of its client's limit, or none
    /// where it is refused.
    fn ask(&self, key: &NewKey) -> Option<u32> {
        let caller = self.authenticate(key).ok().unwrap();
        let verdict = caller.client().take_request().unwrap();
        caller.client().answers().answered(200, Duration::ZERO);
        verdict.refused_for_s.is_none().then_some(verdict.remaining)
    }

    /// The limit that holds for `key`.
    fn limit(&self, key: &NewKey) -> Option<String> {
        let caller = self.authenticate(key).ok().unwrap();
        caller.client().limit().map(|limit| limit.to_string())
    }

    /// Requests of a client answered well, and those refused, if they are
    /// exported.
    fn counted(&self, client: &str) -> Option<[u64; 2]> {
        let exported = self
            .metrics
            .render(&Moment::default(), Format::OpenMetrics)
            .unwrap();
        let of = |name: &str, more: &str| {
            let series = format!("d7b_{name}_total{{client=\"{client}\"{more}}} ");
            let value = exported.lines().find_map(|line| line.strip_prefix(&series));
            value.map(|value| value.parse().unwrap())
        };
        let counted = (
            of("requests", ",status_class=\"2xx\""),
            of("rate_limited", ""),
        );
        match counted {
            (Some(requests), Some(refused)) => Some([requests, refused]),
            (None, None) => None,
            _ => panic!("one without the other: {exported}"),
        }
    }
}

fn key() -> NewKey {
    NewKey::generate().unwrap()
}

fn record(client: &str, key: &NewKey, limit: Option<&str>) -> KeyRecord {
    KeyRecord {
        client: client.to_owned(),
        id: key.id,
        digest: key.digest,
        expires: None,
        rate_limit: limit.map(|limit| RateLimit::parse(limit).unwrap()),
    }
}

#[test]
fn a_key_that_is_not_in_the_next_table_is_refused_and_a_new_one_accepted() {
    let (revoked, kept, new) = (key(), key(), key());
    let fixture = Fixture::new(vec![record("a", &revoked, None), record("a", &kept, None)]);
    assert_eq!(fixture.authenticate(&new).err(), Some(Denial::Unknown));

    let next = vec![record("a", &kept, None), record("b", &new, None)];
    fixture.table.replace(next);

    assert_eq!(fixture.authenticate(&revoked).err(), Some(Denial::Unknown));
    assert_eq!(fixture.authenticate(&kept).unwrap().client().name(), "a");
    assert_eq!(fixture.authenticate(&new).unwrap().client().name(), "b");
}

#[test]
fn another_secret_or_expiry_under_the_same_id_holds_from_the_replacement_on() {
    let (before, mut after) = (key(), key());
    after.id = before.id;
    let fixture = Fixture::new(vec![record("a", &before, None)]);

    fixture.table.replace(vec![record("a", &after, None)]);
    assert_eq!(
        fixture.authenticate(&before).err(),
        Some(Denial::WrongSecret)
    );

    let expired = KeyRecord {
        expires: Some(SystemTime::UNIX_EPOCH),
        ..record("a", &before, None)
    };
    fixture.table.replace(vec![expired]);
    assert_eq!(fixture.authenticate(&before).err(), Some(Denial::Expired));
}

#[test]
fn of_those_denied_only_the_holder_of_an_expired_key_is_known_and_nothing_is_counted() {
    let (expired, wrong, unknown) = (key(), key(), key());
    let ended = KeyRecord {
        expires: Some(SystemTime::UNIX_EPOCH),
        ..record("a", &expired, Some("1/h"))
    };
    let of_another = KeyRecord {
        digest: unknown.digest,
        ..record("a", &wrong, None)
    };
    let fixture = Fixture::new(vec![ended, of_another]);

    let known = [&expired, &wrong, &unknown].map(|key| {
        let denied = fixture.decide(key).err().unwrap();
        let caller = denied.caller.as_ref();
        (denied.reason, caller.map(|caller| *caller.key_id()))
    });

    assert_eq!(
        known,
        [
            (Denial::Expired, Some(expired.id)),
            (Denial::WrongSecret, None),
            (Denial::Unknown, None),
        ]
    );
    assert_eq!(fixture.counted("a"), Some([0, 0]));
}

#[test]
fn all_keys_of_a_client_share_the_limit_that_one_of_them_names() {
    let (one, two, three, other) = (key(), key(), key(), key());

    let fixture = Fixture::with_default(
        Some("9/h"),
        vec![
            record("a", &one, None),
            record("a", &two, Some("3/h")),
            record("a", &three, None),
            record("b", &other, None),
        ],
    );

    assert_eq!(fixture.limit(&one).as_deref(), Some("3/h"));
    assert_eq!(fixture.limit(&other).as_deref(), Some("9/h"));
    let asked = [&one, &two, &three, &one].map(|key| fixture.ask(key));
    assert_eq!(asked, [Some(2), Some(1), Some(0), None]);
    assert_eq!(fixture.ask(&other), Some(8), "a bucket of its own");
    assert_eq!(fixture.counted("a"), Some([4, 1]));
    assert_eq!(fixture.counted("b"), Some([1, 0]));
}

#[test]
fn without_any_limit_an_answer_is_counted_in_its_class_and_nothing_else() {
    let only = key();
    let fixture = Fixture::new(vec![record("a", &only, None)]);

    let caller = fixture.authenticate(&only).unwrap();

    assert_eq!(caller.client().take_request(), None);
    caller.client().answers().answered(304, Duration::ZERO);
    caller.client().answers().answered(200, Duration::ZERO);
    assert_eq!(fixture.counted("a"), Some([1, 0]));
}

#[test]
fn a_client_with_the_same_limit_goes_on_with_what_it_has_left_and_its_counters() {
    let (old, new) = (key(), key());
    let fixture = Fixture::new(vec![record("a", &old, Some("3/h"))]);
    assert_eq!(fixture.ask(&old), Some(2));
    assert_eq!(fixture.ask(&old), Some(1));

    let next = vec![record("a", &new, Some("3/h")), record("b", &key(), None)];
    fixture.table.replace(next);

    assert_eq!(fixture.ask(&new), Some(0));
    assert_eq!(fixture.ask(&new), None);
    fixture.clock.advance(Duration::from_secs(1200));
    assert_eq!(fixture.ask(&new), Some(0));
    assert_eq!(fixture.counted("a"), Some([5, 1]));
    assert_eq!(fixture.counted("b"), Some([0, 0]));
}

#[test]
fn what_counts_is_the_limit_in_force_wherever_it_stands() {
    let (one, two) = (key(), key());
    let named = vec![record("a", &one, Some("3/h"))];
    let fixture = Fixture::with_default(Some("3/h"), named);
    assert_eq!(fixture.ask(&one), Some(2));

    fixture.table.replace(vec![record("a", &one, None)]);
    assert_eq!(fixture.ask(&one), Some(1), "now by default");
    let next = vec![record("a", &one, None), record("a", &two, Some("3/h"))];
    fixture.table.replace(next);

    assert_eq!(fixture.ask(&one), Some(0), "now by another key");
}

#[test]
fn a_client_whose_limit_has_changed_begins_with_a_full_bucket_and_keeps_its_counters() {
    let only = key();
    let fixture = Fixture::new(vec![record("a", &only, Some("1/h"))]);
    assert_eq!(fixture.ask(&only), Some(0));
    assert_eq!(fixture.ask(&only), None);

    fixture.table.replace(vec![record("a", &only, Some("2/h"))]);
    let asked = [(); 3].map(|()| fixture.ask(&only));
    fixture.table.replace(vec![record("a", &only, None)]);

    assert_eq!(asked, [Some(1), Some(0), None]);
    assert_eq!(fixture.limit(&only), None);
    assert_eq!(fixture.counted("a"), Some([5, 2]));
}

#[test]
fn a_client_without_a_key_is_forgotten_and_begins_anew_when_it_returns() {
    let (gone, kept) = (key(), key());
    let both = || vec![record("a", &gone, Some("2/h")), record("b", &kept, None)];
    let fixture = Fixture::new(both());
    assert_eq!(fixture.ask(&gone), Some(1));
    let under_way = fixture.authenticate(&gone).unwrap();

    fixture.table.replace(vec![record("b", &kept, None)]);
    assert_eq!(under_way.client().name(), "a");
    under_way.client().answers().answered(200, Duration::ZERO);
    assert_eq!(fixture.counted("a"), None);
    assert_eq!(fixture.counted("b"), Some([0, 0]));

    fixture.table.replace(both());
    assert_eq!(fixture.counted("a"), Some([0, 0]));
    assert_eq!(fixture.ask(&gone), Some(1));
    under_way.client().answers().answered(200, Duration::ZERO);
    assert_eq!(fixture.counted("a"), Some([1, 0]));
}

#[test]
fn a_key_that_goes_to_another_client_counts_there_from_then_on() {
    let (moved, other) = (key(), key());
    let clients = |client| {
        vec![
            record(client, &moved, Some("5/h")),
            record("a", &other, Some("5/h")),
            record("b", &key(), Some("5/h")),
        ]
    };
    let fixture = Fixture::new(clients("a"));
    assert_eq!(fixture.ask(&moved), Some(4));

    fixture.table.replace(clients("b"));

    assert_eq!(fixture.ask(&moved), Some(4));
    assert_eq!(fixture.ask(&other), Some(3));
    assert_eq!(fixture.counted("a"), Some([2, 0]));
    assert_eq!(fixture.counted("b"), Some([1, 0]));
}

#[test]
fn replacements_under_load_refuse_nobody_who_stays_and_lose_no_count() {
    let (even, odd, kept) = (key(), key(), key());
    let table = |one: &NewKey| {
        vec![
            record("a", one, Some("1000000/h")),
            record("a", &kept, Some("1000000/h")),
        ]
    };
    let fixture = Fixture::new(table(&even));
    let is_over = AtomicBool::new(false);

    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !is_over.load(Ordering::Relaxed) {
                    fixture.ask(&kept).unwrap();
                }
            });
        }
        for turn in 0..500 {
            let one = if turn % 2 == 0 { &odd } else { &even };
            fixture.table.replace(table(one));
        }
        is_over.store(true, Ordering::Relaxed);
    });

    assert!(fixture.authenticate(&even).is_ok());
    let left = u64::from(fixture.ask(&kept).unwrap());
    assert_eq!(fixture.counted("a"), Some([1_000_000 - left, 0]));
}
