mod two;

use std::time::Duration;

use secrecy::SecretString;

use super::{Credentials, Event, Look, What};
use crate::{
    balance::credential::{Credential, Kept, Role},
    clock::MonoTime,
};

fn now() -> MonoTime {
    MonoTime::default()
}

fn named(name: &str) -> Credential {
    Credential::new(SecretString::from(name), None, None)
}

fn alone() -> Credentials {
    Credentials::new(named("one"), None)
}

fn with_standby() -> Credentials {
    Credentials::new(named("one"), Some(named("spare")))
}

fn kept(primary: Result<&str, &str>, secondary: Option<&str>) -> Kept {
    Kept {
        primary: primary.map(named).map_err(str::to_owned),
        secondary: secondary.map(|name| Ok(named(name))),
    }
}

fn only(primary: &str) -> Kept {
    kept(Ok(primary), None)
}

/// Looks twice, so that what is there counts.
fn settle(credentials: &mut Credentials, kept: Kept) -> Vec<Event> {
    let mut told = credentials.look(kept.clone(), Look::Passing);
    told.extend(credentials.look(kept, Look::Passing));
    told
}

fn primary(what: What) -> Vec<Event> {
    vec![what.of(Role::Primary)]
}

fn is_in_force(credentials: &Credentials, name: &str) -> bool {
    *credentials.in_force() == named(name)
}

fn is_untried(credentials: &Credentials, name: &str) -> bool {
    credentials.untried() == Some(&named(name))
}

#[test]
fn an_unchanged_one_is_nothing_to_tell() {
    for look in [Look::Passing, Look::Doubting, Look::Ordered] {
        let mut credentials = with_standby();

        let told = credentials.look(kept(Ok("one"), Some("spare")), look);

        assert_eq!(told, []);
        assert!(is_in_force(&credentials, "one") && credentials.offered().is_none());
        assert!(!credentials.is_pending(Role::Primary));
    }
}

#[test]
fn a_change_counts_when_it_is_there_twice_or_when_it_matters() {
    for (look, times) in [(Look::Passing, 2), (Look::Doubting, 1), (Look::Ordered, 1)] {
        let mut credentials = alone();

        for _ in 1..times {
            assert_eq!(credentials.look(only("two"), look), [], "{look:?}");
        }

        let told = credentials.look(only("two"), look);
        assert_eq!(told, primary(What::Offered), "{look:?}");
        assert!(is_untried(&credentials, "two") && is_in_force(&credentials, "one"));
    }
}

#[test]
fn what_is_still_being_written_is_not_offered() {
    let mut credentials = alone();

    for half in ["t", "tw", "two", "two and", "two and a half"] {
        assert_eq!(credentials.look(only(half), Look::Passing), []);
    }

    assert!(credentials.offered().is_none());
    assert_eq!(
        credentials.look(only("two and a half"), Look::Passing),
        primary(What::Offered)
    );
}

#[test]
fn a_place_that_is_unusable_for_a_moment_is_nothing_to_tell() {
    let mut credentials = alone();

    assert_eq!(credentials.look(kept(Err("gone"), None), Look::Passing), []);
    assert_eq!(settle(&mut credentials, only("one")), []);

    assert!(!credentials.is_pending(Role::Primary));
}

#[test]
fn one_that_is_accepted_is_in_force() {
    let mut credentials = alone();
    settle(&mut credentials, only("two"));
    assert!(credentials.is_pending(Role::Primary));

    let told = credentials.accepted(&named("two"));

    assert_eq!(told, Some(What::Adopted.of(Role::Primary)));
    assert!(is_in_force(&credentials, "two") && credentials.offered().is_none());
    assert!(!credentials.is_pending(Role::Primary));
    assert_eq!(settle(&mut credentials, only("two")), []);
    assert_eq!(credentials.accepted(&named("two")), None);
}

#[test]
fn none_is_ever_replaced_but_by_one_that_was_accepted() {
    for is_rejected in [false, true] {
        for is_certain in [false, true] {
            let mut credentials = alone();
            if is_rejected {
                credentials.rejected();
            }
            for look in [Look::Passing, Look::Passing, Look::Doubting, Look::Ordered] {
                credentials.look(only("two"), look);
                credentials.declined(&named("two"), is_certain, now());
                assert!(is_in_force(&credentials, "one"), "{look:?}");
            }
            credentials.accepted(&named("one"));

            assert!(is_in_force(&credentials, "one") && !credentials.is_rejected());
            assert!(credentials.turns().contains(&named("two")), "a last resort");
        }
    }
}

