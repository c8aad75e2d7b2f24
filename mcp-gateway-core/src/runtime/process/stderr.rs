//! Log of the standard error of a program.

use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt};

use crate::transport::ProgramOutput;

/// Logs the standard error of a server line by line.
pub(super) async fn log_lines(
    server: Arc<str>,
    output: Arc<ProgramOutput>,
    mut stderr: impl AsyncRead + Unpin,
) {
    let mut buffer = Vec::with_capacity(MAX_LINE);
    while let Ok(1..) = stderr.read_buf(&mut buffer).await {
        output.set_alive();
        while let Some(end) = memchr::memchr(b'\n', &buffer) {
            log_line(&server, &output, &buffer[..end]);
            buffer.drain(..=end);
        }
        if buffer.len() >= MAX_LINE {
            // Between words, so that no part of a secret remains.
            let space = buffer.iter().rposition(u8::is_ascii_whitespace);
            let end = space.unwrap_or(buffer.len());
            log_line(&server, &output, &buffer[..end]);
            buffer.drain(..end);
        }
    }
    log_line(&server, &output, &buffer);
    output.close_stderr();
}

/// Logs one line, unless it is empty.
fn log_line(server: &str, output: &ProgramOutput, line: &[u8]) {
    let line = String::from_utf8_lossy(line.trim_ascii_end());
    if !line.is_empty() {
        let line = output.mask().apply(&line);
        output.push_line(&line);
        tracing::info!(target: "mcp_gateway::stderr", server, "{line}");
    }
}

/// Maximum length of a logged line in bytes; longer lines are split.
const MAX_LINE: usize = 8 * 1024;
