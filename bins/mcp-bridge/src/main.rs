//! Bridges stdio MCP servers to HTTP, and HTTP servers to stdio.
//!
//! | Command | Server transport | Client transport |
//! |---|---|---|
//! | `mcp-bridge stdio -- COMMAND` | stdio | Streamable HTTP, HTTP+SSE |
//! | `mcp-bridge http URL` | Streamable HTTP, HTTP+SSE | stdio |
//!
//! Both are a gateway over one server without a name prefix, and therefore support servers and
//! clients of all protocol versions.

mod bridge;
mod cli;
mod http_server;
mod login;
mod router;
mod shutdown;
mod stdio_server;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
