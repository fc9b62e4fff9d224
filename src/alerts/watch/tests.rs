use std::{sync::Arc, time::SystemTime};

use proptest::prelude::*;

use super::Watch;
use crate::{
    alerts::{
        Threshold,
        alert::{Alert, Credential},
    },
    balance::{
        self, Amount, Snapshot,
        credential::{
            Role,
            standing::{Standing, Trust},
        },
        source::FailureKind,
        state::{AccountState, Failure},
    },
    clock::MonoTime,
};

fn watch(below: &str) -> Watch {
    Watch::new(Threshold::parse(below), &AccountState::default())
}

fn snapshot(balance: &str) -> Arc<Snapshot> {
    let reading = balance::Reading {
        balance: Amount::parse(balance).unwrap(),
        sms_count: None,
    };
    let (as_of, fetched_at) = (SystemTime::UNIX_EPOCH, MonoTime::default());
    Arc::new(Snapshot::new(&reading, as_of, fetched_at))
}

fn failed(kind: FailureKind) -> Arc<Failure> {
    Arc::new(Failure {
        kind,
        status: None,
        code: None,
        confirmed: true,
        is_on_probation: false,
        held_until: MonoTime::default(),
    })
}

fn of_balance(balance: &str) -> AccountState {
    AccountState::new(Some(snapshot(balance)), None, None)
}

fn of_credential(trust: Trust, in_force: Role) -> AccountState {
    let standing = Standing {
        in_force,
        trust,
        ..Standing::default()
    };
    let failure = failed(FailureKind::Forbidden);
    let failure = (trust == Trust::Rejected).then_some(failure);
    AccountState::new(None, failure, None).with(standing, None)
}

fn kinds(alerts: &[Alert]) -> Vec<&'static str> {
    alerts.iter().map(Alert::kind).collect()
}

/// What is told of readings, one after the other.
fn told(below: &str, balances: &[&str]) -> Vec<Vec<&'static str>> {
    let mut watch = watch(below);
    balances
        .iter()
        .map(|balance| kinds(&watch.see(&of_balance(balance))))
        .collect()
}

const NOTHING: &[&str] = &[];
const LOW: &[&str] = &["balance.low"];
const RECOVERED: &[&str] = &["balance.recovered"];

#[test]
fn a_balance_that_falls_is_told_once_and_so_is_its_recovery() {
    let told = told("100", &["150", "99.9", "5", "0", "150", "151", "1"]);

    assert_eq!(
        told,
        [NOTHING, LOW, NOTHING, NOTHING, RECOVERED, NOTHING, LOW]
    );
}

#[test]
fn between_the_threshold_and_a_tenth_above_it_nothing_is_told() {
    let balances = [
        "100", "99.99", "100", "109.99", "99.99", "109.99", "110", "100",
    ];

    assert_eq!(
        told("100", &balances),
        [
            NOTHING, LOW, NOTHING, NOTHING, NOTHING, NOTHING, RECOVERED, NOTHING
        ]
    );
}

#[test]
fn the_first_reading_is_told_of_where_it_is_low() {
    assert_eq!(told("100", &["99"]), [LOW]);
    assert_eq!(told("100", &["100"]), [NOTHING]);
    assert_eq!(told("-10", &["-10.5", "-9"]), [LOW, RECOVERED]);
    assert_eq!(told("0", &["-1", "0"]), [LOW, RECOVERED]);
}

#[test]
fn an_error_is_no_reading_whatever_it_says() {
    let mut watch = watch("100");
    let low = snapshot("5");
    let state = |failure| AccountState::new(Some(Arc::clone(&low)), failure, None);

    let first = kinds(&watch.see(&state(None)));
    let errors: Vec<_> = FailureKind::ALL
        .into_iter()
        .flat_map(|kind| watch.see(&state(Some(failed(kind)))))
        .collect();
    let none = AccountState::new(None, Some(failed(FailureKind::PaymentRequired)), None);

    assert_eq!(first, LOW);
    assert!(errors.is_empty(), "{errors:?}");
    assert!(watch.see(&none).is_empty());
    assert!(
        Watch::new(Threshold::parse("1"), &none)
            .see(&none)
            .is_empty()
    );
}

