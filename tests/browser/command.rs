//! What drivers understand beyond WebDriver's standard.

use fantoccini::wd::WebDriverCompatibleCommand;
use http::Method;
use serde_json::Value;
use url::{ParseError, Url};

/// A command of one driver alone.
#[derive(Debug)]
pub(crate) struct Command {
    path: &'static str,
    body: Option<Value>,
}

impl Command {
    /// One that says something.
    pub(crate) fn new(path: &'static str, body: Value) -> Self {
        Self {
            path,
            body: Some(body),
        }
    }

    /// One that only asks.
    pub(crate) fn question(path: &'static str) -> Self {
        Self { path, body: None }
    }
}

impl WebDriverCompatibleCommand for Command {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, ParseError> {
        let session = session.unwrap_or_default();
        base.join(&format!("session/{session}/{}", self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        match &self.body {
            Some(body) => (Method::POST, Some(body.to_string())),
            None => (Method::GET, None),
        }
    }
}
