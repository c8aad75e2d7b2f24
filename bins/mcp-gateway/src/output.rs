//! Text output for users.

use std::io::{self, Write as _};

pub(crate) use mcp_gateway_core::error_chain as chain;

/// Prints `text` and a line break to standard output.
///
/// # Errors
///
/// Fails if the output is closed.
pub(crate) fn print_line(text: impl std::fmt::Display) -> io::Result<()> {
    let mut output = io::stdout().lock();
    writeln!(output, "{text}")?;
    output.flush()
}

/// Prints `text` and a line break to standard error.
pub(crate) fn eprint_line(text: impl std::fmt::Display) {
    // There is no other place to report it.
    let _ = writeln!(io::stderr().lock(), "{text}");
}
