//! Routes of the bridge.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use mcp_gateway_core::endpoint::Body;
use mcp_gateway_core::upstream::UpstreamServer;
use mcp_gateway_core::{BoxError, Drain, Gateway};
use tower_service::Service;

/// Router with `/mcp`, with `/sse` for clients of protocol version 2024-11-05, and with `/livez`,
/// `/healthz` and `/readyz` for probes. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct BridgeRouter {
    gateway: Gateway,
    readiness: Readiness,
}

/// State that decides whether the bridge takes calls.
#[derive(Clone, Debug)]
pub(crate) struct Readiness {
    pub(crate) drain: Drain,
    /// Server that has to run; `None` if it is started by the first call.
    pub(crate) server: Option<Arc<UpstreamServer>>,
}

impl Readiness {
    fn is_ready(&self) -> bool {
        let runs = |server: &Arc<UpstreamServer>| server.connections() > 0;
        !self.drain.is_draining() && self.server.as_ref().is_none_or(runs)
    }
}

impl BridgeRouter {
    pub(crate) fn new(gateway: Gateway, readiness: Readiness) -> Self {
        Self { gateway, readiness }
    }
}

impl<B> Service<Request<B>> for BridgeRouter
where
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let path = request.uri().path();
        match path.strip_prefix("/mcp").unwrap_or(path) {
            "" | "/" if path.starts_with("/mcp") => self.gateway.call(request),
            "/messages" | "/sse" => self.gateway.call(request),
            _ if matches!(path, "/livez" | "/healthz") => answer(StatusCode::OK, "ok\n"),
            _ if path == "/readyz" => match self.readiness.is_ready() {
                true => answer(StatusCode::OK, "ok\n"),
                false => answer(StatusCode::SERVICE_UNAVAILABLE, "the server does not run\n"),
            },
            _ => answer(
                StatusCode::NOT_FOUND,
                "Not found. The endpoints are /mcp and /sse.\n",
            ),
        }
    }
}

fn answer(
    status: StatusCode,
    text: &'static str,
) -> Pin<Box<dyn Future<Output = Result<Response<Body>, Infallible>> + Send>> {
    let mut response = Response::new(Body::full(text));
    *response.status_mut() = status;
    Box::pin(ready(Ok(response)))
}
