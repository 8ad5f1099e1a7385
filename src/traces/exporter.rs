//! Sends traces to the collector: OTLP over HTTP, as protobuf.
//!
//! ```text
//! queue ─▶ some traces together ─▶ POST ─┬─ taken
//!              ▲                         ├─ busy, away: again after a pause, a few times; the queue fills meanwhile
//!              └─────────────────────────┴─ refused: dropped, counted, said once in a while
//! ```

use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use opentelemetry_proto::tonic::collector::trace::v1::{ExportTraceServiceRequest, ExportTraceServiceResponse};
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::resource::v1::Resource;
use opentelemetry_proto::tonic::trace::v1::{ResourceSpans, ScopeSpans, Span};
use prost::Message as _;
use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::{Client, StatusCode, Url, redirect};
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::sync::CancellationToken;

use super::DROPPED;
use super::span::text;
use crate::config::TraceTarget;
use crate::metrics::Metrics;

/// Spans that are sent together, about.
const BATCH_SPANS: usize = 512;
/// Longest that a trace waits for others.
const BATCH_WAIT: Duration = Duration::from_secs(1);
/// Longest that the collector may take to answer.
const POST_TIMEOUT: Duration = Duration::from_secs(10);
/// Times that a batch is sent.
const TRIES_MAX: u32 = 4;
/// Pause before the second time; doubled for each further one.
const PAUSE: Duration = Duration::from_secs(1);
/// Longest that sending the rest may take at the end.
const END_TIMEOUT: Duration = Duration::from_secs(5);
/// Bytes of an answer that are read.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
/// Failures are said this often.
const SAY_EVERY: Duration = Duration::from_secs(60);

const FAILED: &str = DROPPED[2];
const REJECTED: &str = DROPPED[3];
const SHUTDOWN: &str = DROPPED[4];

