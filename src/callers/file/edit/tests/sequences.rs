//! Any changes, one after another, to any key file: what is not changed stays.

use std::{fmt::Write as _, time::Duration};

use proptest::prelude::*;

use super::{NewKey, append, now, parse_file, revoke, rotate, stored};
use crate::callers::{
    KeyRecord,
    file::fields,
    key::{Digest, KeyId},
    limit::RateLimit,
};

const MINUTE: Duration = Duration::from_secs(60);

/// One key as somebody may have written it.
#[derive(Debug, Clone)]
struct Written {
    /// Neighbours often share one.
    client: u32,
    has_limit: bool,
    ends: bool,
    /// Which places have a comment, and how much space there is.
    comments: [bool; 7],
    blank_lines: usize,
    swapped: (usize, usize),
}

#[derive(Debug, Clone)]
struct File {
    keys: Vec<Written>,
    is_array: bool,
    is_crlf: bool,
    has_end: bool,
}

#[derive(Debug, Clone, Copy)]
enum Change {
    Add,
    Rotate(usize),
    Revoke(usize),
}

fn a_key() -> impl Strategy<Value = Written> {
    (
        (0..2_u32, any::<(bool, bool)>()),
        // Few, so that keys often touch.
        (prop::array::uniform7(prop::bool::weighted(0.3)), 0..2_usize),
        (0..3_usize, 0..3_usize),
    )
        .prop_map(
            |((client, (has_limit, ends)), (comments, blank_lines), swapped)| Written {
                client,
                has_limit,
                ends,
                comments,
                blank_lines,
                swapped,
            },
        )
}

fn a_file() -> impl Strategy<Value = File> {
    let keys = prop::collection::vec(a_key(), 1..5);
    (keys, any::<[bool; 3]>()).prop_map(|(keys, [is_array, is_crlf, has_end])| File {
        keys,
        is_array,
        is_crlf,
        has_end,
    })
}

fn a_change() -> impl Strategy<Value = Change> {
    prop_oneof![
        1 => Just(Change::Add),
        1 => (0..8_usize).prop_map(Change::Rotate),
        2 => (0..8_usize).prop_map(Change::Revoke),
    ]
}

/// Numbered comments, each with the key that it stands within, if any.
#[derive(Default)]
struct Comments(Vec<(String, Option<KeyId>)>);

impl Comments {
    fn next(&mut self, is_there: bool, within: Option<KeyId>) -> String {
        if !is_there {
            return String::new();
        }
        // A comma or a brace in it ends nothing.
        let comment = format!("# [{}], {{or}} not", self.0.len());
        self.0.push((comment.clone(), within));
        format!(" {comment}")
    }
}

/// The key of a number; keys of one client have one limit or none.
fn key(number: u32, written: &Written) -> KeyRecord {
    let limit = || RateLimit::parse(&format!("{}/s", 1 + written.client));
    KeyRecord {
        client: format!("client-{}", written.client),
        id: KeyId::parse(&format!("{number:08}")).unwrap(),
        digest: Digest::parse(&format!("{number:064x}")).unwrap(),
        // Before, at or after the time of the changes.
        expires: written.ends.then(|| now() - MINUTE + MINUTE * (number % 3)),
        rate_limit: written.has_limit.then(limit).flatten(),
    }
}

/// A file's text, its keys and its comments.
fn write(file: &File) -> (String, Vec<KeyRecord>, Comments) {
    let mut comments = Comments::default();
    let mut keys = Vec::new();
    let mut text = format!("{}\n", comments.next(true, None));
    if file.is_array {
        text.push_str("keys = [\n");
    }
    for (number, written) in (0..).zip(&file.keys) {
        let key = key(number, written);
        let is_last = keys.len() + 1 == file.keys.len();
        write_key(
            &mut text,
            &key,
            written,
            (file.is_array, is_last),
            &mut comments,
        );
        keys.push(key);
    }
    if file.is_array {
        writeln!(text, "]{}", comments.next(true, None)).unwrap();
    }
    if !file.has_end {
        text.truncate(text.trim_end().len());
    }
    if file.is_crlf {
        text = text.replace('\n', "\r\n");
    }
    (text, keys, comments)
}

