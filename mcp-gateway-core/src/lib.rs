//! The data plane of an embeddable MCP gateway.

pub mod jsonrpc;
pub mod protocol;
pub mod sse;
