//! What a run has found: figures by name, tables by section, and everything as JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::Outcome;
use super::document;
use super::series::Samples;

/// Where it goes.
#[derive(Debug, Default)]
pub struct Report {
    /// By `PROGRAM.WAY.WHAT`; the targets are judged by these.
    pub figures: BTreeMap<String, f64>,
    raw: Map<String, Value>,
    document: Option<PathBuf>,
    command: String,
}

impl Report {
    /// One that is written into `document` where there is one, as measured by `command`.
    pub fn new(document: Option<PathBuf>, command: String) -> Self {
        Self { document, command, ..Self::default() }
    }

    /// Notes a figure, where there is one; what is no number is none.
    pub fn figure(&mut self, name: impl Into<String>, value: Option<f64>) {
        if let Some(value) = value.filter(|value| value.is_finite()) {
            self.figures.insert(name.into(), value);
        }
    }

    /// Keeps every time of a series.
    pub fn keep(&mut self, name: &str, samples: &Samples) {
        self.raw.insert(name.to_owned(), json!(samples.all()));
    }

    /// Keeps any other value.
    pub fn keep_value(&mut self, name: &str, value: Value) {
        self.raw.insert(name.to_owned(), value);
    }

    /// Shows a section, and writes it where it belongs.
    ///
    /// # Errors
    /// The document cannot be written, or has no such section.
    pub fn section(&self, name: &str, body: &str) -> Outcome<()> {
        println!("## {name}\n\n{body}");
        match &self.document {
            Some(path) => document::write(path, name, &self.command, body),
            None => Ok(()),
        }
    }

    /// All of it as one document.
    pub fn json(&self) -> Value {
        json!({
            "machine": document::machine(),
            "command": self.command,
            "figures": self.figures,
            "raw_ms_or_as_named": self.raw,
        })
    }
}
