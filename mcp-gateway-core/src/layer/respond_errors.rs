//! Turn the errors of the inner layers into responses.
//!
//! [`RespondErrorsLayer`] maps each [`Error`] to its [`Problem`] and writes that as a response: the
//! status, the headers (`WWW-Authenticate`, `Retry-After`, `Allow`) and a JSON-RPC error. The
//! resulting service is infallible, which web frameworks require of a service that they mount.
//!
//! # Example
//!
//! ```
//! use http::{Request, Response, StatusCode};
//! use mcp_gateway_core::Error;
//! use mcp_gateway_core::auth::{AuthError, ProtectedResource};
//! use mcp_gateway_core::endpoint::Body;
//! use mcp_gateway_core::layer::respond_errors::RespondErrorsLayer;
//! use tower::{Layer, ServiceExt, service_fn};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let inner = service_fn(async |request: Request<bool>| match request.into_body() {
//!     true => Ok(Response::new(Body::empty())),
//!     false => Err(Error::from(AuthError::MissingToken)),
//! });
//! let metadata = "https://gw.example.com/.well-known/oauth-protected-resource/mcp";
//! let service = RespondErrorsLayer::new()
//!     .with_protected_resource(ProtectedResource::new(metadata))
//!     .layer(inner);
//!
//! assert_eq!(service.clone().oneshot(Request::new(true)).await?.status(), StatusCode::OK);
//! let response = service.oneshot(Request::new(false)).await?;
//! assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
//! assert_eq!(
//!     response.headers()["www-authenticate"],
//!     format!("Bearer resource_metadata=\"{metadata}\""),
//! );
//! # Ok(())
//! # }
//! ```
//!
//! [`Problem`]: crate::Problem

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use http::Response;
use pin_project_lite::pin_project;
use tower_layer::Layer;
use tower_service::Service;

use crate::Error;
use crate::auth::ProtectedResource;
use crate::endpoint::{self, Body};
use crate::protocol::Era;

/// A [`Layer`] that applies [`RespondErrors`].
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug, Default)]
pub struct RespondErrorsLayer {
    protected: Option<Arc<ProtectedResource>>,
}

impl RespondErrorsLayer {
    /// Creates a layer whose challenges name no metadata.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds the metadata of `resource` to each challenge, so that clients can find the
    /// authorization server.
    #[must_use]
    pub fn with_protected_resource(mut self, resource: ProtectedResource) -> Self {
        self.protected = Some(Arc::new(resource));
        self
    }
}

impl<S> Layer<S> for RespondErrorsLayer {
    type Service = RespondErrors<S>;

    fn layer(&self, inner: S) -> Self::Service {
        RespondErrors {
            inner,
            layer: self.clone(),
        }
    }
}

/// A service that turns the errors of its inner service into responses.
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug)]
pub struct RespondErrors<S> {
    inner: S,
    layer: RespondErrorsLayer,
}

impl<S, R> Service<R> for RespondErrors<S>
where
    S: Service<R, Response = Response<Body>, Error = Error>,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = RespondErrorsFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        // An inner service that fails here fails again when it is called, and then has a client.
        self.inner.poll_ready(cx).map(|_| Ok(()))
    }

    fn call(&mut self, request: R) -> Self::Future {
        RespondErrorsFuture {
            inner: self.inner.call(request),
            protected: self.layer.protected.clone(),
        }
    }
}

pin_project! {
    /// The response future of [`RespondErrors`].
    #[must_use = "futures do nothing unless polled"]
    pub struct RespondErrorsFuture<F> {
        #[pin]
        inner: F,
        protected: Option<Arc<ProtectedResource>>,
    }
}

impl<F> Future for RespondErrorsFuture<F>
where
    F: Future<Output = Result<Response<Body>, Error>>,
{
    type Output = Result<Response<Body>, Infallible>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.project();
        let response = ready!(this.inner.poll(cx)).unwrap_or_else(|error| {
            let mut response = endpoint::error(&error, None, Era::Modern);
            if let Some(protected) = this.protected {
                protected.extend_challenge(response.headers_mut());
            }
            response
        });
        Poll::Ready(Ok(response))
    }
}

impl<F> fmt::Debug for RespondErrorsFuture<F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RespondErrorsFuture")
            .finish_non_exhaustive()
    }
}
