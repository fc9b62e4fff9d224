//! `openapi.yaml` against the table of errors and the routes, both ways.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
};

use actix_web::body::MessageBody;
use d7_balance::http::problem::{ApiError, Code, Retry};
use serde_json::Value;

use crate::{
    harness::{Request, Response, TestApp},
    page::files::all_assets,
};

fn document() -> Value {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.yaml")).unwrap();
    serde_norway::from_str(&text).unwrap()
}

/// Follows `$ref`s within the document.
fn resolve<'a>(document: &'a Value, value: &'a Value) -> &'a Value {
    match value.get("$ref").and_then(Value::as_str) {
        Some(reference) => {
            let target = document.pointer(reference.strip_prefix('#').unwrap());
            resolve(
                document,
                target.unwrap_or_else(|| panic!("nothing at {reference}")),
            )
        }
        None => value,
    }
}

fn object(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().unwrap().iter()
}

/// Every operation with its path and method.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let mut operations = Vec::new();
    for (path, item) in object(&document["paths"]) {
        for method in [
            "get", "head", "post", "put", "delete", "options", "patch", "trace",
        ] {
            if let Some(operation) = item.get(method) {
                operations.push((path.clone(), method.to_owned(), operation.clone()));
            }
        }
    }
    operations
}

/// The codes that a described answer may have.
fn codes(document: &Value, response: &Value) -> BTreeSet<String> {
    let content = &resolve(document, response)["content"]["application/problem+json"];
    let Some(parts) = content["schema"]["allOf"].as_array() else {
        return BTreeSet::new();
    };
    let list = parts
        .iter()
        .find_map(|part| part["properties"]["code"]["enum"].as_array());
    let texts = list
        .unwrap()
        .iter()
        .map(|code| code.as_str().unwrap().to_owned());
    texts.collect()
}

#[test]
fn every_code_of_the_table_is_described_with_its_status_and_no_other() {
    let document = document();
    let mut table: BTreeSet<_> = Code::ALL
        .iter()
        .map(|code| (code.entry().status, code.as_str().to_owned()))
        .collect();
    // The one code with two statuses: D7's own 503 stays one.
    table.insert((503, "upstream_unavailable".to_owned()));

    let mut described = BTreeSet::new();
    for (name, response) in object(&document["components"]["responses"]) {
        for code in codes(&document, response) {
            // Where it is used tells its status; two are used by no operation,
            // since the routes that are described exist.
            let mut statuses: BTreeSet<u16> = operations(&document)
                .iter()
                .flat_map(|(_, _, operation)| {
                    object(&operation["responses"])
                        .filter(|(_, used)| {
                            used["$ref"] == format!("#/components/responses/{name}")
                        })
                        .map(|(status, _)| status.parse().unwrap())
                        .collect::<Vec<u16>>()
                })
                .collect();
            if name == "MethodNotAllowed" {
                assert!(statuses.is_empty());
                statuses.insert(405);
            }
            assert_eq!(statuses.len(), 1, "{name} is used under one status");
            described.extend(statuses.into_iter().map(|status| (status, code.clone())));
        }
    }

    assert_eq!(described, table);
}

/// What callers are told of a code: what the table says, or what is wrong with
/// their request.
fn details(code: Code) -> Vec<String> {
    if code != Code::BadRequest {
        return vec![code.entry().detail.to_owned()];
    }
    let errors = [
        ApiError::AmbiguousCredential,
        ApiError::UnreadableParameter,
        ApiError::UnreadableBody,
    ];
    let detail = |error: ApiError| {
        assert_eq!(error.code(), code);
        let body = error.render("id").into_body().try_into_bytes().unwrap();
        let problem: Value = serde_json::from_slice(&body).unwrap();
        problem["detail"].as_str().unwrap().to_owned()
    };
    errors.map(detail).into()
}

