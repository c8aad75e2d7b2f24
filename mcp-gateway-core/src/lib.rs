//! The data plane of an embeddable MCP gateway.
