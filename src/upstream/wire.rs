//! D7's JSON, read tolerantly and exactly: numbers stay the text they are, and
//! fields that we do not know come and go unnoticed.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, Visitor},
};
use serde_json::{Value, value::RawValue};

use crate::balance::{Amount, Reading, source::UpstreamCode};

/// Codes by which D7 says that a token is dead, under whatever status.
const DEAD_TOKEN: [&str; 3] = [
    "ACCESS_TOKEN_SIGNATURE_VERIFICATION_FAILED",
    "ACCESS_TOKEN_EXPIRED",
    "APPLICATION_NOT_EXISTS",
];

/// Whether a code says that the token is dead.
pub(super) fn says_token_is_dead(code: &UpstreamCode) -> bool {
    DEAD_TOKEN.contains(&code.as_str())
}

/// Whether `body` is the beginning of JSON and not the whole of it.
pub(super) fn breaks_off(body: &[u8]) -> bool {
    // Only what can be an answer of D7: plain text may begin like a literal.
    body.trim_ascii_start().starts_with(b"{")
        && serde_json::from_slice::<de::IgnoredAny>(body).is_err_and(|error| error.is_eof())
}

/// A member of the object that we know.
#[derive(Debug, Default)]
enum Member<'a> {
    #[default]
    Absent,
    Once(&'a RawValue),
    Twice,
}

/// One JSON object.
#[derive(Debug, Default)]
pub(super) struct Answer<'a> {
    balance: Member<'a>,
    sms_count: Member<'a>,
    detail: Member<'a>,
}

/// What D7 says of an error.
#[derive(Debug, Default)]
pub(super) struct Detail {
    pub(super) code: Option<UpstreamCode>,
    /// For the log only.
    pub(super) message: Option<String>,
}

impl<'a> Answer<'a> {
    /// Takes a body that is one JSON object and nothing else.
    pub(super) fn parse(body: &'a [u8]) -> Option<Self> {
        serde_json::from_str(std::str::from_utf8(body).ok()?).ok()
    }

    /// The error's description, if there is one of any shape.
    pub(super) fn detail(&self) -> Option<Detail> {
        let Member::Once(raw) = self.detail else {
            return None;
        };
        let text = |value: &Value| value.as_str().map(str::to_owned);
        // A value too deep to be read is there all the same.
        Some(match serde_json::from_str(raw.get()) {
            Ok(Value::Null) => return None,
            Ok(Value::Object(detail)) => Detail {
                code: detail
                    .get("code")
                    .and_then(Value::as_str)
                    .and_then(UpstreamCode::parse),
                message: detail.get("message").and_then(text),
            },
            Ok(Value::String(message)) => Detail {
                code: None,
                message: Some(message),
            },
            _ => Detail::default(),
        })
    }

    /// The balance, and whether an `sms_count` had to be left out.
    ///
    /// # Errors
    /// Where there is no balance that is a number.
    pub(super) fn reading(&self) -> Result<(Reading, bool), &'static str> {
        let balance = match self.balance {
            Member::Absent => return Err("a 200 without a balance"),
            Member::Twice => return Err("a 200 with two balances"),
            Member::Once(raw) => amount(raw).ok_or("a 200 whose balance is no number")?,
        };
        let (sms_count, ignored) = match self.sms_count {
            Member::Absent => (None, false),
            Member::Twice => (None, true),
            Member::Once(raw) => {
                let count = amount(raw);
                let ignored = count.is_none();
                (count, ignored)
            }
        };
        Ok((Reading { balance, sms_count }, ignored))
    }
}

/// A number, or a string the whole of which is one.
fn amount(raw: &RawValue) -> Option<Amount> {
    let text = raw.get();
    if text.starts_with('"') {
        let text: String = serde_json::from_str(text).ok()?;
        return Amount::parse(&text);
    }
    Amount::parse(text)
}

impl<'de: 'a, 'a> Deserialize<'de> for Answer<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;

        impl<'de> Visitor<'de> for Members {
            type Value = Answer<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
                let mut answer = Answer::default();
                while let Some(Key(name)) = map.next_key()? {
                    let slot = match &*name {
                        "balance" => &mut answer.balance,
                        "sms_count" => &mut answer.sms_count,
                        "detail" => &mut answer.detail,
                        _ => {
                            map.next_value::<de::IgnoredAny>()?;
                            continue;
                        }
                    };
                    let value = map.next_value()?;
                    *slot = match slot {
                        Member::Absent => Member::Once(value),
                        Member::Once(_) | Member::Twice => Member::Twice,
                    };
                }
                Ok(answer)
            }
        }

        deserializer.deserialize_map(Members)
    }
}

/// A member's name, with its escapes undone: `"\u0062alance"` is a balance.
#[derive(Deserialize)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

#[cfg(test)]
mod tests {
    use super::{Answer, breaks_off};

