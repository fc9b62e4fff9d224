//! The simulated D7 of a run: what it answers to whom, and its own count of it.
//!
//! Faults come off shuffled decks, with good answers in between, so that every
//! kind occurs and D7 is still asked often: after most of them the service leaves
//! it alone for a second. What silences D7 for longer comes at moments of its
//! own, and at the end.
//!
//! D7 also knows what the service makes of its words: requests come one after
//! the other, and which of them belong to one refresh follows from what was
//! answered. So it counts refreshes, too.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex, MutexGuard},
    time::Duration,
};

use d7_balance::simulator::{Gate, Script, Step};
use fastrand::Rng;

use crate::{
    scripts::{self, Fault, LASTING, OK, PASSING, Then, good, rejected_twice},
    stopwatch::Stopwatch,
    tally::Tally,
};

/// A balance that was sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sent {
    pub(crate) balance: f64,
    /// When it was asked for.
    pub(crate) asked: Duration,
}

/// The simulated D7.
#[derive(Clone)]
pub(crate) struct D7 {
    book: Arc<Mutex<Book>>,
    watch: Arc<Stopwatch>,
}

struct Book {
    rng: Rng,
    /// One fault of each outcome, so that a short run has them all.
    opening: Vec<&'static Fault>,
    deck: Vec<&'static Fault>,
    /// Good answers until the next fault.
    goods: u32,
    /// What comes before anything off a deck; none is a good answer.
    ordered: VecDeque<Option<&'static Fault>>,
    /// What lasts, in the order in which it comes.
    lasting: VecDeque<Vec<&'static Fault>>,
    /// When something that lasts is to come.
    lasting_due: VecDeque<Duration>,
    /// The first word of a refresh, after which there has to be a second one.
    first: Option<&'static Fault>,
    failed_in_a_row: u32,
    was_good: bool,
    /// While tokens are tried, there are good answers only.
    is_calm: bool,
    trials: HashMap<String, &'static Fault>,
    /// Every token that was shown.
    shown: HashSet<String>,
    gate: Option<Gate>,
    sent: Vec<Sent>,
    tally: Tally,
    /// How often each script was played.
    played: HashMap<&'static str, u64>,
}

/// What lasts comes so often.
const LASTING_EVERY: Duration = Duration::from_secs(75);
const FIRST_LASTING: Duration = Duration::from_secs(20);
/// So long before the end nothing that lasts begins: D7 is asked again by then.
const LASTING_LEFT: Duration = Duration::from_secs(45);

/// The requests and their durations, by outcome.
const REQUESTS: [&str; 2] = [
    "d7b_upstream_requests_total",
    "d7b_upstream_request_duration_seconds_count",
];

impl D7 {
    pub(crate) fn new(seed: u64, length: Duration, watch: &Arc<Stopwatch>) -> Self {
        let mut rng = Rng::with_seed(seed);
        let mut outcomes = Vec::new();
        let mut opening = Vec::new();
        let mut deck = shuffled(&mut rng);
        deck.retain(|fault| {
            let is_new = !outcomes.contains(&fault.outcome);
            if is_new {
                outcomes.push(fault.outcome);
                opening.push(*fault);
            }
            !is_new
        });
        let alone = LASTING.iter().map(|fault| vec![fault]);
        let mut lasting: Vec<_> = alone.chain(rejected_twice().map(Vec::from)).collect();
        rng.shuffle(&mut lasting);
        let mut lasting_due = VecDeque::new();
        let mut due = FIRST_LASTING;
        while due + LASTING_LEFT < length {
            lasting_due.push_back(due);
            due += LASTING_EVERY;
        }
        let book = Book {
            rng,
            opening,
            deck,
            goods: 1,
            ordered: VecDeque::new(),
            lasting: lasting.into(),
            lasting_due,
            first: None,
            failed_in_a_row: 0,
            was_good: false,
            is_calm: false,
            trials: HashMap::new(),
            shown: HashSet::new(),
            gate: None,
            sent: Vec::new(),
            tally: Tally::default(),
            played: HashMap::new(),
        };
        Self {
            book: Arc::new(Mutex::new(book)),
            watch: Arc::clone(watch),
        }
    }

