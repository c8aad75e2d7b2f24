//! The MCP endpoint: turns HTTP requests into calls, and replies into responses.
//!
//! One path serves all protocol versions. The request itself determines how it is served:
//!
//! | request | served as |
//! |---|---|
//! | `POST` with the `_meta` of 2026-07-28 | a call without a session ([Streamable HTTP][modern]) |
//! | `POST` with `initialize` | the start of a session ([2025-11-25][legacy] and earlier) |
//! | `POST`, `GET` or `DELETE` with `Mcp-Session-Id` | a part of a session |
//! | `GET` with neither, for `text/event-stream` by name | the stream of [HTTP+SSE][sse], whose messages arrive by `POST …?sessionId=` |
//!
//! Every request is answered. A defect of a request is reported as a JSON-RPC error, with the
//! identifier of the request if it could be read.
//!
//! [legacy]: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http
//! [modern]: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
//! [sse]: https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse

mod body;
mod compatibility;
mod duplex;
mod exchange;
mod headers;
mod in_flight;
mod incoming;
mod legacy;
mod legacy_sse;
mod lines;
mod modern;
mod replica;
mod reply_writer;
mod response;
mod stream;

use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderName, Request, Response};
use tower_layer::Layer;
use tower_service::Service;

pub use self::body::Body;
pub use self::compatibility::Compatibility;
use self::exchange::HttpExchange;
pub use self::headers::is_forwardable;
pub use self::lines::serve_lines;
use self::modern::HeaderVersion;
pub use self::replica::ReplicaService;
pub(crate) use self::response::error;
use crate::auth::Authenticated;
pub use crate::error::RequestError;
use crate::session::Sessions;
use crate::{BoxError, Call, Drain, Error, Reply};

/// A [`Layer`] that applies [`Endpoint`].
///
/// See the [module documentation](self) for the requests that are served. Options apply to the
/// endpoint as a whole; cloning the layer is cheap.
///
/// # Example
///
/// ```
/// use http::{Request, StatusCode};
/// use mcp_gateway_core::auth::{Authenticated, Principal};
/// use mcp_gateway_core::endpoint::EndpointLayer;
/// use mcp_gateway_core::session::Sessions;
/// use mcp_gateway_core::{Call, Error, Reply};
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let endpoint = ServiceBuilder::new()
///     .layer(EndpointLayer::new("main", Sessions::ephemeral()?).with_max_body(1024))
///     .service(service_fn(async |call: Call| {
///         Ok::<_, Error>(Reply::result(call.request().id(), r#"{"tools":[]}"#))
///     }));
///
/// let context = r#"{"io.modelcontextprotocol/protocolVersion":"2026-07-28",
///     "io.modelcontextprotocol/clientCapabilities":{}}"#;
/// let body = format!(
///     r#"{{"jsonrpc":"2.0","id":1,"method":"tools/list","params":{{"_meta":{context}}}}}"#
/// );
/// let request = Request::post("/mcp")
///     .header("content-type", "application/json")
///     .header("mcp-protocol-version", "2026-07-28")
///     .header("mcp-method", "tools/list");
/// let alice = Principal::new("alice");
/// let request = Authenticated::trusted(alice.clone(), request.body(body)?);
/// assert_eq!(endpoint.clone().oneshot(request).await?.status(), StatusCode::OK);
///
/// let request = Request::put("/mcp").body(String::new())?;
/// let request = Authenticated::trusted(alice, request);
/// let response = endpoint.oneshot(request).await?;
/// assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct EndpointLayer(Arc<Shared>);

/// Options and state of an endpoint.
#[derive(Clone, Debug)]
struct Shared {
    /// Name of the gateway.
    gateway: Arc<str>,
    /// Sessions of legacy clients.
    sessions: Sessions,
    /// Signal of the shutdown.
    drain: Drain,
    /// Accepted departures from the specification.
    compatibility: Compatibility,
    /// Absolute path in the `endpoint` event of HTTP+SSE, instead of a relative reference.
    absolute_endpoint: bool,
    /// Maximum size of a body in bytes.
    max_body: usize,
    /// Headers that are forwarded to HTTP servers.
    headers: Vec<HeaderName>,
}

impl EndpointLayer {
    /// Creates the endpoint of the gateway named `gateway`, with `sessions` for legacy clients.
    #[must_use]
    pub fn new(gateway: impl Into<Arc<str>>, sessions: Sessions) -> Self {
        Self(Arc::new(Shared {
            gateway: gateway.into(),
            sessions,
            drain: Drain::new(),
            compatibility: Compatibility::default(),
            absolute_endpoint: false,
            max_body: DEFAULT_MAX_BODY,
            headers: Vec::new(),
        }))
    }

