//! `deploy/` against the service: a rule or a panel about a figure that nobody
//! exports is silent for ever, and looks like peace.

mod promql;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde_json::Value;

use self::promql::{Matcher, Selector, Spoken, spoken};
use crate::{
    harness::{TestApp, start_of_time},
    reload::{Key, file_of},
    token_file::Files,
};

/// Labels that Prometheus gives every series of a target.
const OF_TARGETS: [&str; 2] = ["job", "instance"];

/// Series that Prometheus makes itself, as far as labels matter here.
const OF_PROMETHEUS: [&str; 2] = [
    "up",
    r#"ALERTS{alertname="D7BalanceLow",alertstate="firing"}"#,
];

/// By the name of a sample, the values of each of its labels.
type Exported = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn read(path: &str) -> String {
    fs::read_to_string(format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn yaml(path: &str) -> Value {
    serde_norway::from_str(&read(path)).unwrap()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

/// A token that ends by its own word.
fn ending_token() -> String {
    let start = start_of_time().duration_since(std::time::SystemTime::UNIX_EPOCH);
    let claims = format!(r#"{{"exp":{}}}"#, start.unwrap().as_secs() + 3600);
    format!("e30.{}.c2ln", BASE64_URL_SAFE_NO_PAD.encode(claims))
}

/// All that a service exports which has everything there is to export.
fn exported() -> Exported {
    let files = Files::new();
    files.write(ending_token());
    let key = Key::of("billing");
    fs::write(files.path("keys"), file_of([&key])).unwrap();
    let app = files
        .service_with_secondary()
        .set("D7B_KEYS_FILE", files.path("keys").to_str().unwrap())
        .set("D7B_ALERT_BELOW", "50");
    files.write_secondary(&ending_token());
    let app = app.start();
    let balance = app.request("GET", "/balance").bearer(&key.text).send();
    assert_eq!(balance.status, 200);
    samples(&app)
}

fn samples(app: &TestApp) -> Exported {
    let mut exported = Exported::new();
    let text = app.admin("/metrics").text();
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let own = lines.map(|line| line.rsplit_once(' ').unwrap().0);
    for series in own.chain(OF_PROMETHEUS) {
        let Spoken { selectors, .. } = spoken(series);
        let [Selector { name, matchers }] = &selectors[..] else {
            panic!("no series: {series}");
        };
        let labels = exported.entry(name.clone()).or_default();
        for Matcher { label, value, .. } in matchers {
            let values = labels.entry(label.clone()).or_default();
            values.insert(value.clone());
        }
    }
    exported
}

fn alerts() -> Vec<Value> {
    let rules = yaml("deploy/prometheus/rules.yml");
    let groups = list(&rules["groups"]).iter();
    groups
        .flat_map(|group| list(&group["rules"]).to_vec())
        .collect()
}

fn alert_names() -> BTreeSet<String> {
    alerts()
        .iter()
        .map(|rule| text(&rule["alert"]).to_owned())
        .collect()
}

/// The expressions of the rules, those in their annotations included.
fn of_rules() -> Vec<String> {
    let mut expressions = Vec::new();
    for rule in alerts() {
        expressions.push(text(&rule["expr"]).to_owned());
        // Between double quotes in the template.
        let within = text(&rule["annotations"]["description"]).split('"');
        let queries = within.skip(1).step_by(2).filter(|it| it.contains("d7b_"));
        expressions.extend(queries.map(str::to_owned));
    }
    expressions
}

/// The expressions of the dashboard: its panels', annotations' and variables'.
fn of_dashboard() -> Vec<String> {
    fn walk(value: &Value, expressions: &mut Vec<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match (&**name, value.as_str()) {
                        ("expr", Some(expression)) => expressions.push(expression.to_owned()),
                        ("definition", Some(variable)) => {
                            // `label_values(series, label)`
                            let inner = variable.strip_prefix("label_values(").unwrap();
                            let (series, label) = inner.rsplit_once(", ").unwrap();
                            let label = label.strip_suffix(')').unwrap();
                            expressions.push(format!("count by ({label}) ({series})"));
                        }
                        _ => walk(value, expressions),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| walk(value, expressions)),
            _ => {}
        }
    }
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/d7-balance.json")).unwrap();
    let mut expressions = Vec::new();
    walk(&dashboard, &mut expressions);
    expressions
}

/// The series that the tests of the rules are fed with.
fn of_tests() -> Vec<String> {
    let tests = yaml("deploy/prometheus/rules_test.yml");
    let series = list(&tests["tests"])
        .iter()
        .flat_map(|test| list(&test["input_series"]).to_vec());
    series.map(|it| text(&it["series"]).to_owned()).collect()
}

/// The figures that the runbook has between backticks.
fn of_runbook() -> Vec<String> {
    let runbook = read("deploy/prometheus/RUNBOOK.md");
    let code = runbook.split('`').skip(1).step_by(2);
    code.filter(|code| code.starts_with("d7b_") || code.starts_with("process_"))
        .map(str::to_owned)
        .collect()
}

/// Whether a matcher can hold for any of `values`, each alternative of it.
fn is_satisfiable(matcher: &Matcher, values: &BTreeSet<String>) -> bool {
    // Between `^` and `$`, and with `.*` at the end only.
    let holds = |pattern: &str| match pattern.strip_suffix(".*") {
        Some(start) => values.iter().any(|value| value.starts_with(start)),
        None => values.contains(pattern),
    };
    if matcher.operator.ends_with('~') {
        matcher.value.split('|').all(holds)
    } else {
        values.contains(&matcher.value)
    }
}

#[test]
fn whatever_deploy_speaks_of_is_exported() {
    let exported = exported();

    for expression in [of_rules(), of_dashboard(), of_tests(), of_runbook()].concat() {
        let Spoken { selectors, grouped } = spoken(&expression);
        assert!(!selectors.is_empty(), "about nothing: {expression}");
        for Selector { name, matchers } in &selectors {
            let Some(labels) = exported.get(name) else {
                panic!("{name} is not exported: {expression}");
            };
            for matcher in matchers {
                let label = &*matcher.label;
                if OF_TARGETS.contains(&label) {
                    continue;
                }
                let values = labels.get(label);
                assert!(
                    values.is_some_and(|values| is_satisfiable(matcher, values)),
                    "{name} with {matcher:?}: {expression}"
                );
            }
        }
        for label in grouped {
            let is_known = |one: &Selector| exported[&one.name].contains_key(&label);
            assert!(
                OF_TARGETS.contains(&&*label) || selectors.iter().any(is_known),
                "{label}: {expression}"
            );
        }
    }
}

/// So that no rule passes its test with a series that there never is.
#[test]
fn the_series_of_the_tests_have_all_the_labels_of_real_ones() {
    let exported = exported();

    for series in of_tests() {
        for Selector { name, matchers } in spoken(&series).selectors {
            let labels: BTreeSet<_> = matchers.iter().map(|it| &*it.label).collect();
            let own = exported[&name].keys().map(String::as_str);
            assert_eq!(labels, own.chain(OF_TARGETS).collect(), "{series}");
        }
    }
}

#[test]
fn every_figure_is_on_the_dashboard() {
    let shown: BTreeSet<_> = of_dashboard()
        .iter()
        .flat_map(|expression| spoken(expression).selectors)
        .map(|selector| selector.name)
        .collect();
    // Of a histogram, any part will do.
    let family = |name: &str| {
        let parts = ["_bucket", "_sum", "_count"];
        let part = parts.iter().find_map(|part| name.strip_suffix(part));
        part.unwrap_or(name).to_owned()
    };
    let families: BTreeSet<_> = shown.iter().map(|name| family(name)).collect();

    let missing: Vec<_> = exported()
        .into_keys()
        .filter(|name| !families.contains(&family(name)))
        .collect();

    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_alert_says_what_it_is_and_has_its_section_of_the_runbook_and_its_row_in_the_manual() {
    let manual = read("README.md");
    let rows = manual.lines().filter_map(|line| {
        line.strip_prefix("| `D7B")?
            .starts_with("alance")
            .then_some(line)
    });
    let rows: BTreeSet<_> = rows
        .map(|row| row.split('`').nth(1).unwrap().to_owned())
        .collect();
    let runbook = read("deploy/prometheus/RUNBOOK.md");
    let sections: BTreeSet<_> = runbook
        .lines()
        .filter_map(|line| line.strip_prefix("## ").map(str::to_owned))
        .collect();

    let names = alert_names();

    assert_eq!(names, sections);
    assert_eq!(names, rows);
    for rule in alerts() {
        let (name, notes) = (text(&rule["alert"]), &rule["annotations"]);
        let severity = text(&rule["labels"]["severity"]);
        assert!(["page", "ticket"].contains(&severity), "{name}: {severity}");
        assert!(!text(&notes["summary"]).is_empty(), "{name}");
        assert!(text(&notes["description"]).contains("{{ "), "{name}");
        // What forges make of a heading of one word.
        let anchor = name.to_ascii_lowercase();
        assert_eq!(text(&notes["runbook_url"]), format!("RUNBOOK.md#{anchor}"));
    }
}

#[test]
fn the_panels_that_the_runbook_points_at_are_there() {
    let dashboard: Value = serde_json::from_str(&read("deploy/grafana/d7-balance.json")).unwrap();
    let titles: BTreeSet<_> = list(&dashboard["panels"])
        .iter()
        .map(|panel| text(&panel["title"]))
        .collect();
    let runbook = read("deploy/prometheus/RUNBOOK.md");
    // Outside of code, and not the text of a link.
    let prose: String = runbook.split('`').step_by(2).collect();
    let brackets = prose.split('[').skip(1);
    let named: BTreeSet<_> = brackets
        .filter_map(|rest| rest.split_once(']'))
        .filter(|(_, after)| !after.starts_with('('))
        .map(|(name, _)| name)
        .collect();

    assert!(!named.is_empty());
    let missing: Vec<_> = named.difference(&titles).collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_alert_is_tested_where_it_fires_and_where_it_does_not() {
    let tests = yaml("deploy/prometheus/rules_test.yml");
    let (mut fires, mut does_not) = (BTreeSet::new(), BTreeSet::new());
    for test in list(&tests["tests"]) {
        for case in list(&test["alert_rule_test"]) {
            let side = if list(&case["exp_alerts"]).is_empty() {
                &mut does_not
            } else {
                &mut fires
            };
            side.insert(text(&case["alertname"]).to_owned());
        }
    }

    assert_eq!(fires, alert_names());
    assert_eq!(does_not, alert_names());
}

#[test]
fn the_dashboard_belongs_to_no_grafana_in_particular() {
    let text = read("deploy/grafana/d7-balance.json");
    let dashboard: Value = serde_json::from_str(&text).unwrap();

    assert_eq!(dashboard["id"], Value::Null);
    let of_grafana = text.matches(r#""uid": "-- Grafana --""#).count();
    let chosen = text.matches(r#""uid": "${datasource}""#).count();
    let own = text.matches(r#""uid": "d7-balance""#).count();
    assert_eq!(text.matches(r#""uid":"#).count(), of_grafana + chosen + own);
    let ids: BTreeSet<_> = list(&dashboard["panels"])
        .iter()
        .map(|panel| panel["id"].as_u64())
        .collect();
    assert_eq!(ids.len(), list(&dashboard["panels"]).len());
}
