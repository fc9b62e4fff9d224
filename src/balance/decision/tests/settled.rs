//! After a refresh has failed, and where too many wait for one.

use super::{Answer::*, Detail, EMPTY, FailureKind, S, World, last};

const CROWDED: super::Answer = Hit(Some(Detail::Overloaded));

#[test]
fn after_a_failure_the_stored_balance_answers_within_stale_if_error() {
    // However long ago the failure was when the one who waited gets to run.
    for left in [1, 0, -1] {
        for (swr, sie, age, served) in [
            (60, 900, Some(0), true),
            (60, 900, Some(60 * S - 1), true),
            (60, 900, Some(60 * S), true),
            (60, 900, Some(960 * S - 1), true),
            (60, 900, Some(960 * S), false),
            (60, 900, Some(960 * S + 1), false),
            (0, 900, Some(60 * S), true),
            (60, 0, Some(60 * S - 1), true),
            (60, 0, Some(60 * S), false),
            (0, 0, Some(60 * S), false),
            (60, 900, None, false),
        ] {
            let world = World {
                swr: swr * S,
                sie: sie * S,
                age,
                ..EMPTY.with(last(FailureKind::Unavailable, left))
            };
            assert_eq!(world.settles(false), served, "{world:?}");
        }
    }
}

#[test]
fn after_a_blocking_failure_only_a_fresh_balance_answers() {
    for kind in [
        FailureKind::Unauthorized,
        FailureKind::Forbidden,
        FailureKind::PaymentRequired,
    ] {
        for left in [1, 0, -1] {
            for has_fallback in [false, true] {
                for (age, served) in [(60 * S - 1, true), (60 * S, false), (61 * S, false)] {
                    let world = EMPTY.aged(age).with(last(kind, left));
                    assert_eq!(world.settles(has_fallback), served, "{world:?}");
                }
            }
        }
    }
}

#[test]
fn a_directive_never_turns_what_would_have_been_served_into_an_error() {
    let no_window = World {
        sie: 0,
        ..EMPTY.with(last(FailureKind::Unavailable, 1))
    };

    assert!(no_window.aged(90 * S).settles(true));
    assert!(!no_window.aged(90 * S).settles(false));
}

#[test]
fn where_too_many_wait_the_stored_balance_answers_as_on_an_error() {
    for (sie, age, answer) in [
        (900, Some(60 * S), CROWDED),
        (900, Some(960 * S - 1), CROWDED),
        (900, Some(960 * S), Overloaded),
        (900, Some(960 * S + 1), Overloaded),
        (0, Some(60 * S), Overloaded),
        (900, None, Overloaded),
    ] {
        for failure in [None, last(FailureKind::Unavailable, 0)] {
            let world = World {
                sie: sie * S,
                age,
                ..EMPTY.with(failure)
            };
            assert_eq!(world.crowded_out(false), answer, "{world:?}");
        }
    }
}

#[test]
fn where_too_many_wait_a_blocking_failure_leaves_nothing_stale_to_serve() {
    for kind in [FailureKind::Unauthorized, FailureKind::PaymentRequired] {
        let world = EMPTY.aged(60 * S).with(last(kind, 0));

        assert_eq!(world.crowded_out(false), Overloaded);
    }
}

#[test]
fn where_too_many_wait_a_wish_is_given_up_for_what_is_stored() {
    let no_window = World { sie: 0, ..EMPTY };
    let rejected = last(FailureKind::Unauthorized, 0);

    assert_eq!(no_window.aged(90 * S).crowded_out(true), CROWDED);
    assert_eq!(EMPTY.aged(10 * S).with(rejected).crowded_out(true), CROWDED);
}
