//! What each kind of browser does in a way of its own.

use std::path::Path;

use base64::{Engine, engine::general_purpose::STANDARD};
use fantoccini::wd::Capabilities;
use serde_json::{Value, json};

use super::{Browser, save};
use crate::{chromium, command::Command, firefox, harness::process::Process};

#[derive(Clone, Copy)]
pub(super) enum Kind {
    Chromium,
    Firefox,
}

impl Kind {
    pub(super) fn start_driver(self) -> (Process, String) {
        match self {
            Self::Chromium => chromium::start_driver(),
            Self::Firefox => firefox::start_driver(),
        }
    }

    pub(super) fn capabilities(self, profile: &Path) -> Capabilities {
        match self {
            Self::Chromium => chromium::capabilities(profile),
            Self::Firefox => firefox::capabilities(profile),
        }
    }
}

impl Browser {
    /// Makes the tab's page so many CSS pixels wide.
    pub(crate) fn set_width(&self, width: u32) {
        let size = json!({"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": false});
        match self.kind {
            Kind::Chromium => self.devtools("Emulation.setDeviceMetricsOverride", size),
            Kind::Firefox => self.within(firefox::WIDTH, json!(width)),
        };
    }

    /// Has the tab prefer the colours `light` or `dark`, and no motion: while a
    /// colour passes into another one, both are hard to read.
    pub(crate) fn set_scheme(&self, scheme: &str) {
        let features = json!([
            {"name": "prefers-color-scheme", "value": scheme},
            {"name": "prefers-reduced-motion", "value": "reduce"},
        ]);
        let media = json!({"features": features});
        match self.kind {
            Kind::Chromium => self.devtools("Emulation.setEmulatedMedia", media),
            Kind::Firefox => self.within(firefox::SCHEME, json!(scheme)),
        };
    }

    /// Switches the tab's scripts off.
    pub(crate) fn set_script_off(&self) {
        let off = json!({"value": true});
        match self.kind {
            Kind::Chromium => self.devtools("Emulation.setScriptExecutionDisabled", off),
            Kind::Firefox => self.within(firefox::SCRIPT_OFF, Value::Null),
        };
    }

    /// Runs a script in each page that is opened from now on, before its own.
    pub(crate) fn prepare(&self, script: &str) {
        let source = json!({"source": script});
        match self.kind {
            Kind::Chromium => self.devtools("Page.addScriptToEvaluateOnNewDocument", source),
            Kind::Firefox => self.within(firefox::PREPARE, json!(script)),
        };
    }

    /// Has what the tab loads come bit by bit, so many bytes in a second: in Chromium
    /// alone.
    pub(crate) fn set_speed(&self, speed: u32) {
        let network = json!({
            "offline": false, "latency": 0, "downloadThroughput": speed, "uploadThroughput": -1,
        });
        self.devtools("Network.enable", json!({}));
        self.devtools("Network.emulateNetworkConditions", network);
    }

    /// Moves the pointer over an element, to a part of its width: in Chromium
    /// alone.
    pub(crate) fn point_at(&self, css: &str, part: f64) {
        let place = self.execute(&format!(
            "const element = document.querySelector('{css}');
            element.scrollIntoView({{ block: 'center' }});
            const {{ x, y, width, height }} = element.getBoundingClientRect();
            return {{ type: 'mouseMoved', x: x + {part} * width, y: y + height / 2 }}"
        ));
        self.devtools("Input.dispatchMouseEvent", place);
    }

    /// Saves the whole page as it is to be seen.
    pub(crate) fn screenshot(&self, name: &str) {
        let png = match self.kind {
            Kind::Chromium => {
                let metrics = self.devtools("Page.getLayoutMetrics", json!({}));
                let mut clip = metrics["cssContentSize"].clone();
                clip["scale"] = json!(1);
                let whole = json!({"captureBeyondViewport": true, "clip": clip});
                self.devtools("Page.captureScreenshot", whole)["data"].take()
            }
            Kind::Firefox => self.issue(firefox::screenshot()),
        };
        save(name, &STANDARD.decode(png.as_str().unwrap()).unwrap());
    }

    /// What the console of the tab has been told since it was last asked:
    /// scripts' words and errors, failed requests, and violations of policies.
    /// Firefox tells neither scripts' words nor failed requests.
    pub(crate) fn console(&self) -> Vec<String> {
        let lines = match self.kind {
            Kind::Chromium => self.issue(chromium::console()),
            Kind::Firefox => self.within(firefox::CONSOLE, Value::Null),
        };
        let lines = lines.as_array().unwrap().iter();
        lines
            .map(|line| line["message"].as_str().unwrap())
            // Chromium's own page, the one of a tab that nobody has used yet.
            .filter(|line| !line.starts_with("chrome://"))
            .map(str::to_owned)
            .collect()
    }

    /// Sends a command of Chromium's developer tools to the tab.
    fn devtools(&self, command: &str, parameters: Value) -> Value {
        self.issue(chromium::devtools(command, parameters))
    }

    /// Runs the body of a function within Firefox itself, where it may do anything.
    fn within(&self, script: &str, argument: Value) -> Value {
        self.issue(firefox::scope("chrome"));
        let value = self.run(self.client.execute(script, vec![argument]));
        self.issue(firefox::scope("content"));
        value
    }

    fn issue(&self, command: Command) -> Value {
        self.run(self.client.issue_cmd(command))
    }
}