    /// Sets the name of the gateway, to which sessions are bound.
    #[must_use]
    pub fn with_name(self, gateway: impl Into<Arc<str>>) -> Self {
        self.with(|shared| shared.gateway = gateway.into())
    }

    /// Sets the maximum size of a body in bytes. Default: 16 MiB. Larger ones are rejected with
    /// HTTP 413.
    #[must_use]
    pub fn with_max_body(self, bytes: usize) -> Self {
        self.with(|shared| shared.max_body = bytes)
    }

    /// Sends the path `…/messages?sessionId=…` in the `endpoint` event of HTTP+SSE, instead of the
    /// reference `?sessionId=…` relative to the URL of the stream.
    ///
    /// Some clients resolve the event against the origin of the server and need the path. The
    /// service must then see the whole path of a request, unlike one that axum has nested.
    #[must_use]
    pub fn with_absolute_endpoint(self) -> Self {
        self.with(|shared| shared.absolute_endpoint = true)
    }

    /// Sets the allowlist of headers that are forwarded to HTTP servers. Default: none.
    ///
    /// Headers of the connection, of the protocol and of the caller's authentication are never
    /// forwarded; see [`is_forwardable`].
    #[must_use]
    pub fn with_forwarded_headers(self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        let allowed = headers.into_iter().filter(is_forwardable).collect();
        self.with(|shared| shared.headers = allowed)
    }

    /// Sets the departures from the specification that are accepted. Default: none.
    #[must_use]
    pub fn with_compatibility(self, accepted: Compatibility) -> Self {
        self.with(|shared| shared.compatibility = accepted)
    }

    /// Sets the signal upon which long-lived streams end.
    #[must_use]
    pub fn with_drain(self, drain: Drain) -> Self {
        self.with(|shared| shared.drain = drain)
    }

    /// Returns the exchange that `request` begins, and its body; calls are sent to `inner`.
    fn exchange<S, B>(&self, inner: S, request: Authenticated<Request<B>>) -> (HttpExchange<S>, B) {
        let (principal, verifier, request) = request.into_parts();
        let (parts, body) = request.into_parts();
        let exchange = HttpExchange {
            inner,
            shared: Arc::clone(&self.0),
            principal,
            verifier,
            version: HeaderVersion::from_headers(&parts.headers, self.0.compatibility),
            parts: Arc::new(parts),
        };
        (exchange, body)
    }

    /// Applies `change` to the options.
    fn with(self, change: impl FnOnce(&mut Shared)) -> Self {
        let mut shared = Arc::unwrap_or_clone(self.0);
        change(&mut shared);
        Self(Arc::new(shared))
    }
}

impl<S> Layer<S> for EndpointLayer {
    type Service = Endpoint<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Endpoint {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service that serves every protocol version over HTTP.
///
/// Its response is never an error: failures of the inner service become error responses.
///
/// # Cancel safety
///
/// Dropping the response future cancels a modern call. A legacy call with a stream runs on, so that
/// the client can resume it.
///
/// See the [module documentation](self) for what is served.
#[derive(Clone, Debug)]
pub struct Endpoint<S> {
    inner: S,
    layer: EndpointLayer,
}

/// Bounds of the inner service of [`Endpoint`].
pub(crate) trait CallService:
    Service<Call, Response = Reply, Error = Error, Future: Send> + Clone + Send + Sync + 'static
{
}

impl<S> CallService for S where
    S: Service<Call, Response = Reply, Error = Error, Future: Send> + Clone + Send + Sync + 'static
{
}

impl<S, B> Service<Authenticated<Request<B>>> for Endpoint<S>
where
    S: Service<Call, Response = Reply, Error = Error> + Clone + Send + Sync + 'static,
    S::Future: Send,
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Error;
    type Future = EndpointFuture;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Authenticated<Request<B>>) -> Self::Future {
        // Take the service that was polled ready, and leave its clone behind.
        let clone = self.inner.clone();
        let inner = std::mem::replace(&mut self.inner, clone);
        // Before the future, which would hold all parts of the request otherwise.
        let (exchange, body) = self.layer.exchange(inner, request);
        EndpointFuture(Box::pin(async move { Ok(exchange.answer(body).await) }))
    }
}

opaque_future! {
    /// The response future of [`Endpoint`].
    EndpointFuture -> Result<Response<Body>, Error>
}

/// Default maximum size of a body; arguments may contain a document or an image.
const DEFAULT_MAX_BODY: usize = 16 * 1024 * 1024;
