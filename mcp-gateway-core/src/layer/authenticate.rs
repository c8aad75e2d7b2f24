//! Authenticate the caller of each request.
//!
//! [`AuthenticateLayer`] calls an [`AuthVerifier`] for each request, before the body is read, and
//! forwards the requests that it accepts. The result is an [`Authenticated`] request, the only type
//! that the inner layers accept.
//!
//! A rejected client receives `401 Unauthorized` with a challenge in `WWW-Authenticate`, as [the
//! specification][spec] requires.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use http::request::Parts;
//! use http::{HeaderValue, Request};
//! use mcp_gateway_core::Error;
//! use mcp_gateway_core::auth::{AuthError, AuthVerifier, Authenticated, Principal};
//! use mcp_gateway_core::layer::authenticate::AuthenticateLayer;
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! /// Trusts a header that the reverse proxy sets.
//! #[derive(Debug)]
//! struct ProxyUser;
//!
//! #[async_trait]
//! impl AuthVerifier for ProxyUser {
//!     async fn verify(&self, request: &Parts) -> Result<Principal, AuthError> {
//!         let user = request.headers.get("x-user").ok_or(AuthError::MissingToken)?;
//!         Ok(Principal::new(user.to_str().map_err(|_| AuthError::InvalidToken)?))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Error> {
//! let service = ServiceBuilder::new()
//!     .layer(AuthenticateLayer::new(Arc::new(ProxyUser)))
//!     .service(service_fn(async |request: Authenticated<Request<()>>| {
//!         Ok::<_, Error>(request.principal().subject().to_owned())
//!     }));
//!
//! let mut request = Request::new(());
//! let error = service.clone().oneshot(request.clone()).await.unwrap_err();
//! assert!(matches!(error, Error::Auth(AuthError::MissingToken)));
//!
//! request.headers_mut().insert("x-user", HeaderValue::from_static("alice"));
//! assert_eq!(service.oneshot(request).await?, "alice");
//! # Ok(())
//! # }
//! ```
//!
//! [spec]: https://modelcontextprotocol.io/specification/2026-07-28/basic/authorization

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use tower_layer::Layer;
use tower_service::Service;

use crate::Error;
use crate::auth::{AuthVerifier, Authenticated};

/// A [`Layer`] that applies [`Authenticate`].
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug)]
pub struct AuthenticateLayer {
    verifier: Arc<dyn AuthVerifier>,
}

impl AuthenticateLayer {
    /// Creates a layer that authenticates requests with `verifier`.
    #[must_use]
    pub fn new(verifier: Arc<dyn AuthVerifier>) -> Self {
        Self { verifier }
    }
}

impl<S> Layer<S> for AuthenticateLayer {
    type Service = Authenticate<S>;

    fn layer(&self, inner: S) -> Self::Service {
        Authenticate {
            inner,
            verifier: Arc::clone(&self.verifier),
        }
    }
}

/// A service that forwards requests whose caller an [`AuthVerifier`] accepts.
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug)]
pub struct Authenticate<S> {
    inner: S,
    verifier: Arc<dyn AuthVerifier>,
}

impl<S, B> Service<Request<B>> for Authenticate<S>
where
    S: Service<Authenticated<Request<B>>, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = Error;
    type Future = AuthenticateFuture<S::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // Take the service that was polled ready, and leave its clone behind.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let verifier = Arc::clone(&self.verifier);
        AuthenticateFuture(Box::pin(async move {
            let (parts, body) = request.into_parts();
            let principal = verifier.verify(&parts).await?;
            let request = Request::from_parts(parts, body);
            inner
                .call(Authenticated::by(verifier, principal, request))
                .await
        }))
    }
}

opaque_future! {
    /// The response future of [`Authenticate`].
    AuthenticateFuture<T> -> Result<T, Error>
}
