//! Two places: one credential in force, and one that stands by.

use std::time::Duration;

use super::{alone, is_in_force, is_untried, kept, named, now, primary, settle, with_standby};
use crate::balance::credential::{
    Role,
    choice::{Credentials, Look, What},
};

fn failed_over() -> Credentials {
    let mut credentials = with_standby();
    credentials.rejected();
    credentials.accepted(&named("spare"));
    credentials
}

#[test]
fn one_that_only_stands_by_is_replaced_without_a_trial() {
    let mut credentials = with_standby();

    let told = settle(&mut credentials, kept(Ok("one"), Some("new spare")));

    assert_eq!(told, [What::Replaced.of(Role::Secondary)]);
    assert_eq!(credentials.standby(), Some(&named("new spare")));
    assert!(credentials.offered().is_none());
}

#[test]
fn one_that_is_the_same_as_the_other_is_none_that_stands_by() {
    let credentials = Credentials::new(named("one"), Some(named("one")));

    assert_eq!(credentials.standby(), None);
    assert_eq!(alone().standby(), None);
}

#[test]
fn the_one_that_stood_by_stays_in_force_until_the_first_changes_and_is_accepted() {
    let mut credentials = failed_over();
    assert!(is_in_force(&credentials, "spare") && !credentials.is_rejected());
    assert_eq!(credentials.standby(), Some(&named("one")));

    assert_eq!(settle(&mut credentials, kept(Ok("one"), Some("spare"))), []);
    let told = settle(&mut credentials, kept(Ok("two"), Some("spare")));

    assert_eq!(told, primary(What::Offered));
    assert!(is_in_force(&credentials, "spare"));
    credentials.accepted(&named("two"));
    assert!(is_in_force(&credentials, "two"));
    assert_eq!(credentials.role_in_force(), Role::Primary);
    assert_eq!(credentials.standby(), Some(&named("spare")));
}

#[test]
fn the_second_one_is_tried_too_where_it_is_in_force() {
    let mut credentials = failed_over();

    let told = settle(&mut credentials, kept(Ok("one"), Some("new spare")));

    assert_eq!(told, [What::Offered.of(Role::Secondary)]);
    assert!(is_in_force(&credentials, "spare") && is_untried(&credentials, "new spare"));
}

#[test]
fn of_two_that_change_at_once_the_first_is_tried_first_and_the_other_stands_by() {
    let mut credentials = failed_over();

    let told = settle(&mut credentials, kept(Ok("two"), Some("new spare")));

    assert_eq!(told.len(), 2);
    assert!(is_untried(&credentials, "two"));
    credentials.accepted(&named("two"));
    assert!(credentials.offered().is_none());
    assert_eq!(credentials.standby(), Some(&named("new spare")));
}

#[test]
fn by_turns_each_is_the_one_that_a_refresh_begins_with() {
    let mut credentials = with_standby();
    credentials.rejected();
    settle(&mut credentials, kept(Ok("two"), Some("spare")));
    let mut led = Vec::new();

    assert_eq!(credentials.turns()[0], named("two"), "it was never tried");
    credentials.declined(&named("two"), true, now());
    for _ in 0..6 {
        let leader = credentials.turns().remove(0);
        credentials.leads(&leader);
        led.push(leader);
    }

    let names = ["one", "spare", "two", "one", "spare", "two"];
    assert_eq!(led, names.map(named));
    credentials.accepted(&named("two"));
    assert!(!credentials.has_led(&named("two")), "it begins anew");
}

#[test]
fn both_places_with_the_same_one_are_one_turn() {
    let mut credentials = failed_over();

    let told = settle(&mut credentials, kept(Ok("spare"), Some("spare")));

    assert_eq!(told, primary(What::Offered));
    assert_eq!(credentials.turns(), [named("spare"), named("one")]);
    let adopted = credentials.accepted(&named("spare"));
    assert_eq!(adopted, Some(What::Adopted.of(Role::Primary)));
    assert!(credentials.offered().is_none() && !credentials.is_pending(Role::Primary));
}

#[test]
fn an_order_has_the_first_one_tried_again_where_the_second_is_in_force() {
    let mut credentials = failed_over();

    let told = credentials.look(kept(Ok("one"), Some("spare")), Look::Ordered);

    assert_eq!(told, primary(What::Offered));
    assert!(is_untried(&credentials, "one") && is_in_force(&credentials, "spare"));
    credentials.accepted(&named("one"));
    assert_eq!(credentials.role_in_force(), Role::Primary);
}

#[test]
fn one_that_stands_by_and_was_turned_down_does_not_replace_one_that_works() {
    let mut credentials = failed_over();
    settle(&mut credentials, kept(Ok("one"), Some("bad spare")));
    credentials.declined(&named("bad spare"), true, now());
    settle(&mut credentials, kept(Ok("two"), Some("bad spare")));

    credentials.accepted(&named("two"));
    settle(&mut credentials, kept(Ok("two"), Some("bad spare")));

    assert_eq!(credentials.standby(), Some(&named("spare")));
}

#[test]
fn of_two_that_are_offered_the_one_that_is_due_first_is_tried() {
    let later = now() + Duration::from_secs(300);
    let mut credentials = failed_over();
    settle(&mut credentials, kept(Ok("odd"), Some("spare")));
    credentials.declined(&named("odd"), false, now());
    credentials.postpone(later);

    settle(&mut credentials, kept(Ok("odd"), Some("new spare")));

    assert!(is_untried(&credentials, "new spare"));
    assert_eq!(credentials.offered(), Some((&named("new spare"), None)));
}

#[test]
fn one_that_was_turned_down_and_is_the_last_resort_fails_over_as_a_changed_one() {
    let mut credentials = failed_over();
    settle(&mut credentials, kept(Ok("one"), Some("bad spare")));
    credentials.declined(&named("bad spare"), true, now());
    credentials.accepted(&named("one"));
    credentials.rejected();

    let told = credentials.accepted(&named("bad spare"));

    let what = What::FailedOver { is_changed: true };
    assert_eq!(told, Some(what.of(Role::Secondary)));
    assert!(!credentials.is_pending(Role::Secondary));
}
