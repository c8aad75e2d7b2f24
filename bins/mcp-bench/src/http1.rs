//! Client side of an HTTP/1.1 connection.
//!
//! A general HTTP client uses more CPU time for a call than a bare proxy. This one writes prepared
//! bytes and reads only the parts of a response head that a load generator needs.

mod connector;
mod framing;
mod head;

use std::fmt;

use bytes::BytesMut;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

pub(crate) use self::connector::Connector;
use self::connector::Stream;
pub(crate) use self::framing::Framing;
pub(crate) use self::head::Head;
use crate::failure::Failure;

/// Buffer size of each read.
const READ_SIZE: usize = 16 * 1024;

/// Connection with one exchange at a time.
pub(crate) struct Connection {
    io: Box<dyn Stream>,
    input: BytesMut,
    received: u64,
}

impl Connection {
    /// Creates a connection over `io`.
    fn new(io: Box<dyn Stream>) -> Self {
        Self {
            io,
            input: BytesMut::with_capacity(READ_SIZE),
            received: 0,
        }
    }

    /// Returns the number of bytes received since the last call.
    pub(crate) fn take_received(&mut self) -> u64 {
        std::mem::take(&mut self.received)
    }

    /// Sends `request` and reads the head of the response.
    ///
    /// # Errors
    ///
    /// Fails when the connection breaks, or the answer is not HTTP/1.1.
    pub(crate) async fn send(&mut self, request: &[u8]) -> Result<Head, Failure> {
        self.io.write_all(request).await?;
        self.io.flush().await?;
        loop {
            if let Some(head) = Head::take(&mut self.input)? {
                return Ok(head);
            }
            if !self.fill().await? {
                return Err(Failure::Closed);
            }
        }
    }

    /// Waits for more of the body with `framing`, and appends it to `body`.
    ///
    /// Returns whether the body has ended.
    ///
    /// # Errors
    ///
    /// Fails when the connection breaks before the end of the body.
    pub(crate) async fn piece(
        &mut self,
        framing: &mut Framing,
        body: &mut Vec<u8>,
    ) -> Result<bool, Failure> {
        let before = body.len();
        loop {
            if framing.decode(&mut self.input, body)? {
                return Ok(true);
            }
            if body.len() > before {
                return Ok(false);
            }
            if !self.fill().await? {
                return if framing.ends_with_connection() {
                    Ok(true)
                } else {
                    Err(Failure::Closed)
                };
            }
        }
    }

    /// Sends `request`, and replaces `body` with the whole body of its answer.
    ///
    /// # Errors
    ///
    /// Fails when the connection breaks, or the answer is not HTTP/1.1.
    pub(crate) async fn exchange(
        &mut self,
        request: &[u8],
        body: &mut Vec<u8>,
    ) -> Result<Head, Failure> {
        body.clear();
        let mut head = self.send(request).await?;
        while !self.piece(&mut head.framing, body).await? {}
        Ok(head)
    }

    /// Reads once; `false` is the end of the connection.
    async fn fill(&mut self) -> Result<bool, Failure> {
        self.input.reserve(READ_SIZE);
        let count = self.io.read_buf(&mut self.input).await?;
        self.received += count as u64;
        Ok(count > 0)
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("input", &self.input.len())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Performs an exchange with a peer that sends `pieces` one after the other.
    async fn exchange(pieces: &[&[u8]]) -> Result<(u16, Vec<u8>, u64), Failure> {
        let (near, mut far) = tokio::io::duplex(4096);
        let serve = async move {
            for piece in pieces {
                far.write_all(piece).await.unwrap();
                tokio::task::yield_now().await;
            }
        };
        let mut connection = Connection::new(Box::new(near));
        let mut body = Vec::new();
        let request = connection.exchange(b"GET / HTTP/1.1\r\n\r\n", &mut body);
        let ((), head) = tokio::join!(serve, request);
        Ok((head?.status, body, connection.take_received()))
    }

    #[tokio::test]
    async fn an_answer_may_arrive_in_any_pieces() {
        let answer = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
        for cut in 1..answer.len() {
            let (start, end) = answer.split_at(cut);
            let expected = (200, b"abc".to_vec(), answer.len() as u64);
            assert_eq!(
                exchange(&[start, end]).await.unwrap(),
                expected,
                "cut at {cut}"
            );
        }
    }

    #[tokio::test]
    async fn a_body_that_is_cut_off_is_a_failure() {
        let result = exchange(&[b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"]).await;
        assert!(matches!(result, Err(Failure::Closed)));
        let result = exchange(&[b"HTTP/1.1 200 OK\r\n\r\nabc"]).await;
        assert_eq!(result.unwrap().1, b"abc");
    }
}
