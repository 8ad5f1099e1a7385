//! What a run has found: figures by name, tables by section, and everything as JSON.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value, json};

use super::Outcome;
use super::document;
use super::series::{Estimate, Samples};

/// Where it goes.
#[derive(Debug, Default)]
pub struct Report {
    /// By `PROGRAM.WAY.WHAT`; the targets are judged by these.
    pub figures: BTreeMap<String, Estimate>,
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
        self.estimate(name, value.map(Estimate::exact));
    }

    /// The same with how sure it is.
    pub fn estimate(&mut self, name: impl Into<String>, estimate: Option<Estimate>) {
        let is_whole = |e: &Estimate| [e.value, e.low, e.high].iter().all(|value| value.is_finite());
        if let Some(estimate) = estimate.filter(is_whole) {
            self.figures.insert(name.into(), estimate);
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
        let values: Map<String, Value> = self.figures.iter().map(|(name, e)| (name.clone(), json!(e.value))).collect();
        let sure = self.figures.iter().filter(|(_, e)| e.low < e.high);
        let intervals: Map<String, Value> = sure.map(|(name, e)| (name.clone(), json!([e.low, e.high]))).collect();
        json!({
            "machine": document::machine(),
            "command": self.command,
            "figures": values,
            "intervals": intervals,
            "raw_ms_or_as_named": self.raw,
        })
    }
}
