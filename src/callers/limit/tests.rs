use std::{
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use proptest::prelude::*;

use super::{Limiter, Per, RateLimit, Verdict};
use crate::clock::ManualClock;

const NANOSECOND: Duration = Duration::from_nanos(1);

fn limit(text: &str) -> RateLimit {
    RateLimit::parse(text).unwrap()
}

/// A full bucket, and the clock that it is filled by.
fn bucket(limit: RateLimit) -> (Limiter, Arc<ManualClock>) {
    let clock = Arc::new(ManualClock::new(SystemTime::UNIX_EPOCH));
    (Limiter::new(limit, Arc::clone(&clock) as _), clock)
}

/// What is left, until when, and how long a refused request has to wait.
fn told(verdict: Verdict) -> (u32, u64, Option<u64>) {
    (
        verdict.remaining,
        verdict.full_after_s,
        verdict.refused_for_s,
    )
}

#[test]
fn a_limit_is_a_number_of_requests_in_a_second_a_minute_or_an_hour() {
    for text in ["1/s", "50/s", "600/m", "1000000/h"] {
        assert_eq!(RateLimit::parse(text).unwrap().to_string(), text);
    }
    for text in [
        "",
        "50",
        "/s",
        "0/s",
        "-1/s",
        "+1/s",
        "1.5/s",
        "50/d",
        "50/S",
        " 50/s",
        "50 /s",
        "50/s ",
        "50/s/s",
        "1000001/h",
        "5000000000/s",
    ] {
        assert_eq!(RateLimit::parse(text), None, "{text:?}");
    }
}

#[test]
fn a_full_bucket_allows_as_many_as_the_limit_names_and_then_none() {
    let (bucket, _clock) = bucket(limit("3/m"));

    let verdicts = [(); 5].map(|()| told(bucket.check()));

    assert_eq!(
        verdicts,
        [
            (2, 20, None),
            (1, 40, None),
            (0, 60, None),
            (0, 60, Some(20)),
            (0, 60, Some(20)),
        ]
    );
}

#[test]
fn requests_come_back_evenly_one_by_one_to_the_nanosecond() {
    let (bucket, clock) = bucket(limit("2/h"));
    bucket.check();
    clock.advance(Duration::from_secs(900));
    // One came back by half, which whole requests would not show.
    assert_eq!(told(bucket.check()), (0, 2700, None));

    clock.advance(Duration::from_secs(900) - NANOSECOND);
    assert_eq!(told(bucket.check()), (0, 1801, Some(1)));
    clock.advance(NANOSECOND);
    assert_eq!(told(bucket.check()), (0, 3600, None));

    clock.advance(Duration::from_secs(3600) - NANOSECOND);
    assert_eq!(told(bucket.check()), (0, 1801, None));
    clock.advance(Duration::from_secs(7200));
    assert_eq!(
        told(bucket.check()),
        (1, 1800, None),
        "full, and not fuller"
    );
}

#[test]
fn the_time_until_it_is_full_is_rounded_up_to_whole_seconds() {
    let (bucket, _clock) = bucket(limit("50/s"));

    let verdicts: Vec<_> = (0..50).map(|_| told(bucket.check())).collect();

    assert_eq!(verdicts[0], (49, 1, None));
    assert_eq!(verdicts[37], (12, 1, None));
    assert_eq!(verdicts[49], (0, 1, None));
    assert_eq!(told(bucket.check()), (0, 1, Some(1)));
}

#[test]
fn a_window_that_does_not_divide_evenly_is_still_full_after_itself() {
    let (bucket, clock) = bucket(limit("7/s"));

    for _ in 0..3 {
        let allowed = (0..20).filter(|_| bucket.check().refused_for_s.is_none());
        assert_eq!(allowed.count(), 7);
        clock.advance(Duration::from_secs(1));
    }
}

#[test]
fn threads_that_check_at_once_are_allowed_no_more_together_and_see_each_a_rest_of_its_own() {
    let (bucket, _clock) = bucket(limit("4000/h"));

    let rests: Vec<_> = thread::scope(|scope| {
        let one = || (0..2000).map(|_| bucket.check()).collect::<Vec<_>>();
        let threads = [(); 4].map(|()| scope.spawn(one));
        threads.map(|thread| thread.join().unwrap()).concat()
    });

    let mut allowed: Vec<_> = rests
        .iter()
        .filter(|verdict| verdict.refused_for_s.is_none())
        .map(|verdict| (verdict.remaining, verdict.full_after_s))
        .collect();
    allowed.sort_unstable();
    // 0.9 s for each that is missing.
    let expected = (0..4000_u32).map(|rest| (rest, (u64::from(4000 - rest) * 9).div_ceil(10)));
    assert!(allowed.into_iter().eq(expected));
}

fn any_limit() -> impl Strategy<Value = RateLimit> {
    let per = prop_oneof![Just(Per::Second), Just(Per::Minute), Just(Per::Hour)];
    (prop_oneof![1..20_u32, 1..=1_000_000_u32], per).prop_map(|(requests, per)| RateLimit {
        requests: requests.try_into().unwrap(),
        per,
    })
}

/// The same bucket said in another way: how much of it is missing, in
/// nanoseconds, and when it was last looked at.
struct Restated {
    interval: u64,
    requests: u64,
    missing: u64,
}

impl Restated {
    fn pass(&mut self, nanos: u64) {
        self.missing = self.missing.saturating_sub(nanos);
    }

    fn take(&mut self) -> bool {
        let has_one = self.missing + self.interval <= self.interval * self.requests;
        if has_one {
            self.missing += self.interval;
        }
        has_one
    }
}

proptest! {
    #[test]
    fn whoever_asks_whenever_gets_what_the_limit_says_and_is_told_the_truth(
        limit in any_limit(),
        // Pauses in thousandths of the time after which one comes back, and how
        // many requests follow at once.
        asked in prop::collection::vec((0..5_000_u64, 1..8_usize), 1..60),
    ) {
        let (bucket, clock) = bucket(limit);
        let requests = u64::from(limit.requests.get());
        let interval = limit.per.seconds() * 1_000_000_000 / requests;
        let mut restated = Restated { interval, requests, missing: 0 };
        let (mut allowed, mut elapsed) = (0, 0);
        for (pause, times) in asked {
            let pause = interval * pause / 1_000;
            clock.advance(Duration::from_nanos(pause));
            restated.pass(pause);
            elapsed += pause;
            for _ in 0..times {
                let verdict = bucket.check();

                prop_assert_eq!(verdict.refused_for_s.is_none(), restated.take());
                allowed += u64::from(verdict.refused_for_s.is_none());
                prop_assert!(allowed <= requests + elapsed / interval);
                let left = (interval * requests - restated.missing) / interval;
                prop_assert_eq!(u64::from(verdict.remaining), left);
                let full_after_s = restated.missing.div_ceil(1_000_000_000);
                prop_assert_eq!(verdict.full_after_s, full_after_s);
                if let Some(seconds) = verdict.refused_for_s {
                    // After so many seconds one is there, after one fewer none.
                    let until_one = restated.missing - interval * (requests - 1);
                    prop_assert!(seconds * 1_000_000_000 >= until_one);
                    prop_assert!((seconds - 1) * 1_000_000_000 < until_one);
                }
            }
        }
    }
}