/// There can be no exporter.
#[derive(Debug, thiserror::Error)]
pub enum ExporterError {
    /// TLS cannot be had.
    #[error("traces cannot be sent over TLS")]
    Tls(#[from] rustls::Error),
    /// The client cannot be made.
    #[error("no client for the collector of traces")]
    Client(#[from] reqwest::Error),
}

/// The task that sends.
#[derive(Debug)]
pub struct Exporter {
    waiting: mpsc::Receiver<Vec<Span>>,
    client: Client,
    url: Url,
    resource: Resource,
    metrics: Arc<Metrics>,
    said: Option<Instant>,
}

/// What became of a batch.
enum Sent {
    /// Taken, but for so many.
    Taken(u64),
    /// Not now.
    Later(String),
    /// Never.
    Refused(String),
}

impl Exporter {
    pub(super) fn new(
        target: TraceTarget,
        waiting: mpsc::Receiver<Vec<Span>>,
        metrics: Arc<Metrics>,
    ) -> Result<Self, ExporterError> {
        let TraceTarget { url, mut headers, ratio: _ } = target;
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-protobuf"));
        let tls = enclos_tls::client::config(enclos_tls::client::system_roots(), None)?;
        let client = enclos_tls::client::http(Some(&tls))
            .default_headers(headers)
            .redirect(redirect::Policy::none())
            .retry(reqwest::retry::never())
            .no_proxy()
            .timeout(POST_TIMEOUT)
            .build()?;
        let resource = Resource {
            attributes: vec![
                text("service.name", "enclos"),
                text("service.version", env!("CARGO_PKG_VERSION")),
                text("service.instance.id", uuid::Uuid::now_v7().to_string()),
            ],
            ..Resource::default()
        };
        Ok(Self { waiting, client, url, resource, metrics, said: None })
    }

    /// Sends until `stop`, then what is left, within a bound.
    pub async fn run(mut self, stop: CancellationToken) {
        loop {
            // Cancel-safe: a trace is taken out only when it is delivered.
            let first = tokio::select! {
                first = self.waiting.recv() => first,
                () = stop.cancelled() => break,
            };
            let Some(mut batch) = first else { return };
            let until = Instant::now() + BATCH_WAIT;
            while batch.len() < BATCH_SPANS {
                // Cancel-safe: as above.
                let next = tokio::select! {
                    next = timeout_at(until, self.waiting.recv()) => next,
                    () = stop.cancelled() => break,
                };
                let Ok(Some(more)) = next else { break };
                batch.extend(more);
            }
            self.export(batch, Some(&stop)).await;
        }
        self.waiting.close();
        let deadline = Instant::now() + END_TIMEOUT;
        let mut batch = Vec::new();
        loop {
            let next = self.waiting.try_recv().ok();
            let is_last = next.is_none();
            batch.extend(next.into_iter().flatten());
            if batch.len() >= BATCH_SPANS || (is_last && !batch.is_empty()) {
                let count = batch.len() as u64;
                if timeout_at(deadline, self.export(std::mem::take(&mut batch), None)).await.is_err() {
                    self.metrics.spans_dropped.add(SHUTDOWN, count);
                }
            }
            if is_last {
                return;
            }
        }
    }

    /// Sends a batch, again where that may help. With `stop`, one that waits for its next time at the end is sent at
    /// once, a last time.
    async fn export(&mut self, spans: Vec<Span>, stop: Option<&CancellationToken>) {
        let count = spans.len() as u64;
        let body = self.body(spans);
        let mut pause = PAUSE;
        for turn in 1..=TRIES_MAX {
            let why = match self.post(body.clone()).await {
                Sent::Taken(rejected) => {
                    let rejected = rejected.min(count);
                    self.metrics.spans_exported.add(count - rejected);
                    self.metrics.spans_dropped.add(REJECTED, rejected);
                    return;
                }
                Sent::Refused(why) => {
                    self.metrics.spans_dropped.add(FAILED, count);
                    return self.say(&why);
                }
                Sent::Later(why) => why,
            };
            let going_on = stop.filter(|stop| !stop.is_cancelled());
            let Some(stop) = going_on.filter(|_| turn < TRIES_MAX) else {
                self.metrics.spans_dropped.add(if going_on.is_none() { SHUTDOWN } else { FAILED }, count);
                return self.say(&why);
            };
            let _ = timeout(pause, stop.cancelled()).await;
            pause *= 2;
        }
    }

    fn body(&self, spans: Vec<Span>) -> Bytes {
        let scope = InstrumentationScope {
            name: "enclos".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            ..InstrumentationScope::default()
        };
        let scope_spans = vec![ScopeSpans { scope: Some(scope), spans, ..ScopeSpans::default() }];
        let of_us = ResourceSpans { resource: Some(self.resource.clone()), scope_spans, ..ResourceSpans::default() };
        ExportTraceServiceRequest { resource_spans: vec![of_us] }.encode_to_vec().into()
    }

    async fn post(&self, body: Bytes) -> Sent {
        let mut answer = match self.client.post(self.url.clone()).body(body).send().await {
            Ok(answer) => answer,
            // Its text may have the URL, which may have a key.
            Err(error) => return Sent::Later(error.without_url().to_string()),
        };
        let status = answer.status();
        // As the protocol says which are worth another time.
        let busy = [429, 502, 503, 504].map(|code| StatusCode::from_u16(code).ok());
        if busy.contains(&Some(status)) {
            return Sent::Later(format!("it answers {status}"));
        }
        if !status.is_success() {
            return Sent::Refused(format!("it answers {status}"));
        }
        let mut bytes = Vec::new();
        while let Ok(Some(piece)) = answer.chunk().await {
            bytes.extend_from_slice(&piece);
            if bytes.len() > ANSWER_BYTES_MAX {
                return Sent::Taken(0);
            }
        }
        let partial =
            ExportTraceServiceResponse::decode(bytes.as_slice()).ok().and_then(|answer| answer.partial_success);
        Sent::Taken(partial.and_then(|partial| u64::try_from(partial.rejected_spans).ok()).unwrap_or(0))
    }

    fn say(&mut self, why: &str) {
        if self.said.is_none_or(|said| said.elapsed() >= SAY_EVERY) {
            self.said = Some(Instant::now());
            tracing::warn!(why, "traces were dropped: the collector does not take them");
        }
    }
}

#[cfg(test)]
#[path = "exporter_tests.rs"]
mod tests;
