//! One governed endpoint in front of many MCP servers.
fn main() {}
