//! Kinds of transports, and the traits behind them.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::Uri;
use tokio::io::{AsyncRead, AsyncWrite};

use super::{HttpBody, ProgramOutput};
use crate::error::UpstreamError;

/// A transport to a running server.
///
/// # Example
///
/// A server in the same process, connected by a pipe in memory:
///
/// ```
/// use async_trait::async_trait;
/// use mcp_gateway_core::transport::{Transport, StdioTransport, ServerHandle};
///
/// #[derive(Debug)]
/// struct BackgroundTask(tokio::task::JoinHandle<()>);
///
/// #[async_trait]
/// impl ServerHandle for BackgroundTask {
///     async fn stop(mut self: Box<Self>) {
///         // The server ends by itself, because its input has been closed.
///         let _ = (&mut self.0).await;
///     }
/// }
///
/// impl Drop for BackgroundTask {
///     fn drop(&mut self) {
///         self.0.abort();
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let (ours, theirs) = tokio::io::duplex(4096);
/// let server = tokio::spawn(async move {
///     // Reads lines from `theirs`, and writes lines to it.
///     drop(theirs);
/// });
/// let (reader, writer) = tokio::io::split(ours);
/// let transport = Transport::Stdio(StdioTransport::new(reader, writer, BackgroundTask(server)));
/// assert!(matches!(transport, Transport::Stdio(_)));
/// # }
/// ```
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the protocol has exactly these two kinds of transports"
)]
pub enum Transport {
    /// HTTP: Streamable HTTP, or the HTTP+SSE transport of 2024-11-05.
    Http(HttpTransport),
    /// A pair of byte streams that carry one message per line, as [stdio] does.
    ///
    /// [stdio]: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/stdio
    Stdio(StdioTransport),
}

/// A transport to a server over HTTP.
///
/// Cloning is cheap; clones share the client.
#[derive(Clone, Debug)]
pub struct HttpTransport {
    /// URL of the MCP endpoint.
    uri: Uri,
    /// Client that sends the requests.
    client: Arc<dyn HttpClient>,
}

/// A client that sends HTTP requests to servers.
///
/// Must not follow redirects, because a redirect could send a credential to another origin. Called
/// once per request, concurrently.
///
/// # Cancel safety
///
/// Dropping the future, or the body of the response, must abort the request.
///
/// # Example
///
/// ```
/// use async_trait::async_trait;
/// use bytes::Bytes;
/// use http::{Request, Response};
/// use mcp_gateway_core::transport::{HttpBody, HttpClient};
/// use mcp_gateway_core::upstream::UpstreamError;
///
/// /// Answers every request itself.
/// #[derive(Debug)]
/// struct Echo;
///
/// #[async_trait]
/// impl HttpClient for Echo {
///     async fn request(
///         &self,
///         request: Request<Bytes>,
///     ) -> Result<Response<HttpBody>, UpstreamError> {
///         Ok(Response::new(HttpBody::full(request.into_body())))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let response = Echo.request(Request::new("{}".into())).await.unwrap();
/// assert_eq!(response.status(), 200);
/// # }
/// ```
#[async_trait]
pub trait HttpClient: fmt::Debug + Send + Sync + 'static {
    /// Sends `request` and returns the response as soon as its head has arrived.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Connect`] if no connection could be established, so that the request was
    /// not sent; otherwise [`UpstreamError::Closed`].
    async fn request(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<HttpBody>, UpstreamError>;
}

#[async_trait]
impl<C: HttpClient + ?Sized> HttpClient for Arc<C> {
    async fn request(
        &self,
        request: http::Request<Bytes>,
    ) -> Result<http::Response<HttpBody>, UpstreamError> {
        (**self).request(request).await
    }
}

impl HttpTransport {
    /// Creates a transport to the MCP endpoint at `uri` through `client`.
    #[must_use]
    pub fn new(uri: Uri, client: Arc<dyn HttpClient>) -> Self {
        Self { uri, client }
    }

    /// Returns the URL of the MCP endpoint.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    /// Returns the HTTP client.
    pub(crate) fn client(&self) -> &Arc<dyn HttpClient> {
        &self.client
    }
}

/// A transport over two byte streams, and the handle of the server behind them.
///
/// Dropping it closes the streams and drops the handle.
pub struct StdioTransport {
    /// Output of the server.
    pub(crate) reader: Box<dyn AsyncRead + Send + Unpin>,
    /// Input of the server.
    pub(crate) writer: Box<dyn AsyncWrite + Send + Unpin>,
    /// Handle of the server.
    pub(crate) handle: Box<dyn ServerHandle>,
    /// Output of the program behind the streams, if it is one.
    pub(crate) output: Option<Arc<ProgramOutput>>,
}

/// Handle of a server at the other end of a [`StdioTransport`].
///
/// Dropping it must terminate the server at once, because a caller that does so has no time to
/// wait.
#[async_trait]
pub trait ServerHandle: fmt::Debug + Send + 'static {
    /// Terminates the server gracefully and waits for its end; called after its input has been
    /// closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future must terminate the server at once.
    async fn stop(self: Box<Self>);
}

impl StdioTransport {
    /// Creates a transport to a server that reads from `writer` and writes to `reader`.
    ///
    /// Each message is one line of UTF-8, terminated by LF. `server` is stopped when the connection
    /// is closed.
    pub fn new(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        server: impl ServerHandle,
    ) -> Self {
        Self {
            reader: Box::new(reader),
            writer: Box::new(writer),
            handle: Box::new(server),
            output: None,
        }
    }

    /// Replaces the handle of the server by the one that `wrap` creates around it.
    ///
    /// For backends that release something of their own after the server has ended.
    #[must_use]
    pub fn with_wrapped_handle<H: ServerHandle>(
        mut self,
        wrap: impl FnOnce(Box<dyn ServerHandle>) -> H,
    ) -> Self {
        self.handle = Box::new(wrap(self.handle));
        self
    }

    /// Attaches the output of the program behind the streams.
    #[cfg(feature = "process")]
    pub(crate) fn with_output(mut self, output: Arc<ProgramOutput>) -> Self {
        self.output = Some(output);
        self
    }
}

impl fmt::Debug for StdioTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StdioTransport")
            .field("server", &self.handle)
            .finish_non_exhaustive()
    }
}
