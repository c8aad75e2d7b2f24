use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::Uri;
use http_body_util::Full;
use http_body_util::combinators::UnsyncBoxBody;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::BoxError;
use crate::error::UpstreamError;

/// A way to a running server.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "the protocol has these two kinds of transports"
)]
pub enum Link {
    /// HTTP: Streamable HTTP, or the HTTP+SSE transport of 2024-11-05.
    Http(HttpLink),
    /// A pair of byte streams that carry one message per line, as [stdio] does.
    ///
    /// [stdio]: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/stdio
    Pipe(Pipe),
}

/// The way to a server over HTTP.
#[derive(Clone, Debug)]
pub struct HttpLink {
    /// The address of the MCP endpoint.
    uri: Uri,
    client: Arc<dyn HttpClient>,
}

/// The body of a response of a server.
pub type HttpBody = UnsyncBoxBody<Bytes, BoxError>;

/// Sends HTTP requests.
///
/// It does not follow redirects.
///
/// # Cancel safety
///
/// Dropping the future, or the body of the response, ends the request.
#[async_trait]
pub trait HttpClient: fmt::Debug + Send + Sync + 'static {
    /// Sends `request`, and returns the response when its head has arrived.
    ///
    /// # Errors
    ///
    /// [`UpstreamError::Connect`] when no connection could be made, else
    /// [`UpstreamError::Closed`].
    async fn request(
        &self,
        request: http::Request<Full<Bytes>>,
    ) -> Result<http::Response<HttpBody>, UpstreamError>;
}

impl HttpLink {
    /// The way to the MCP endpoint at `uri` through `client`.
    #[must_use]
    pub fn new(uri: Uri, client: Arc<dyn HttpClient>) -> Self {
        Self { uri, client }
    }

    /// The address of the MCP endpoint.
    #[must_use]
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    pub(crate) fn client(&self) -> &Arc<dyn HttpClient> {
        &self.client
    }
}

/// The two byte streams of a server, and what keeps it running.
pub struct Pipe {
    pub(crate) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(crate) writer: Box<dyn AsyncWrite + Send + Unpin>,
    pub(crate) server: Box<dyn Running>,
}

/// A server at the other end of a [`Pipe`].
///
/// Dropping it ends the server at once.
#[async_trait]
pub trait Running: fmt::Debug + Send + 'static {
    /// Ends the server in an orderly way; called after its input has been closed.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the server at once.
    async fn stop(self: Box<Self>);
}

impl Pipe {
    /// A server that reads what is written to `writer` and writes what is read from `reader`.
    pub fn new(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        server: impl Running,
    ) -> Self {
        Self {
            reader: Box::new(reader),
            writer: Box::new(writer),
            server: Box::new(server),
        }
    }
}

impl fmt::Debug for Pipe {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pipe")
            .field("server", &self.server)
            .finish_non_exhaustive()
    }
}
