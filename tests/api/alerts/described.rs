//! `openapi.yaml` against what is sent.

use std::{collections::BTreeSet, fs};

use serde_json::Value;

use super::{
    read,
    receiver::{Message, Receiver},
    telling,
};

fn document() -> Value {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.yaml")).unwrap();
    serde_norway::from_str(&text).unwrap()
}

fn texts(list: &Value) -> BTreeSet<String> {
    let list = list.as_array().unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list.iter().map(text).collect()
}

fn names(object: &Value) -> BTreeSet<String> {
    object.as_object().unwrap().keys().cloned().collect()
}

/// Asserts that an object has all members that are required, and none that is
/// not described.
fn assert_described(object: &Value, schema: &Value) {
    let names_of_it = names(object);
    assert!(names_of_it.is_superset(&texts(&schema["required"])));
    assert!(names_of_it.is_subset(&names(&schema["properties"])));
    for (name, value) in object.as_object().unwrap() {
        let described = &schema["properties"][name];
        let kind = match value {
            Value::String(_) => "string",
            Value::Number(_) => "number",
            Value::Bool(_) => "boolean",
            _ => "object",
        };
        assert_eq!(described["type"], kind, "{name}");
        if let (Some(text), Some(_)) = (value.as_str(), described.get("enum")) {
            assert!(texts(&described["enum"]).contains(text), "{name}: {text}");
        }
    }
}

/// Asserts that a message is what one of the schemas says; returns its type.
fn assert_one_of(message: &Value, document: &Value) -> String {
    let kind = message["type"].as_str().unwrap();
    let schema = ["BalanceAlert", "CredentialAlert"]
        .map(|name| &document["components"]["schemas"][name])
        .into_iter()
        .find(|schema| texts(&schema["properties"]["type"]["enum"]).contains(kind));
    let schema = schema.unwrap_or_else(|| panic!("{kind} is not described"));
    assert_described(message, schema);
    assert_described(&message["data"], &schema["properties"]["data"]);
    kind.to_owned()
}

#[test]
fn every_message_is_described_and_every_type_that_is_described_is_sent() {
    let document = document();
    let receiver = Receiver::new();
    let app = telling(&receiver).start();

    read(&app, "99");
    read(&app, "110");
    app.d7.reject("the-token");
    app.advance_s(1000);
    assert_eq!(app.balance_over_confirmation().status, 502);
    app.d7.accept("the-token");
    app.advance_s(1000);
    read(&app, "110");

    let sent = receiver.wait_for(4);
    let sent: BTreeSet<_> = sent
        .iter()
        .map(Message::json)
        .map(|message| assert_one_of(&message, &document))
        .collect();
    let post = &document["webhooks"]["alert"]["post"];
    let content = &post["requestBody"]["content"]["application/json"];
    let mut described = BTreeSet::new();
    for name in ["BalanceAlert", "CredentialAlert"] {
        let schema = &document["components"]["schemas"][name];
        described.extend(texts(&schema["properties"]["type"]["enum"]));
    }
    assert_eq!(sent, described);
    for (_, example) in content["examples"].as_object().unwrap() {
        assert_one_of(&example["value"], &document);
    }
}
