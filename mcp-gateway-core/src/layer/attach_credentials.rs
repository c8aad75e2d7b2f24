//! Attach the credential for the server to each call.
//!
//! [`AttachCredentialsLayer`] calls a [`CredentialResolver`] for each call that the policy has
//! permitted. If it fails, the server is not called. The token that the caller presented to the
//! gateway is never forwarded.
//!
//! See [`credential`](crate::credential) for an example of a resolver.

use std::mem;
use std::sync::Arc;
use std::task::{Context, Poll};

use tower_layer::Layer;
use tower_service::Service;

use crate::call::{Permitted, Prepared};
use crate::credential::CredentialResolver;
use crate::{Call, Error};

/// A [`Layer`] that applies [`AttachCredentials`].
///
/// See [`CredentialResolver`] for an example of a resolver.
#[derive(Clone, Debug)]
pub struct AttachCredentialsLayer {
    resolver: Arc<dyn CredentialResolver>,
}

impl AttachCredentialsLayer {
    /// Creates a layer that resolves credentials with `resolver`.
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

/// A service that attaches the credential of a [`CredentialResolver`] to each call.
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

opaque_future! {
    /// The response future of [`AttachCredentials`].
    AttachCredentialsFuture<T> -> Result<T, Error>
}
