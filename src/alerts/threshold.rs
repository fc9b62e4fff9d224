//! The balance below which it is low, and that from which it has recovered.

use std::cmp::Ordering;

use crate::balance::{Amount, decimal::Decimal};

/// Longer than any amount that somebody means.
const LONGEST: usize = 64;
/// More places, before the point or after it, than any amount has.
const FURTHEST: i64 = 64;

/// A threshold with a gap above it, so that a balance that moves about it does
/// not tell the same thing over and over.
#[derive(Debug, Clone)]
pub struct Threshold {
    below: Amount,
    recovered: Amount,
}

impl Threshold {
    /// Takes `text` if it is a JSON number that can be a threshold.
    pub fn parse(text: &str) -> Option<Self> {
        let below = Amount::parse(text).filter(|_| text.len() <= LONGEST)?;
        let recovered = a_tenth_above(&below)?;
        Some(Self { below, recovered })
    }

    /// The digits as they were configured.
    pub fn below(&self) -> &Amount {
        &self.below
    }

    /// Whether `balance` is low. At the threshold it is not.
    pub(super) fn is_low(&self, balance: &Amount) -> bool {
        balance.compare(&self.below) == Ordering::Less
    }

    /// Whether `balance` is no longer low after it was: a tenth above the
    /// threshold, or higher.
    pub(super) fn has_recovered(&self, balance: &Amount) -> bool {
        balance.compare(&self.recovered) != Ordering::Less
    }
}

/// `amount` and a tenth of its size, exactly; that of 0 is 0. Nothing where it
/// is further from 1 than any amount of money.
///
/// 1.1 times what is above 0, and 0.9 times what is below it.
fn a_tenth_above(amount: &Amount) -> Option<Amount> {
    let decimal = Decimal::of(amount);
    let (sign, factor) = match decimal.sign() {
        Ordering::Equal => return Some(amount.clone()),
        Ordering::Greater => ("", 11),
        Ordering::Less => ("-", 9),
    };
    if !(-FURTHEST..=FURTHEST).contains(&decimal.place()) {
        return None;
    }
    let mut carried = 0_u8;
    let mut digits: Vec<_> = decimal
        .digits()
        .rev()
        .map(|digit| {
            let product = (digit - b'0') * factor + carried;
            carried = product / 10;
            char::from(b'0' + product % 10)
        })
        .collect();
    if carried > 0 {
        digits.extend(carried.to_string().chars().rev());
    }
    let digits: String = digits.into_iter().rev().collect();
    let digits = digits.trim_start_matches('0');
    let places = i64::try_from(decimal.digits().count()).ok()?;
    let exponent = decimal.place() - places;
    Amount::parse(&format!("{sign}{digits}e{exponent}"))
}

#[cfg(test)]
mod tests {
    use std::cmp::Ordering;

    use super::Threshold;
    use crate::balance::Amount;

    fn threshold(text: &str) -> Threshold {
        Threshold::parse(text).unwrap_or_else(|| panic!("{text} is a threshold"))
    }

    #[test]
    fn recovered_is_exactly_a_tenth_of_its_size_above_the_threshold() {
        for (below, recovered) in [
            ("100", "110"),
            ("99.50", "109.45"),
            ("0.01", "0.011"),
            ("1e3", "1100"),
            ("9", "9.9"),
            ("0", "0"),
            ("-0", "0"),
            ("-100", "-90"),
            ("-0.5", "-0.45"),
            ("-1e1", "-9"),
            ("99.99999999999999999999", "109.999999999999999999989"),
            ("9999999999999999999999", "10999999999999999999998.9"),
        ] {
            let recovered = Amount::parse(recovered).unwrap();
            let found = threshold(below).recovered;
            assert_eq!(found.compare(&recovered), Ordering::Equal, "{below}");
        }
    }

    #[test]
    fn the_threshold_itself_is_not_low_and_the_last_digit_decides() {
        let low = |below: &str, balance: &str| {
            let balance = Amount::parse(balance).unwrap();
            let threshold = threshold(below);
            (
                threshold.is_low(&balance),
                threshold.has_recovered(&balance),
            )
        };

        assert_eq!(low("100", "99.99999999999999999999"), (true, false));
        assert_eq!(low("100", "1e2"), (false, false));
        assert_eq!(low("100", "109.99999999999999999999"), (false, false));
        assert_eq!(low("100", "110"), (false, true));
        assert_eq!(low("0", "-0.0001"), (true, false));
        assert_eq!(low("0", "-0"), (false, true));
        assert_eq!(low("-10", "-10.01"), (true, false));
        assert_eq!(low("-10", "-9.01"), (false, false));
        assert_eq!(low("-10", "-9"), (false, true));
    }

    #[test]
    fn a_threshold_is_a_number_that_an_account_can_have() {
        let (longest, too_long) = ("9".repeat(64), "9".repeat(65));
        for good in ["100", "99.50", "-5", "0", "1e64", "1e-64", &longest] {
            assert!(Threshold::parse(good).is_some(), "{good}");
        }
        for bad in [
            "",
            "ten",
            "100 ",
            "+100",
            "1,5",
            ".5",
            "1_000",
            "NaN",
            "1e65",
            "1e-65",
            "1e999999999999999999999",
            &too_long,
        ] {
            assert!(Threshold::parse(bad).is_none(), "{bad}");
        }
    }
}
