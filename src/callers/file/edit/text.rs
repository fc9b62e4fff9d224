//! The text of a key file: where each key stands in it, and what a change does
//! to it. No byte is touched that is not part of the change.
//!
//! # Design
//! `toml_edit` tells the places, the text is cut and filled here. Its own
//! writer keeps comments too, but ends every line by LF, and takes the comment
//! over a table out with it.

use std::ops::Range;

use toml_edit::{Document, Item, TableLike};

use crate::callers::{
    KeyRecord,
    file::{KeysError, element, problem::no_toml, record},
};

const BLANKS: [char; 2] = [' ', '\t'];

/// A key file, taken apart.
pub(super) struct KeysText {
    /// Ends with the end of a line, if it is not empty.
    text: String,
    /// How its lines end.
    line_end: &'static str,
    /// In the order of the file.
    places: Vec<Place>,
    /// What is between the brackets where the file is `keys = […]`; none where
    /// each key is a `[[keys]]`.
    array: Option<Range<usize>>,
}

/// Where one key stands.
struct Place {
    /// Of `[[keys]]` only this header, of an element of an array all of it.
    span: Range<usize>,
    /// The values of its fields; there is at least one.
    values: Vec<(String, Range<usize>)>,
}

impl Place {
    fn of(span: Option<Range<usize>>, table: &dyn TableLike) -> Option<Self> {
        let values = table
            .iter()
            .map(|(name, item)| Some((name.to_owned(), item.as_value()?.span()?)))
            .collect::<Option<Vec<_>>>()?;
        Some(Self {
            span: span.filter(|_| !values.is_empty())?,
            values,
        })
    }

    /// Where its last value ends.
    fn last(&self) -> usize {
        let ends = self.values.iter().map(|(_, value)| value.end);
        ends.max().unwrap_or(self.span.end)
    }
}

/// Other text in place of some of the old.
pub(super) struct Edit {
    at: Range<usize>,
    with: String,
}

fn insert(at: usize, with: String) -> Edit {
    Edit { at: at..at, with }
}

fn cut(at: Range<usize>) -> Edit {
    Edit {
        at,
        with: String::new(),
    }
}

impl KeysText {
    /// Takes apart what `parse_file` has accepted.
    ///
    /// # Errors
    /// Where a key is written in a way that only readers understand.
    pub(super) fn new(mut text: String) -> Result<Self, KeysError> {
        let line_end = if text.contains("\r\n") { "\r\n" } else { "\n" };
        if !text.is_empty() && !text.ends_with('\n') {
            text.push_str(line_end);
        }
        let document = Document::parse(text.as_str())
            .map_err(|error| no_toml(&text, error.span(), error.message()))?;
        let keys = document.as_table().get("keys");
        let places = keys.map_or_else(|| Some(Vec::new()), places);
        let places = places.ok_or_else(|| {
            let at = keys.and_then(Item::span);
            no_toml(&text, at, "keys must be tables with plain fields")
        })?;
        let array = keys
            .and_then(Item::as_array)
            .and_then(|array| array.span())
            .map(|brackets| brackets.start + 1..brackets.end - 1);
        Ok(Self {
            line_end,
            places,
            array,
            text,
        })
    }

    /// The text after all `edits`; none if they overlap. Of two at one place
    /// the first is the first in the text.
    pub(super) fn after(&self, mut edits: Vec<Edit>) -> Option<String> {
        // What is inserted where a cut begins comes before the cut.
        edits.sort_by_key(|edit| (edit.at.start, edit.at.end));
        let (mut text, mut done) = (String::with_capacity(self.text.len()), 0);
        for Edit { at, with } in edits {
            // Not by an index: its panic would show the file.
            text.push_str(self.text.get(done..at.start)?);
            text.push_str(&with);
            done = at.end;
        }
        text.push_str(self.text.get(done..)?);
        Some(text)
    }

    /// Gives the field of a key another value, or the key the field.
    pub(super) fn set(&self, index: usize, field: &str, value: &str) -> Edit {
        let place = &self.places[index];
        let same = place.values.iter().find(|(name, _)| name == field);
        match (same, &self.array) {
            (Some((_, span)), _) => Edit {
                at: span.clone(),
                with: value.to_owned(),
            },
            (None, Some(_)) => insert(place.last(), format!(", {field} = {value}")),
            (None, None) => insert(
                self.next_line(place.last()),
                format!("{field} = {value}{}", self.line_end),
            ),
        }
    }

    /// Adds a key behind all others.
    pub(super) fn add(&self, new: &KeyRecord) -> Vec<Edit> {
        match (&self.array, self.places.len()) {
            (Some(array), 0) => vec![insert(array.start, element(new))],
            (Some(_), keys) => self.add_after(keys - 1, new),
            (None, _) => vec![self.add_table(self.text.len(), new)],
        }
    }

    /// Adds a key right behind another.
    pub(super) fn add_after(&self, index: usize, new: &KeyRecord) -> Vec<Edit> {
        let Some(array) = &self.array else {
            let end = self.next_line(self.places[index].last());
            return vec![self.add_table(end, new)];
        };
        let old = &self.places[index].span;
        let comma = self.comma_after(index, array);
        let end = comma.map_or(old.end, |comma| comma + 1);
        let next_line = self.next_line(end);
        match self.indentation(old.start) {
            // On lines of their own: the comment behind the old key stays there.
            Some(indentation) if next_line <= array.end && self.is_comment(end..next_line) => {
                let (before, behind) = match comma {
                    Some(_) => (None, ","),
                    None => (Some(insert(old.end, ",".to_owned())), ""),
                };
                let line = format!("{indentation}{}{behind}{}", element(new), self.line_end);
                before
                    .into_iter()
                    .chain([insert(next_line, line)])
                    .collect()
            }
            _ => vec![insert(old.end, format!(", {}", element(new)))],
        }
    }

