//! The contract said a second time, in other words, and held against the code
//! in worlds drawn at random.

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};

use super::{
    Answer::{self, *},
    Asked, Detail, Duration, FailureKind, Forward, Last, World,
};

/// Few ticks, so that boundaries are met often.
fn worlds() -> impl Strategy<Value = World> {
    let failures = proptest::sample::select(&FailureKind::ALL[..]);
    let last = (failures, any::<bool>(), -2_i64..=2).prop_map(|(kind, confirmed, left)| Last {
        kind,
        confirmed,
        left,
    });
    let windows = (1_u64..=5, 0_u64..=5, 0_u64..=5, 0_u64..=5);
    let some = |most: u64| proptest::option::weighted(0.8, 0..=most);
    (windows, some(12), proptest::option::of(last), some(6)).prop_map(
        |((ttl, swr, sie, min_refresh), age, last, answered)| World {
            ttl,
            swr,
            sie,
            min_refresh: min_refresh.min(ttl),
            age,
            last,
            answered,
        },
    )
}

fn wishes() -> impl Strategy<Value = Asked> {
    let max_age = proptest::option::of((0_u64..=12).prop_map(Duration::from_nanos));
    (max_age, any::<bool>()).prop_map(|(max_age, only_if_cached)| Asked {
        max_age,
        only_if_cached,
    })
}

fn blocks(last: Last) -> bool {
    let is_rejection = matches!(
        last.kind,
        FailureKind::Unauthorized | FailureKind::Forbidden
    );
    last.kind == FailureKind::PaymentRequired || is_rejection && last.confirmed
}

/// The number of the row.
fn row(world: &World) -> u8 {
    let younger = |than: u64| world.age.is_some_and(|age| age < than);
    let blocked = world.last.is_some_and(blocks);
    let held = world.last.is_some_and(|last| last.left > 0);
    if younger(world.ttl) {
        1
    } else if blocked && held {
        2
    } else if blocked {
        3
    } else if held && younger(world.ttl + world.sie) {
        4
    } else if held {
        5
    } else if younger(world.ttl + world.swr) {
        6
    } else {
        7
    }
}

/// The answer to `asked`, as the contract has it.
fn expected(world: &World, asked: Asked) -> Answer {
    let row = row(world);
    let failed = world.last.map(|last| last.kind);
    if ![1, 4, 6].contains(&row) {
        return match (row, failed) {
            _ if asked.only_if_cached => NotCached,
            (2 | 5, Some(kind)) => Problem(kind),
            _ if world.age.is_none() => Waits(Forward::UriMiss),
            _ => Waits(Forward::Stale),
        };
    }
    let age = world.age.unwrap();
    let is_unmet = asked
        .max_age
        .is_some_and(|wish| u128::from(age) > wish.as_nanos());
    let held = world.last.filter(|last| last.left > 0);
    let is_too_soon = world.answered.is_some_and(|ago| ago < world.min_refresh);
    let detail = match (is_unmet, held) {
        (true, Some(last)) => Some(Detail::Failure(last.kind)),
        (true, None) if is_too_soon => Some(Detail::MinRefresh),
        (true, None) if !asked.only_if_cached => {
            let is_fresh = row == 1;
            return WaitsForNewer(if is_fresh {
                Forward::Request
            } else {
                Forward::Stale
            });
        }
        _ if row == 1 => None,
        _ => failed.map(Detail::Failure),
    };
    if row == 6 && !asked.only_if_cached {
        HitAndRefreshBehind(detail)
    } else {
        Hit(detail)
    }
}

fn is_200_at_once(answer: Answer) -> bool {
    matches!(answer, Hit(_) | HitAndRefreshBehind(_))
}

fn check<S: Strategy>(worlds: S, test: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let mut runner = TestRunner::new(Config {
        cases: 4096,
        failure_persistence: None,
        ..Config::default()
    });
    runner.run(&worlds, test).unwrap();
}

#[test]
fn every_request_gets_what_its_row_says() {
    check((worlds(), wishes()), |(world, asked)| {
        prop_assert_eq!(world.decide(asked), expected(&world, asked));
        Ok(())
    });
}

#[test]
fn no_directive_turns_a_200_into_an_error() {
    check((worlds(), wishes()), |(world, asked)| {
        let (plain, asked) = (world.answer(), world.decide(asked));
        if is_200_at_once(plain) {
            prop_assert!(
                is_200_at_once(asked) || matches!(asked, WaitsForNewer(_)),
                "{:?}",
                asked
            );
        }
        Ok(())
    });
}

#[test]
fn only_if_cached_neither_waits_nor_starts_anything() {
    check((worlds(), wishes()), |(world, asked)| {
        let answer = world.decide(Asked {
            only_if_cached: true,
            ..asked
        });
        prop_assert!(matches!(answer, Hit(_) | NotCached), "{:?}", answer);
        prop_assert_eq!(is_200_at_once(answer), is_200_at_once(world.answer()));
        Ok(())
    });
}

#[test]
fn nothing_stale_is_served_past_a_blocking_failure() {
    check(
        (worlds(), wishes(), any::<bool>()),
        |(world, asked, has_fallback)| {
            let is_fresh = world.age.is_some_and(|age| age < world.ttl);
            if is_fresh || !world.last.is_some_and(blocks) {
                return Ok(());
            }
            prop_assert!(!is_200_at_once(world.decide(asked)));
            prop_assert!(!world.settles(has_fallback));
            prop_assert_eq!(world.crowded_out(false), Overloaded);
            Ok(())
        },
    );
}

#[test]
fn a_refresh_that_failed_leaves_what_rows_1_2_4_and_5_say() {
    check(worlds(), |mut world| {
        let Some(last) = &mut world.last else {
            return Ok(());
        };
        last.left = 1;
        let served = [1, 4].contains(&row(&world));
        prop_assert_eq!(world.settles(false), served);
        Ok(())
    });
}
