//! Descriptions for people and machines: the interface, and each error.

use std::fmt::Write;

use actix_http::Request;
use actix_web::{
    HttpResponse,
    http::header::{self, Accept, Header},
};
use serde::Serialize;

use super::{
    Answer, path,
    problem::{ApiError, Code, Retry},
};

const OPENAPI: &str = include_str!("../../openapi.yaml");

/// A release changes these pages and nothing else does.
const CACHE_CONTROL: (header::HeaderName, &str) = (header::CACHE_CONTROL, "public, max-age=300");

pub(super) fn get_openapi() -> Answer {
    HttpResponse::Ok()
        .content_type("application/yaml")
        .insert_header(CACHE_CONTROL)
        .body(OPENAPI)
        .into()
}

pub(super) fn list_problems(request: &Request) -> Answer {
    let problems: Vec<_> = Code::ALL.into_iter().map(Description::of).collect();
    respond(request, &problems, "Problems", &problems).into()
}

pub(super) fn get_problem(request: &Request) -> Answer {
    let path = path(request);
    let name = path.rsplit('/').next();
    let Some(code) = Code::ALL
        .into_iter()
        .find(|code| Some(code.as_str()) == name)
    else {
        return ApiError::NotFound.into();
    };
    let problem = Description::of(code);
    let problems = std::slice::from_ref(&problem);
    respond(request, &problem, problem.title, problems).into()
}

/// A row of the table, for a reader.
#[derive(Serialize)]
struct Description {
    #[serde(rename = "type")]
    kind: String,
    code: &'static str,
    title: &'static str,
    status: u16,
    detail: &'static str,
    retryable: bool,
}

impl Description {
    fn of(code: Code) -> Self {
        let entry = code.entry();
        Self {
            kind: format!("/problems/{}", code.as_str()),
            code: code.as_str(),
            title: entry.title,
            status: entry.status,
            detail: entry.detail,
            retryable: entry.retry == Retry::Yes,
        }
    }
}

/// HTML, or JSON where the caller would rather have that.
fn respond(
    request: &Request,
    json: &impl Serialize,
    title: &str,
    problems: &[Description],
) -> HttpResponse {
    let mut answer = HttpResponse::Ok();
    answer
        .insert_header(CACHE_CONTROL)
        .insert_header((header::VARY, "Accept"));
    if prefers_json(request) {
        answer.json(json)
    } else {
        answer
            .content_type("text/html; charset=utf-8")
            .body(html(title, problems))
    }
}

fn prefers_json(request: &Request) -> bool {
    let is_json = preference(request, |kind, subtype| {
        matches!((kind, subtype), ("text" | "*", "html" | "*"))
    });
    is_json.unwrap_or(false)
}

/// Whether the caller is one who reads HTML: a browser says so, and a program
/// that says nothing is none.
pub(super) fn reads_html(request: &Request) -> bool {
    let is_json = preference(request, |kind, subtype| (kind, subtype) == ("text", "html"));
    is_json == Some(false)
}

/// Whether the caller likes JSON better than what `is_html` holds for HTML; none
/// if `Accept` has neither.
fn preference(request: &Request, is_html: impl Fn(&str, &str) -> bool) -> Option<bool> {
    let accept = Accept::parse(request).ok()?;
    accept.ranked().iter().find_map(|range| {
        let (kind, subtype) = (range.type_().as_str(), range.subtype().as_str());
        let has_suffix = range.suffix().is_some_and(|suffix| suffix == "json");
        let is_json = matches!(subtype, "json" | "problem+json") || has_suffix;
        match kind {
            "application" if is_json => Some(true),
            kind if is_html(kind, subtype) => Some(false),
            _ => None,
        }
    })
}

/// A plain page. Every text in it is a constant of ours.
fn html(title: &str, problems: &[Description]) -> String {
    let mut page = format!(
        "<!doctype html>\n<html lang=\"en\">\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width\">\n<title>{0} - d7-balance</title>\n\
         <h1>{0}</h1>\n",
        escape(title)
    );
    for problem in problems {
        let retry = if problem.retryable {
            "Waiting can help: the answer says how long in Retry-After."
        } else {
            "Waiting does not help."
        };
        // Writing to a `String` cannot fail.
        let _: std::fmt::Result = write!(
            page,
            "<h2><a href=\"{}\"><code>{}</code></a> ({})</h2>\n<p>{}.</p>\n<p>{}</p>\n<p>{retry}</p>\n",
            problem.kind,
            problem.code,
            problem.status,
            escape(problem.title),
            with_code(problem.detail),
        );
    }
    if problems.len() == 1 {
        page.push_str("<p><a href=\"/problems\">All problems</a></p>\n");
    }
    page.push_str("</html>\n");
    page
}

/// Text in which what stands between backticks is code.
fn with_code(text: &str) -> String {
    let parts = text.split('`').enumerate().map(|(index, part)| {
        let part = escape(part);
        if index % 2 == 1 {
            format!("<code>{part}</code>")
        } else {
            part
        }
    });
    parts.collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;")
}
