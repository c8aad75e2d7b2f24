//! Turns stdio MCP servers into HTTP ones, and HTTP ones into stdio ones.
fn main() {}