#[test]
fn one_that_was_turned_down_is_not_offered_again_until_it_changes_or_somebody_orders_it() {
    let mut credentials = alone();
    settle(&mut credentials, only("two"));

    let told = credentials.declined(&named("two"), true, now());

    assert_eq!(told, primary(What::TurnedDown));
    assert_eq!(credentials.declined(&named("two"), true, now()), []);
    assert_eq!(settle(&mut credentials, only("two")), []);
    assert_eq!(credentials.look(only("two"), Look::Doubting), []);
    assert!(credentials.offered().is_none());
    assert!(credentials.is_pending(Role::Primary), "it is visible");
    assert_eq!(
        credentials.look(only("two"), Look::Ordered),
        primary(What::Offered)
    );
    assert!(is_untried(&credentials, "two"));
    credentials.declined(&named("two"), true, now());
    assert_eq!(
        settle(&mut credentials, only("three")),
        primary(What::Offered)
    );
    assert_eq!(
        settle(&mut credentials, only("one")),
        primary(What::Restored)
    );
    assert!(!credentials.is_pending(Role::Primary));
}

#[test]
fn one_without_a_yes_or_a_no_stays_offered_and_is_told_once() {
    let later = now() + Duration::from_secs(1);
    let mut credentials = alone();
    settle(&mut credentials, only("two"));

    let told = credentials.declined(&named("two"), false, now());
    credentials.postpone(later);

    assert_eq!(told, primary(What::Unproven));
    assert_eq!(credentials.declined(&named("two"), false, later), []);
    assert_eq!(settle(&mut credentials, only("two")), []);
    assert_eq!(credentials.offered(), Some((&named("two"), Some(later))));
    assert!(credentials.untried().is_none());
    credentials.look(only("two"), Look::Ordered);
    assert!(
        is_untried(&credentials, "two"),
        "at once, where it is ordered"
    );
}

#[test]
fn an_offer_is_taken_back_where_its_place_holds_something_else() {
    for (next, told) in [
        (only("one"), primary(What::Restored)),
        (only("three"), primary(What::Offered)),
        (
            kept(Err("is empty"), None),
            primary(What::Unusable("is empty".to_owned())),
        ),
    ] {
        let mut credentials = alone();
        settle(&mut credentials, only("two"));

        assert_eq!(settle(&mut credentials, next), told);

        assert!(!is_untried(&credentials, "two") && is_in_force(&credentials, "one"));
        assert_eq!(credentials.accepted(&named("two")), None, "too late");
    }
}

#[test]
fn an_unusable_place_is_told_once_for_each_reason_or_when_somebody_asks() {
    let mut credentials = alone();
    let empty = || kept(Err("is empty"), None);
    let told = primary(What::Unusable("is empty".to_owned()));

    assert_eq!(settle(&mut credentials, empty()), told);
    assert_eq!(settle(&mut credentials, empty()), []);
    assert!(credentials.is_pending(Role::Primary));
    assert_eq!(credentials.look(empty(), Look::Ordered), told);
    assert_eq!(
        settle(&mut credentials, kept(Err("is gone"), None)).len(),
        1
    );
    assert_eq!(settle(&mut credentials, empty()), told);
    assert_eq!(
        settle(&mut credentials, only("one")),
        primary(What::Restored)
    );
    assert!(!credentials.is_pending(Role::Primary));
}

#[test]
fn a_place_that_is_gone_in_a_moment_of_doubt_is_no_reason_to_forget() {
    let mut credentials = alone();
    settle(&mut credentials, only("two"));
    credentials.declined(&named("two"), true, now());

    let told = credentials.look(kept(Err("gone"), None), Look::Doubting);

    assert_eq!(told, []);
    assert_eq!(settle(&mut credentials, only("two")), []);
}

#[test]
fn what_looks_wrong_with_a_changed_one_is_told_with_it() {
    let doubted = Credential::new(SecretString::from("a b"), None, Some("white space"));
    let found = Kept {
        primary: Ok(doubted),
        secondary: None,
    };

    let told = alone().look(found, Look::Ordered);

    assert_eq!(told[0].doubt, Some("white space"));
}

#[test]
fn no_debug_shows_a_secret() {
    let mut credentials = with_standby();
    settle(&mut credentials, kept(Ok("MARKER"), Some("MARKER 2")));

    let shown = format!("{credentials:?} {:?}", only("MARKER"));

    assert!(!shown.contains("MARKER"), "{shown}");
}
