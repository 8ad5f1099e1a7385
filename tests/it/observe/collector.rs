//! A collector of traces: takes OTLP over HTTP, and keeps the spans.

use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::any_value::Value;
use opentelemetry_proto::tonic::trace::v1::Span;
use prost::Message as _;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::timeout;

/// Longest until a trace is there.
const TRACE_WAIT: Duration = Duration::from_secs(60);

/// What came.
#[derive(Clone, Default)]
pub struct Came {
    /// Spans, as they came.
    pub spans: Vec<Span>,
    /// Bodies as they came.
    pub bodies: Vec<Bytes>,
    /// Headers of each.
    pub headers: Vec<HeaderMap>,
    /// Attributes of what sent them.
    pub resource: Vec<(String, String)>,
}

/// The collector, until it is dropped.
pub struct Collector {
    /// Its endpoint.
    pub url: String,
    came: watch::Receiver<Came>,
    _serving: JoinSet<()>,
}

/// An attribute as text; empty where there is none.
pub fn attribute(span: &Span, key: &str) -> String {
    let value = span.attributes.iter().find(|attribute| attribute.key == key).and_then(|a| a.value.clone()?.value);
    value.map(|value| text(&value)).unwrap_or_default()
}

fn text(value: &Value) -> String {
    match value {
        Value::StringValue(text) => text.clone(),
        Value::IntValue(number) => number.to_string(),
        Value::BoolValue(is_so) => is_so.to_string(),
        other => panic!("no attribute of ours is {other:?}"),
    }
}

impl Collector {
    /// Starts one.
    pub async fn start() -> Self {
        let (sender, came) = watch::channel(Came::default());
        let take = |State(sender): State<watch::Sender<Came>>, headers: HeaderMap, body: Bytes| async move {
            let request = ExportTraceServiceRequest::decode(body.clone()).expect("it is OTLP");
            sender.send_modify(|came| {
                for of_us in request.resource_spans {
                    let attributes = of_us.resource.expect("it says who it is").attributes;
                    let named = attributes.into_iter().map(|a| (a.key, a.value.and_then(|v| v.value)));
                    came.resource =
                        named.map(|(key, value)| (key, value.map(|v| text(&v)).unwrap_or_default())).collect();
                    came.spans.extend(of_us.scope_spans.into_iter().flat_map(|scope| scope.spans));
                }
                came.bodies.push(body);
                came.headers.push(headers);
            });
            ExportTraceServiceResponse::default().encode_to_vec()
        };
        let router = Router::new().route("/v1/traces", post(take)).with_state(sender);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback has a free port");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let mut serving = JoinSet::new();
        serving.spawn(async move { axum::serve(listener, router).await.expect("it serves") });
        Self { url, came, _serving: serving }
    }

    /// What came so far.
    pub fn came(&self) -> Came {
        self.came.borrow().clone()
    }

    /// Spans of the trace of this job, when they are there; a trace comes whole.
    pub async fn trace_of(&mut self, job: &str) -> Vec<Span> {
        let find = |came: &Came| came.spans.iter().find(|s| attribute(s, "enclos.job") == job).cloned();
        let came = timeout(TRACE_WAIT, self.came.wait_for(|came| find(came).is_some())).await;
        let came = came.expect("the trace comes").expect("the collector serves");
        let first = find(&came).expect("it was waited for");
        // Others may be children of the same client.
        let mut own = vec![first.span_id.clone()];
        let mut spans = vec![first];
        while let Some(parent) = own.pop() {
            for span in came.spans.iter().filter(|span| span.parent_span_id == parent) {
                own.push(span.span_id.clone());
                spans.push(span.clone());
            }
        }
        spans
    }
}
