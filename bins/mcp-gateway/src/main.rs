//! One governed endpoint in front of many MCP servers.

use std::process::ExitCode;

fn main() -> ExitCode {
    mcp_gateway::cli::main()
}
