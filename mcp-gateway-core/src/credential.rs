//! Find the credential that a server wants to see.
//!
//! [`AttachCredentialsLayer`] asks a [`CredentialResolver`] at the moment of each call. The token
//! that the caller presented to the gateway is never it.
//!
//! # Example
//!
//! ```
//! use async_trait::async_trait;
//! use http::HeaderValue;
//! use mcp_gateway_core::credential::{Credential, CredentialError, CredentialResolver};
//! use mcp_gateway_core::route::Target;
//! use mcp_gateway_core::Caller;
//!
//! /// One account for the server `github`, whoever calls.
//! #[derive(Debug)]
//! struct Shared(HeaderValue);
//!
//! #[async_trait]
//! impl CredentialResolver for Shared {
//!     async fn resolve(&self, _: &Caller, target: &Target) -> Result<Credential, CredentialError> {
//!         Ok(match &*target.server {
//!             "github" => Credential::new("shared").with_header(http::header::AUTHORIZATION, self.0.clone()),
//!             _ => Credential::none(),
//!         })
//!     }
//! }
//! ```

use std::fmt;
use std::future::Future;
use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use async_trait::async_trait;
use http::{HeaderName, HeaderValue};
use tower_layer::Layer;
use tower_service::Service;

use crate::call::{Permitted, Prepared};
pub use crate::error::CredentialError;
use crate::route::Target;
use crate::{BoxFuture, Call, Caller, Error};

/// Finds the credential with which to call a server on behalf of a caller.
///
/// Called once per call, by [`AttachCredentials`]. It should answer from memory in the common case.
///
/// # Cancel safety
///
/// The future is dropped when the client goes away, at any `.await`.
#[async_trait]
pub trait CredentialResolver: fmt::Debug + Send + Sync + 'static {
    /// Resolves the credential for one call.
    ///
    /// # Errors
    ///
    /// [`CredentialError`] when there is none; the call is then not made.
    async fn resolve(
        &self,
        caller: &Caller,
        target: &Target,
    ) -> Result<Credential, CredentialError>;
}

#[async_trait]
impl<R: CredentialResolver + ?Sized> CredentialResolver for Arc<R> {
    async fn resolve(
        &self,
        caller: &Caller,
        target: &Target,
    ) -> Result<Credential, CredentialError> {
        (**self).resolve(caller, target).await
    }
}

/// Calls every server without a credential.
#[derive(Clone, Copy, Debug, Default)]
#[non_exhaustive]
pub struct NoCredentials;

impl NoCredentials {
    /// Calls every server without a credential.
    #[must_use]
    pub fn new() -> Self {
        Self
    }
}

#[async_trait]
impl CredentialResolver for NoCredentials {
    async fn resolve(&self, _: &Caller, _: &Target) -> Result<Credential, CredentialError> {
        Ok(Credential::none())
    }
}

/// What to present to a server, and whose it is.
///
/// `Debug` does not show the secrets.
#[derive(Clone)]
pub struct Credential {
    account: Arc<str>,
    headers: Arc<[(HeaderName, HeaderValue)]>,
}

impl Credential {
    /// A credential of `account`, so far without anything to present.
    ///
    /// Calls with credentials of one account may share a session with the server, and what the
    /// server lists; calls of different accounts never do. The name is not secret.
    #[must_use]
    pub fn new(account: impl Into<Arc<str>>) -> Self {
        Self {
            account: account.into(),
            headers: Arc::new([]),
        }
    }

    /// Nothing: the server is open, or knows the gateway by its connection.
    #[must_use]
    pub fn none() -> Self {
        Self::new("")
    }

    /// Presents a header to HTTP servers; it wins over one that the client sent.
    #[must_use]
    pub fn with_header(mut self, name: HeaderName, mut value: HeaderValue) -> Self {
        value.set_sensitive(true);
        self.headers = self
            .headers
            .iter()
            .cloned()
            .chain([(name, value)])
            .collect();
        self
    }

    /// Whose credential it is.
    #[must_use]
    pub fn account(&self) -> &Arc<str> {
        &self.account
    }

    /// The headers to present.
    #[must_use]
    pub fn headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.headers
    }
}

impl fmt::Debug for Credential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.headers.iter().map(|(name, _)| name).collect();
        f.debug_struct("Credential")
            .field("account", &self.account)
            .field("headers", &names)
            .finish()
    }
}

/// A [`Layer`] that applies [`AttachCredentials`].
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug)]
pub struct AttachCredentialsLayer {
    resolver: Arc<dyn CredentialResolver>,
}

impl AttachCredentialsLayer {
    /// Asks `resolver` for the credential of every call.
    #[must_use]
    pub fn new(resolver: Arc<dyn CredentialResolver>) -> Self {
        Self { resolver }
    }
}

impl<S> Layer<S> for AttachCredentialsLayer {
    type Service = AttachCredentials<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AttachCredentials {
            inner,
            resolver: Arc::clone(&self.resolver),
        }
    }
}

/// Passes on calls with the credential that a [`CredentialResolver`] finds.
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug)]
pub struct AttachCredentials<S> {
    inner: S,
    resolver: Arc<dyn CredentialResolver>,
}

impl<S> Service<Call<Permitted>> for AttachCredentials<S>
where
    S: Service<Call<Prepared>, Error = Error> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = S::Response;
    type Error = Error;
    type Future = AttachCredentialsFuture<S::Response>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, call: Call<Permitted>) -> Self::Future {
        // Take the service that was polled ready, and leave its clone behind.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let resolver = Arc::clone(&self.resolver);
        AttachCredentialsFuture(Box::pin(async move {
            let credential = match resolver.resolve(call.caller(), call.target()).await {
                Ok(credential) => credential,
                Err(source) => {
                    let server = Arc::clone(&call.target().server);
                    return Err(Error::Credential { server, source });
                }
            };
            let call =
                call.advance(|Permitted { target }| Prepared::vouched_for(target, credential));
            inner.call(call).await
        }))
    }
}

/// The response future of [`AttachCredentials`].
#[must_use = "futures do nothing unless polled"]
pub struct AttachCredentialsFuture<T>(BoxFuture<'static, Result<T, Error>>);

impl<T> Future for AttachCredentialsFuture<T> {
    type Output = Result<T, Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.as_mut().poll(cx)
    }
}

impl<T> fmt::Debug for AttachCredentialsFuture<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AttachCredentialsFuture")
            .finish_non_exhaustive()
    }
}
