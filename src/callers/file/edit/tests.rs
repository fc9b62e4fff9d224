use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tempfile::TempDir;

use super::{FileError, Removal, append, revoke, rotate};
use crate::callers::{
    KeyRecord,
    file::{expiry, parse_file, record, written},
    key::{KeyId, NewKey},
};

mod links;
mod sequences;

/// 2027-01-01T00:00:00Z.
fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_798_761_600)
}

fn id(text: &str) -> KeyId {
    KeyId::parse(text).unwrap()
}

/// A key file in a folder of its own. In the text of tests, `SHA` stands for a
/// digest.
fn stored(text: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("keys.toml");
    fs::write(&path, text.replace("SHA", &"0".repeat(64))).unwrap();
    (directory, path)
}

fn text_of(path: &PathBuf) -> String {
    fs::read_to_string(path)
        .unwrap()
        .replace(&"0".repeat(64), "SHA")
}

fn revoked(text: &str, key: &str) -> String {
    let (_directory, path) = stored(text);
    revoke(&path, id(key), now()).unwrap();
    text_of(&path)
}

/// The text after a rotation at [`now`]; the new key is `newnewne`.
fn rotated(text: &str, key: &str) -> String {
    let (_directory, path) = stored(text);
    let new = NewKey::generate().unwrap();
    rotate(&path, id(key), now(), &new, None).unwrap();
    text_of(&path)
        .replace(new.id.as_str(), "newnewne")
        .replace(&new.digest.to_string(), "SHA")
}

/// Of keys, each with a client of its own letter.
fn tables(letters: [char; 3]) -> [String; 3] {
    letters.map(|letter| {
        let id = letter.to_string().repeat(8);
        format!("[[keys]]\nclient = \"{letter}\"\nid = \"{id}\"\nsha256 = \"SHA\"\n")
    })
}

fn element(letter: char) -> String {
    let id = letter.to_string().repeat(8);
    format!("{{ client = \"{letter}\", id = \"{id}\", sha256 = \"SHA\" }}")
}

#[test]
fn a_table_is_taken_out_with_its_own_comments_and_no_others() {
    let [a, _, c] = tables(['a', 'b', 'c']);
    let before = format!(
        "# teams\n\n# over a\n{a}# under a\n\n# over b\n  [[ keys ]] # b's\n  \
         # within b\nclient = 'b' # its name\n'id' = \"bbbbbbbb\"\nsha256 = \"SHA\"   # the end\n\
         # under b\n\n# over c\n{c}# under c\n"
    );

    let after = revoked(&before, "bbbbbbbb");

    assert_eq!(
        after,
        format!(
            "# teams\n\n# over a\n{a}# under a\n\n# over b\n# under b\n\n# over c\n{c}# under c\n"
        )
    );
}

#[test]
fn blank_lines_do_not_pile_up_where_tables_are_taken_out() {
    let [a, b, c] = tables(['a', 'b', 'c']);
    let dense = format!("{a}{b}{c}");
    let spaced = format!("# teams\n\n{a}\n{b}\n\n{c}");

    for (before, key, after) in [
        (&dense, "aaaaaaaa", format!("{b}{c}")),
        (&dense, "bbbbbbbb", format!("{a}{c}")),
        (&dense, "cccccccc", format!("{a}{b}")),
        (&spaced, "aaaaaaaa", format!("# teams\n\n{b}\n\n{c}")),
        (&spaced, "bbbbbbbb", format!("# teams\n\n{a}\n{c}")),
        (&spaced, "cccccccc", format!("# teams\n\n{a}\n{b}")),
    ] {
        assert_eq!(revoked(before, key), after, "{key} of {before}");
    }
}

#[test]
fn the_ends_of_lines_a_byte_order_mark_and_a_missing_end_are_no_trouble() {
    let [a, b, _] = tables(['a', 'b', 'c']);
    let marked = format!("\u{feff}{a}\n{b}");
    let crlf = format!("# teams\n{a}\n{b}# end\n").replace('\n', "\r\n");
    let endless = format!("{a}\n{}", b.trim_end());

    assert_eq!(revoked(&marked, "aaaaaaaa"), format!("\u{feff}{b}"));
    let rest = format!("# teams\n\n{b}# end\n").replace('\n', "\r\n");
    assert_eq!(revoked(&crlf, "aaaaaaaa"), rest);
    assert_eq!(revoked(&endless, "bbbbbbbb"), a);
    let [new, ..] = tables(['a', 'b', 'c']).map(|a| a.replace("aaaaaaaa", "newnewne"));
    let ended = format!("{a}expires = {}\n\n{new}", written(now()));
    let rest = format!("\n{b}");
    assert_eq!(
        rotated(&marked, "aaaaaaaa"),
        format!("\u{feff}{ended}{rest}")
    );
    assert_eq!(
        rotated(&crlf, "aaaaaaaa"),
        format!("# teams\n{ended}{rest}# end\n").replace('\n', "\r\n")
    );
    assert_eq!(rotated(a.trim_end(), "aaaaaaaa"), ended);
}

