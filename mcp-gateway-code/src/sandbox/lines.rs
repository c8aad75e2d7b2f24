//! Lines of a process, of limited length.

use std::io;

use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::ChildStdout;

use crate::limits::MAX_LINE;

/// Lines of a process.
pub(super) struct Lines {
    output: BufReader<ChildStdout>,
    /// Begin of the next line.
    line: Vec<u8>,
}

impl Lines {
    pub(super) fn new(output: ChildStdout) -> Self {
        Self {
            output: BufReader::new(output),
            line: Vec::new(),
        }
    }

    /// Returns the next line, or `None` at the end.
    ///
    /// # Cancel safety
    ///
    /// Cancel safe: the begin of a line is kept.
    pub(super) async fn next(&mut self) -> io::Result<Option<Vec<u8>>> {
        loop {
            let received = self.output.fill_buf().await?;
            if received.is_empty() {
                return Ok(None);
            }
            let end = memchr::memchr(b'\n', received);
            let taken = end.map_or(received.len(), |end| end + 1);
            self.line
                .extend_from_slice(&received[..end.unwrap_or(taken)]);
            self.output.consume(taken);
            if self.line.len() > MAX_LINE {
                return Err(io::Error::other("a line of the sandbox is too long"));
            }
            if end.is_some() {
                return Ok(Some(std::mem::take(&mut self.line)));
            }
        }
    }
}
