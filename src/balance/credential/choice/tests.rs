use secrecy::SecretString;

use super::{Credentials, Event, Standing, What};
use crate::{
    balance::credential::{Credential, Found, Kept, Role},
    clock::MonoTime,
};

fn now() -> MonoTime {
    MonoTime::default()
}

fn named(name: &str) -> Credential {
    Credential::new(SecretString::from(name), None)
}

fn alone() -> Credentials {
    Credentials::new(named("one"), None)
}

fn with_standby() -> Credentials {
    Credentials::new(named("one"), Some(named("spare")))
}

fn kept(primary: &str) -> Kept {
    Kept {
        primary: Ok(named(primary)),
        secondary: None,
    }
}

fn both(primary: &str, secondary: &str) -> Kept {
    Kept {
        primary: Ok(named(primary)),
        secondary: Some(Ok(named(secondary))),
    }
}

fn unusable() -> Kept {
    Kept {
        primary: Found::Err("is empty".to_owned()),
        secondary: None,
    }
}

fn trusted(credentials: &mut Credentials, kept: Kept) -> Vec<Event> {
    credentials.look(kept, Standing::Trusted, now())
}

fn primary(what: What) -> Vec<Event> {
    vec![what.of(Role::Primary)]
}

fn is_in_force(credentials: &Credentials, name: &str) -> bool {
    *credentials.in_force() == named(name)
}

fn is_offered(credentials: &Credentials, name: &str) -> bool {
    credentials
        .offered()
        .is_some_and(|(offered, due)| *offered == named(name) && due == now())
}

#[test]
fn an_unchanged_one_is_nothing_to_tell() {
    for standing in [Standing::Trusted, Standing::Doubted, Standing::Rejected] {
        let mut credentials = with_standby();

        assert_eq!(credentials.look(both("one", "spare"), standing, now()), []);
        assert!(is_in_force(&credentials, "one"));
        assert!(credentials.offered().is_none());
        assert!(!credentials.is_pending(Role::Primary));
    }
}

#[test]
fn a_changed_one_is_offered_once_and_in_force_when_it_is_adopted() {
    let mut credentials = alone();

    assert_eq!(
        trusted(&mut credentials, kept("two")),
        primary(What::Offered)
    );
    assert_eq!(trusted(&mut credentials, kept("two")), []);

    assert!(is_in_force(&credentials, "one") && is_offered(&credentials, "two"));
    assert!(credentials.is_pending(Role::Primary));
    assert_eq!(credentials.adopt(), Some(What::Adopted.of(Role::Primary)));
    assert!(is_in_force(&credentials, "two") && credentials.offered().is_none());
    assert!(!credentials.is_pending(Role::Primary));
    assert_eq!(trusted(&mut credentials, kept("two")), []);
    assert_eq!(credentials.adopt(), None);
}

#[test]
fn one_that_was_turned_down_is_not_tried_again_until_it_changes_or_somebody_asks() {
    let mut credentials = alone();
    trusted(&mut credentials, kept("two"));

    let told = credentials.turn_down();

    assert_eq!(told, Some(What::TurnedDown.of(Role::Primary)));
    assert!(is_in_force(&credentials, "one") && credentials.offered().is_none());
    assert!(credentials.is_pending(Role::Primary), "it is visible");
    assert_eq!(trusted(&mut credentials, kept("two")), []);
    assert_eq!(
        credentials.look(kept("two"), Standing::Doubted, now()),
        [],
        "a moment of doubt is no reason to put in force what is known to be bad"
    );
    credentials.forget_refusals();
    assert_eq!(
        trusted(&mut credentials, kept("two")),
        primary(What::Offered)
    );
    credentials.turn_down();
    assert_eq!(
        trusted(&mut credentials, kept("three")),
        primary(What::Offered)
    );
    assert_eq!(trusted(&mut credentials, kept("two")), [], "still known");
    assert!(credentials.offered().is_none(), "three is taken back");
    assert_eq!(
        trusted(&mut credentials, kept("one")),
        primary(What::Restored)
    );
    assert!(!credentials.is_pending(Role::Primary));
}

#[test]
fn an_offer_is_taken_back_where_its_place_holds_something_else() {
    for (next, told) in [
        (kept("one"), primary(What::Restored)),
        (kept("three"), primary(What::Offered)),
        (unusable(), primary(What::Unusable("is empty".to_owned()))),
    ] {
        let mut credentials = alone();
        trusted(&mut credentials, kept("two"));

        assert_eq!(trusted(&mut credentials, next), told);

        assert!(!is_offered(&credentials, "two"));
        assert!(is_in_force(&credentials, "one"));
    }
}

