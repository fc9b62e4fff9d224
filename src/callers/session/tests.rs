use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::{AUDIENCE, ISSUER, Secrets, Sessions};
use crate::{
    callers::{Caller, Denial, KeyRecord, KeyTable, key::NewKey},
    clock::ManualClock,
    metrics::Metrics,
};

const HOUR: Duration = Duration::from_secs(3600);

fn secrets(text: &str) -> Secrets {
    Secrets::parse(&SecretString::from(text)).unwrap()
}

fn one() -> String {
    "1".repeat(32)
}

fn two() -> String {
    "2".repeat(32)
}

/// A table with one key, its record, and who holds it.
struct Fixture {
    table: KeyTable,
    record: KeyRecord,
    caller: Caller,
}

impl Fixture {
    fn new(expires: Option<SystemTime>) -> Self {
        let new = NewKey::generate().unwrap();
        let record = KeyRecord {
            client: "billing".to_owned(),
            id: new.id,
            digest: new.digest,
            expires,
            rate_limit: None,
        };
        let clock = Arc::new(ManualClock::new(SystemTime::UNIX_EPOCH));
        let table = KeyTable::new(vec![record.clone()], None, clock, Metrics::new(None));
        let caller = table.authenticate(new.key.expose_secret(), at(0));
        let caller = caller.ok().unwrap();
        Self {
            table,
            record,
            caller,
        }
    }

    /// Why a session is not resumed, if so.
    fn denial(&self, sessions: &Sessions, token: &str, second: u64) -> Option<Denial> {
        let resumed = sessions.resume(token, &self.table, at(second));
        resumed.err().map(|denied| denied.reason)
    }

    /// What a session of the caller says.
    fn claims(&self) -> Value {
        json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "jti": "AAAAAAAAAAAAAAAAAAAAAA",
            "exp": 100,
            "key": self.record.id.to_string(),
            "mark": self.caller.mark(),
        })
    }
}

fn at(second: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(second)
}

fn begun(sessions: &Sessions, caller: &Caller, second: u64) -> (String, u64) {
    let session = sessions.begin(caller, at(second)).unwrap();
    (session.token.expose_secret().to_owned(), session.max_age)
}

fn signed(claims: &Value, algorithm: Algorithm, secret: &str) -> String {
    let key = EncodingKey::from_secret(secret.as_bytes());
    encode(&Header::new(algorithm), claims, &key).unwrap()
}

#[test]
fn a_session_is_its_keys_for_its_time_and_not_a_second_longer() {
    let fixture = Fixture::new(None);
    let sessions = Sessions::new(secrets(&one()), HOUR);

    let (token, max_age) = begun(&sessions, &fixture.caller, 10);

    assert_eq!(max_age, 3600);
    let caller = sessions.resume(&token, &fixture.table, at(10));
    let caller = caller.ok().unwrap();
    assert_eq!(caller.key_id(), fixture.caller.key_id());
    assert_eq!(caller.client().name(), "billing");
    assert_eq!(fixture.denial(&sessions, &token, 3609), None);
    let expired = Some(Denial::SessionExpired);
    assert_eq!(fixture.denial(&sessions, &token, 3610), expired);
}

#[test]
fn a_session_ends_with_its_key_where_that_is_sooner() {
    let fixture = Fixture::new(Some(at(100)));
    let sessions = Sessions::new(secrets(&one()), HOUR);

    let (token, max_age) = begun(&sessions, &fixture.caller, 10);

    assert_eq!(max_age, 90);
    assert_eq!(fixture.denial(&sessions, &token, 99), None);
    assert!(fixture.denial(&sessions, &token, 100).is_some());
    let sooner = KeyRecord {
        expires: Some(at(50)),
        ..fixture.record.clone()
    };
    fixture.table.replace(vec![sooner]);
    assert_eq!(fixture.denial(&sessions, &token, 49), None);
    let ended = Some(Denial::SessionKey);
    assert_eq!(fixture.denial(&sessions, &token, 50), ended);
}

#[test]
fn a_session_ends_where_its_key_is_revoked_or_replaced_under_its_id() {
    let fixture = Fixture::new(None);
    let sessions = Sessions::new(secrets(&one()), HOUR);
    let (token, _) = begun(&sessions, &fixture.caller, 10);
    let gone = Some(Denial::SessionKey);

    fixture.table.replace(Vec::new());
    assert_eq!(fixture.denial(&sessions, &token, 10), gone);

    let other = KeyRecord {
        digest: NewKey::generate().unwrap().digest,
        ..fixture.record.clone()
    };
    fixture.table.replace(vec![other]);
    assert_eq!(fixture.denial(&sessions, &token, 10), gone);

    fixture.table.replace(vec![fixture.record.clone()]);
    assert_eq!(fixture.denial(&sessions, &token, 10), None);
}

