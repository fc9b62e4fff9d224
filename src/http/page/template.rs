//! HTML with places in it.
//!
//! `{{name}}` stands for a value; text is escaped. An element with
//! `data-when="state=word other"` is shown where the state is one of the words,
//! and gets `hidden` where it is not; the script does the same later on.

use std::{fmt::Write, time::SystemTime};

use crate::balance::Rfc3339;

use super::view::View;

/// A page that has been taken apart.
pub(super) struct Template(Vec<Piece>);

enum Piece {
    /// As it is.
    Html(String),
    /// The place of a value.
    Value(String),
    /// The end of a `data-when`, quote included.
    When { state: String, words: Vec<String> },
}

/// What may stand in a place.
pub(super) enum Value {
    /// Text of whatever origin.
    Text(String),
    /// HTML of ours.
    Html(String),
    /// A moment, which the script words as the visitor's locale has it; nothing
    /// where it is not known.
    Time(Option<SystemTime>),
}

const WHEN: &str = "data-when=\"";

impl Template {
    pub(super) fn parse(html: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = html;
        loop {
            let value = rest.find("{{");
            let when = rest.find(WHEN);
            match (value, when) {
                (Some(at), when) if when.is_none_or(|when| at < when) => {
                    let Some((name, after)) = rest[at + 2..].split_once("}}") else {
                        break;
                    };
                    pieces.push(Piece::Html(rest[..at].to_owned()));
                    pieces.push(Piece::Value(name.to_owned()));
                    rest = after;
                }
                (_, Some(at)) => {
                    let begin = at + WHEN.len();
                    let Some((condition, after)) = rest[begin..].split_once('"') else {
                        break;
                    };
                    let (state, words) = condition.split_once('=').unwrap_or((condition, ""));
                    pieces.push(Piece::Html(rest[..begin].to_owned() + condition + "\""));
                    pieces.push(Piece::When {
                        state: state.to_owned(),
                        words: words.split(' ').map(str::to_owned).collect(),
                    });
                    rest = after;
                }
                _ => break,
            }
        }
        pieces.push(Piece::Html(rest.to_owned()));
        Self(pieces)
    }

    pub(super) fn render(&self, view: &View) -> String {
        let mut html = String::with_capacity(16 * 1024);
        for piece in &self.0 {
            match piece {
                Piece::Html(text) => html.push_str(text),
                Piece::Value(name) => {
                    if let Some(value) = view.value(name) {
                        push_value(&mut html, name, value);
                    }
                }
                Piece::When { state, words } => {
                    let word = view.state(state).unwrap_or_default();
                    if !words.iter().any(|known| known == word) {
                        html.push_str(" hidden");
                    }
                }
            }
        }
        html
    }
}

fn push_value(html: &mut String, name: &str, value: &Value) {
    match value {
        Value::Text(text) => push_escaped(html, text),
        Value::Html(text) => html.push_str(text),
        Value::Time(moment) => {
            let text = moment.and_then(|moment| Rfc3339(moment).text());
            // Writing to a `String` cannot fail.
            let _: std::fmt::Result = match text {
                // 2026-11-23T01:00:00.123Z to the second.
                Some(text) => write!(
                    html,
                    "<time data-time=\"{name}\" datetime=\"{text}\">{} {} UTC</time>",
                    &text[..10],
                    &text[11..19]
                ),
                None => write!(html, "<time data-time=\"{name}\"></time>"),
            };
        }
    }
}

/// Safe as text and within a quoted attribute.
fn push_escaped(html: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            c => html.push(c),
        }
    }
}
