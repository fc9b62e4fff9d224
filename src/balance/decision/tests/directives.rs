//! What a caller asks for, laid over the rows.

use super::{
    Answer::{self, *},
    Asked, BEHIND, Detail, EMPTY, FRESH, FailureKind, Forward, ONLY_IF_CACHED, S, World, last,
    ticks,
};

const TIMEOUT: FailureKind = FailureKind::Timeout;
const FAILED: Option<Detail> = Some(Detail::Failure(TIMEOUT));
const TOO_SOON: Option<Detail> = Some(Detail::MinRefresh);
const REQUEST: Answer = WaitsForNewer(Forward::Request);

#[test]
fn a_balance_that_is_older_than_wished_is_waited_for() {
    for (age, max_age, answer) in [
        (30 * S - 1, 30 * S, FRESH),
        (30 * S, 30 * S, FRESH),
        (30 * S + 1, 30 * S, REQUEST),
        (0, 0, FRESH),
        (1, 0, REQUEST),
        (60 * S - 1, 0, REQUEST),
        (60 * S, 0, WaitsForNewer(Forward::Stale)),
        (120 * S - 1, 0, WaitsForNewer(Forward::Stale)),
        // Row 7, with the directive or without.
        (120 * S, 0, Waits(Forward::Stale)),
        (60 * S, 60 * S, BEHIND),
        (60 * S + 1, 60 * S, WaitsForNewer(Forward::Stale)),
        (60 * S, u64::MAX, BEHIND),
    ] {
        let world = EMPTY.aged(age);
        assert_eq!(world.decide(ticks(max_age)), answer, "{age}, {max_age}");
    }
}

#[test]
fn a_hold_down_stands_in_the_way_of_a_wish_until_its_last_tick() {
    for (age, left, answer) in [
        (10 * S, 1, Hit(FAILED)),
        (10 * S, 0, REQUEST),
        (10 * S, -1, REQUEST),
        (90 * S, 1, Hit(FAILED)),
        (90 * S, 0, WaitsForNewer(Forward::Stale)),
    ] {
        let world = EMPTY.aged(age).with(last(TIMEOUT, left));
        assert_eq!(world.decide(ticks(0)), answer, "{age}, {left}");
    }
    let rejected = FailureKind::Unauthorized;
    for (left, answer) in [
        (1, Hit(Some(Detail::Failure(rejected)))),
        (0, REQUEST),
        (-1, REQUEST),
    ] {
        let world = EMPTY.aged(10 * S).with(last(rejected, left));
        assert_eq!(world.decide(ticks(0)), answer, "{left}");
    }
}

#[test]
fn an_answer_of_d7_stands_in_the_way_of_a_wish_for_min_refresh() {
    for (ago, answer) in [
        (5 * S - 1, Hit(TOO_SOON)),
        (5 * S, REQUEST),
        (5 * S + 1, REQUEST),
    ] {
        let world = World {
            answered: Some(ago),
            ..EMPTY.aged(10 * S)
        };
        assert_eq!(world.decide(ticks(0)), answer, "{ago}");
    }
    let at_once = World {
        min_refresh: 0,
        answered: Some(0),
        ..EMPTY.aged(1)
    };
    assert_eq!(at_once.decide(ticks(0)), REQUEST);
}

#[test]
fn of_the_two_things_in_the_way_the_failure_is_told() {
    let world = World {
        answered: Some(0),
        ..EMPTY.aged(10 * S).with(last(TIMEOUT, 1))
    };

    assert_eq!(world.decide(ticks(0)), Hit(FAILED));
}

#[test]
fn an_unmet_wish_leaves_the_refresh_behind_to_row_six() {
    let world = World {
        answered: Some(1),
        ..EMPTY.aged(90 * S).with(last(TIMEOUT, 0))
    };

    assert_eq!(world.decide(ticks(0)), HitAndRefreshBehind(TOO_SOON));
    assert_eq!(
        world.decide(ticks(90 * S)),
        HitAndRefreshBehind(FAILED),
        "a wish that is met tells what row 6 tells"
    );
}

#[test]
fn a_wish_changes_nothing_where_nothing_may_be_served() {
    let rejected = FailureKind::Unauthorized;
    for world in [
        EMPTY,
        EMPTY.aged(120 * S),
        EMPTY.with(last(TIMEOUT, 1)),
        EMPTY.aged(960 * S).with(last(TIMEOUT, 1)),
        EMPTY.aged(60 * S).with(last(rejected, 1)),
        EMPTY.aged(60 * S).with(last(rejected, 0)),
    ] {
        assert_eq!(world.decide(ticks(0)), world.answer(), "{world:?}");
    }
}

#[test]
fn only_if_cached_takes_rows_1_4_and_6_and_starts_nothing() {
    let rejected = FailureKind::Unauthorized;
    for (row, world, answer) in [
        (1, EMPTY.aged(0), FRESH),
        (1, EMPTY.aged(0).with(last(rejected, 1)), FRESH),
        (2, EMPTY.aged(60 * S).with(last(rejected, 1)), NotCached),
        (3, EMPTY.aged(60 * S).with(last(rejected, 0)), NotCached),
        (
            4,
            EMPTY.aged(960 * S - 1).with(last(TIMEOUT, 1)),
            Hit(FAILED),
        ),
        (5, EMPTY.aged(960 * S).with(last(TIMEOUT, 1)), NotCached),
        (5, EMPTY.with(last(TIMEOUT, 1)), NotCached),
        (6, EMPTY.aged(60 * S), Hit(None)),
        (6, EMPTY.aged(60 * S).with(last(TIMEOUT, 0)), Hit(FAILED)),
        (7, EMPTY.aged(120 * S), NotCached),
        (7, EMPTY, NotCached),
    ] {
        assert_eq!(world.decide(ONLY_IF_CACHED), answer, "row {row}");
    }
}

#[test]
fn only_if_cached_outweighs_a_wish_and_tells_what_stood_in_its_way() {
    let asked = Asked {
        only_if_cached: true,
        ..ticks(0)
    };
    let lately = World {
        answered: Some(0),
        ..EMPTY.aged(10 * S)
    };
    for (world, answer) in [
        (EMPTY.aged(10 * S), FRESH),
        (EMPTY.aged(90 * S), Hit(None)),
        (lately, Hit(TOO_SOON)),
        (EMPTY.aged(10 * S).with(last(TIMEOUT, 1)), Hit(FAILED)),
        (EMPTY.aged(120 * S), NotCached),
    ] {
        assert_eq!(world.decide(asked), answer, "{world:?}");
    }
}
