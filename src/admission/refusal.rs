//! Why a request is refused: one value from the rule that was broken to the answer on the wire.

use std::time::Duration;

use serde_json::{Map, Value};

/// A request that is not served, and why.
///
/// `http::error` turns it into an `application/problem+json` answer.
#[derive(Clone, PartialEq, Debug)]
pub struct Refusal {
    /// HTTP status.
    pub status: u16,
    /// Stable name of the rule, for programs.
    pub code: &'static str,
    /// What is wrong and what to do, for a person.
    pub detail: String,
    /// Path of the offending field, such as `limits.run.memory_bytes` or `files[2].path`.
    pub field: Option<String>,
    /// When to come back, where coming back helps.
    pub retry_after: Option<Duration>,
    /// Further members of the answer, such as `maximum`.
    pub extras: Map<String, Value>,
}

impl Refusal {
    /// A refusal without field, retry time and extras.
    #[must_use]
    pub fn new(status: u16, code: &'static str, detail: impl Into<String>) -> Self {
        Self { status, code, detail: detail.into(), field: None, retry_after: None, extras: Map::new() }
    }

    /// With the path of the offending field.
    #[must_use]
    pub fn at(mut self, field: impl Into<String>) -> Self {
        self.field = Some(field.into());
        self
    }

    /// With its field beneath another: what was checked is a part of something larger.
    #[must_use]
    pub fn beneath(mut self, outer: &str) -> Self {
        self.field = Some(match self.field {
            Some(field) => format!("{outer}.{field}"),
            None => outer.to_owned(),
        });
        self
    }

    /// With a further member of the answer.
    #[must_use]
    pub fn with(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.extras.insert(name.to_owned(), value.into());
        self
    }

    /// 422 `invalid_value`: the value of `field` breaks a rule.
    #[must_use]
    pub fn invalid(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Self::new(422, "invalid_value", detail).at(field)
    }

    /// 422 `invalid_value`: more than `maximum`, which is told.
    #[must_use]
    pub fn above(field: impl Into<String>, detail: impl Into<String>, maximum: usize) -> Self {
        Self::invalid(field, detail).with("maximum", maximum)
    }

    /// 422 `unknown_blob`: `field` names a blob that is not there, or not any more.
    #[must_use]
    pub fn unknown_blob(field: impl Into<String>) -> Self {
        let detail = "there is no such blob; upload it with POST /v1/blobs, and submit again";
        Self::new(422, "unknown_blob", detail).at(field)
    }

    /// 422 `callback_refused`: nothing is sent to this URL.
    #[must_use]
    pub fn callback_refused(detail: impl Into<String>) -> Self {
        Self::new(422, "callback_refused", detail).at("callback_url")
    }

    /// 422 `unknown_language`, with the names most like it.
    #[must_use]
    pub fn unknown_language(name: &str, nearest: &[&str]) -> Self {
        let name: String = name.chars().take(SHOWN_CHARS_MAX).collect();
        let advice = match nearest {
            [] => "GET /v1/languages lists what there is".to_owned(),
            names => format!("did you mean {}?", names.join(", ")),
        };
        Self::new(422, "unknown_language", format!("there is no language '{}'; {advice}", name.escape_debug()))
            .at("language")
            .with("nearest", nearest.to_vec())
    }

    /// 422 `unknown_extension`: no language was named and the entry's extension tells none.
    #[must_use]
    pub fn unknown_extension(field: impl Into<String>, path: &str) -> Self {
        let path: String = path.chars().take(SHOWN_CHARS_MAX).collect();
        let detail = format!("the extension of '{}' tells no language; say the 'language'", path.escape_debug());
        Self::new(422, "unknown_extension", detail).at(field)
    }
}

/// Characters of a client's own word that a refusal repeats.
pub(super) const SHOWN_CHARS_MAX: usize = 64;