#[test]
fn every_example_of_a_problem_is_what_callers_are_told() {
    let document = document();
    let mut seen = Vec::new();

    for (_, response) in object(&document["components"]["responses"]) {
        let Some(examples) = response["content"]["application/problem+json"].get("examples") else {
            continue;
        };
        for (name, example) in object(examples) {
            let value = &example["value"];
            let code = Code::ALL
                .into_iter()
                .find(|code| code.as_str() == name)
                .unwrap();
            let entry = code.entry();
            assert_eq!(value["code"], name.as_str());
            assert_eq!(value["type"], format!("/problems/{name}"));
            assert_eq!(value["title"], entry.title, "{name}");
            let details = details(code);
            let is_said = details.iter().any(|detail| value["detail"] == **detail);
            assert!(is_said, "{name}: {}", value["detail"]);
            assert_eq!(value["status"], entry.status, "{name}");
            assert_eq!(value["retryable"], entry.retry == Retry::Yes, "{name}");
            assert_eq!(
                value.get("retry_after").is_some(),
                entry.retry == Retry::Yes,
                "{name}"
            );
            seen.push(code);
        }
    }

    for code in Code::ALL {
        assert!(seen.contains(&code), "no example of {}", code.as_str());
    }
}

#[test]
fn every_described_operation_exists_and_no_method_is_left_out() {
    let app = TestApp::start();
    let document = document();
    let mut described: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, method, _) in operations(&document) {
        described
            .entry(path)
            .or_default()
            .insert(method.to_uppercase());
    }

    let (asset, _) = all_assets(&app).swap_remove(0);
    let asset = asset.rsplit('/').next().unwrap();
    for (path, methods) in &described {
        let addr = if path == "/metrics" {
            app.admin_addr
        } else {
            app.addr
        };
        let path = path.replace("{code}", "not_found").replace("{name}", asset);
        for method in ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"] {
            let response = Request::new(addr, method, &path).bearer(&app.key).send();
            if methods.contains(method) {
                let is_well = (200..400).contains(&response.status);
                assert!(is_well, "{method} {path}: {}", response.status);
            } else {
                assert_eq!(response.status, 405, "{method} {path}");
                let allowed = response.expect("allow").split(", ").map(str::to_owned);
                assert_eq!(&allowed.collect::<BTreeSet<_>>(), methods, "{path}");
            }
        }
    }
}

#[test]
fn every_route_of_the_code_is_described() {
    let source = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/src/http.rs")).unwrap();
    let routes: BTreeSet<_> = source
        .split_once("impl Routes for Public")
        .unwrap()
        .1
        .split("\"/")
        .skip(1)
        .map(|rest| format!("/{}", rest.split('"').next().unwrap()))
        .collect();

    let document = document();
    let described: BTreeSet<_> = object(&document["paths"])
        .map(|(path, _)| path.clone())
        .collect();

    assert_eq!(routes, described);
}

/// Asserts that an answer to GET has the headers that are described, and no
/// others but those that are common to all.
fn assert_headers_described(document: &Value, path: &str, status: &str, answer: &Response) {
    let common = [
        "content-length",
        "content-type",
        "connection",
        "date",
        "x-content-type-options",
        "referrer-policy",
        "content-security-policy",
        "cross-origin-resource-policy",
    ];
    assert_eq!(answer.status.to_string(), status, "{path}");
    let described = &document["paths"][path]["get"]["responses"][status];
    let described = resolve(document, described);
    let headers: BTreeMap<String, bool> = object(&described["headers"])
        .map(|(name, header)| {
            let header = resolve(document, header);
            (name.to_lowercase(), header["required"] == true)
        })
        .collect();
    for (name, _) in &answer.headers {
        let is_known = headers.contains_key(name) || common.contains(&name.as_str());
        assert!(is_known, "{path} {status}: {name} is not described");
    }
    for (name, is_required) in headers {
        let is_there = answer.header(&name).is_some();
        assert!(is_there || !is_required, "{path} {status}: no {name}");
    }
}

