//! Process of a script, for gateways that cannot run themselves once more.

use std::process::ExitCode;

fn main() -> ExitCode {
    mcp_gateway_code::run_child()
}