#[test]
fn a_balance_that_was_there_before_is_not_told_of() {
    let begun = of_balance("5");
    let mut watch = Watch::new(Threshold::parse("100"), &begun);

    assert!(watch.see(&begun).is_empty());
    assert_eq!(kinds(&watch.see(&of_balance("5"))), LOW);
}

#[test]
fn without_a_threshold_no_balance_is_told_of() {
    let mut watch = Watch::new(None, &AccountState::default());

    assert!(watch.see(&of_balance("-5")).is_empty());
}

fn rejected(file: Role, failed_over: bool) -> Option<Credential> {
    let code = (!failed_over).then_some(FailureKind::Forbidden);
    Some(Credential {
        file,
        failed_over,
        code,
    })
}

#[test]
fn a_credential_is_told_of_when_its_fate_changes() {
    use Role::{Primary, Secondary};
    use Trust::{Accepted, Rejected, Unproven};
    let accepted = |file, failed_over| {
        Some(Credential {
            file,
            failed_over,
            code: None,
        })
    };
    // What D7 says, one after the other, and what is told of it: of a
    // rejection, or of an acceptance.
    type Row = (Trust, Role, Option<Credential>, Option<Credential>);
    let stories: [&[Row]; 7] = [
        &[
            (Unproven, Primary, None, None),
            (Accepted, Primary, None, None),
            (Rejected, Primary, rejected(Primary, false), None),
            (Rejected, Primary, None, None),
            (Unproven, Primary, None, None),
            (Accepted, Primary, None, accepted(Primary, false)),
            (Accepted, Primary, None, None),
        ],
        &[(Rejected, Primary, rejected(Primary, false), None)],
        &[(Accepted, Secondary, rejected(Primary, true), None)],
        &[
            (Accepted, Primary, None, None),
            (Accepted, Secondary, rejected(Primary, true), None),
            (Accepted, Secondary, None, None),
            (Accepted, Primary, None, accepted(Primary, false)),
        ],
        &[
            (Accepted, Secondary, rejected(Primary, true), None),
            (Rejected, Secondary, rejected(Secondary, false), None),
            (Accepted, Secondary, None, accepted(Secondary, true)),
            (Accepted, Primary, None, accepted(Primary, false)),
        ],
        &[
            (Rejected, Secondary, rejected(Secondary, false), None),
            (Accepted, Primary, None, accepted(Primary, false)),
        ],
        &[
            (Rejected, Primary, rejected(Primary, false), None),
            (Accepted, Secondary, None, accepted(Secondary, true)),
        ],
    ];

    for story in stories {
        let mut watch = Watch::new(None, &AccountState::default());
        for (step, (trust, role, is_rejected, is_accepted)) in story.iter().enumerate() {
            let told = watch.see(&of_credential(*trust, *role));
            let (mut no, mut yes) = (None, None);
            for alert in &told {
                match alert {
                    Alert::CredentialRejected(credential) => no = Some(*credential),
                    Alert::CredentialAccepted(credential) => yes = Some(*credential),
                    other => panic!("{other:?}"),
                }
            }
            assert_eq!(
                (no, yes),
                (*is_rejected, *is_accepted),
                "{step} of {story:?}"
            );
        }
    }
}

#[test]
fn the_code_is_that_of_a_rejection_or_none() {
    let standing = Standing {
        trust: Trust::Rejected,
        ..Standing::default()
    };
    let outage = Some(failed(FailureKind::Unreachable));
    let state = AccountState::new(None, outage, None).with(standing, None);

    let told = Watch::new(None, &AccountState::default()).see(&state);

    let [Alert::CredentialRejected(Credential { code: None, .. })] = told[..] else {
        panic!("{told:?}");
    };
}

proptest! {
    /// Whole numbers, so that the oracle can count.
    #[test]
    fn alerts_take_turns_and_each_is_true_when_it_is_told(
        below in 0..50_i64,
        balances in prop::collection::vec(-20..80_i64, 0..60),
    ) {
        let mut watch = watch(&below.to_string());
        let mut is_low = false;

        for balance in balances {
            let told = kinds(&watch.see(&of_balance(&balance.to_string())));
            let (is_below, is_over) = (balance < below, 10 * balance >= 11 * below);
            let expected = match is_low {
                false if is_below => LOW,
                true if is_over => RECOVERED,
                _ => NOTHING,
            };
            is_low = is_below || (is_low && !is_over);
            prop_assert_eq!(told, expected);
        }
    }
}
