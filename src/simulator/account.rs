//! An account that is used: it falls from look to look and is topped up now and
//! then, so that a chart shows something.

use super::{Script, answer};

/// One, in the units of the account: D7's documentation has seven decimals.
const ONE: u64 = 10_000_000;

/// Where it starts: the balance in D7's documentation.
const START: u64 = 100 * ONE - 1;

/// Below this it is topped up.
const LOW: u64 = 20 * ONE;

/// By so much.
const TOP_UP: u64 = 100 * ONE;

/// The smallest and the largest step down.
const STEPS: (u64, u64) = (ONE / 10, ONE * 5 / 2);

/// The account. Every one of them goes the same way.
pub struct Account {
    /// What the next look finds.
    next: u64,
    random: fastrand::Rng,
}

impl Default for Account {
    fn default() -> Self {
        Self {
            next: START,
            random: fastrand::Rng::with_seed(6),
        }
    }
}

impl Account {
    /// D7's answer to the next request.
    pub fn look(&mut self) -> Script {
        answer(200, &format!("{{\"balance\": {}}}", self.balance()))
    }

    /// The balance now, always with seven decimals.
    fn balance(&mut self) -> String {
        let now = self.next;
        self.next = if now < LOW {
            now + TOP_UP
        } else {
            now - self.random.u64(STEPS.0..=STEPS.1)
        };
        format!("{}.{:07}", now / ONE, now % ONE)
    }
}

#[cfg(test)]
mod tests {
    use super::{Account, LOW, ONE, START, STEPS, TOP_UP};

    #[test]
    fn it_falls_in_steps_that_vary_and_is_topped_up_when_it_is_low() {
        let mut account = Account::default();
        let balances: Vec<_> = (0..1000).map(|_| account.balance()).collect();
        let units: Vec<u64> = balances
            .iter()
            .map(|balance| {
                let (whole, decimals) = balance.split_once('.').unwrap();
                assert_eq!(decimals.len(), 7, "{balance}");
                whole.parse::<u64>().unwrap() * ONE + decimals.parse::<u64>().unwrap()
            })
            .collect();

        assert_eq!((balances[0].as_str(), units[0]), ("99.9999999", START));
        let (mut steps, mut top_ups) = (Vec::new(), 0);
        for pair in units.windows(2) {
            if pair[0] < LOW {
                assert_eq!(pair[1], pair[0] + TOP_UP);
                top_ups += 1;
            } else {
                steps.push(pair[0] - pair[1]);
            }
        }
        assert!(steps.iter().all(|s| (STEPS.0..=STEPS.1).contains(s)));
        assert!(steps.windows(2).all(|pair| pair[0] != pair[1]));
        assert!((10..20).contains(&top_ups), "{top_ups}");
    }

    #[test]
    fn every_account_goes_the_same_way() {
        let ten = || {
            let mut account = Account::default();
            [(); 10].map(|()| account.balance())
        };

        assert_eq!(ten(), ten());
    }
}
