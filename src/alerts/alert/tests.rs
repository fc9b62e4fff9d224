use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use serde_json::Value;

use super::{Alert, Credential, Reading};
use crate::{
    balance::{self, Amount, Snapshot, credential::Role, source::FailureKind},
    clock::MonoTime,
};

fn at() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_395_600_123)
}

fn reading(balance: &str, below: &str) -> Reading {
    let reading = balance::Reading {
        balance: Amount::parse(balance).unwrap(),
        sms_count: None,
    };
    Reading {
        snapshot: Arc::new(Snapshot::new(&reading, at(), MonoTime::default())),
        below: Amount::parse(below).unwrap(),
    }
}

#[test]
fn a_balance_is_sent_with_every_digit_as_it_came() {
    let alert = Alert::BalanceLow(reading("99.99999999999999999999", "1.00e2"));

    let body = alert.body(at() + Duration::from_secs(1));

    assert_eq!(
        body,
        concat!(
            r#"{"type":"balance.low","timestamp":"2026-11-23T01:00:01.123Z","#,
            r#""text":"The D7 balance is low: 99.99999999999999999999, below 1.00e2. (2026-11-23T01:00:01.123Z)","#,
            r#""data":{"balance":99.99999999999999999999,"balance_text":"99.99999999999999999999","#,
            r#""as_of":"2026-11-23T01:00:00.123Z","below":1.00e2}}"#,
        )
    );
}

#[test]
fn a_balance_of_many_digits_is_cut_in_the_sentence_only() {
    let digits = "7".repeat(300);
    let alert = Alert::BalanceRecovered(reading(&digits, "100"));

    let body: Value = serde_json::from_str(&alert.body(at())).unwrap();

    assert_eq!(body["data"]["balance_text"], digits.as_str());
    assert!(body["text"].as_str().unwrap().len() < 120);
}

#[test]
fn a_credential_is_told_of_by_the_name_of_its_file() {
    let credential = |file, failed_over, code| Credential {
        file,
        failed_over,
        code,
    };
    let unauthorized = Some(FailureKind::Unauthorized);
    for (alert, kind, data) in [
        (
            Alert::CredentialRejected(credential(Role::Primary, false, unauthorized)),
            "credential.rejected",
            r#"{"file":"token","failed_over":false,"code":"upstream_unauthorized"}"#,
        ),
        (
            Alert::CredentialRejected(credential(Role::Primary, true, None)),
            "credential.rejected",
            r#"{"file":"token","failed_over":true}"#,
        ),
        (
            Alert::CredentialAccepted(credential(Role::Secondary, true, None)),
            "credential.accepted",
            r#"{"file":"token_secondary","failed_over":true}"#,
        ),
    ] {
        let body = alert.body(at());

        assert!(body.ends_with(&format!(r#","data":{data}}}"#)), "{body}");
        assert!(
            body.starts_with(&format!(r#"{{"type":"{kind}","#)),
            "{body}"
        );
    }
}

#[test]
fn a_rejection_says_no_more_than_is_known() {
    for (file, which) in [(Role::Primary, "token"), (Role::Secondary, "second token")] {
        let alert = Alert::CredentialRejected(Credential {
            file,
            failed_over: false,
            code: Some(FailureKind::Unauthorized),
        });

        let body: Value = serde_json::from_str(&alert.body(at())).unwrap();

        // Whether another one would work nobody has asked.
        let text = format!(
            "D7 rejects the {which}: callers get errors once the stored balance is past its time to live. Replace it. (2026-11-23T01:00:00.123Z)"
        );
        assert_eq!(body["text"], text.as_str());
    }
}
