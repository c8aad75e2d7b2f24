//! Reject requests for other hosts, and of web pages of other origins.
//!
//! [`HostGuardLayer`] validates `Host` and `Origin` with a [`HostPolicy`], before anything else of the
//! request. A rejected request fails with [`RequestError::Host`] or [`RequestError::Origin`],
//! which is `403 Forbidden` to the client.
//!
//! *Deployment*: behind a proxy that keeps the client's `Host`, the public host name must be one of
//! [`HostPolicy::with_host`].
//!
//! # Example
//!
//! ```
//! use http::Request;
//! use mcp_gateway_core::Error;
//! use mcp_gateway_core::endpoint::RequestError;
//! use mcp_gateway_core::host_policy::HostPolicy;
//! use mcp_gateway_core::layer::host_guard::HostGuardLayer;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let inner = service_fn(async |_| Ok::<_, Error>("accepted"));
//! let service = HostGuardLayer::new(HostPolicy::new()).layer(inner);
//! let request = |origin: &str| {
//!     Request::post("/mcp").header("host", "localhost").header("origin", origin).body(())
//! };
//! assert_eq!(service.clone().oneshot(request("http://localhost:6274")?).await?, "accepted");
//! let error = service.oneshot(request("https://elsewhere.example")?).await.unwrap_err();
//! assert!(matches!(error, Error::Request(RequestError::Origin { .. })));
//! # Ok(())
//! # }
//! ```
//!
//! [`RequestError::Host`]: crate::endpoint::RequestError::Host
//! [`RequestError::Origin`]: crate::endpoint::RequestError::Origin

use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use super::gate::Gate;
use crate::Error;
use crate::host_policy::HostPolicy;

/// A [`Layer`] that applies [`HostGuard`].
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug)]
pub struct HostGuardLayer(Arc<HostPolicy>);

impl HostGuardLayer {
    /// Creates a layer that validates requests with `policy`.
    #[must_use]
    pub fn new(policy: impl Into<Arc<HostPolicy>>) -> Self {
        Self(policy.into())
    }
}

impl<S> Layer<S> for HostGuardLayer {
    type Service = HostGuard<S>;

    fn layer(&self, inner: S) -> Self::Service {
        HostGuard {
            inner,
            guard: Arc::clone(&self.0),
        }
    }
}

/// A service that forwards the requests that a [`HostPolicy`] accepts.
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug)]
pub struct HostGuard<S> {
    inner: S,
    guard: Arc<HostPolicy>,
}

impl<S, B> Service<Request<B>> for HostGuard<S>
where
    S: Service<Request<B>, Error = Error>,
{
    type Response = S::Response;
    type Error = Error;
    type Future = Gate<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (parts, body) = request.into_parts();
        match self.guard.check(&parts) {
            Ok(()) => Gate::forward(self.inner.call(Request::from_parts(parts, body))),
            Err(error) => Gate::reject(error),
        }
    }
}