    /// Answers a request: the simulator's chooser.
    pub(crate) fn answer(&self, head: &str) -> Script {
        let now = self.watch.now();
        self.lock().answer(head, now)
    }

    /// Holds the next request that has no token on trial, and answers it well
    /// once `gate` is open.
    pub(crate) fn hold_next(&self, gate: Gate) {
        self.lock().gate = Some(gate);
    }

    /// Whether a request has come for the gate.
    pub(crate) fn is_held(&self) -> bool {
        self.lock().gate.is_none()
    }

    /// Takes the gate away, where no request has come for it.
    pub(crate) fn hold_none(&self) {
        self.lock().gate = None;
    }

    /// Whether every outcome has occurred that passes by itself.
    pub(crate) fn has_opened(&self) -> bool {
        let book = self.lock();
        book.opening.is_empty() && book.first.is_none()
    }

    /// Has only good answers come, if the last one was: then no refresh is under
    /// way that has more to ask, and the token in force is not rejected.
    pub(crate) fn calm_down(&self) -> bool {
        let mut book = self.lock();
        book.is_calm = book.was_good && book.first.is_none() && book.ordered.is_empty();
        book.is_calm
    }

    pub(crate) fn go_on(&self) {
        self.lock().is_calm = false;
    }

    /// Has a token that is on trial answered by something that lasts.
    pub(crate) fn try_token(&self, token: &str, outcome: &str) {
        let fault = scripts::lasting(outcome);
        self.lock().trials.insert(token.to_owned(), fault);
    }

    /// Whether a request has shown this token.
    pub(crate) fn was_shown(&self, token: &str) -> bool {
        self.lock().shown.contains(token)
    }

    /// Has something that lasts come next, for the end.
    pub(crate) fn finish(&self) {
        let now = self.watch.now();
        self.lock().lasting_due.push_back(now);
    }

    /// Whether [`D7::finish`] has been heeded.
    pub(crate) fn has_finished(&self) -> bool {
        let book = self.lock();
        let is_good = |ordered: &Option<_>| ordered.is_none();
        book.lasting_due.is_empty() && book.ordered.iter().all(is_good)
    }

    pub(crate) fn sent(&self) -> Vec<Sent> {
        self.lock().sent.clone()
    }

    pub(crate) fn tally(&self) -> Tally {
        self.lock().tally.clone()
    }

    /// How often each script was played, most often first.
    pub(crate) fn played(&self) -> Vec<(&'static str, u64)> {
        let mut played: Vec<_> = self.lock().played.clone().into_iter().collect();
        played.sort_by_key(|(name, times)| (u64::MAX - times, *name));
        played
    }

    fn lock(&self) -> MutexGuard<'_, Book> {
        self.book.lock().unwrap()
    }
}

fn shuffled(rng: &mut Rng) -> Vec<&'static Fault> {
    let mut deck: Vec<_> = PASSING.iter().collect();
    rng.shuffle(&mut deck);
    deck
}

impl Book {
    fn answer(&mut self, head: &str, now: Duration) -> Script {
        let token = token_in(head);
        self.shown.insert(token.to_owned());
        if let Some(fault) = self.trials.get(token).copied() {
            // That it is not accepted is held against nobody: no refresh failed.
            self.count_request(fault.outcome, "a token on trial");
            return (fault.script)();
        }
        let gate = self.gate.take();
        let word = match gate {
            Some(_) => None,
            None => self.next_word(now),
        };
        self.was_good = word.is_none();
        self.enter(word);
        match word {
            Some(fault) => {
                self.count_request(fault.outcome, fault.name);
                (fault.script)()
            }
            None => self.good(gate, now),
        }
    }

