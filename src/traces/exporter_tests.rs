//! The exporter, against a collector that answers as it is told.

use std::collections::VecDeque;
use std::sync::Mutex;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::routing::post;
use opentelemetry_proto::tonic::collector::trace::v1::ExportTracePartialSuccess;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::*;

/// Longest that anything may take; only a failure waits so long.
const LONG: Duration = Duration::from_secs(60);

/// What a collector answers next, and what it was sent.
#[derive(Default)]
struct Script {
    /// Statuses, then 200.
    statuses: VecDeque<u16>,
    rejected: i64,
    asked: Vec<(HeaderMap, usize)>,
}

struct Served {
    script: Arc<Mutex<Script>>,
    metrics: Arc<Metrics>,
    traces: mpsc::Sender<Vec<Span>>,
    stop: CancellationToken,
    tasks: JoinSet<()>,
}

impl Served {
    async fn new(statuses: &[u16], rejected: i64) -> Self {
        let script = Script { statuses: statuses.iter().copied().collect(), rejected, ..Script::default() };
        let script = Arc::new(Mutex::new(script));
        let answer = |State(script): State<Arc<Mutex<Script>>>, headers: HeaderMap, body: Bytes| async move {
            let mut script = script.lock().unwrap();
            let request = ExportTraceServiceRequest::decode(body).unwrap();
            script.asked.push((headers, request.resource_spans[0].scope_spans[0].spans.len()));
            let status = script.statuses.pop_front().unwrap_or(200);
            let partial_success = Some(ExportTracePartialSuccess {
                rejected_spans: script.rejected,
                ..ExportTracePartialSuccess::default()
            });
            (StatusCode::from_u16(status).unwrap(), ExportTraceServiceResponse { partial_success }.encode_to_vec())
        };
        let router = Router::new().route("/v1/traces", post(answer)).with_state(Arc::clone(&script));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/v1/traces", listener.local_addr().unwrap()).parse().unwrap();
        let headers = HeaderMap::from_iter([("x-team".parse().unwrap(), HeaderValue::from_static("a"))]);
        let (metrics, stop) = (Arc::<Metrics>::default(), CancellationToken::new());
        let (traces, waiting) = mpsc::channel(8);
        let exporter = Exporter::new(TraceTarget { url, headers, ratio: 1.0 }, waiting, Arc::clone(&metrics)).unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move { axum::serve(listener, router).await.unwrap() });
        tasks.spawn(exporter.run(stop.clone()));
        Self { script, metrics, traces, stop, tasks }
    }

    async fn send(&self, spans: usize) {
        self.traces.send(vec![Span::default(); spans]).await.unwrap();
    }

    /// Ends the exporter; the tries of which it made, by their number of spans.
    async fn end(mut self) -> Vec<usize> {
        self.stop.cancel();
        // The collector serves for ever.
        timeout(LONG, self.tasks.join_next()).await.unwrap().unwrap().unwrap();
        let asked = &self.script.lock().unwrap().asked;
        assert!(asked.iter().all(|(h, _)| h["x-team"] == "a" && h["content-type"] == "application/x-protobuf"));
        asked.iter().map(|(_, spans)| *spans).collect()
    }

    fn dropped(&self, reason: &str) -> u64 {
        self.metrics.spans_dropped.values().into_iter().find(|(of, _)| *of == reason).map_or(0, |(_, n)| n)
    }

    /// Waits until as many spans are accounted for.
    async fn settled(&self, spans: u64) {
        let all = || {
            let dropped: u64 = self.metrics.spans_dropped.values().iter().map(|(_, n)| n).sum();
            dropped + self.metrics.spans_exported.value()
        };
        let begun = Instant::now();
        while all() < spans {
            assert!(begun.elapsed() < LONG, "{} of {spans}", all());
            tokio::task::yield_now().await;
        }
    }
}

#[tokio::test]
async fn a_collector_that_is_busy_is_asked_again() {
    let served = Served::new(&[503, 429], 0).await;
    served.send(3).await;
    served.settled(3).await;
    assert_eq!((served.metrics.spans_exported.value(), served.dropped(FAILED)), (3, 0));
    assert_eq!(served.end().await, [3, 3, 3]);
}

#[tokio::test]
async fn what_is_refused_is_dropped_and_counted_and_the_next_is_sent() {
    let served = Served::new(&[400], 0).await;
    served.send(3).await;
    served.settled(3).await;
    served.send(2).await;
    served.settled(5).await;
    assert_eq!((served.metrics.spans_exported.value(), served.dropped(FAILED)), (2, 3));
    assert_eq!(served.end().await, [3, 2]);
}

#[tokio::test]
async fn spans_that_a_collector_did_not_take_are_counted() {
    let served = Served::new(&[], 2).await;
    served.send(3).await;
    served.settled(3).await;
    assert_eq!((served.metrics.spans_exported.value(), served.dropped(REJECTED)), (1, 2));
    served.end().await;
}

#[tokio::test]
async fn at_the_end_the_rest_is_sent_once() {
    let served = Served::new(&[503; 9], 0).await;
    served.send(3).await;
    served.send(4).await;
    let metrics = Arc::clone(&served.metrics);
    let tries = served.end().await;
    assert!(tries.len() <= 2, "{tries:?}");
    assert_eq!(metrics.spans_dropped.values(), [(SHUTDOWN, 7)]);
}
