//! The MCP endpoint: turns HTTP requests into calls, and replies into responses.
//!
//! One path serves all protocol versions. The request itself determines how it is served:
//!
//! | request | served as |
//! |---|---|
//! | `POST` with the `_meta` of 2026-07-28 | a call without a session ([Streamable HTTP][modern]) |
//! | `POST` with `initialize` | the start of a session ([2025-11-25][legacy] and earlier) |
//! | `POST`, `GET` or `DELETE` with `Mcp-Session-Id` | a part of a session |
//! | `GET` with neither | the stream of [HTTP+SSE][sse], whose messages arrive by `POST …?sessionId=` |
//!
//! Every request is answered. A defect of a request is reported as a JSON-RPC error, with the
//! identifier of the request if it could be read.
//!
//! [legacy]: https://modelcontextprotocol.io/specification/2025-11-25/basic/transports#streamable-http
//! [modern]: https://modelcontextprotocol.io/specification/2026-07-28/basic/transports/streamable-http
//! [sse]: https://modelcontextprotocol.io/specification/2024-11-05/basic/transports#http-with-sse

mod answer;
mod body;
mod duplex;
mod headers;
mod in_flight;
mod incoming;
mod legacy;
mod modern;
mod pump;
mod replica;
mod sse_channel;
mod stream;

use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use tokio::time;
use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

pub(crate) use self::answer::error;
use self::answer::event_stream;
pub use self::body::Body;
pub use self::duplex::serve_lines;
pub use self::headers::is_forwardable;
use self::headers::{accepts, forwarded, takes_events};
use self::legacy::Legacy;
use self::modern::HeaderVersion;
pub use self::replica::Errands;
use self::sse_channel::Channels;
use crate::auth::{Authenticated, Principal};
use crate::error::BODY_TIMEOUT;
pub use crate::error::RequestError;
use crate::jsonrpc::{Message, Request as Rpc};
use crate::protocol::header::MCP_SESSION_ID;
use crate::protocol::{Era, Method as RpcMethod, meta};
use crate::session::Sessions;
use crate::{BoxError, Call, Caller, Drain, Error, Reply};

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
/// let request = Authenticated::vouched_for(alice.clone(), request.body(body)?);
/// assert_eq!(endpoint.clone().oneshot(request).await?.status(), StatusCode::OK);
///
/// let request = Request::put("/mcp").body(String::new())?;
/// let request = Authenticated::vouched_for(alice, request);
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
    /// Open streams of HTTP+SSE.
    channels: Channels,
    /// Signal of the shutdown.
    drain: Drain,
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
            channels: Channels::default(),
            drain: Drain::new(),
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

    /// Sets the allowlist of headers that are forwarded to HTTP servers. Default: none.
    ///
    /// Headers of the connection, of the protocol and of the caller's authentication are never
    /// forwarded; see [`is_forwardable`].
    #[must_use]
    pub fn with_forwarded_headers(self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        let allowed = headers.into_iter().filter(is_forwardable).collect();
        self.with(|shared| shared.headers = allowed)
    }

    /// Sets the signal upon which long-lived streams end.
    #[must_use]
    pub fn with_drain(self, drain: Drain) -> Self {
        self.with(|shared| shared.drain = drain)
    }

    /// Answers `request`; calls are sent to `inner`.
    pub(crate) async fn answer<S, B>(
        &self,
        inner: &S,
        request: Authenticated<Request<B>>,
    ) -> Response<Body>
    where
        S: Calls,
        B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send,
    {
        let (principal, request) = request.into_parts();
        let (parts, body) = request.into_parts();
        let exchange = Exchange {
            inner,
            shared: &self.0,
            principal,
            version: HeaderVersion::of(&parts.headers),
            parts: Box::new(parts),
        };
        exchange.answer(body).await
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
pub(crate) trait Calls:
    Service<Call, Response = Reply, Error = Error, Future: Send> + Clone + Send + Sync + 'static
{
}

impl<S> Calls for S where
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
        let layer = self.layer.clone();
        EndpointFuture(Box::pin(
            async move { Ok(layer.answer(&inner, request).await) },
        ))
    }
}

/// One HTTP request of an authenticated caller.
struct Exchange<'a, S> {
    inner: &'a S,
    shared: &'a Shared,
    principal: Principal,
    /// Protocol version in the header.
    version: HeaderVersion,
    parts: Box<Parts>,
}

