//! Turns stdio MCP servers into HTTP ones, and HTTP ones into stdio ones.
//!
//! | command | the server speaks | its clients speak |
//! |---|---|---|
//! | `mcp-bridge stdio -- COMMAND` | lines, on standard input and output | Streamable HTTP, and HTTP+SSE |
//! | `mcp-bridge http URL` | Streamable HTTP, or HTTP+SSE | lines, on standard input and output |
//!
//! Both are a gateway over one server, whose names stay as they are. So both work for servers and
//! clients of all revisions.

mod bridge;
mod cli;
mod front;
mod http_server;
mod stdio_server;
mod stop;

use std::process::ExitCode;

fn main() -> ExitCode {
    cli::main()
}