#[test]
fn an_ended_session_ends_with_all_its_copies_and_no_other_does() {
    let fixture = Fixture::new(None);
    let sessions = Sessions::new(secrets(&one()), HOUR);
    let (token, _) = begun(&sessions, &fixture.caller, 10);
    let (other, _) = begun(&sessions, &fixture.caller, 10);

    sessions.end(&token, &fixture.table, at(20));
    sessions.end("rubbish", &fixture.table, at(20));

    let ended = Some(Denial::SessionEnded);
    assert_eq!(fixture.denial(&sessions, &token, 21), ended);
    assert_eq!(fixture.denial(&sessions, &other, 21), None);
}

#[test]
fn no_client_brings_an_ended_session_of_another_back() {
    let fixture = Fixture::new(None);
    let new = NewKey::generate().unwrap();
    let other = KeyRecord {
        client: "web".to_owned(),
        id: new.id,
        digest: new.digest,
        ..fixture.record.clone()
    };
    fixture.table.replace(vec![fixture.record.clone(), other]);
    let web = fixture.table.authenticate(new.key.expose_secret(), at(0));
    let web = web.ok().unwrap();
    let sessions = Sessions::new(secrets(&one()), HOUR);
    let (token, _) = begun(&sessions, &fixture.caller, 10);
    sessions.end(&token, &fixture.table, at(10));

    for _ in 0..10_001 {
        let (token, _) = begun(&sessions, &web, 20);
        sessions.end(&token, &fixture.table, at(20));
    }

    let ended = Some(Denial::SessionEnded);
    assert_eq!(fixture.denial(&sessions, &token, 21), ended);
}

#[test]
fn the_first_secret_signs_and_each_verifies() {
    let fixture = Fixture::new(None);
    let sessions = Sessions::new(secrets(&one()), HOUR);
    let (by_one, _) = begun(&sessions, &fixture.caller, 0);

    sessions.replace(secrets(&format!("{}\n{}\n", two(), one())));
    let (by_two, _) = begun(&sessions, &fixture.caller, 0);

    assert_eq!(fixture.denial(&sessions, &by_one, 0), None);
    assert_eq!(fixture.denial(&sessions, &by_two, 0), None);
    sessions.replace(secrets(&two()));
    let invalid = Some(Denial::SessionInvalid);
    assert_eq!(fixture.denial(&sessions, &by_one, 0), invalid);
    assert_eq!(fixture.denial(&sessions, &by_two, 0), None);
}

#[test]
fn nothing_but_what_the_service_has_signed_is_a_session() {
    let fixture = Fixture::new(None);
    let sessions = Sessions::new(secrets(&one()), HOUR);
    let claims = fixture.claims();
    let good = signed(&claims, Algorithm::HS256, &one());
    assert_eq!(fixture.denial(&sessions, &good, 0), None);
    let with = |name: &str, value: Value| {
        let mut claims = claims.clone();
        claims[name] = value;
        signed(&claims, Algorithm::HS256, &one())
    };
    let without = |name: &str| {
        let mut claims = claims.clone();
        claims.as_object_mut().unwrap().remove(name);
        signed(&claims, Algorithm::HS256, &one())
    };
    // `{"alg":"none","typ":"JWT"}`
    let (_, unsigned) = good.split_once('.').unwrap();
    let (unsigned, _) = unsigned.split_once('.').unwrap();
    let unsigned = format!("eyJhbGciOiJub25lIiwidHlwIjoiSldUIn0.{unsigned}.");
    let (start, _) = good.rsplit_once('.').unwrap();

    for (what, token) in [
        ("empty", String::new()),
        ("text", "x".to_owned()),
        ("dots", "..".to_owned()),
        ("unsigned", unsigned),
        ("without its signature", format!("{start}.")),
        (
            "of another secret",
            signed(&claims, Algorithm::HS256, &two()),
        ),
        ("of HS384", signed(&claims, Algorithm::HS384, &one())),
        ("of HS512", signed(&claims, Algorithm::HS512, &one())),
        ("of another issuer", with("iss", json!("other"))),
        ("for another audience", with("aud", json!("other"))),
        ("without an issuer", without("iss")),
        ("without an audience", without("aud")),
        ("without an end", without("exp")),
        ("without a key", without("key")),
        ("with an end in words", with("exp", json!("tomorrow"))),
        ("with a short id", with("jti", json!("AAAA"))),
        ("with an id in words", with("jti", json!("?"))),
        ("of another length", with("more", json!("x".repeat(800)))),
    ] {
        let invalid = Some(Denial::SessionInvalid);
        assert_eq!(fixture.denial(&sessions, &token, 0), invalid, "{what}");
    }
    let (key, mark) = (with("key", json!("?")), with("mark", json!("")));
    for token in [key, mark] {
        let none = Some(Denial::SessionKey);
        assert_eq!(fixture.denial(&sessions, &token, 0), none);
    }
}