#[test]
fn an_end_is_put_over_the_old_one_and_a_comment_behind_it_stays() {
    let [a, b, _] = tables(['a', 'b', 'c']);
    let new = a.replace("aaaaaaaa", "newnewne");
    let before = format!("{a}expires=2031-01-01T00:00:00+01:00 # as agreed\n# under a\n{b}");

    let after = rotated(&before, "aaaaaaaa");

    assert_eq!(
        after,
        format!("{a}expires=2027-01-01T00:00:00Z # as agreed\n\n{new}# under a\n{b}")
    );
}

#[test]
fn a_key_that_ends_earlier_keeps_its_end() {
    let [a, ..] = tables(['a', 'b', 'c']);
    let (_directory, path) = stored(&format!("{a}expires = 2026-12-31 23:59:59Z\n"));
    let new = NewKey::generate().unwrap();

    let rotated = rotate(&path, id("aaaaaaaa"), now(), &new, None).unwrap();

    assert_eq!(written(rotated.until), "2026-12-31T23:59:59Z");
    let expected = format!("{a}expires = 2026-12-31 23:59:59Z\n\n[[keys]]\n");
    assert!(text_of(&path).starts_with(&expected), "{}", text_of(&path));
}

#[test]
fn the_elements_of_an_array_are_taken_out_with_one_comma() {
    let [a, b, c] = ['a', 'b', 'c'].map(element);
    let line = format!("keys = [{a}, {b}, {c}] # all\n");
    let block =
        format!("keys = [ # all\n  # over a\n  {a}, # a's\n  {b},\n  {c} # c's\n  # under c\n]\n");
    let odd = format!("keys = [{a} # a's, or not\n , {b}\n]\n");

    for (before, key, after) in [
        (&line, "aaaaaaaa", format!("keys = [{b}, {c}] # all\n")),
        (&line, "bbbbbbbb", format!("keys = [{a}, {c}] # all\n")),
        (&line, "cccccccc", format!("keys = [{a}, {b}] # all\n")),
        (
            &block,
            "aaaaaaaa",
            format!("keys = [ # all\n  # over a\n   # a's\n  {b},\n  {c} # c's\n  # under c\n]\n"),
        ),
        (&block, "bbbbbbbb", block.replace(&format!("  {b},\n"), "")),
        (
            &block,
            "cccccccc",
            block.replace(&format!(",\n  {c} # c's"), " # c's"),
        ),
        (
            &odd,
            "aaaaaaaa",
            format!("keys = [ # a's, or not\n  {b}\n]\n"),
        ),
        (
            &odd,
            "bbbbbbbb",
            format!("keys = [{a} # a's, or not\n \n]\n"),
        ),
    ] {
        assert_eq!(revoked(before, key), after, "{key} of {before}");
    }
}

#[test]
fn a_key_is_added_to_an_array_behind_the_old_one() {
    let [a, b, new] = ['a', 'b', 'a'].map(element);
    let new = new.replace("aaaaaaaa", "newnewne");
    let ended = |key: &str| key.replace(" }", ", expires = 2027-01-01T00:00:00Z }");
    let new_b = new.replace("\"a\"", "\"b\"");

    for (before, key, after) in [
        (
            format!("keys = [{a}, {b}]"),
            "aaaaaaaa",
            format!("keys = [{}, {new}, {b}]\n", ended(&a)),
        ),
        (
            format!("keys = [\n  {a}, # a's\n  {b} # b's\n]\n"),
            "aaaaaaaa",
            format!(
                "keys = [\n  {}, # a's\n  {new},\n  {b} # b's\n]\n",
                ended(&a)
            ),
        ),
        (
            format!("keys = [\n  {a},\n  {b} # b's\n]\n"),
            "bbbbbbbb",
            format!("keys = [\n  {a},\n  {}, # b's\n  {new_b}\n]\n", ended(&b)),
        ),
        (
            format!("keys = [\n  {a},\n  {b} ] # all\n"),
            "bbbbbbbb",
            format!("keys = [\n  {a},\n  {}, {new_b} ] # all\n", ended(&b)),
        ),
    ] {
        assert_eq!(rotated(&before, key), after, "{key} of {before}");
    }
}

#[test]
fn a_new_key_goes_into_the_array_that_there_is() {
    for before in [
        "keys = []\n",
        "keys = [ # none yet\n]\n",
        "keys = [ELEMENT,]\n",
    ] {
        let (_directory, path) = stored(&before.replace("ELEMENT", &element('a')));
        let [new, ..] = tables(['b', 'c', 'd']);
        let new = parse_file(&new.replace("SHA", &"1".repeat(64))).unwrap();

        append(&path, &new[0]).unwrap();

        let keys = parse_file(&fs::read_to_string(&path).unwrap()).unwrap();
        assert_eq!(keys.last(), new.first(), "{}", text_of(&path));
    }
}

