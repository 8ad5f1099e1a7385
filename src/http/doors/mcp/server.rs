//! What rmcp asks of a server: who we are, which tools there are, and a call of one of them.

use std::net::IpAddr;
use std::sync::Arc;

use axum::http::request::Parts;
use rmcp::ServerHandler;
use rmcp::model::{
    CacheScope, CallToolRequestParams, CallToolResponse, CallToolResult, ContentBlock, ErrorData, Implementation,
    ListToolsResult, NumberOrString, PaginatedRequestParams, RequestId, ServerCapabilities, ServerConfig, Tool,
};
use rmcp::service::{RequestContext, RoleServer};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio_util::sync::CancellationToken;

use super::asked::{RunCode, RunTests};
use super::call::{Call, Teller, note_refusal};
use super::calls::Calls;
use super::told::{RunResult, TestResult};
use super::tools::{self, Name};
use super::{Visit, languages, output, refused, text};
use crate::admission::{Refusal, Submission, strict_json};
use crate::gate::Caller;
use crate::http::wire::{Job, OutcomeName};
use crate::http::{Api, error};
use crate::listen::Peer;

/// How long a client may take the list of tools for the same, in milliseconds.
const TOOLS_TTL_MS: u64 = 300_000;

/// Longest id of a request and progress token, in bytes: both are held for as long as a call runs.
const ID_BYTES_MAX: usize = 256;

/// Serves one request; rmcp takes a new one for each.
#[derive(Clone)]
pub(super) struct Server {
    api: Arc<Api>,
    calls: Arc<Calls>,
    tools: Arc<[Tool]>,
}

/// What of a request outlives the reading of its arguments: the rest of it may be large.
struct Heard {
    id: RequestId,
    parts: Parts,
    cancelled: CancellationToken,
    teller: Option<Teller>,
}

impl Heard {
    fn of(context: RequestContext<RoleServer>) -> Result<Self, ErrorData> {
        let token = context.meta.get_progress_token();
        if is_long(&context.id) || token.as_ref().is_some_and(|token| is_long(&token.0)) {
            let said = format!("an id or progress token has at most {ID_BYTES_MAX} bytes");
            return Err(ErrorData::invalid_params(said, None));
        }
        let parts = context.extensions.get::<Parts>().cloned();
        Ok(Self {
            id: context.id,
            parts: parts.ok_or_else(|| ErrorData::internal_error("the request has no head", None))?,
            cancelled: context.ct,
            teller: token.map(|token| Teller::new(context.peer, token)),
        })
    }
}

fn is_long(id: &NumberOrString) -> bool {
    matches!(id, NumberOrString::String(text) if text.len() > ID_BYTES_MAX)
}

/// The tool that is called and its arguments as they came.
fn called(request: CallToolRequestParams) -> Result<(Name, Vec<u8>), ErrorData> {
    let Some(name) = Name::ALL.into_iter().find(|tool| tool.as_str() == request.name) else {
        return Err(ErrorData::invalid_params("there is no such tool; tools/list tells which there are", None));
    };
    let arguments = serde_json::to_vec(&request.arguments.unwrap_or_default());
    arguments.map(|arguments| (name, arguments)).map_err(|_| ErrorData::internal_error("no arguments", None))
}

/// What a tool tells.
struct Told {
    text: String,
    structured: Value,
    /// It did not do what it is for.
    failed: bool,
}

impl Told {
    fn new(text: String, structured: &impl Serialize, failed: bool) -> Result<Self, Refusal> {
        let structured = serde_json::to_value(structured).map_err(|_| error::internal())?;
        Ok(Self { text, structured, failed })
    }

    fn of_run(job: &Job) -> Result<Self, Refusal> {
        let result = RunResult::of(job);
        Self::new(text::of_run(&result), &result, is_ours(job))
    }

    fn of_tests(job: &Job) -> Result<Self, Refusal> {
        let result = TestResult::of(job);
        Self::new(text::of_tests(&result), &result, is_ours(job))
    }
}

impl Server {
    pub(super) fn new(api: Arc<Api>, calls: Arc<Calls>) -> Self {
        Self { api, calls, tools: tools::all().into() }
    }

