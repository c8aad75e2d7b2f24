//! Mark of requests for a standalone stream.

/// Mark of a request that opens the standalone stream of a session, among its extensions.
///
/// No call waits for its response: a client that counts the use of its server, or starts it on demand,
/// leaves such a request out. It must be rejected with an error while the server is not running, and
/// the stream is opened again later.
///
/// See [MCP 2025-11-25, listening for messages from the
/// server](https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#listening-for-messages-from-the-server).
///
/// # Example
///
/// ```
/// use bytes::Bytes;
/// use http::Request;
/// use mcp_gateway_core::transport::StandaloneStream;
///
/// fn is_use(request: &Request<Bytes>) -> bool {
///     request.extensions().get::<StandaloneStream>().is_none()
/// }
///
/// let mut request = Request::new(Bytes::new());
/// assert!(is_use(&request));
/// request.extensions_mut().insert(StandaloneStream);
/// assert!(!is_use(&request));
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_structs, reason = "a mark has no content")]
pub struct StandaloneStream;
