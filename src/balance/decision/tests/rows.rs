//! The seven rows, without directives.

use super::{
    Answer::{self, *},
    BEHIND, Detail, EMPTY, FRESH, FailureKind, Forward, Last, S, World, last,
};

const STALE: Answer = Waits(Forward::Stale);
const TIMEOUT: FailureKind = FailureKind::Timeout;

/// Hits with the failure remembered.
const ON_ERROR: Answer = Hit(Some(Detail::Failure(TIMEOUT)));
const BEHIND_AGAIN: Answer = HitAndRefreshBehind(Some(Detail::Failure(TIMEOUT)));

/// Windows of seconds after a time to live of 60.
fn windows(swr: u64, sie: u64) -> World {
    World {
        swr: swr * S,
        sie: sie * S,
        ..EMPTY
    }
}

#[track_caller]
fn holds(rows: &[(World, u64, Answer)]) {
    for (world, age, answer) in rows {
        let world = world.aged(*age);
        assert_eq!(world.answer(), *answer, "{world:?}");
    }
}

#[test]
fn without_a_failure_the_age_alone_decides() {
    for sie in [0, 30, 900] {
        holds(&[
            (windows(90, sie), 0, FRESH),
            (windows(90, sie), 60 * S - 1, FRESH),
            (windows(90, sie), 60 * S, BEHIND),
            (windows(90, sie), 60 * S + 1, BEHIND),
            (windows(90, sie), 150 * S - 1, BEHIND),
            (windows(90, sie), 150 * S, STALE),
            (windows(90, sie), 150 * S + 1, STALE),
            (windows(90, sie), 900_000 * S, STALE),
            (windows(0, sie), 60 * S - 1, FRESH),
            (windows(0, sie), 60 * S, STALE),
            (windows(0, sie), 60 * S + 1, STALE),
        ]);
        assert_eq!(windows(90, sie).answer(), Waits(Forward::UriMiss));
    }
}

#[test]
fn while_a_failure_holds_stale_if_error_decides() {
    let problem = Problem(TIMEOUT);
    for swr in [0, 30, 900] {
        for left in [1, 300 * S.cast_signed()] {
            let held = |sie| windows(swr, sie).with(last(TIMEOUT, left));
            holds(&[
                (held(90), 0, FRESH),
                (held(90), 60 * S - 1, FRESH),
                (held(90), 60 * S, ON_ERROR),
                (held(90), 60 * S + 1, ON_ERROR),
                (held(90), 150 * S - 1, ON_ERROR),
                (held(90), 150 * S, problem),
                (held(90), 150 * S + 1, problem),
                (held(90), 900_000 * S, problem),
                (held(0), 60 * S - 1, FRESH),
                (held(0), 60 * S, problem),
                (held(0), 60 * S + 1, problem),
            ]);
            assert_eq!(held(90).answer(), problem);
        }
    }
}

#[test]
fn once_its_hold_down_is_over_a_failure_changes_the_detail_only() {
    for sie in [0, 30, 900] {
        for left in [0, -1, -300 * S.cast_signed()] {
            let over = |swr| windows(swr, sie).with(last(TIMEOUT, left));
            holds(&[
                (over(90), 60 * S - 1, FRESH),
                (over(90), 60 * S, BEHIND_AGAIN),
                (over(90), 60 * S + 1, BEHIND_AGAIN),
                (over(90), 150 * S - 1, BEHIND_AGAIN),
                (over(90), 150 * S, STALE),
                (over(90), 150 * S + 1, STALE),
                (over(0), 60 * S - 1, FRESH),
                (over(0), 60 * S, STALE),
            ]);
            assert_eq!(over(90).answer(), Waits(Forward::UriMiss));
        }
    }
}

#[test]
fn a_blocking_failure_leaves_the_fresh_balance_and_nothing_else() {
    for kind in [
        FailureKind::Unauthorized,
        FailureKind::Forbidden,
        FailureKind::PaymentRequired,
    ] {
        for (swr, sie) in [(60, 900), (900, 60), (0, 900), (900, 0)] {
            let held = windows(swr, sie).with(last(kind, 1));
            let over = windows(swr, sie).with(last(kind, 0));
            holds(&[
                (held, 60 * S - 1, FRESH),
                (held, 60 * S, Problem(kind)),
                (held, 60 * S + 1, Problem(kind)),
                (held, 900_000 * S, Problem(kind)),
                (over, 60 * S - 1, FRESH),
                (over, 60 * S, STALE),
                (over, 60 * S + 1, STALE),
                (over, 900_000 * S, STALE),
            ]);
            assert_eq!(held.answer(), Problem(kind));
            assert_eq!(over.answer(), Waits(Forward::UriMiss));
        }
    }
}

#[test]
fn a_hold_down_is_over_on_its_last_tick_exactly() {
    for (left, answer) in [(1, ON_ERROR), (0, BEHIND_AGAIN), (-1, BEHIND_AGAIN)] {
        let world = EMPTY.aged(60 * S).with(last(TIMEOUT, left));
        assert_eq!(world.answer(), answer, "{left}");
    }
    let rejected = FailureKind::Unauthorized;
    for (left, answer) in [(1, Problem(rejected)), (0, STALE), (-1, STALE)] {
        let world = EMPTY.aged(60 * S).with(last(rejected, left));
        assert_eq!(world.answer(), answer, "{left}");
    }
}

#[test]
fn confirmed_rejections_and_402_block_and_nothing_else_does() {
    for kind in FailureKind::ALL {
        for confirmed in [false, true] {
            let blocks = match kind {
                FailureKind::Unauthorized | FailureKind::Forbidden => confirmed,
                FailureKind::PaymentRequired => true,
                _ => false,
            };
            let left = 1;
            let world = EMPTY.aged(60 * S).with(Some(Last {
                kind,
                confirmed,
                left,
            }));
            let expected = if blocks {
                Problem(kind)
            } else {
                Hit(Some(Detail::Failure(kind)))
            };

            assert_eq!(world.answer(), expected, "{kind}, confirmed: {confirmed}");
        }
    }
}
