use std::cmp::Ordering;

use proptest::prelude::*;

use crate::balance::Amount;

fn amount(text: &str) -> Amount {
    Amount::parse(text).unwrap_or_else(|| panic!("{text} is a number"))
}

fn compared(one: &str, other: &str) -> Ordering {
    amount(one).compare(&amount(other))
}

#[test]
fn one_value_can_be_written_in_many_ways() {
    for group in [
        &[
            "0",
            "-0",
            "0.0",
            "-0.000",
            "0e5",
            "0E-999999999999999999999",
            "0.0e99",
        ][..],
        &[
            "1000", "1000.0", "1e3", "1E+3", "0.1e4", "10000e-1", "0.0001e7",
        ],
        &["-0.5", "-5e-1", "-0.50", "-0.00005e4"],
    ] {
        for one in group {
            for other in group {
                assert_eq!(compared(one, other), Ordering::Equal, "{one} {other}");
            }
        }
    }
}

#[test]
fn every_digit_counts_and_so_does_every_power_of_ten() {
    let hundred = format!("1{}", "0".repeat(99));
    let nines = "9".repeat(99);
    let rising = [
        "-1e999999999999999999999",
        "-1e999999999",
        "-100.00000000000000000001",
        "-100",
        "-99.99999999999999999999",
        "-1e-999999999",
        "0",
        "1e-999999999",
        "0.00000000000000000001",
        "99.99999999999999999999",
        "100",
        "100.00000000000000000001",
        "9007199254740992",
        "9007199254740993",
        &nines,
        &hundred,
        "1e999999999",
        "1e9223372036854775807",
    ];

    for (index, lower) in rising.iter().enumerate() {
        for higher in &rising[index + 1..] {
            assert_eq!(compared(lower, higher), Ordering::Less, "{lower} {higher}");
            assert_eq!(compared(higher, lower), Ordering::Greater);
        }
    }
}

#[test]
fn an_exponent_of_thousands_of_digits_costs_no_more_than_reading_it() {
    let exponent = "9".repeat(60_000);
    let zeros = "0".repeat(60_000);

    for (one, other, order) in [
        (
            format!("1e{exponent}"),
            "1e300".to_owned(),
            Ordering::Greater,
        ),
        (format!("-1e{exponent}"), "1".to_owned(), Ordering::Less),
        (
            format!("1e-{exponent}"),
            "1e-300".to_owned(),
            Ordering::Less,
        ),
        (format!("0.{zeros}1e60001"), "1".to_owned(), Ordering::Equal),
        (format!("1{zeros}e-60000"), "1".to_owned(), Ordering::Equal),
        (format!("1e{zeros}2"), "100".to_owned(), Ordering::Equal),
        (format!("0e{exponent}"), "-0".to_owned(), Ordering::Equal),
    ] {
        assert_eq!(compared(&one, &other), order);
    }
}

/// A number as text, and the whole number that it is when it is multiplied by
/// 10 to the power of 16.
fn number() -> impl Strategy<Value = (String, i128)> {
    let whole = prop_oneof![Just("0".to_owned()), "[1-9][0-9]{0,5}", "[1-9]0{0,5}"];
    let fraction = prop_oneof![Just(String::new()), "0{0,4}[0-9]{1,4}", "[09]{1,8}"];
    let exponent = prop_oneof![Just(0_i32), -8..=8_i32];
    (any::<bool>(), whole, fraction, exponent).prop_map(
        |(is_negative, whole, fraction, exponent)| {
            let digits: i128 = format!("{whole}{fraction}").parse().unwrap();
            let places = i32::try_from(fraction.len()).unwrap();
            let power = u32::try_from(16 + exponent - places).unwrap();
            let size = digits * 10_i128.pow(power);
            let sign = if is_negative { "-" } else { "" };
            let point = if fraction.is_empty() { "" } else { "." };
            let power = match exponent {
                0 => String::new(),
                1.. => format!("E+{exponent}"),
                _ => format!("e{exponent}"),
            };
            let text = format!("{sign}{whole}{point}{fraction}{power}");
            (text, if is_negative { -size } else { size })
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4096))]

    #[test]
    fn amounts_compare_as_the_whole_numbers_that_they_are_parts_of(
        one in number(),
        other in number(),
    ) {
        prop_assert_eq!(compared(&one.0, &other.0), one.1.cmp(&other.1), "{} {}", one.0, other.0);
    }
}
