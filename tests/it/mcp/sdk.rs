//! The client of the official Rust SDK (`rmcp`).

use rmcp::model::{
    CallToolRequest, CallToolRequestParams, CallToolResult, ClientConfig, ClientRequest, ProgressNotificationParam,
    ProtocolVersion,
};
use rmcp::service::{NotificationContext, PeerRequestOptions, RoleClient, RunningService};
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::streamable_http_client::StreamableHttpClientTransportConfig;
use rmcp::{ClientHandler, ClientLifecycleMode, ClientServiceExt as _};
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio::time::timeout;

use super::{MODES, cluster, newest_ends, url};
use crate::cluster::JOB_WAIT;
use crate::keys::Keyed;

const LOOP: &str = "while True: pass";

/// A client that hands on what it is told of its calls.
struct Watching(mpsc::UnboundedSender<String>);

impl ClientHandler for Watching {
    async fn on_progress(&self, told: ProgressNotificationParam, _: NotificationContext<RoleClient>) {
        // Who has seen enough does not listen any more.
        let _ = self.0.send(told.message.unwrap_or_default());
    }

    fn get_info(&self) -> ClientConfig {
        ClientConfig::default()
    }
}

struct Sdk {
    service: RunningService<RoleClient, Watching>,
    told: mpsc::UnboundedReceiver<String>,
}

impl Sdk {
    async fn connect(keyed: &Keyed, key: Option<&str>, mode: &str) -> Result<Self, String> {
        let mut config = StreamableHttpClientTransportConfig::with_uri(url(keyed));
        if let Some(key) = key {
            config = config.auth_header(key);
        }
        let lifecycle = match mode {
            "legacy" => ClientLifecycleMode::Initialize,
            _ => ClientLifecycleMode::Discover { preferred_versions: vec![ProtocolVersion::V_2026_07_28] },
        };
        let transport = StreamableHttpClientTransport::with_client(keyed.0.http.clone(), config);
        let (teller, told) = mpsc::unbounded_channel();
        let service = timeout(JOB_WAIT, Watching(teller).serve_with_lifecycle(transport, lifecycle)).await;
        let service = service.expect("it is answered").map_err(|error| format!("{error:?}"))?;
        Ok(Self { service, told })
    }

    async fn call(&self, tool: &'static str, arguments: &Value) -> CallToolResult {
        let called = self.service.call_tool(params(tool, arguments));
        timeout(JOB_WAIT, called).await.expect("it is answered").expect("it is a result")
    }
}

fn params(tool: &'static str, arguments: &Value) -> CallToolRequestParams {
    CallToolRequestParams::new(tool).with_arguments(arguments.as_object().expect("an object").clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn the_client_of_the_sdk_lists_calls_sees_progress_and_cancels_a_loop() {
    let (keyed, key) = cluster().await;
    for mode in MODES {
        let refused = Sdk::connect(&keyed, None, mode).await.err().expect("nobody is let in without a key");
        assert!(refused.contains("401") || refused.contains("Bearer realm"), "{mode}: {refused}");

        let mut sdk = Sdk::connect(&keyed, Some(&key), mode).await.expect("it is let in");
        let tools = sdk.service.list_all_tools().await.expect("they are listed");
        assert_eq!(tools.len(), 4);
        assert!(tools.iter().all(|tool| tool.output_schema.is_some()));
        let hello = json!({ "language": "c", "code": "#include <stdio.h>\nint main(void) { puts(\"hi\"); }" });
        let result = sdk.call("run_code", &hello).await;
        let told = result.structured_content.expect("it has structure");
        assert_eq!((&told["outcome"], &told["run"]["stdout"]["text"]), (&json!("ok"), &json!("hi\n")), "{told:#}");
        let wrong = sdk.call("run_code", &json!({ "language": "c", "code": "int main(void) { return x; }" })).await;
        let told = wrong.structured_content.expect("it has structure");
        assert_eq!(told["outcome"], "compile_error", "{told:#}");
        assert!(told["compile"]["stderr"]["text"].as_str().is_some_and(|said| said.contains("undeclared")), "{told:#}");

        while sdk.told.try_recv().is_ok() {}
        let arguments =
            json!({ "language": "python", "code": LOOP, "limits": { "cpu_ms": 10_000, "wall_ms": 20_000 } });
        let request = ClientRequest::CallToolRequest(CallToolRequest::new(params("run_code", &arguments)));
        let call = sdk.service.send_cancellable_request(request, PeerRequestOptions::no_options()).await;
        let call = call.expect("it is sent");
        let runs = async { while sdk.told.recv().await.expect("it goes on") != "running" {} };
        timeout(JOB_WAIT, runs).await.expect("it runs");
        call.cancel(Some("seen enough".to_owned())).await.expect("it is told");
        newest_ends(&keyed, &key, "cancelled").await;
        sdk.service.cancel().await.expect("it ends");
    }
    let reader = keyed.key("acme", "read").await;
    let sdk = Sdk::connect(&keyed, Some(&reader), MODES[1]).await.expect("it is let in");
    let call = sdk.service.call_tool(params("run_code", &json!({ "language": "c", "code": "" })));
    let refused = timeout(JOB_WAIT, call).await.expect("it is answered");
    assert!(format!("{refused:?}").contains("missing_scope"), "{refused:?}");
    let book = keyed.0.data().join("data").join("audit-jobs.jsonl");
    let is_noted = async || {
        let text = std::fs::read_to_string(&book).unwrap_or_default();
        text.lines().any(|line| line.contains("POST /mcp") && line.contains("\"403\""))
    };
    keyed.0.eventually("the refusal is written down", is_noted).await;
    sdk.service.cancel().await.expect("it ends");
    let agent = &keyed.0.agents[0].name;
    let operator = keyed.key("acme", "operate").await;
    let listed = keyed.parts(&operator, reqwest::Method::GET, "/v1/agents", None).await.1;
    let agents = listed["agents"].as_array().expect("a list");
    let running = agents.iter().find(|listed| listed["name"] == **agent).expect("it is listed");
    assert_eq!(running["running"], 0, "nothing of the loops is left: {running:#}");
    keyed.0.shutdown().await;
}