#[test]
fn one_without_a_yes_or_a_no_stays_offered_and_is_told_once() {
    let mut credentials = alone();
    trusted(&mut credentials, kept("two"));
    let later = now() + std::time::Duration::from_secs(1);

    let told = credentials.postpone(later);

    assert_eq!(told, Some(What::Unproven.of(Role::Primary)));
    assert_eq!(credentials.postpone(later), None);
    assert_eq!(trusted(&mut credentials, kept("two")), []);
    assert!(credentials.offered().is_some_and(|(_, due)| due == later));
    assert!(is_in_force(&credentials, "one"));
}

#[test]
fn an_unusable_place_is_told_once_for_each_reason_and_the_old_one_stays() {
    let mut credentials = alone();
    let empty = || primary(What::Unusable("is empty".to_owned()));
    let missing = Kept {
        primary: Err("cannot be read".to_owned()),
        secondary: None,
    };

    assert_eq!(trusted(&mut credentials, unusable()), empty());
    assert_eq!(trusted(&mut credentials, unusable()), []);
    assert!(credentials.is_pending(Role::Primary));
    assert_eq!(trusted(&mut credentials, missing).len(), 1);
    assert_eq!(trusted(&mut credentials, unusable()), empty());
    assert_eq!(
        trusted(&mut credentials, kept("one")),
        primary(What::Restored)
    );
    assert!(is_in_force(&credentials, "one"));
    assert!(!credentials.is_pending(Role::Primary));
}

#[test]
fn where_the_one_in_force_is_rejected_a_changed_one_takes_its_place_at_once() {
    for standing in [Standing::Doubted, Standing::Rejected] {
        let mut credentials = alone();
        trusted(&mut credentials, kept("two"));

        let told = credentials.look(kept("two"), standing, now());

        assert_eq!(told, primary(What::Replaced));
        assert!(is_in_force(&credentials, "two") && credentials.offered().is_none());
    }
}

#[test]
fn where_nothing_is_left_to_lose_even_one_that_was_turned_down_is_put_in_force() {
    let mut credentials = alone();
    trusted(&mut credentials, kept("two"));
    credentials.turn_down();

    let told = credentials.look(kept("two"), Standing::Rejected, now());

    assert_eq!(told, primary(What::Replaced));
    assert!(is_in_force(&credentials, "two"));
}

#[test]
fn one_that_stands_by_is_replaced_without_a_proof() {
    let mut credentials = with_standby();

    let told = trusted(&mut credentials, both("one", "new spare"));

    assert_eq!(told, [What::Replaced.of(Role::Secondary)]);
    assert!(is_in_force(&credentials, "one"));
    assert_eq!(credentials.standby(), Some(&named("new spare")));
}

#[test]
fn the_one_that_stood_by_stays_in_force_until_the_first_changes() {
    let mut credentials = with_standby();

    let told = credentials.fail_over();

    assert_eq!(told, What::FailedOver.of(Role::Secondary));
    assert!(is_in_force(&credentials, "spare"));
    assert_eq!(credentials.standby(), Some(&named("one")));
    assert_eq!(trusted(&mut credentials, both("one", "spare")), []);
    assert_eq!(
        trusted(&mut credentials, both("two", "spare")),
        primary(What::Offered)
    );
    assert!(is_in_force(&credentials, "spare"), "until it is proved");
    credentials.adopt();
    assert!(is_in_force(&credentials, "two"));
    assert_eq!(credentials.role_in_force(), Role::Primary);
    assert_eq!(credentials.standby(), Some(&named("spare")));
}

#[test]
fn the_second_one_is_proved_too_where_it_is_in_force() {
    let mut credentials = with_standby();
    credentials.fail_over();

    let told = trusted(&mut credentials, both("one", "new spare"));

    assert_eq!(told, [What::Offered.of(Role::Secondary)]);
    assert!(is_in_force(&credentials, "spare"));
}

#[test]
fn of_two_that_change_at_once_the_first_is_proved_first() {
    let mut credentials = with_standby();
    credentials.fail_over();

    let told = trusted(&mut credentials, both("two", "new spare"));

    assert_eq!(told, primary(What::Offered));
    credentials.turn_down();
    let then = trusted(&mut credentials, both("two", "new spare"));
    assert_eq!(then, [What::Offered.of(Role::Secondary)]);
}

#[test]
fn no_debug_shows_a_secret() {
    let mut credentials = with_standby();
    trusted(&mut credentials, both("two", "new spare"));

    let shown = format!("{credentials:?} {:?}", both("MARKER", "MARKER"));

    for secret in ["one", "two", "spare", "MARKER"] {
        assert!(!shown.contains(&format!("\"{secret}")), "{shown}");
    }
    assert!(!shown.contains("MARKER"), "{shown}");
}
