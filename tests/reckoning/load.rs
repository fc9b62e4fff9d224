//! The load: threads that ask all kinds of things, each over one connection that
//! is kept as long as the service keeps it.

use std::time::Duration;

use fastrand::Rng;

use crate::{
    Run,
    ask::{Ask, Drawer},
    harness::Connection,
    tally::Tally,
};

/// How many ask at once: more than may wait.
pub(crate) const ASKERS: u64 = 10;

/// So that a machine with few cores can serve, too.
const BREATH: Duration = Duration::from_millis(2);

/// For a while somebody insists on something new all the time; then nobody does
/// for longer than a balance is fresh, so that one is served while a refresh runs
/// behind.
const INSISTENT: Duration = Duration::from_secs(3);
const CONTENT: Duration = Duration::from_millis(1500);

/// Asks until the run is over. What the service has to have counted.
pub(crate) fn ask(run: &Run, asker: u64) -> Tally {
    let mut asker = Asker::new(run, asker);
    while !run.is_over() {
        let in_load = run.load.read().unwrap();
        asker.take_turn();
        drop(in_load);
        run.watch.pause(BREATH);
    }
    asker.tally
}

struct Asker<'a> {
    run: &'a Run,
    drawer: Drawer<'a>,
    connection: Connection,
    tally: Tally,
}

impl<'a> Asker<'a> {
    fn new(run: &'a Run, asker: u64) -> Self {
        Self {
            run,
            drawer: drawer(run, asker),
            connection: Connection::open(run.service.addr),
            tally: Tally::default(),
        }
    }

    fn take_turn(&mut self) {
        self.drawer.insists = self.run.is_insistent();
        let mut asks = vec![self.drawer.draw()];
        // Some send the next request before they have the answer. actix-http (3.20)
        // writes an answer by what it has read last, which may be another request:
        // so none of HEAD, which would have the body left out, and none with a
        // body, which would have the connection closed.
        if self.drawer.rng.u8(..15) == 0 {
            asks.push(self.drawer.draw());
            if asks.iter().any(|ask| ask.method == "HEAD" || !ask.is_kept) {
                asks.truncate(1);
            }
        }
        let bytes: Vec<_> = asks.iter().flat_map(|ask| ask.bytes.clone()).collect();
        self.connection.write(&bytes);
        for ask in &asks {
            self.read(ask);
        }
        let is_kept = asks.iter().all(|ask| ask.is_kept);
        let is_left = self.drawer.rng.u8(..50) == 0;
        if !is_kept || is_left {
            let old = std::mem::replace(
                &mut self.connection,
                Connection::open(self.run.service.addr),
            );
            if is_kept {
                // It has its answer, which is counted already.
                old.reset();
            }
        }
    }

    fn read(&mut self, ask: &Ask) {
        let response = self.connection.read(ask.method);
        ask.enter(&response, &mut self.tally);
        let is_closed = response.header("connection") == Some("close");
        assert_eq!(is_closed, !ask.is_kept, "{response:?}");
        if let Some(etag) = response.header("etag") {
            self.drawer.known = Some(etag.to_owned());
        }
    }
}

/// Who draws requests for one of the threads.
pub(crate) fn drawer(run: &Run, thread: u64) -> Drawer<'_> {
    Drawer {
        rng: Rng::with_seed(run.seed + thread),
        keys: &run.keys,
        addr: run.service.addr,
        known: None,
        insists: true,
    }
}

impl Run {
    /// Whether it is a time to insist.
    fn is_insistent(&self) -> bool {
        let period = (INSISTENT + CONTENT).as_millis();
        let place = self.watch.now().as_millis() % period;
        place < INSISTENT.as_millis() || !self.d7.has_opened()
    }
}
