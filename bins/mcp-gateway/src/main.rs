//! One governed endpoint in front of many MCP servers.

use std::process::ExitCode;

use mimalloc::MiMalloc;

/// A call makes some dozens of small allocations, which cost less here than with the system's.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    mcp_gateway::cli::main()
}
