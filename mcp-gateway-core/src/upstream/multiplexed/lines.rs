//! Newline-delimited messages, as in the [stdio
//! transport](https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/stdio) of
//! MCP 2026-07-28.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::error::UpstreamError;
use crate::transport::ProgramOutput;

/// Reader of newline-delimited messages.
///
/// A line is a slice of the read buffer, so a message is not copied.
pub(super) struct LineReader {
    /// Output of the server.
    reader: Box<dyn AsyncRead + Send + Unpin>,
    /// Bytes that have not been returned.
    buffer: BytesMut,
    /// Length of the prefix of the buffer that contains no newline, so that no byte is searched
    /// twice.
    searched: usize,
    /// Maximum length of a line in bytes.
    limit: usize,
    /// Output of the program that writes the lines, until its first byte has arrived.
    output: Option<Arc<ProgramOutput>>,
}

impl LineReader {
    /// Creates a reader of lines of at most `limit` bytes.
    pub(super) fn new(reader: Box<dyn AsyncRead + Send + Unpin>, limit: usize) -> Self {
        Self {
            reader,
            buffer: BytesMut::new(),
            searched: 0,
            limit,
            output: None,
        }
    }

    /// Records the first byte in `output` as a sign of life.
    pub(super) fn with_output(mut self, output: Option<Arc<ProgramOutput>>) -> Self {
        self.output = output;
        self
    }

    /// Waits for the next non-blank line, without surrounding whitespace; returns `None` at the end
    /// of the stream.
    ///
    /// A last line without its end is a message too. After an error the reader must not be used any more.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::TooLarge`] if a line exceeds the limit. Errors of the stream count as its
    /// end.
    pub(super) async fn next(&mut self) -> Option<Result<Bytes, UpstreamError>> {
        loop {
            while let Some(end) = memchr::memchr(b'\n', &self.buffer[self.searched..]) {
                let line = self.buffer.split_to(self.searched + end + 1).freeze();
                self.searched = 0;
                let line = line.slice_ref(line.trim_ascii());
                if !line.is_empty() {
                    return Some(Ok(line));
                }
            }
            self.searched = self.buffer.len();
            if self.searched > self.limit {
                return Some(Err(UpstreamError::TooLarge { limit: self.limit }));
            }
            self.buffer.reserve(8 * 1024);
            match self.reader.read_buf(&mut self.buffer).await {
                Ok(1..) => {
                    if let Some(output) = self.output.take() {
                        output.set_alive();
                    }
                }
                Ok(0) => return self.unfinished().map(Ok),
                Err(error) => {
                    tracing::debug!(%error, "upstream read failed");
                    return None;
                }
            }
        }
    }
}

impl LineReader {
    /// Takes what the stream ended with, unless it is blank.
    fn unfinished(&mut self) -> Option<Bytes> {
        self.searched = 0;
        let line = self.buffer.split().freeze();
        let line = line.slice_ref(line.trim_ascii());
        (!line.is_empty()).then_some(line)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &'static [u8], limit: usize) -> Vec<Result<Bytes, String>> {
        let mut lines = LineReader::new(Box::new(text), limit);
        let mut read = Vec::new();
        while let Some(line) = lines.next().await {
            let failed = line.is_err();
            read.push(line.map_err(|error| error.to_string()));
            if failed {
                break;
            }
        }
        read
    }

    #[tokio::test]
    async fn blank_lines_and_line_ends_are_not_messages() {
        let read = read(b"{}\r\n\n  \n[1]\n last \r", 100).await;
        assert_eq!(
            read,
            ["{}", "[1]", "last"].map(|line| Ok(Bytes::from(line)))
        );
    }

    #[tokio::test]
    async fn a_line_that_does_not_end_is_refused() {
        let text: &'static [u8] = vec![b'x'; 100_000].leak();
        let read = read(text, 1000).await;
        assert_eq!(
            read,
            [Err("message from the server exceeds 1000 bytes".to_owned())]
        );
    }
}