    async fn serve(&self, name: Name, arguments: Vec<u8>, heard: Heard) -> Result<Told, Refusal> {
        let caller = heard.parts.extensions.get::<Caller>().cloned().ok_or_else(error::internal)?;
        if !caller.may(name.scope()) {
            note_refusal(&self.api, &caller, address(&heard.parts)).await;
            return Err(error::missing_scope(name.scope()));
        }
        match name {
            Name::RunCode => {
                let submission = read::<RunCode>(&arguments)?.submission();
                drop(arguments);
                self.run(submission, caller, heard, Told::of_run).await
            }
            Name::RunTests => {
                let submission = read::<RunTests>(&arguments)?.submission()?;
                drop(arguments);
                self.run(submission, caller, heard, Told::of_tests).await
            }
            Name::ReadOutput => {
                let part = output::read(&self.api, &caller, read(&arguments)?).await?;
                Told::new(output::text(&part), &part, false)
            }
            Name::ListLanguages => {
                let list = languages::list(&self.api, &caller, read(&arguments)?).await?;
                Told::new(languages::text(&list), &list, false)
            }
        }
    }

    /// Runs a job in a task of its own, which shutdown waits for.
    async fn run(
        &self,
        submission: Submission,
        caller: Caller,
        heard: Heard,
        tell: fn(&Job) -> Result<Told, Refusal>,
    ) -> Result<Told, Refusal> {
        let Heard { id, parts, cancelled, teller } = heard;
        let session = parts.extensions.get::<Visit>().and_then(|visit| visit.session.as_ref());
        let begun = self.calls.begin(&caller.tenant, session, id);
        let (api, from, left) = (Arc::clone(&self.api), address(&parts), begun.left().clone());
        let call = Call { api, caller, from, left, teller };
        let mut task = self.api.conversations.spawn(call.run(submission, tell));
        // Where this is dropped, `begun` goes with it and the task hears of that.
        let ended = tokio::select! {
            ended = &mut task => ended,
            () = cancelled.cancelled() => {
                begun.left().cancel();
                task.await
            }
        };
        ended.unwrap_or_else(|_| Err(error::internal()))?
    }
}

/// Enclos failed, or the job was cancelled: not what the program did.
fn is_ours(job: &Job) -> bool {
    matches!(job.outcome, Some(OutcomeName::InternalError | OutcomeName::Cancelled))
}

fn address(parts: &Parts) -> Option<IpAddr> {
    parts.extensions.get::<Peer>().map(|peer| peer.0.to_canonical())
}

/// The arguments of a tool, strictly.
fn read<T: DeserializeOwned>(arguments: &[u8]) -> Result<T, Refusal> {
    strict_json(arguments)
}

impl ServerHandler for Server {
    fn get_info(&self) -> ServerConfig {
        let us = Implementation::new("enclos", env!("CARGO_PKG_VERSION")).with_title("Enclos");
        ServerConfig::new(ServerCapabilities::builder().enable_tools().build())
            .with_server_info(us)
            .with_instructions(tools::INSTRUCTIONS)
    }

    async fn list_tools(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListToolsResult, ErrorData> {
        let all = ListToolsResult::with_all_items(self.tools.to_vec());
        Ok(all.with_ttl_ms(TOOLS_TTL_MS).with_cache_scope(CacheScope::Private))
    }

    fn get_tool(&self, name: &str) -> Option<Tool> {
        self.tools.iter().find(|tool| tool.name == name).cloned()
    }

    async fn call_tool(
        &self,
        request: CallToolRequestParams,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        let (name, arguments) = called(request)?;
        let heard = Heard::of(context)?;
        heard.parts.extensions.get::<Visit>().into_iter().for_each(Visit::has_read);
        let result = match self.serve(name, arguments, heard).await {
            Ok(Told { text, structured, failed }) => {
                let content = vec![ContentBlock::text(text)];
                let mut told = if failed { CallToolResult::error(content) } else { CallToolResult::success(content) };
                told.structured_content = Some(structured);
                told
            }
            Err(refusal) => CallToolResult::error(vec![ContentBlock::text(refused::text(&refusal))]),
        };
        Ok(result.into())
    }
}
