//! A load generator for MCP endpoints.
fn main() {}