#[test]
fn every_header_about_a_limit_is_described() {
    let app = TestApp::builder().set("D7B_RATE_LIMIT", "5/m").start();
    let document = document();
    let balance = app.balance_request();
    let none = balance.clone().header("cache-control", "only-if-cached");
    let none = none.send();
    let stored = balance.send();
    let same = balance.header("if-none-match", stored.expect("etag"));
    let same = same.send();
    app.advance_s(3600);
    app.d7.always(d7_balance::simulator::answer(500, ""));
    let down = app.balance();
    app.advance_s(60);
    app.d7.always(d7_balance::simulator::answer(429, ""));
    let busy = app.balance();
    let [.., refused] = [(); 5].map(|()| app.balance());

    for (status, answer) in [
        ("504", none),
        ("200", stored),
        ("304", same),
        ("502", down),
        ("503", busy),
        ("429", refused),
    ] {
        assert!(answer.header("ratelimit").is_some(), "{status}");
        assert_headers_described(&document, "/balance", status, &answer);
    }
    let page = app.request("GET", "/").bearer(&app.key).send();
    assert_headers_described(&document, "/", "429", &page);
}

#[test]
fn every_header_of_an_answer_is_described_or_common_to_all() {
    let app = TestApp::start();
    let document = document();
    let d7_is_down = d7_balance::simulator::answer(500, "");
    let balance = app.balance_request();
    let etag = balance.send().expect("etag").to_owned();
    app.d7.always(d7_is_down);
    let two = balance.clone().bearer("x");
    let elsewhere = balance
        .clone()
        .without("host")
        .header("host", "example.com");
    let history = |path: &str| app.request("GET", path).bearer(&app.key);
    let page = app.request("GET", "/").bearer(&app.key);
    let (_, asset) = all_assets(&app).swap_remove(0);
    let answers = [
        ("/balance", "200", balance.send()),
        (
            "/balance",
            "304",
            balance.clone().header("if-none-match", &etag).send(),
        ),
        ("/balance", "400", two.send()),
        (
            "/balance",
            "401",
            balance.clone().without("authorization").send(),
        ),
        ("/balance", "421", elsewhere.send()),
        ("/balance", "502", {
            app.advance_s(3600);
            balance.send()
        }),
        (
            "/openapi.yaml",
            "200",
            app.request("GET", "/openapi.yaml").send(),
        ),
        ("/problems", "200", app.request("GET", "/problems").send()),
        (
            "/problems/{code}",
            "404",
            app.request("GET", "/problems/none").send(),
        ),
        ("/", "200", page.send()),
        ("/", "304", page.clone().header("if-none-match", "*").send()),
        ("/", "400", page.bearer("x").send()),
        ("/assets/{name}", "200", asset),
        (
            "/assets/{name}",
            "404",
            app.request("GET", "/assets/none").send(),
        ),
        ("/livez", "200", app.request("GET", "/livez").send()),
        ("/metrics", "200", app.admin("/metrics")),
        (
            "/status",
            "200",
            app.request("GET", "/status").bearer(&app.key).send(),
        ),
        ("/history", "200", history("/history").send()),
        (
            "/history",
            "304",
            history("/history").header("if-none-match", "*").send(),
        ),
        ("/history", "400", history("/history?since=then").send()),
    ];

    for (path, status, answer) in &answers {
        assert_headers_described(&document, path, status, answer);
    }
}

#[test]
fn the_document_is_served_as_it_is_committed() {
    let app = TestApp::start();

    let response = app.request("GET", "/openapi.yaml").send();

    assert_eq!(response.status, 200);
    assert_eq!(response.expect("content-type"), "application/yaml");
    let committed = fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/openapi.yaml")).unwrap();
    assert_eq!(response.body, committed);
    assert_eq!(document()["info"]["version"], env!("CARGO_PKG_VERSION"));
}
