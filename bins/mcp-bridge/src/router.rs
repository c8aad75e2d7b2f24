//! Routes of the bridge.

use std::convert::Infallible;
use std::future::{Future, ready};
use std::pin::Pin;
use std::task::{Context, Poll};

use http::{Request, Response, StatusCode};
use mcp_gateway_core::endpoint::Body;
use mcp_gateway_core::{BoxError, Gateway};
use tower_service::Service;

/// Router with `/mcp`, and with `/sse` for clients of protocol version 2024-11-05. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct BridgeRouter(Gateway);

impl BridgeRouter {
    pub(crate) fn new(gateway: Gateway) -> Self {
        Self(gateway)
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
            "" | "/" if path.starts_with("/mcp") => self.0.call(request),
            "/messages" | "/sse" => self.0.call(request),
            _ if path == "/livez" => answer(StatusCode::OK, "ok\n"),
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
