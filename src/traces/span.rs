//! Spans in the words of OTLP.

use std::time::Instant;

use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::common::v1::{AnyValue, KeyValue};
use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;
use opentelemetry_proto::tonic::trace::v1::{Span, Status};

use super::clock::Clock;

/// Id of a span.
pub(super) type SpanId = [u8; 8];

/// A new id.
pub(super) fn new_id() -> SpanId {
    rand::random()
}

/// A span that is over, its times by the monotonic clock.
#[derive(Clone, Debug)]
pub(super) struct Stage {
    pub(super) id: SpanId,
    pub(super) parent: Option<SpanId>,
    pub(super) name: &'static str,
    pub(super) from: Instant,
    pub(super) to: Instant,
    pub(super) attributes: Vec<KeyValue>,
    /// Enclos failed; what a program does is no failure.
    pub(super) failed: bool,
}

impl Stage {
    /// A stage of `parent`, without attributes.
    pub(super) fn of(parent: SpanId, name: &'static str, from: Instant, to: Instant) -> Self {
        Self { id: new_id(), parent: Some(parent), name, from, to, attributes: Vec::new(), failed: false }
    }

    /// With an attribute.
    pub(super) fn with(mut self, attribute: KeyValue) -> Self {
        self.attributes.push(attribute);
        self
    }

    /// As it is sent. The one span of a trace that serves a request is its first.
    pub(super) fn span(self, trace: [u8; 16], first: SpanId, clock: &Clock) -> Span {
        let Self { id, parent, name, from, to, attributes, failed } = self;
        let kind = if id == first { SpanKind::Server } else { SpanKind::Internal };
        let code = if failed { StatusCode::Error } else { StatusCode::Unset };
        Span {
            trace_id: trace.to_vec(),
            span_id: id.to_vec(),
            parent_span_id: parent.map(Vec::from).unwrap_or_default(),
            name: name.to_owned(),
            kind: kind as i32,
            start_time_unix_nano: clock.nanos(from),
            end_time_unix_nano: clock.nanos(to),
            attributes,
            status: Some(Status { message: String::new(), code: code as i32 }),
            ..Span::default()
        }
    }
}

/// An attribute that is a text.
pub(super) fn text(key: &str, value: impl Into<String>) -> KeyValue {
    attribute(key, Value::StringValue(value.into()))
}

/// An attribute that is a number.
pub(super) fn number(key: &str, value: u64) -> KeyValue {
    attribute(key, Value::IntValue(i64::try_from(value).unwrap_or(i64::MAX)))
}

/// An attribute that is so or not.
pub(super) fn flag(key: &str, value: bool) -> KeyValue {
    attribute(key, Value::BoolValue(value))
}

fn attribute(key: &str, value: Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}
