use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{History, MOST, MOST_BYTES};
use crate::{
    balance::{Amount, Reading, Snapshot},
    clock::MonoTime,
};

fn at(millis: u64) -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_millis(millis)
}

fn snapshot(balance: &str, sms_count: Option<&str>, as_of: SystemTime) -> Arc<Snapshot> {
    let reading = Reading {
        balance: Amount::parse(balance).unwrap(),
        sms_count: sms_count.map(|count| Amount::parse(count).unwrap()),
    };
    let since = as_of.duration_since(at(0)).unwrap();
    Arc::new(Snapshot::new(&reading, as_of, MonoTime::default() + since))
}

/// The times of samples, in milliseconds.
fn times(samples: &[Arc<Snapshot>]) -> Vec<u128> {
    let since = |sample: &Arc<Snapshot>| sample.as_of().duration_since(at(0)).unwrap();
    samples
        .iter()
        .map(|sample| since(sample).as_millis())
        .collect()
}

#[test]
fn of_answers_that_say_the_same_the_first_and_the_latest_are_kept() {
    let history = History::default();

    for (second, (balance, sms_count)) in [
        ("5", None),
        ("4", None),
        ("4", None),
        ("4", None),
        ("4", None),
        // Other digits of the same number, and another count, say another thing.
        ("4.0", None),
        ("4.0", Some("7")),
        ("4.0", Some("7")),
        ("4.0", Some("7")),
        ("4", None),
        ("4", None),
        ("3", None),
    ]
    .into_iter()
    .enumerate()
    {
        history.record(snapshot(balance, sms_count, at(second as u64)));
    }

    assert_eq!(times(&history.after(None)), [0, 1, 4, 5, 6, 8, 9, 10, 11]);
}

#[test]
fn only_what_is_later_than_the_time_that_is_shown_is_told() {
    let history = History::default();
    let late = at(2) + Duration::from_micros(999);
    for (balance, as_of) in [("1", at(1)), ("2", late), ("3", at(3))] {
        history.record(snapshot(balance, None, as_of));
    }
    let after = |since| times(&history.after(Some(since)));

    assert_eq!(after(at(0)), [1, 2, 3]);
    assert_eq!(after(at(1)), [2, 3]);
    assert_eq!(after(at(2) - Duration::from_nanos(1)), [2, 3]);
    assert_eq!(after(at(2)), [3]);
    assert_eq!(after(at(3)), [0; 0]);
    assert_eq!(after(at(u64::from(u32::MAX))), [0; 0]);
}

#[test]
fn a_clock_that_is_set_back_disturbs_neither_the_order_nor_the_newest() {
    let history = History::default();
    for (balance, millis) in [("4", 10), ("3", 20), ("2", 15), ("1", 15)] {
        history.record(snapshot(balance, None, at(millis)));
    }

    let samples = history.after(None);

    assert_eq!(times(&samples), [10, 15, 15, 20]);
    let balances: Vec<_> = samples.iter().map(|s| s.balance().as_str()).collect();
    assert_eq!(balances, ["4", "2", "1", "3"]);
}

#[test]
fn it_stays_bounded_in_order_and_covers_the_whole_time() {
    let mut random = fastrand::Rng::with_seed(6);
    let history = History::default();
    let mut now = 0;

    for step in 0..2 * MOST {
        now += random.u64(1..1000);
        // Runs of every length, one among them.
        let balance = random.u8(0..4).to_string();
        history.record(snapshot(&balance, None, at(now)));

        if step % 101 == 0 {
            let times = times(&history.after(None));
            assert!(times.len() <= MOST);
            assert!(times.is_sorted());
            assert_eq!(times.last(), Some(&u128::from(now)), "the newest");
        }
    }

    let times = times(&history.after(None));
    assert_eq!(times.len(), MOST);
    assert!(times[0] < 1000, "the very first");
    // Nothing is further from its neighbour than a hundredth of its age, or than
    // the samples of a run have come.
    for pair in times.windows(2) {
        let (gap, age) = (pair[1] - pair[0], u128::from(now) - pair[0]);
        assert!(gap <= age / 100 + 10_000, "{gap} ms missing {age} ms ago");
    }
}

#[test]
fn a_balance_of_very_many_digits_does_not_fill_the_memory() {
    let history = History::default();
    let digits = "1".repeat(MOST_BYTES / 16);

    for second in 0..100 {
        let balance = format!("{digits}.{second}");
        history.record(snapshot(&balance, None, at(second)));
    }

    let samples = history.after(None);
    let bytes: usize = samples.iter().map(|sample| sample.body().len()).sum();
    assert!(bytes <= MOST_BYTES, "{bytes}");
    let times = times(&samples);
    assert_eq!((times[0], times.last()), (0, Some(&99)));
}
