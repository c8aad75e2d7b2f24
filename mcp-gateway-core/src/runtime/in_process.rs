//! Servers inside of this process.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;
use std::{fmt, io};

use async_trait::async_trait;
use tokio::io::{AsyncWrite, DuplexStream, WriteHalf};
use tokio::task::JoinHandle;
use tokio::time;

use crate::BoxFuture;
use crate::error::UpstreamError;
use crate::transport::{ServerHandle, StdioTransport, Transport};
use crate::upstream::{Instance, RuntimeBackend};

/// A backend that runs a server inside of this process.
///
/// The server is a function that serves one byte stream, with one message per line. With the crate
/// `rmcp` it is a handler's `serve`:
///
/// ```text
/// InProcess::new(|stream| async move {
///     let server = MyHandler::new().serve(stream).await?;
///     server.waiting().await?;
///     Ok(())
/// })
/// ```
///
/// # Example
///
/// ```
/// use mcp_gateway_core::runtime::InProcess;
/// use mcp_gateway_core::transport::Transport;
/// use mcp_gateway_core::upstream::{Instance, RuntimeBackend};
/// use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, split};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// // A server that answers everything with the same error.
/// let backend = InProcess::new(|stream| async move {
///     let (reader, mut writer) = split(stream);
///     let mut lines = BufReader::new(reader).lines();
///     while lines.next_line().await?.is_some() {
///         writer.write_all(b"{\"jsonrpc\":\"2.0\",\"error\":{\"code\":-32601,\"message\":\"no\"}}\n").await?;
///     }
///     Ok(())
/// });
/// let transport = backend.connect(&Instance::shared()).await?;
/// assert!(matches!(transport, Transport::Stdio(_)));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct InProcess {
    /// Function that serves one instance.
    serve:
        Arc<dyn Fn(DuplexStream) -> BoxFuture<'static, Result<(), crate::BoxError>> + Send + Sync>,
}

impl InProcess {
    /// Creates a backend that calls `serve` for each instance of the server.
    ///
    /// The instance ends when the future of `serve` does. When the input of the server is closed,
    /// it has five seconds to end; then its future is dropped.
    #[must_use]
    pub fn new<F>(serve: impl Fn(DuplexStream) -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), crate::BoxError>> + Send + 'static,
    {
        Self {
            serve: Arc::new(move |stream| Box::pin(serve(stream))),
        }
    }
}

#[async_trait]
impl RuntimeBackend for InProcess {
    async fn connect(&self, _: &Instance) -> Result<Transport, UpstreamError> {
        let (ours, theirs) = tokio::io::duplex(BUFFER);
        let serving = (self.serve)(theirs);
        #[expect(clippy::disallowed_methods, reason = "the server is owned by the pipe")]
        let task = tokio::spawn(async move {
            if let Err(error) = serving.await {
                tracing::warn!(error = &*error, "in-process server failed");
            }
        });
        let (reader, writer) = tokio::io::split(ours);
        Ok(Transport::Stdio(StdioTransport::new(
            reader,
            Input(writer),
            Serving(task),
        )))
    }
}

/// Input of the server. Dropping it closes the input, although the other half of the stream is
/// alive.
#[derive(Debug)]
struct Input(WriteHalf<DuplexStream>);

impl AsyncWrite for Input {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}

impl Drop for Input {
    fn drop(&mut self) {
        // Closing a stream in memory never waits.
        let _ = Pin::new(&mut self.0).poll_shutdown(&mut Context::from_waker(Waker::noop()));
    }
}

impl fmt::Debug for InProcess {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InProcess").finish_non_exhaustive()
    }
}

/// Handle of a running instance; dropping it aborts the instance.
#[derive(Debug)]
struct Serving(JoinHandle<()>);

#[async_trait]
impl ServerHandle for Serving {
    async fn stop(mut self: Box<Self>) {
        // A server that does not end by itself is aborted when this is dropped.
        let _ = time::timeout(GRACE, &mut self.0).await;
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Maximum number of bytes in flight in each direction.
const BUFFER: usize = 64 * 1024;

/// Time for a server to end after its input has been closed.
const GRACE: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests {
    use tokio::io::AsyncReadExt;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_server_ends_when_its_input_does() {
        let backend = InProcess::new(|mut stream| async move {
            stream.read_to_end(&mut Vec::new()).await?;
            Ok(())
        });
        let Transport::Stdio(stdio) = backend.connect(&Instance::shared()).await.unwrap() else {
            panic!("it is not reached over HTTP");
        };
        let began = time::Instant::now();
        // The other half is still read, as on a connection.
        drop(stdio.writer);
        stdio.handle.stop().await;
        assert!(began.elapsed() < GRACE);
    }
}
