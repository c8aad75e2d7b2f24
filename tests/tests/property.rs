//! Properties of all servers, for any names of their features.
//!
//! | property | others who broke it |
//! |---|---|
//! | what is listed can be called, and reaches what it says | Kuadrant lists tools that cannot be routed, MCPJungle tools that may not be called |
//! | a list is complete, whatever the size of its pages | agentgateway drops `nextCursor` |
//! | an identity survives | ContextForge turns `tool_9` into `tool-9`; joshrotenberg/mcp-proxy makes URIs that cannot be read |

#![expect(clippy::unwrap_used, reason = "a test panics when it fails")]

mod property {
    mod harness;
    mod names;
    mod pages;
    mod params;
}
