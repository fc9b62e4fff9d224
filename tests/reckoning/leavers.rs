//! Callers that go away while they wait.
//!
//! Who ends a connection cannot know what became of the request on it: it may
//! not have been read, or may be answered already. So they leave only where that
//! is known. The load pauses, D7 holds the next request back, and when all of
//! these callers are known to wait for it (`d7b_waiters` is their number, and
//! nobody else asks), those that leave are missed by the service before D7
//! answers. Where they come to wait for nothing, since D7 is left alone just
//! then, they stay and read their answers like everybody.

use std::{cell::Cell, time::Duration};

use d7_balance::simulator::Gate;

use crate::{
    Run, TIMEOUT,
    ask::{Ask, Drawer},
    harness::Connection,
    load::{ASKERS, drawer},
    scrape::Samples,
    tally::Tally,
};

/// How soon they come again: after some have left, and after none could.
const NEXT: Duration = Duration::from_secs(1);
const AGAIN: Duration = Duration::from_millis(400);

/// No refresh takes longer.
const SETTLED: Duration = TIMEOUT;

/// How those ask that come at once. All of them may wait; if any leaves, the
/// last one does.
const METHODS: [&str; 4] = ["GET", "GET", "GET", "HEAD"];

pub(crate) const ABANDONED: &str = "d7b_requests_abandoned_total";
const REQUESTS: &str = "d7b_requests_total";

/// Comes and goes until the run is over. What the service has to have counted.
pub(crate) fn come_and_go(run: &Run) -> Tally {
    let mut drawer = drawer(run, ASKERS);
    let mut tally = Tally::default();
    while !run.is_over() {
        let no_load = run.load.write().unwrap();
        let has_left = come_once(run, &mut drawer, &mut tally);
        drop(no_load);
        run.watch.pause(if has_left { NEXT } else { AGAIN });
    }
    tally
}

/// Says whether somebody has left.
fn come_once(run: &Run, drawer: &mut Drawer<'_>, tally: &mut Tally) -> bool {
    let before = Samples::read(run);
    let gate = Gate::closed();
    run.d7.hold_next(gate.clone());
    let mut callers: Vec<_> = METHODS
        .map(|method| Caller::come(run, drawer, method))
        .into();

    let may_leave = all_wait(run, &before);
    if may_leave {
        let mut leaving = callers.split_off(drawer.rng.usize(1..METHODS.len()));
        let left = leaving.len() as u64;
        leaving.drain(..).for_each(|one| one.connection.reset());
        run.comes_true(SETTLED, || {
            Samples::read(run).of(ABANDONED) == before.of(ABANDONED) + left as f64
        });
        tally.count_many(ABANDONED, &[], left);
        // Who only says that it will ask nothing more has not left.
        callers[0].connection.end_writing();
    }
    run.d7.hold_none();
    gate.open();
    for mut caller in callers {
        let response = caller.connection.read(caller.ask.method);
        caller.ask.enter(&response, tally);
    }
    may_leave
}

/// Waits until every caller waits or is answered, and says whether all of them
/// wait, for what D7 holds back.
fn all_wait(run: &Run, before: &Samples) -> bool {
    let all = METHODS.len() as f64;
    let waiting = Cell::new(0.0);
    let is_settled = run.comes_true(SETTLED, || {
        let now = Samples::read(run);
        waiting.set(now.of("d7b_waiters"));
        let answered = now.sum(REQUESTS) - before.sum(REQUESTS);
        // Those who wait for something else will be answered soon.
        waiting.get() + answered == all && (run.d7.is_held() || waiting.get() == 0.0)
    });
    is_settled && waiting.get() == all
}

struct Caller {
    ask: Ask,
    connection: Connection,
}

impl Caller {
    fn come(run: &Run, drawer: &mut Drawer<'_>, method: &'static str) -> Self {
        let ask = drawer.insistent(method);
        let mut connection = Connection::open(run.service.addr);
        connection.write(&ask.bytes);
        Self { ask, connection }
    }
}
