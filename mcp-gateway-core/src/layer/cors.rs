//! Answer the preflight requests of web pages that may call the gateway.
//!
//! [`CorsLayer`] adds the headers of the [Fetch standard][fetch] for the origins that a [`HostPolicy`]
//! allows. It rejects nothing: [`HostGuardLayer`] does. Requests without `Origin` pass unchanged.
//!
//! # Example
//!
//! ```
//! use std::convert::Infallible;
//!
//! use http::{Method, Request, Response};
//! use mcp_gateway_core::host_policy::HostPolicy;
//! use mcp_gateway_core::layer::cors::CorsLayer;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let inner = service_fn(async |_| Ok::<_, Infallible>(Response::new(String::new())));
//! let service = CorsLayer::new(HostPolicy::new().with_origin("https://app.example.com")).layer(inner);
//! let preflight = |origin: &str| {
//!     Request::builder()
//!         .method(Method::OPTIONS)
//!         .header("host", "mcp.example.com")
//!         .header("origin", origin)
//!         .header("access-control-request-method", "POST")
//!         .body(String::new())
//! };
//! let response = service.clone().oneshot(preflight("https://app.example.com")?).await?;
//! assert_eq!(response.headers()["access-control-allow-origin"], "https://app.example.com");
//! let response = service.oneshot(preflight("https://elsewhere.example")?).await?;
//! assert!(!response.headers().contains_key("access-control-allow-origin"));
//! # Ok(())
//! # }
//! ```
//!
//! [`HostGuardLayer`]: super::host_guard::HostGuardLayer
//! [fetch]: https://fetch.spec.whatwg.org/#http-cors-protocol

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use http::{Method, Request, Response, header};
use pin_project_lite::pin_project;
use tower_http::cors::{self, AllowHeaders, AllowOrigin};
use tower_layer::Layer;
use tower_service::Service;

use crate::host_policy::{self, HostPolicy};
use crate::problem::DPOP_NONCE;
use crate::protocol::header as mcp;

/// A [`Layer`] that applies [`Cors`].
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug)]
pub struct CorsLayer(Arc<cors::CorsLayer>);

impl CorsLayer {
    /// Creates a layer that adds the headers for the origins that `policy` allows.
    #[must_use]
    pub fn new(policy: impl Into<Arc<HostPolicy>>) -> Self {
        let policy = policy.into();
        let layer = cors::CorsLayer::new()
            .allow_origin(AllowOrigin::predicate(move |origin, parts| {
                policy.allows_origin(origin.as_bytes(), host_policy::authority(parts).as_deref())
            }))
            .allow_methods([Method::DELETE, Method::GET, Method::POST])
            // The names of headers that mirror arguments are defined by servers.
            .allow_headers(AllowHeaders::mirror_request())
            .expose_headers([
                DPOP_NONCE,
                header::RETRY_AFTER,
                header::WWW_AUTHENTICATE,
                mcp::MCP_PROTOCOL_VERSION,
                mcp::MCP_SESSION_ID,
            ])
            .max_age(Duration::from_secs(600));
        Self(Arc::new(layer))
    }
}

impl<S> Layer<S> for CorsLayer {
    type Service = Cors<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Cors {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service that adds the headers with which web pages can read responses, and answers preflight
/// requests.
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug)]
pub struct Cors<S> {
    inner: S,
    layer: CorsLayer,
}

impl<S, B, R> Service<Request<B>> for Cors<S>
where
    S: Service<Request<B>, Response = Response<R>> + Clone,
    R: Default,
{
    type Response = Response<R>;
    type Error = S::Error;
    type Future = CorsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let state = if request.headers().contains_key(header::ORIGIN) {
            // Take the service that was polled ready, and leave its clone behind.
            let clone = self.inner.clone();
            let inner = mem::replace(&mut self.inner, clone);
            let future = self.layer.0.layer(inner).call(request);
            State::Cors { future }
        } else {
            let future = self.inner.call(request);
            State::Direct { future }
        };
        CorsFuture { state }
    }
}

pin_project! {
    /// The response future of [`Cors`].
    #[must_use = "futures do nothing unless polled"]
    pub struct CorsFuture<F> {
        #[pin]
        state: State<F>,
    }
}

pin_project! {
    #[project = StateProj]
    enum State<F> {
        Cors {
            #[pin]
            future: cors::ResponseFuture<F>,
        },
        Direct {
            #[pin]
            future: F,
        },
    }
}

impl<F, R, E> Future for CorsFuture<F>
where
    F: Future<Output = Result<Response<R>, E>>,
    R: Default,
{
    type Output = Result<Response<R>, E>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.project().state.project() {
            StateProj::Cors { future } => future.poll(cx),
            StateProj::Direct { future } => future.poll(cx),
        }
    }
}

impl<F> fmt::Debug for CorsFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CorsFuture").finish_non_exhaustive()
    }
}
