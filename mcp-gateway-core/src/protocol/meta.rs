//! The keys of `_meta` that the protocol reserves.
//!
//! See [`_meta`](https://modelcontextprotocol.io/specification/2026-07-28/basic#meta).

/// What the client can do; required in every request of the modern era.
pub const CLIENT_CAPABILITIES: &str = "io.modelcontextprotocol/clientCapabilities";

/// The name and version of the client.
pub const CLIENT_INFO: &str = "io.modelcontextprotocol/clientInfo";

/// From which level on the server logs to the client, for one request.
pub const LOG_LEVEL: &str = "io.modelcontextprotocol/logLevel";

/// The revision of the request; required in every request of the modern era.
pub const PROTOCOL_VERSION: &str = "io.modelcontextprotocol/protocolVersion";

/// Opts the request into progress notifications.
pub const PROGRESS_TOKEN: &str = "progressToken";

/// The name and version of the server, in results.
pub const SERVER_INFO: &str = "io.modelcontextprotocol/serverInfo";

/// Which subscription a notification belongs to.
pub const SUBSCRIPTION_ID: &str = "io.modelcontextprotocol/subscriptionId";

/// The keys that carry the context of a request in the modern era, and that mean nothing before.
pub(crate) const REQUEST_CONTEXT: [&str; 4] = [
    CLIENT_CAPABILITIES,
    CLIENT_INFO,
    LOG_LEVEL,
    PROTOCOL_VERSION,
];

/// How the gateway introduces itself to servers on behalf of clients that did not say who they are.
pub(crate) const GATEWAY_INFO: &str = concat!(
    "{\"name\":\"mcp-gateway\",\"version\":\"",
    env!("CARGO_PKG_VERSION"),
    "\"}"
);
