//! How long D7 is left alone after a failure: pure arithmetic.
//!
//! Steps double from failure to failure, are drawn from their upper half so
//! that many services do not come back together, and give way to what D7
//! itself asks for in `Retry-After`.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{source::RetryAfter, state::Class};

/// Picks a duration evenly between two bounds. Injected, so that a test knows
/// what was drawn.
pub type Draw = Arc<dyn Fn(Duration, Duration) -> Duration + Send + Sync>;

/// The draw of a running service.
pub fn random_draw() -> Draw {
    Arc::new(|low, high| {
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        Duration::from_millis(fastrand::u64(millis(low)..=millis(high)))
    })
}

const SHORTEST: Duration = Duration::from_secs(1);
const TRANSIENT: Steps = Steps { first: 1, last: 30 };
const LASTING: Steps = Steps {
    first: 30,
    last: 300,
};
/// The bounds within which a `Retry-After` is believed, in seconds.
const RETRY_AFTER: std::ops::RangeInclusive<u64> = 1..=300;

/// Seconds that double from `first` and end at `last`.
struct Steps {
    first: u64,
    last: u64,
}

/// The failures since the last valid answer.
///
/// They say how long the next hold-down is. Each class climbs its own stairs: a
/// service that alternates between two kinds of failure is left alone longer and
/// longer, too.
#[derive(Debug, Default, Clone, Copy)]
pub struct Tally {
    transient: u32,
    lasting: u32,
}

impl Tally {
    /// Counts one more failure and says how long D7 is left alone for it.
    ///
    /// `retry_after` is what D7 asked for, `wall` the time against which a
    /// date in it counts.
    pub fn hold_down(
        &mut self,
        class: Class,
        retry_after: Option<RetryAfter>,
        wall: SystemTime,
        draw: &Draw,
    ) -> Duration {
        let (count, steps) = match class {
            Class::Transient => (&mut self.transient, TRANSIENT),
            Class::Lasting => (&mut self.lasting, LASTING),
        };
        let doubled = 1_u64.checked_shl(*count).unwrap_or(u64::MAX);
        let step = Duration::from_secs(steps.first.saturating_mul(doubled).min(steps.last));
        *count = count.saturating_add(1);
        match retry_after {
            Some(asked) => asked_for(asked, wall),
            None => draw(step / 2, step).max(SHORTEST),
        }
    }
}

fn asked_for(retry_after: RetryAfter, wall: SystemTime) -> Duration {
    let seconds = match retry_after {
        RetryAfter::Seconds(seconds) => seconds,
        RetryAfter::Date(date) => date
            .duration_since(wall)
            // A date has whole seconds: rounded up, so as not to come early.
            .map_or(0, |left| {
                left.as_secs() + u64::from(left.subsec_nanos() > 0)
            }),
    };
    Duration::from_secs(seconds.clamp(*RETRY_AFTER.start(), *RETRY_AFTER.end()))
}

#[cfg(test)]
mod tests {
    use std::{
        sync::Arc,
        time::{Duration, SystemTime},
    };

    use super::{Draw, Tally, random_draw};
    use crate::balance::{source::RetryAfter, state::Class};

    fn steps(class: Class, draw: &Draw) -> Vec<f64> {
        let mut tally = Tally::default();
        (0..7)
            .map(|_| {
                tally
                    .hold_down(class, None, SystemTime::UNIX_EPOCH, draw)
                    .as_secs_f64()
            })
            .collect()
    }

    #[test]
    fn hold_downs_double_up_to_their_last_step() {
        let highest: Draw = Arc::new(|_, high| high);

        assert_eq!(
            steps(Class::Transient, &highest),
            [1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0]
        );
        assert_eq!(
            steps(Class::Lasting, &highest),
            [30.0, 60.0, 120.0, 240.0, 300.0, 300.0, 300.0]
        );
    }

    #[test]
    fn hold_downs_are_never_drawn_below_half_a_step_or_a_second() {
        let lowest: Draw = Arc::new(|low, _| low);

        assert_eq!(
            steps(Class::Transient, &lowest),
            [1.0, 1.0, 2.0, 4.0, 8.0, 15.0, 15.0]
        );
        assert_eq!(
            steps(Class::Lasting, &lowest),
            [15.0, 30.0, 60.0, 120.0, 150.0, 150.0, 150.0]
        );
    }

    #[test]
    fn each_class_climbs_its_own_steps() {
        let highest: Draw = Arc::new(|_, high| high);
        let mut tally = Tally::default();
        let mut next = |class| tally.hold_down(class, None, SystemTime::UNIX_EPOCH, &highest);

        let held: Vec<_> = [
            Class::Transient,
            Class::Lasting,
            Class::Transient,
            Class::Lasting,
        ]
        .map(|class| next(class).as_secs())
        .into();

        assert_eq!(held, [1, 30, 2, 60]);
    }

    #[test]
    fn the_random_draw_stays_between_its_bounds() {
        let (low, high) = (Duration::from_millis(250), Duration::from_millis(500));

        for _ in 0..1000 {
            assert!((low..=high).contains(&random_draw()(low, high)));
        }
    }

    #[test]
    fn retry_after_replaces_the_draw_within_one_to_three_hundred_seconds() {
        let never: Draw = Arc::new(|_, _| panic!("must not be drawn"));
        let wall = SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_500);
        let date =
            |seconds| RetryAfter::Date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds));

        for (asked, held) in [
            (RetryAfter::Seconds(0), 1),
            (RetryAfter::Seconds(1), 1),
            (RetryAfter::Seconds(7), 7),
            (RetryAfter::Seconds(300), 300),
            (RetryAfter::Seconds(301), 300),
            (RetryAfter::Seconds(u64::MAX), 300),
            (date(0), 1),
            (date(1_000), 1),
            (date(1_008), 8),
            (date(9_000), 300),
        ] {
            let mut tally = Tally::default();
            let hold_down = tally.hold_down(Class::Transient, Some(asked), wall, &never);
            assert_eq!(hold_down, Duration::from_secs(held), "{asked:?}");
        }
    }
}
