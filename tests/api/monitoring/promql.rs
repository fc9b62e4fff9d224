//! As much of `PromQL` as it takes to tell which figures, labels and values an
//! expression speaks of. Whether it is right is for `promtool` to say.

/// What an expression speaks of.
#[derive(Debug, Default)]
pub(super) struct Spoken {
    pub(super) selectors: Vec<Selector>,
    /// The labels of `by (…)`, `on (…)` and their like.
    pub(super) grouped: Vec<String>,
}

/// The name of a figure, and what it is narrowed down by.
#[derive(Debug, PartialEq)]
pub(super) struct Selector {
    pub(super) name: String,
    pub(super) matchers: Vec<Matcher>,
}

#[derive(Debug, PartialEq)]
pub(super) struct Matcher {
    pub(super) label: String,
    pub(super) operator: String,
    pub(super) value: String,
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Text(String),
    Operator(String),
    /// A number or duration, which may also be a variable of Grafana's.
    Number,
    Mark(char),
}

/// Words that join expressions, and are no figures.
const JOINTS: [&str; 6] = ["and", "or", "unless", "offset", "bool", "atan2"];

/// Words that a list of labels follows.
const GROUPS: [&str; 6] = [
    "by",
    "without",
    "on",
    "ignoring",
    "group_left",
    "group_right",
];

fn tokens(expression: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = expression.trim_start();
    while let Some(first) = rest.chars().next() {
        let taken = |is_part: fn(char) -> bool| rest.find(|c| !is_part(c)).unwrap_or(rest.len());
        let is_in_number = |c: char| c.is_ascii_alphanumeric() || "._${}".contains(c);
        let end = match first {
            '"' | '\'' => {
                let end = 1 + rest[1..].find(first).expect("a text that ends");
                tokens.push(Token::Text(rest[1..end].to_owned()));
                end + 1
            }
            'a'..='z' | 'A'..='Z' | '_' => {
                let end = taken(|c| c.is_ascii_alphanumeric() || c == '_' || c == ':');
                tokens.push(Token::Word(rest[..end].to_owned()));
                end
            }
            '0'..='9' | '$' => {
                tokens.push(Token::Number);
                taken(is_in_number)
            }
            '=' | '!' | '~' => {
                let end = taken(|c| "=!~".contains(c));
                tokens.push(Token::Operator(rest[..end].to_owned()));
                end
            }
            mark => {
                tokens.push(Token::Mark(mark));
                mark.len_utf8()
            }
        };
        rest = rest[end..].trim_start();
    }
    tokens
}

/// Reads an expression.
pub(super) fn spoken(expression: &str) -> Spoken {
    let mut spoken = Spoken::default();
    let mut tokens = tokens(expression).into_iter().peekable();
    while let Some(token) = tokens.next() {
        let Token::Word(word) = token else { continue };
        let is_group = GROUPS.contains(&&*word);
        let next = tokens.peek();
        if is_group && next == Some(&Token::Mark('(')) {
            let list = tokens
                .by_ref()
                .take_while(|token| *token != Token::Mark(')'));
            spoken.grouped.extend(list.filter_map(|token| match token {
                Token::Word(label) => Some(label),
                _ => None,
            }));
            continue;
        }
        let is_aggregation = matches!(next, Some(Token::Word(next)) if GROUPS.contains(&&**next));
        let is_function = next == Some(&Token::Mark('(')) || is_aggregation;
        if is_group || is_function || JOINTS.contains(&&*word) {
            continue;
        }
        let matchers = if tokens.next_if_eq(&Token::Mark('{')).is_some() {
            let within: Vec<_> = tokens
                .by_ref()
                .take_while(|token| *token != Token::Mark('}'))
                .collect();
            let parts = within.split(|token| *token == Token::Mark(','));
            parts.filter_map(matcher).collect()
        } else {
            Vec::new()
        };
        spoken.selectors.push(Selector {
            name: word,
            matchers,
        });
    }
    spoken
}

/// A matcher; a label alone, as prose has it, is one that any value satisfies.
fn matcher(part: &[Token]) -> Option<Matcher> {
    let of = |label: &String, operator: &str, value: &str| Matcher {
        label: label.clone(),
        operator: operator.to_owned(),
        value: value.to_owned(),
    };
    match part {
        [] => None,
        [Token::Word(label)] => Some(of(label, "=~", ".*")),
        [
            Token::Word(label),
            Token::Operator(operator),
            Token::Text(value),
        ] => Some(of(label, operator, value)),
        odd => panic!("no matcher: {odd:?}"),
    }
}

#[test]
fn figures_labels_and_values_are_told_from_functions_and_joints() {
    let expression = r#"count by (job) (
        predict_linear(min by (job) (a_total)[6h:1m], 24 * 3600) > -1.5e3
        and on (job, instance) rate(b_bucket{job="$job",code=~"x|y.*"}[$__rate_interval]) != bool 0
        or c offset 3h
    )"#;

    let spoken = spoken(expression);

    let names: Vec<_> = spoken.selectors.iter().map(|one| &*one.name).collect();
    assert_eq!(names, ["a_total", "b_bucket", "c"]);
    assert_eq!(spoken.grouped, ["job", "job", "job", "instance"]);
    let matchers: Vec<_> = spoken.selectors[1]
        .matchers
        .iter()
        .map(|one| (&*one.label, &*one.operator, &*one.value))
        .collect();
    assert_eq!(matchers, [("job", "=", "$job"), ("code", "=~", "x|y.*")]);
}
