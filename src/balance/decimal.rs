//! Which of two amounts is the larger one: exactly, digit by digit.
//!
//! An [`Amount`] is text that somebody else has written, and may have a hundred
//! digits, or an exponent of a thousand. Nothing is ever written out: the sign
//! decides, then the place of the first digit that counts, then the digits.
//!
//! # Design
//! A library for numbers of any size was the other candidate. It would write
//! `1e999999999` out in full, which is memory that D7 could ask for.

use std::{cmp::Ordering, iter};

use super::Amount;

impl Amount {
    /// How the value compares with that of another: `1e3` is `1000.0`, and `-0`
    /// is `0`, though they are not equal as texts.
    ///
    /// Exact, but for two exponents that are both beyond 64 bits: those count as
    /// the same.
    pub fn compare(&self, other: &Self) -> Ordering {
        let (one, other) = (Decimal::of(self), Decimal::of(other));
        match (one.sign(), other.sign()) {
            (Ordering::Less, Ordering::Less) => other.size(&one),
            (Ordering::Greater, Ordering::Greater) => one.size(&other),
            (one, other) => one.cmp(&other),
        }
    }
}

/// The parts of a number in decimal notation.
#[derive(Debug, Clone, Copy)]
pub struct Decimal<'a> {
    is_negative: bool,
    /// The digits before the point, from the first one that counts on.
    whole: &'a [u8],
    /// The digits after the point, from the first one that counts on.
    fraction: &'a [u8],
    /// The place of the first digit that counts: 0 is that before the point.
    place: i64,
}

impl<'a> Decimal<'a> {
    /// Takes an amount apart.
    pub fn of(amount: &'a Amount) -> Self {
        let text = amount.as_str();
        let (is_negative, text) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let counts = whole.trim_start_matches('0');
        let (fraction, first) = if counts.is_empty() {
            let counts = fraction.trim_start_matches('0');
            (counts, -length(fraction) + length(counts) - 1)
        } else {
            (fraction, length(counts) - 1)
        };
        Self {
            is_negative,
            whole: counts.as_bytes(),
            fraction: fraction.as_bytes(),
            place: saturated(exponent).saturating_add(first),
        }
    }

    /// The place of the first digit that counts: 0 is that before the point.
    pub fn place(&self) -> i64 {
        self.place
    }

    /// Whether it is less than, equal to, or greater than 0.
    pub fn sign(&self) -> Ordering {
        if self.digits().all(|digit| digit == b'0') {
            Ordering::Equal
        } else if self.is_negative {
            Ordering::Less
        } else {
            Ordering::Greater
        }
    }

    /// The digits in ASCII, from the first one that counts on.
    pub fn digits(&self) -> impl DoubleEndedIterator<Item = u8> + use<'a> {
        self.whole.iter().chain(self.fraction).copied()
    }

    /// How the sizes of two numbers other than 0 compare.
    fn size(&self, other: &Self) -> Ordering {
        let length = |of: &Self| of.whole.len() + of.fraction.len();
        let longest = length(self).max(length(other));
        let filled = |of: &Self| of.digits().chain(iter::repeat(b'0')).take(longest);
        let by_digits = || filled(self).cmp(filled(other));
        self.place.cmp(&other.place).then_with(by_digits)
    }
}

fn length(digits: &str) -> i64 {
    i64::try_from(digits.len()).unwrap_or(i64::MAX)
}

/// A whole number with a sign, or the furthest that there is on its side.
fn saturated(exponent: &str) -> i64 {
    let (is_negative, digits) = match exponent.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, exponent.trim_start_matches('+')),
    };
    let size = digits.bytes().fold(0_i64, |size, digit| {
        size.saturating_mul(10)
            .saturating_add(i64::from(digit - b'0'))
    });
    if is_negative { -size } else { size }
}

#[cfg(test)]
mod tests;