    fn add_table(&self, at: usize, new: &KeyRecord) -> Edit {
        let table = record(new).replace('\n', self.line_end);
        let space = if at == 0 { "" } else { self.line_end };
        insert(at, format!("{space}{table}"))
    }

    /// Takes a key out. Comments go with it only where they stand within it.
    pub(super) fn remove(&self, index: usize) -> Vec<Edit> {
        match &self.array {
            Some(array) => self.remove_element(index, array),
            None => vec![cut(self.lines_of_table(index))],
        }
    }

    /// The lines of a `[[keys]]`, and the blank lines that would be too many
    /// without it.
    fn lines_of_table(&self, index: usize) -> Range<usize> {
        let place = &self.places[index];
        let mut before = self.text[..place.span.start].trim_end_matches(BLANKS);
        let mut end = self.next_line(place.last());
        if is_blank(before.lines().next_back().unwrap_or_default()) {
            let lines = self.text[end..].split_inclusive('\n');
            end += lines
                .take_while(|line| is_blank(line))
                .map(str::len)
                .sum::<usize>();
        }
        if end == self.text.len() {
            let last_line = before.trim_end().len();
            before = &before[..self.next_line(last_line).min(before.len())];
        }
        before.len()..end
    }

    fn remove_element(&self, index: usize, array: &Range<usize>) -> Vec<Edit> {
        let old = &self.places[index].span;
        let before = index.checked_sub(1);
        let before = before.and_then(|before| self.comma_after(before, array));
        match (self.comma_after(index, array), before) {
            (Some(comma), _) if is_blank(&self.text[old.end..comma]) => {
                vec![cut(self.with_its_line(old.start..comma + 1))]
            }
            (Some(comma), _) => vec![cut(old.clone()), cut(comma..comma + 1)],
            (None, Some(comma)) if is_blank(&self.text[comma + 1..old.start]) => {
                vec![cut(comma..old.end)]
            }
            // A comma behind the last element is allowed.
            (None, _) => vec![cut(self.with_its_line(old.clone()))],
        }
    }

    /// The comma behind an element of an array; one in a comment is none.
    fn comma_after(&self, index: usize, array: &Range<usize>) -> Option<usize> {
        let start = self.places[index].span.end;
        let next = self.places.get(index + 1);
        let end = next.map_or(array.end, |next| next.span.start);
        let mut is_in_comment = false;
        let gap = self.text[start..end].bytes().position(|byte| {
            is_in_comment = byte == b'#' || is_in_comment && byte != b'\n';
            byte == b',' && !is_in_comment
        });
        gap.map(|gap| start + gap)
    }

    /// `at` and all of its lines where nothing else stands on them; else `at`
    /// and the blanks between it and what follows.
    fn with_its_line(&self, at: Range<usize>) -> Range<usize> {
        let rest = &self.text[at.end..self.next_line(at.end)];
        match self.indentation(at.start) {
            Some(indentation) if is_blank(rest) => {
                at.start - indentation.len()..at.end + rest.len()
            }
            _ if self.is_comment(at.end..self.next_line(at.end)) => at,
            _ => at.start..at.end + rest.len() - rest.trim_start_matches(BLANKS).len(),
        }
    }

    /// Where the line after the one of `at` begins.
    fn next_line(&self, at: usize) -> usize {
        let rest = &self.text[at..];
        at + rest.find('\n').map_or(rest.len(), |end| end + 1)
    }

    /// What stands before `at` on its line, if it is blanks only.
    fn indentation(&self, at: usize) -> Option<&str> {
        let line = self.text[..at].rfind('\n').map_or(0, |end| end + 1);
        Some(&self.text[line..at]).filter(|indentation| is_blank(indentation))
    }

    /// Whether the rest of a line is nothing, or a comment.
    fn is_comment(&self, at: Range<usize>) -> bool {
        let rest = self.text[at].trim_start();
        rest.is_empty() || rest.starts_with('#')
    }
}

/// Nothing to see; a byte order mark is nothing, too.
fn is_blank(text: &str) -> bool {
    text.trim_start_matches('\u{feff}').trim().is_empty()
}

/// Where all keys stand; none if one is not a table with plain fields.
fn places(keys: &Item) -> Option<Vec<Place>> {
    match keys {
        Item::ArrayOfTables(tables) => tables
            .iter()
            .map(|table| Place::of(table.span(), table))
            .collect(),
        keys => keys
            .as_array()?
            .iter()
            .map(|value| Place::of(value.span(), value.as_inline_table()?))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::{KeysText, cut, insert};

    #[test]
    fn edits_that_overlap_are_refused_and_those_that_touch_are_not() {
        let text = KeysText::new("# abcdef".to_owned()).unwrap();
        let insert = |at| insert(at, "+".to_owned());

        for (edits, after) in [
            (vec![cut(3..5), cut(5..6), insert(3)], Some("# a+ef\n")),
            (vec![insert(5), cut(3..5)], Some("# a+def\n")),
            (vec![cut(3..5), cut(4..6)], None),
            (vec![cut(3..5), insert(4)], None),
            (vec![cut(3..100)], None),
        ] {
            assert_eq!(text.after(edits).as_deref(), after);
        }
    }
}
