//! The token file, which is replaced ten times: as at D7, each good token is
//! valid before it is written, and the old one dies soon after the service has
//! told that it has taken the new one.

use std::{path::PathBuf, time::Duration};

use crate::{
    Run,
    harness::{PATIENCE, Request},
    mount::{Mount, Way},
    report::Broken,
};

/// What is written into the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    Good,
    /// What cannot be a token.
    Rubbish,
    Nothing,
    /// A token that D7 rejects.
    Rejected,
}

const PLAN: [(What, Way); 10] = [
    (What::Good, Way::Rename),
    (What::Good, Way::InPlace),
    (What::Rubbish, Way::Rename),
    (What::Good, Way::Swap),
    (What::Nothing, Way::InPlace),
    (What::Good, Way::Rename),
    (What::Rejected, Way::Swap),
    (What::Good, Way::InPlace),
    (What::Good, Way::Swap),
    (What::Good, Way::Rename),
];

/// How long the old token is accepted after the new one has been taken.
const GRACE: Duration = Duration::from_millis(200);

// What is promised of tokens.
const COUNTED: &str = "what becomes of a token is counted";
const SHOWN: &str = "D7 is shown tokens, and bad ones twice";

/// The token file, and who replaces its token.
pub(crate) struct TokenRotation {
    mount: Mount,
    /// Everything that was ever written, the good token in force last.
    good: Vec<String>,
    rejected: Vec<String>,
    unusable: Vec<String>,
    /// How often each replacement has to have been counted, by its outcome.
    taken: u64,
    turned_down: u64,
    refused: u64,
}

impl TokenRotation {
    pub(crate) fn new() -> Self {
        let first = token();
        Self {
            mount: Mount::new("token", first.as_bytes()),
            good: vec![first],
            rejected: Vec::new(),
            unusable: Vec::new(),
            taken: 0,
            turned_down: 0,
            refused: 0,
        }
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.mount.path()
    }

    /// Replaces the token ten times, evenly over the run.
    pub(crate) fn rotate(&mut self, run: &Run) {
        let start = run.watch.now();
        let step = run.length / u32::try_from(PLAN.len()).unwrap();
        let mut due = start + step / 2;
        for (what, way) in PLAN {
            run.watch.pause_until(due);
            due += step;
            match what {
                What::Good => self.replace(run, way),
                What::Rubbish => {
                    let rubbish = token();
                    let bytes = [b"\x00\xff\x1b[2J", rubbish.as_bytes()].concat();
                    self.unusable.push(rubbish);
                    self.write_unusable(run, way, &bytes);
                }
                What::Nothing => self.write_unusable(run, way, b""),
                What::Rejected => self.write_rejected(run, way),
            }
        }
    }

    fn replace(&mut self, run: &Run, way: Way) {
        let new = token();
        self.mount.write(way, new.as_bytes());
        self.taken += 1;
        wait_for_outcome(run, "taken", self.taken);
        run.watch.pause(GRACE);
        run.service.d7.reject(self.good.last().unwrap());
        self.good.push(new);
    }

    fn write_unusable(&mut self, run: &Run, way: Way, content: &[u8]) {
        self.mount.write(way, content);
        self.refused += 1;
        wait_for_outcome(run, "refused", self.refused);
    }

    fn write_rejected(&mut self, run: &Run, way: Way) {
        let bad = token();
        run.service.d7.reject(&bad);
        self.mount.write(way, bad.as_bytes());
        self.rejected.push(bad);
        self.turned_down += 1;
        wait_for_outcome(run, "rejected", self.turned_down);
    }

    /// Says what does not fit what was written: of what the service has counted,
    /// and of the tokens that D7 was shown.
    pub(crate) fn complaints(&self, run: &Run) -> Vec<Broken> {
        let mut complaints = Vec::new();
        // A file that is written in place is empty for a moment, which may be
        // the one at which it is looked at.
        let in_place = PLAN.iter().filter(|(_, way)| *way == Way::InPlace).count();
        for (outcome, expected, more) in [
            ("taken", self.taken, 0),
            ("rejected", self.turned_down, 0),
            ("refused", self.refused, in_place as u64),
            ("unproven", 0, 0),
        ] {
            let counted = reloads(run, "token", outcome);
            if !(expected..=expected + more).contains(&counted) {
                let how = format!("{expected} were to be {outcome}, {counted} were");
                complaints.push(Broken::new(COUNTED, how));
            }
        }
        let shown = run.service.d7.heads();
        let times = |token: &String| shown.iter().filter(|head| head.contains(token)).count();
        let known: usize = self.good.iter().chain(&self.rejected).map(times).sum();
        if shown.len() != known {
            complaints.push(Broken::new(SHOWN, "something else was shown"));
        }
        if self.rejected.iter().any(|token| times(token) != 2) {
            let how = "a rejected one was not tried and confirmed once";
            complaints.push(Broken::new(SHOWN, how));
        }
        complaints
    }

    /// The most requests that tokens are a reason for: one that tries a token,
    /// and one that confirms its rejection or asks once more.
    pub(crate) fn requests(&self) -> usize {
        2 * (self.good.len() + self.rejected.len())
    }

    /// Every text that is nobody's business.
    pub(crate) fn secrets(&self) -> impl Iterator<Item = &String> {
        self.good.iter().chain(&self.rejected).chain(&self.unusable)
    }
}

/// Text that is found nowhere by chance.
fn token() -> String {
    format!("TOKEN_{:032x}", fastrand::u128(..))
}

/// How many changes of a file have ended in `outcome`.
pub(crate) fn reloads(run: &Run, file: &str, outcome: &str) -> u64 {
    let metrics = Request::new(run.service.admin_addr, "GET", "/metrics").send();
    let series = format!("d7b_reloads_total{{file=\"{file}\",outcome=\"{outcome}\"}} ");
    let text = metrics.text();
    let value = text.lines().find_map(|line| line.strip_prefix(&series));
    value.map_or(0, |value| value.parse().unwrap())
}

fn wait_for_outcome(run: &Run, outcome: &str, times: u64) {
    let until = run.watch.now() + PATIENCE;
    while reloads(run, "token", outcome) < times {
        if run.watch.now() > until {
            run.broken(&Broken::new(COUNTED, format!("none is {outcome}")));
            return;
        }
        run.watch.pause(Duration::from_millis(20));
    }
}