impl<S: Calls> Exchange<'_, S> {
    /// Answers the request.
    async fn answer<B>(self, body: B) -> Response<Body>
    where
        B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send,
    {
        let has_session = self.parts.headers.contains_key(MCP_SESSION_ID);
        let era = self.probable_era();
        let answered = match (&self.parts.method, has_session) {
            (&Method::POST, _) => match read(body, &self.parts.headers, self.shared.max_body).await
            {
                Ok(body) => return self.post(body).await,
                Err(error) => Err(error.into()),
            },
            (&Method::GET, true) => {
                Box::pin(self.legacy().get(&self.parts.headers, &self.version)).await
            }
            (&Method::GET, false) => self.open_channel(),
            (&Method::DELETE, true) => self.legacy().delete(&self.parts.headers, &self.version),
            (&Method::DELETE, false) => Err(RequestError::MissingSession.into()),
            _ => Err(RequestError::HttpMethod.into()),
        };
        answered.unwrap_or_else(|error| answer::error(&error, None, era))
    }

    /// Returns the era in which to report an error before the body has been read.
    fn probable_era(&self) -> Era {
        self.version.era().unwrap_or(Era::Legacy)
    }

    /// Answers a `POST` request.
    async fn post(self, body: Bytes) -> Response<Body> {
        let era = self.probable_era();
        let message = match Message::parse(body) {
            Ok(message) => message,
            Err(error) => return answer::error(&error.into(), None, era),
        };
        if let Some(channel) = self.shared.channels.named(self.parts.uri.query()) {
            let taken = channel.take(message, &self.principal).await;
            return taken.unwrap_or_else(|error| answer::error(&error, None, Era::Legacy));
        }
        match message {
            Message::Request(request) if self.is_modern(&request) => self.modern(request).await,
            Message::Notification(notification) if era == Era::Modern => {
                let expected =
                    [RpcMethod::Cancelled, RpcMethod::Initialized].contains(notification.method());
                match expected {
                    // "... no notifications/cancelled message is required or expected."
                    true => answer::status(StatusCode::ACCEPTED),
                    false => unexpected(format!("notification {}", notification.method())),
                }
            }
            Message::Response(_) if era == Era::Modern => unexpected("a response"),
            message => {
                let (id, method) = match &message {
                    Message::Request(request) => {
                        (Some(request.id().clone()), Some(request.method().clone()))
                    }
                    Message::Notification(_) | Message::Response(_) => (None, None),
                };
                let answered =
                    Box::pin(self.legacy().post(&self.parts, &self.version, message)).await;
                answered.unwrap_or_else(|error| {
                    answer::error_of(&error, id.as_ref(), method.as_ref(), Era::Legacy)
                })
            }
        }
    }

    /// Answers a request of the modern era.
    async fn modern(self, request: Rpc) -> Response<Body> {
        let id = request.id().clone();
        let takes_events = takes_events(&self.parts.headers);
        let method = request.method().clone();
        let listens = method == RpcMethod::SubscriptionsListen;
        let reply = match modern::check(&self.parts, &self.version, &request) {
            Ok(client) => {
                let caller = Caller::new(self.principal, Arc::clone(&self.shared.gateway), client)
                    .with_headers(forwarded(&self.parts.headers, &self.shared.headers));
                self.inner
                    .clone()
                    .oneshot(Call::vouched_for(request, Arc::new(caller)))
                    .await
            }
            Err(error) => Err(error),
        };
        match reply {
            Ok(Reply::Json { status, body }) => answer::json(status, body),
            Ok(Reply::Events(events)) if listens => {
                event_stream(stream::subscription(events, id, self.shared.drain.clone()))
            }
            Ok(Reply::Events(events)) if takes_events => event_stream(stream::modern(events, id)),
            Ok(Reply::Events(events)) => {
                answer::document(Box::pin(answer::without_events(events, &id)).await)
            }
            Err(error) => answer::error_of(&error, Some(&id), Some(&method), Era::Modern),
        }
    }

    /// Returns `true` if `request` is one of the modern era.
    ///
    /// "A request carrying modern per-request `_meta` is served statelessly according to this
    /// revision. An `initialize` request selects legacy semantics."
    fn is_modern(&self, request: &Rpc) -> bool {
        if request.meta(meta::PROTOCOL_VERSION).is_some() {
            return true;
        }
        match self.version {
            HeaderVersion::Known(version) => version.era() == Era::Modern,
            HeaderVersion::Missing => false,
            // Without a session it may be of a future protocol version.
            HeaderVersion::Unknown(_) => {
                !self.parts.headers.contains_key(MCP_SESSION_ID)
                    && request.method() != &RpcMethod::Initialize
            }
        }
    }

    /// Returns the server of legacy requests of this caller.
    fn legacy(&self) -> Legacy<S> {
        let headers = forwarded(&self.parts.headers, &self.shared.headers);
        Legacy {
            inner: self.inner.clone(),
            sessions: self.shared.sessions.clone(),
            gateway: Arc::clone(&self.shared.gateway),
            principal: self.principal.clone(),
            drain: self.shared.drain.clone(),
            headers: Some(headers),
        }
    }

    /// Opens a stream of HTTP+SSE.
    fn open_channel(&self) -> Result<Response<Body>, Error> {
        if !accepts(&self.parts.headers, "text/event-stream") {
            return Err(RequestError::MissingSession.into());
        }
        Ok(self.shared.channels.open(self.legacy()))
    }
}

/// Returns the response to a message that is not allowed.
fn unexpected(what: impl Into<std::borrow::Cow<'static, str>>) -> Response<Body> {
    let error = RequestError::UnexpectedMessage { what: what.into() };
    answer::error(&error.into(), None, Era::Modern)
}

/// Reads a JSON body of at most `limit` bytes within [`BODY_TIMEOUT`].
async fn read<B>(body: B, headers: &HeaderMap, limit: usize) -> Result<Bytes, RequestError>
where
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send,
{
    let content_type = headers
        .get(header::CONTENT_TYPE)
        .and_then(|value| value.to_str().ok());
    let essence = content_type
        .and_then(|value| value.split(';').next())
        .map(str::trim);
    if !essence.is_some_and(|essence| essence.eq_ignore_ascii_case("application/json")) {
        return Err(RequestError::ContentType);
    }
    let collected = Limited::new(body, limit).collect();
    match time::timeout(BODY_TIMEOUT, collected).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(RequestError::TooLarge { limit }),
        Ok(Err(error)) => Err(RequestError::Body(error)),
        Err(_) => Err(RequestError::BodyTimeout),
    }
}

opaque_future! {
    /// The response future of [`Endpoint`].
    EndpointFuture -> Result<Response<Body>, Error>
}

/// Default maximum size of a body; arguments may contain a document or an image.
const DEFAULT_MAX_BODY: usize = 16 * 1024 * 1024;
