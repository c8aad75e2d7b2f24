//! Keys of `_meta` that the protocol reserves.
//!
//! In the modern era they carry the context that sessions carried before. See [MCP 2026-07-28,
//! `_meta`](https://modelcontextprotocol.io/specification/2026-07-28/basic#meta).

/// Properties of a trace that whoever receives them may log. Only the gateway's own are sent on, and it
/// has none.
pub(crate) const BAGGAGE: &str = "baggage";

/// Capabilities of the client; required in every request of the modern era.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// Name and version of the client.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";

/// Conversation to which a request belongs, as the client names it: a string. A key of the gateway
/// itself, for clients without a session.
pub const CONVERSATION: &str = "mcp-gateway/conversation";

/// The same key of clients that name conversations on their own.
pub(crate) const CONVERSATION_OF_OPENAI: &str = "openai/session";

/// Minimum level of the log messages that the server sends during the request.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// Position of a part of a kept result, in the result of `resources/read`: its `offset`, the `size` of
/// the whole in bytes, and the URI of the `next` part. A key of the gateway itself.
pub const PIECE: &str = "mcp-gateway/piece";

/// Data of a problem of the gateway, in a tool result: the same as in a JSON-RPC error. A key of the
/// gateway itself.
pub const PROBLEM: &str = "mcp-gateway/problem";

/// Protocol version of the request; required in every request of the modern era.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// Token that opts the request into progress notifications.
pub const PROGRESS_TOKEN: &str = "progressToken";

/// Prefix of the keys that the protocol reserves for itself.
pub(crate) const RESERVED_PREFIX: &str = "io.modelcontextprotocol/";

/// Name and version of the server, in results.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// Subscription to which a notification belongs.
pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// Context of the span of the sender. Without a prefix, by an exception of the protocol; also the name
/// of a header.
pub const TRACEPARENT: &str = "traceparent";

/// State of vendors of the trace, to be passed on. Also the name of a header.
pub const TRACESTATE: &str = "tracestate";

/// Keys that carry the context of a request in the modern era and have no meaning in the legacy
/// era.
pub(crate) const REQUEST_CONTEXT: [&str; 4] = [
    CLIENT_CAPABILITIES,
    CLIENT_INFO,
    LOG_LEVEL,
    PROTOCOL_VERSION,
];

/// Keys of the trace, which the gateway replaces if it traces calls.
pub(crate) const TRACE: [&str; 3] = [BAGGAGE, TRACEPARENT, TRACESTATE];

/// JSON text of the name and version that servers receive for clients that sent none.
pub(crate) const GATEWAY_INFO: &str = concat!(
    "{\"name\":\"mcp-gateway\",\"version\":\"",
    env!("CARGO_PKG_VERSION"),
    "\"}"
);
