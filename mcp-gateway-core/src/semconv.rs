//! Names of span attributes.
//!
//! They are those of the MCP semantic conventions of OpenTelemetry, which are in development: see
//! `docs/gen-ai/mcp.md` of [semantic-conventions-genai][genai], as of autumn 2026. Attributes of
//! the gateway's own begin with `mcp_gateway`.
//!
//! [genai]: https://github.com/open-telemetry/semantic-conventions-genai

/// JSON-RPC code of an error, or `tool_error` for a result with `isError`.
pub(crate) const ERROR_TYPE: &str = "error.type";

/// `execute_tool`, for `tools/call` alone.
pub(crate) const GEN_AI_OPERATION_NAME: &str = "gen_ai.operation.name";

/// Name of a prompt.
pub(crate) const GEN_AI_PROMPT_NAME: &str = "gen_ai.prompt.name";

/// Name of a tool.
pub(crate) const GEN_AI_TOOL_NAME: &str = "gen_ai.tool.name";

/// Identifier of the JSON-RPC request, as a string.
pub(crate) const JSONRPC_REQUEST_ID: &str = "jsonrpc.request.id";

/// Method of the request.
pub(crate) const MCP_METHOD_NAME: &str = "mcp.method.name";

/// Protocol version of the client.
pub(crate) const MCP_PROTOCOL_VERSION: &str = "mcp.protocol.version";

/// Session of a client of the legacy era; its key, which is not a secret.
pub(crate) const MCP_SESSION_ID: &str = "mcp.session.id";

/// Name of the gateway.
pub(crate) const GATEWAY: &str = "mcp_gateway.name";

/// Reason of an error of the gateway, as in [`Problem::reason`](crate::Problem::reason).
pub(crate) const REASON: &str = "mcp_gateway.reason";

/// `tcp` for HTTP, `pipe` for standard input and output.
pub(crate) const NETWORK_TRANSPORT: &str = "network.transport";

/// Kind of the span, for `tracing-opentelemetry`.
pub(crate) const OTEL_KIND: &str = "otel.kind";

/// Name of the span, for `tracing-opentelemetry`: names of `tracing` are constants.
pub(crate) const OTEL_NAME: &str = "otel.name";

/// Status of the span, for `tracing-opentelemetry`.
pub(crate) const OTEL_STATUS_CODE: &str = "otel.status_code";

/// JSON-RPC code of an error, as a string.
pub(crate) const RPC_RESPONSE_STATUS_CODE: &str = "rpc.response.status_code";