fn write_key(
    text: &mut String,
    key: &KeyRecord,
    written: &Written,
    (is_array, is_last): (bool, bool),
    comments: &mut Comments,
) {
    let [over, head, within, behind, end, between, under] = written.comments;
    let mut fields = fields(key);
    fields.swap(written.swapped.0, written.swapped.1);
    text.push_str(&"\n".repeat(written.blank_lines));
    if over {
        writeln!(text, "{}", comments.next(true, None)).unwrap();
    }
    let (open, comma) = if is_array {
        ("  {", ",")
    } else {
        ("[[keys]]", "")
    };
    writeln!(text, "{open}{}", comments.next(head, Some(key.id))).unwrap();
    for (number, field) in fields.iter().enumerate() {
        let is_end = number + 1 == fields.len();
        if number == 1 && within {
            writeln!(text, "{}", comments.next(true, Some(key.id))).unwrap();
        }
        let comma = if is_end { "" } else { comma };
        let comment = comments.next(if is_end { end } else { behind }, Some(key.id));
        writeln!(text, "{field}{comma}{comment}").unwrap();
    }
    if is_array {
        let comment = comments.next(between, None);
        let line = if between { "\n" } else { "" };
        let comma = if is_last && !end { "" } else { "," };
        write!(text, "  }}{comment}{line}{comma}").unwrap();
    }
    // Tables may touch; the line of an element has to end.
    if is_array || under {
        writeln!(text, "{}", comments.next(under, None)).unwrap();
    }
}

/// What a change makes of keys; said another way than in the program.
fn changed(keys: &mut Vec<KeyRecord>, change: Change, new: &NewKey) {
    let index = match change {
        Change::Add => 0,
        Change::Rotate(index) | Change::Revoke(index) => index % keys.len(),
    };
    let old = keys[index].clone();
    let ended = Some(old.expires.map_or(now(), |end| end.min(now())));
    let made = KeyRecord {
        id: new.id,
        digest: new.digest,
        expires: None,
        ..old.clone()
    };
    match change {
        Change::Add => keys.push(KeyRecord {
            client: "added".to_owned(),
            rate_limit: None,
            ..made
        }),
        Change::Rotate(_) => {
            keys[index].expires = ended;
            keys.insert(index + 1, made);
        }
        Change::Revoke(_) if keys.len() == 1 => keys[0].expires = ended,
        Change::Revoke(_) => {
            keys.remove(index);
            let mut of_client: Vec<_> = keys
                .iter_mut()
                .filter(|key| key.client == old.client)
                .collect();
            if of_client.iter().all(|key| key.rate_limit.is_none())
                && let Some(heir) = of_client.first_mut()
            {
                heir.rate_limit = old.rate_limit;
            }
        }
    }
}

/// The numbered comments of a text, in its order.
fn comments_of(text: &str) -> Vec<String> {
    let comments = text.lines().filter_map(|line| line.split_once("# ["));
    comments
        .map(|(_, comment)| format!("# [{comment}"))
        .collect()
}

proptest! {
    #[test]
    fn all_other_keys_and_every_comment_outside_of_a_revoked_one_stay(
        file in a_file(),
        changes in prop::collection::vec(a_change(), 1..6),
    ) {
        let (text, mut keys, comments) = write(&file);
        let (_directory, path) = stored(&text);
        let mut comments = comments.0;

        for change in changes {
            let new = NewKey::generate().unwrap();
            let before = keys.clone();
            changed(&mut keys, change, &new);
            match change {
                Change::Add => append(&path, keys.last().unwrap()).unwrap(),
                Change::Rotate(index) => {
                    let old = before[index % before.len()].id;
                    rotate(&path, old, now(), &new, None).unwrap();
                }
                Change::Revoke(index) => {
                    let old = before[index % before.len()].id;
                    revoke(&path, old, now()).unwrap();
                }
            }

            let after = std::fs::read_to_string(&path).unwrap();
            prop_assert_eq!(&parse_file(&after).unwrap(), &keys, "{}", after);
            comments.retain(|(_, within)| {
                within.is_none_or(|id| keys.iter().any(|key| key.id == id))
            });
            let kept: Vec<_> = comments.iter().map(|(comment, _)| comment.clone()).collect();
            prop_assert_eq!(comments_of(&after), kept, "{}", after);
            let lf = after.matches('\n').count();
            let crlf = after.matches("\r\n").count();
            prop_assert_eq!(crlf, if file.is_crlf { lf } else { 0 }, "{}", after);
        }
    }
}
