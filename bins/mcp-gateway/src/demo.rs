//! Built-in demonstration server.
//!
//! It has one of each kind of feature: tools that respond immediately, report progress and request
//! input, a resource, a resource template, and a prompt.

mod question;
mod resources;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use chrono::{FixedOffset, SecondsFormat, Utc};
use mcp_gateway_core::runtime::InProcess;
use mcp_gateway_core::upstream::RuntimeBackend;
use rmcp::handler::server::router::prompt::PromptRouter;
use rmcp::handler::server::router::tool::ToolRouter;
use rmcp::handler::server::tool::InputResponses;
use rmcp::handler::server::wrapper::{Json, Parameters};
use rmcp::model::{
    CallToolResponse, CallToolResult, ContentBlock, Implementation, ListResourceTemplatesResult,
    ListResourcesResult, PaginatedRequestParams, ProgressNotificationParam, PromptMessage,
    ReadResourceRequestParams, ReadResourceResponse, Role, ServerCapabilities, ServerConfig,
};
use rmcp::service::{RequestContext, ServerInitializeError};
use rmcp::{
    ErrorData, RoleServer, ServerHandler, ServiceExt, prompt, prompt_handler, prompt_router, tool,
    tool_handler, tool_router,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time;

/// Returns a backend that runs the demo in this process.
pub(crate) fn backend() -> Arc<dyn RuntimeBackend> {
    Arc::new(InProcess::new(|stream| async move {
        let (reader, writer) = tokio::io::split(stream);
        Ok(serve(reader, writer).await?)
    }))
}

/// Serves the demo to the client of `reader` and `writer` until the client disconnects.
///
/// # Errors
///
/// Fails if the handshake fails, or if writing to the client fails.
pub(crate) async fn serve(
    reader: impl AsyncRead + Send + Unpin + 'static,
    writer: impl AsyncWrite + Send + Unpin + 'static,
) -> io::Result<()> {
    serve_boxed(Box::new(reader), Box::new(writer)).await
}

/// Serves the demo to the client of `reader` and `writer`, with one copy of the code of `rmcp`.
async fn serve_boxed(reader: BoxReader, writer: BoxWriter) -> io::Result<()> {
    match Demo::new().serve((reader, writer)).await {
        Ok(running) => running.waiting().await.map(drop).map_err(io::Error::other),
        Err(ServerInitializeError::ConnectionClosed(_)) => Ok(()),
        Err(error) => Err(io::Error::other(error)),
    }
}

type BoxReader = Box<dyn AsyncRead + Send + Unpin>;
type BoxWriter = Box<dyn AsyncWrite + Send + Unpin>;

#[derive(Clone, Debug)]
struct Demo {
    tools: ToolRouter<Self>,
    prompts: PromptRouter<Self>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Text {
    /// Text to return
    text: String,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Numbers {
    /// The first number
    a: f64,
    /// The second number
    b: f64,
}

#[derive(Debug, JsonSchema, Serialize)]
struct Sum {
    /// The sum of both numbers
    sum: f64,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Offset {
    /// UTC offset, such as +02:00
    offset: Option<String>,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Wait {
    /// Seconds, up to 60
    #[schemars(range(min = 0.0, max = 60.0))]
    seconds: f64,
}

#[derive(Debug, Deserialize, JsonSchema)]
struct Topic {
    /// Topic to explain
    topic: String,
}

#[tool_router]
impl Demo {
    fn new() -> Self {
        Self {
            tools: Self::tool_router(),
            prompts: Self::prompt_router(),
        }
    }

    #[tool(
        description = "Returns a text unchanged",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    fn echo(&self, Parameters(Text { text }): Parameters<Text>) -> String {
        text
    }

    #[tool(
        description = "Adds two numbers",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    fn add(&self, Parameters(Numbers { a, b }): Parameters<Numbers>) -> Json<Sum> {
        Json(Sum { sum: a + b })
    }

    #[tool(
        description = "Returns the current time",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    fn current_time(&self, Parameters(Offset { offset }): Parameters<Offset>) -> CallToolResult {
        let offset = offset.as_deref().unwrap_or("+00:00").parse::<FixedOffset>();
        match offset {
            Ok(offset) => {
                let now = Utc::now().with_timezone(&offset);
                let now = now.to_rfc3339_opts(SecondsFormat::Secs, true);
                CallToolResult::success(vec![ContentBlock::text(now)])
            }
            Err(_) => CallToolResult::error(vec![ContentBlock::text(
                "The offset must have the form +02:00",
            )]),
        }
    }

    #[tool(
        description = "Waits for some seconds and reports progress",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    async fn wait(
        &self,
        Parameters(Wait { seconds }): Parameters<Wait>,
        context: RequestContext<RoleServer>,
    ) -> Result<String, ErrorData> {
        let seconds = seconds.clamp(0.0, MAX_WAIT);
        let step = Duration::from_secs_f64(seconds / f64::from(STEPS));
        for done in 1..=STEPS {
            tokio::select! {
                () = time::sleep(step) => {}
                () = context.ct.cancelled() => {
                    return Err(ErrorData::internal_error("cancelled", None));
                }
            }
            report(&context, done).await;
        }
        Ok(format!("Waited for {seconds} seconds"))
    }

    #[tool(
        description = "Asks the user for a name and greets them",
        annotations(read_only_hint = true, open_world_hint = false)
    )]
    async fn greet(
        &self,
        InputResponses(answers): InputResponses,
        context: RequestContext<RoleServer>,
    ) -> Result<CallToolResponse, ErrorData> {
        question::greet(answers, &context).await
    }
}

#[prompt_router]
impl Demo {
    #[prompt(description = "Requests an explanation")]
    fn explain(&self, Parameters(Topic { topic }): Parameters<Topic>) -> Vec<PromptMessage> {
        let text = format!("Explain {topic} in three sentences, and give an example.");
        vec![PromptMessage::new_text(Role::User, text)]
    }
}

#[tool_handler(router = self.tools)]
#[prompt_handler(router = self.prompts)]
impl ServerHandler for Demo {
    fn get_info(&self) -> ServerConfig {
        let capabilities = ServerCapabilities::builder()
            .enable_prompts()
            .enable_resources()
            .enable_tools()
            .build();
        ServerConfig::new(capabilities)
            .with_server_info(Implementation::new("demo", env!("CARGO_PKG_VERSION")))
            .with_instructions("A demonstration server for trying out the gateway.")
    }

    async fn list_resources(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourcesResult, ErrorData> {
        Ok(ListResourcesResult::with_all_items(resources::list()))
    }

    async fn list_resource_templates(
        &self,
        _: Option<PaginatedRequestParams>,
        _: RequestContext<RoleServer>,
    ) -> Result<ListResourceTemplatesResult, ErrorData> {
        Ok(ListResourceTemplatesResult::with_all_items(
            resources::templates(),
        ))
    }

    async fn read_resource(
        &self,
        request: ReadResourceRequestParams,
        _: RequestContext<RoleServer>,
    ) -> Result<ReadResourceResponse, ErrorData> {
        resources::read(&request.uri)
    }
}

/// Reports the number of completed steps if the client requested progress.
async fn report(context: &RequestContext<RoleServer>, done: u32) {
    let Some(token) = context.meta.get_progress_token() else {
        return;
    };
    let progress = ProgressNotificationParam::new(token, f64::from(done))
        .with_total(f64::from(STEPS))
        .with_message(format!("{done} of {STEPS}"));
    // A disconnected client is detected when the result is sent.
    let _ = context.peer.notify_progress(progress).await;
}

/// Longest wait in seconds.
const MAX_WAIT: f64 = 60.0;

const STEPS: u32 = 10;