#[test]
fn the_only_key_of_a_file_ends_where_another_would_be_taken_out() {
    let [a, ..] = tables(['a', 'b', 'c']);
    let (_directory, path) = stored(&a);

    let revoked = revoke(&path, id("aaaaaaaa"), now()).unwrap();

    assert_eq!(revoked.client, "a");
    assert!(matches!(revoked.record, Removal::Ended { at } if at == now()));
    assert_eq!(
        text_of(&path),
        format!("{a}expires = 2027-01-01T00:00:00Z\n")
    );
    // It has ended: there is nothing more to do.
    let later = expiry(now(), Duration::from_secs(60)).unwrap();
    let again = revoke(&path, id("aaaaaaaa"), later).unwrap();
    assert!(matches!(again.record, Removal::Ended { at } if at == now()));
}

#[test]
fn a_client_does_not_lose_its_limit_with_the_key_that_has_it() {
    let [a, b, _] = tables(['a', 'b', 'c']);
    let more = a.replace("aaaaaaaa", "moremore");
    let last = a.replace("aaaaaaaa", "lastlast");
    let (_directory, path) = stored(&format!("{a}rate_limit = \"50/s\"\n{b}{more}{last}"));

    let revoked = revoke(&path, id("aaaaaaaa"), now()).unwrap();

    let Removal::Removed {
        heir: Some((heir, limit)),
    } = revoked.record
    else {
        panic!("{revoked:?}");
    };
    assert_eq!(
        (heir, limit.to_string()),
        (id("moremore"), "50/s".to_owned())
    );
    assert_eq!(
        text_of(&path),
        format!("{b}{more}rate_limit = \"50/s\"\n{last}")
    );
}

#[test]
fn a_limit_goes_over_to_the_key_right_before_the_one_that_is_taken_out() {
    let [a, b, _] = tables(['a', 'b', 'c']);
    let limit = "rate_limit = \"5/s\"\n";
    let last = a.replace("aaaaaaaa", "lastlast");

    for (before, after) in [
        (format!("{a}{last}{limit}"), format!("{a}{limit}")),
        (format!("{a}{last}{limit}{b}"), format!("{a}{limit}{b}")),
        (format!("{a}\n{last}{limit}"), format!("{a}{limit}")),
        (
            format!("{a}\n{last}{limit}\n{b}"),
            format!("{a}{limit}\n{b}"),
        ),
    ] {
        assert_eq!(revoked(&before, "lastlast"), after, "{before}");
    }
}

#[test]
fn a_file_that_is_not_in_order_or_lacks_the_key_is_left_alone() {
    let [a, b, _] = tables(['a', 'b', 'c']);
    let missing = Path::new("/nowhere/keys.toml");
    let odd = "keys = [[\"a\", \"aaaaaaaa\", \"SHA\", 2030-01-01T00:00:00Z, \"1/s\"]]\n";

    for (before, key) in [
        (format!("{a}{a}"), "aaaaaaaa"),
        (format!("{a}{b}"), "cccccccc"),
        (String::new(), "aaaaaaaa"),
        (odd.to_owned(), "aaaaaaaa"),
    ] {
        let (_directory, path) = stored(&before);
        let new = NewKey::generate().unwrap();

        let revoked = revoke(&path, id(key), now()).unwrap_err();
        let rotated = rotate(&path, id(key), now(), &new, None).unwrap_err();

        for error in [revoked, rotated] {
            assert!(
                matches!(error, FileError::Bad(_) | FileError::Unknown(_)),
                "{error:?}"
            );
        }
        assert_eq!(text_of(&path), before);
    }
    let error = revoke(missing, id("aaaaaaaa"), now()).unwrap_err();
    assert!(matches!(error, FileError::Read(_)), "{error:?}");
}

#[test]
fn a_key_added_and_revoked_leaves_every_byte_as_it_was() {
    let [a, b, c] = tables(['a', 'b', 'c']);
    for before in [
        format!("# teams\n\n{a}\n{b}# end\n"),
        format!("{a}{b}").replace('\n', "\r\n"),
    ] {
        let (_directory, path) = stored(&before);
        let new = parse_file(&c.replace("SHA", &"1".repeat(64))).unwrap();

        append(&path, &new[0]).unwrap();
        let with = text_of(&path);
        revoke(&path, new[0].id, now()).unwrap();

        assert!(with.starts_with(&before), "{with}");
        assert_eq!(text_of(&path), before);
    }
}

#[test]
fn a_record_is_written_as_it_is_read() {
    let [a, ..] = tables(['a', 'b', 'c']);
    let text = format!("{a}expires = 2027-01-01T00:00:00Z\nrate_limit = \"50/s\"\n")
        .replace("SHA", &"0".repeat(64));

    let keys: Vec<KeyRecord> = parse_file(&text).unwrap();

    assert_eq!(record(&keys[0]), text);
}
