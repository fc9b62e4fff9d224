//! The simulated D7 of a run. Its balance is the time: so many milliseconds
//! since the start, which tells how old an answer is without asking the service.

use std::time::Duration;

use d7_balance::simulator::{Step, answer};

use crate::{Run, TTL};

/// How often the figure changes.
const TICK: Duration = Duration::from_millis(20);

/// Now and then D7 takes so long. What is stored then gets older than may be
/// served, however young it was when somebody insisted on a newer one.
const SLOW: Duration = Duration::from_millis(2500);
const SLOW_EVERY: Duration = Duration::from_secs(7);
const FIRST_SLOW: Duration = Duration::from_secs(3);

/// How much older than its arrival D7's figure can be: a slow one is written
/// when it is ordered, and D7 may not be asked for a time to live after that.
pub(crate) const OLDER_THAN_ARRIVAL: Duration = TTL.saturating_add(TTL);

/// Has D7 answer the time.
pub(crate) fn answer_now(run: &Run) {
    let now = run.watch.now();
    run.service.d7.always(answer(200, &balance_at(now)));
}

/// Has D7 answer the time, slowly at times, until the run is over.
pub(crate) fn answer_until_the_end(run: &Run) {
    let mut next_slow = FIRST_SLOW;
    while !run.is_over() {
        answer_now(run);
        let now = run.watch.now();
        if now >= next_slow {
            next_slow = now + SLOW_EVERY;
            let mut script = vec![Step::Pause(SLOW)];
            script.extend(answer(200, &balance_at(now + SLOW)));
            run.service.d7.next(script);
        }
        run.watch.pause(TICK);
    }
}

fn balance_at(moment: Duration) -> String {
    format!(r#"{{"balance": {}}}"#, moment.as_millis())
}