    fn good(&mut self, gate: Option<Gate>, now: Duration) -> Script {
        // Another one each time, and none that a float cannot hold.
        let quarters = u32::try_from(self.sent.len()).unwrap() + 4000;
        let balance = format!("{}.{:02}", quarters / 4, quarters % 4 * 25);
        let good = good(&balance, &mut self.rng);
        self.count_request(
            OK,
            if gate.is_some() {
                "whole, held"
            } else {
                good.name
            },
        );
        if good.is_count_ignored {
            self.tally.count("d7b_sms_count_ignored_total", &[]);
        }
        self.sent.push(Sent {
            balance: f64::from(quarters) / 4.0,
            asked: now,
        });
        let gate = gate.map(Step::Await);
        gate.into_iter().chain(good.script).collect()
    }

    fn next_word(&mut self, now: Duration) -> Option<&'static Fault> {
        let is_between = self.first.is_none() && self.ordered.is_empty() && !self.is_calm;
        let is_due = self.lasting_due.front().is_some_and(|due| *due <= now);
        // The end waits for what a run has to have.
        if is_between && is_due && self.opening.is_empty() {
            self.lasting_due.pop_front();
            let lasting = self.lasting.pop_front().unwrap();
            self.ordered.extend(lasting.iter().copied().map(Some));
            // One more fault after it, and D7 would be left alone for longer still.
            self.ordered.extend([None, None]);
            self.lasting.push_back(lasting);
        }
        if let Some(ordered) = self.ordered.pop_front() {
            return ordered;
        }
        if self.is_calm || self.goods > 0 {
            self.goods = self.goods.saturating_sub(1);
            return None;
        }
        self.draw()
    }

    fn draw(&mut self) -> Option<&'static Fault> {
        let is_opening = !self.opening.is_empty();
        if self.deck.is_empty() {
            self.deck = shuffled(&mut self.rng);
        }
        let pile = if is_opening {
            &mut self.opening
        } else {
            &mut self.deck
        };
        let fault = pile.pop()?;
        let is_rejection = |fault: &Fault| fault.then == Then::Confirmation;
        if is_rejection(fault) && self.first.is_some_and(is_rejection) {
            // Two rejections are one that lasts.
            pile.insert(0, fault);
            return None;
        }
        self.goods = match self.failed_in_a_row {
            // Soon on to the next.
            _ if is_opening => 1,
            0 => self.rng.u32(0..=4),
            _ => self.rng.u32(1..=4),
        };
        Some(fault)
    }

    /// Counts the refresh that ends with `word`, if one does.
    fn enter(&mut self, word: Option<&'static Fault>) {
        let ended = match (self.first.take(), word) {
            (_, None) => OK,
            (None, Some(word)) if word.then != Then::Nothing => {
                self.first = Some(word);
                return;
            }
            // A rejection stands where the word after it is none.
            (Some(first), Some(word)) if first.then == Then::Confirmation && !word.is_answer => {
                first.outcome
            }
            (_, Some(word)) => word.outcome,
        };
        let has_failed = ended != OK;
        self.failed_in_a_row = (self.failed_in_a_row + 1) * u32::from(has_failed);
        self.tally
            .count("d7b_refreshes_total", &[("outcome", ended)]);
    }

    fn count_request(&mut self, outcome: &'static str, script: &'static str) {
        for name in REQUESTS {
            self.tally.count(name, &[("outcome", outcome)]);
        }
        *self.played.entry(script).or_default() += 1;
    }
}

/// The bearer token of a request to D7.
fn token_in(head: &str) -> &str {
    let mut lines = head.lines();
    let bearer = lines.find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        let is_meant = name.eq_ignore_ascii_case("authorization");
        is_meant.then(|| value.strip_prefix("Bearer ").unwrap())
    });
    bearer.unwrap()
}
