//! Bridges stdio MCP servers to HTTP, and HTTP servers to stdio.
//!
//! | Command | Server transport | Client transport |
//! |---|---|---|
//! | `mcp-bridge stdio -- COMMAND` | stdio | Streamable HTTP, HTTP+SSE |
//! | `mcp-bridge http URL` | Streamable HTTP, HTTP+SSE | stdio |
//!
//! `mcp-bridge install PATH` copies the program, and `mcp-bridge sleep SECONDS` waits: both are for
//! containers without any other program.
//!
//! The first two are a gateway over one server without a name prefix, and therefore support servers and
//! clients of all protocol versions.

mod bridge;
mod cli;
mod eager;
mod http_server;
mod init;
mod install;
mod login;
mod router;
mod shutdown;
mod stdio_server;
mod token_file;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