    fn read(body: &str) -> Result<(String, Option<String>, bool), &'static str> {
        let answer = Answer::parse(body.as_bytes()).ok_or("not an object")?;
        let (reading, ignored) = answer.reading()?;
        Ok((
            reading.balance.as_str().to_owned(),
            reading.sms_count.map(|count| count.as_str().to_owned()),
            ignored,
        ))
    }

    #[test]
    fn json_that_breaks_off_is_told_from_what_is_none() {
        for begun in ["{", " {\"a\": 1", "{\"a\": [1, ", "{\"a\": tru"] {
            assert!(breaks_off(begun.as_bytes()), "{begun}");
        }
        for other in ["", " \n", "tru", "{}", "{\"a\": 1}", "<html>", "{]", "no"] {
            assert!(!breaks_off(other.as_bytes()), "{other}");
        }
    }

    #[test]
    fn a_balance_is_a_number_or_a_string_that_is_one() {
        let hundred = "9".repeat(100);
        for digits in [
            "99.9999999",
            "100.00",
            "0",
            "-0",
            "-0.5",
            "1e3",
            "1E+400",
            &hundred,
        ] {
            for body in [
                format!(r#"{{"balance": {digits}}}"#),
                format!(r#"{{"balance": "{digits}"}}"#),
                format!(r#"{{"other": [{{"balance": 1}}], "balance": {digits}, "x": null}}"#),
                format!(r#"{{"\u0062alance": {digits}}}"#),
            ] {
                assert_eq!(read(&body), Ok((digits.to_owned(), None, false)), "{body}");
            }
        }
    }

    #[test]
    fn anything_else_is_no_balance() {
        for body in [
            "",
            "7",
            "[7]",
            "null",
            "\"7\"",
            "[]",
            "{}",
            "{\"balance\": 7",
            "{\"balance\": 7}}",
            "{\"balance\": 7} x",
            "{'balance': 7}",
            "{\"balance\": 7,}",
            "\u{feff}{\"balance\": 7}",
            "{\"balance\": NaN}",
            "{\"balance\": Infinity}",
            "{\"balance\": -Infinity}",
            "{\"balance\": true}",
            "{\"balance\": null}",
            "{\"balance\": \"\"}",
            "{\"balance\": \" 1\"}",
            "{\"balance\": \"1 \"}",
            "{\"balance\": 01}",
            "{\"balance\": \"01\"}",
            "{\"balance\": 0x10}",
            "{\"balance\": \"0x10\"}",
            "{\"balance\": +1}",
            "{\"balance\": 1.}",
            "{\"balance\": .5}",
            "{\"balance\": [1]}",
            "{\"balance\": {\"value\": 1}}",
            "{\"balance\": 1, \"balance\": 1}",
            "{\"balance\": 1, \"\\u0062alance\": 1}",
            "{\"Balance\": 1}",
        ] {
            assert!(read(body).is_err(), "{body}");
        }
        assert!(Answer::parse(b"{\"balance\": 7, \"x\": \"\xff\"}").is_none());
    }

    #[test]
    fn an_sms_count_that_is_no_number_is_left_out() {
        let count = |value: &str| {
            let (_, count, ignored) = read(&format!(r#"{{"balance": 1, {value}}}"#)).unwrap();
            (count, ignored)
        };

        assert_eq!(count(r#""sms_count": 42"#), (Some("42".to_owned()), false));
        assert_eq!(
            count(r#""sms_count": "42.50""#),
            (Some("42.50".to_owned()), false)
        );
        for no_number in ["null", "\"many\"", "true", "[]", "\"\""] {
            let value = format!(r#""sms_count": {no_number}"#);
            assert_eq!(count(&value), (None, true), "{value}");
        }
        assert_eq!(count(r#""sms_count": 1, "sms_count": 2"#), (None, true));
    }

    #[test]
    fn a_detail_has_many_shapes_and_only_a_code_is_a_code() {
        let detail = |detail: &str| {
            let body = format!(r#"{{"detail": {detail}}}"#);
            let detail = Answer::parse(body.as_bytes()).unwrap().detail().unwrap();
            (
                detail.code.map(|code| code.as_str().to_owned()),
                detail.message,
            )
        };

        assert_eq!(
            detail(r#"{"code": "ACCESS_TOKEN_EXPIRED", "message": "no"}"#),
            (
                Some("ACCESS_TOKEN_EXPIRED".to_owned()),
                Some("no".to_owned())
            )
        );
        assert_eq!(
            detail("\"Not Found\""),
            (None, Some("Not Found".to_owned()))
        );
        assert_eq!(detail(r#"[{"msg": "x"}]"#), (None, None));
        assert_eq!(detail(r#"{"code": "lower"}"#), (None, None));
        assert_eq!(detail(r#"{"code": 7}"#), (None, None));
        let long = "A".repeat(65);
        assert_eq!(detail(&format!(r#"{{"code": "{long}"}}"#)), (None, None));
        let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
        assert_eq!(detail(&deep), (None, None));
        for none in ["{}", r#"{"detail": null}"#] {
            assert!(Answer::parse(none.as_bytes()).unwrap().detail().is_none());
        }
    }
}
