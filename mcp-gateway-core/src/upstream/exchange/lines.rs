use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::error::UpstreamError;

/// Reads messages that are separated by newlines.
pub(super) struct Lines {
    reader: Box<dyn AsyncRead + Send + Unpin>,
    buffer: BytesMut,
    /// How much of the buffer is known to contain no newline.
    searched: usize,
    limit: usize,
}

impl Lines {
    /// Reads lines of up to `limit` bytes.
    pub(super) fn new(reader: Box<dyn AsyncRead + Send + Unpin>, limit: usize) -> Self {
        Self {
            reader,
            buffer: BytesMut::new(),
            searched: 0,
            limit,
        }
    }

    /// The next line that is not blank; `None` at the end of the stream.
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
                Ok(1..) => {}
                Ok(0) => return None,
                Err(error) => {
                    tracing::debug!(%error, "reading from the server failed");
                    return None;
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &'static [u8], limit: usize) -> Vec<Result<Bytes, String>> {
        let mut lines = Lines::new(Box::new(text), limit);
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
        let read = read(b"{}\r\n\n  \n[1]\n unfinished", 100).await;
        assert_eq!(read, [Ok(Bytes::from("{}")), Ok(Bytes::from("[1]"))]);
    }

    #[tokio::test]
    async fn a_line_that_does_not_end_is_refused() {
        let text: &'static [u8] = vec![b'x'; 100_000].leak();
        let read = read(text, 1000).await;
        assert_eq!(
            read,
            [Err(
                "a message of the server is larger than 1000 bytes".to_owned()
            )]
        );
    }
}
