//! Attach the credential for the server to each call.
//!
//! [`AttachCredentialsLayer`] calls a [`CredentialResolver`] for each call that the policy has
//! permitted. If it fails, the server is not called. The token that the caller presented to the
//! gateway is never forwarded.
//!
//! # Example
//!
//! ```
//! use std::sync::Arc;
//!
//! use async_trait::async_trait;
//! use mcp_gateway_core::auth::Principal;
//! use mcp_gateway_core::call::Prepared;
//! use mcp_gateway_core::credential::{Credential, CredentialError, CredentialResolver};
//! use mcp_gateway_core::jsonrpc::{Id, Request};
//! use mcp_gateway_core::layer::attach_credentials::AttachCredentialsLayer;
//! use mcp_gateway_core::layer::authorize::AuthorizeLayer;
//! use mcp_gateway_core::layer::dispatch::DispatchLayer;
//! use mcp_gateway_core::policy::AllowAll;
//! use mcp_gateway_core::protocol::{Capabilities, Method, Version};
//! use mcp_gateway_core::route::{PrefixRouter, Target};
//! use mcp_gateway_core::{Call, Caller, Client, Error, Reply};
//! use tower::{ServiceBuilder, ServiceExt, service_fn};
//!
//! /// Every caller has an account of `files`, and none of any other server.
//! #[derive(Debug)]
//! struct Accounts;
//!
//! #[async_trait]
//! impl CredentialResolver for Accounts {
//!     async fn resolve(&self, caller: &Caller, target: &Target) -> Result<Credential, CredentialError> {
//!         match &*target.server {
//!             "files" => Ok(Credential::new(caller.principal().subject())),
//!             _ => Err(CredentialError::Unavailable("no such store".into())),
//!         }
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let policy = Arc::new(AllowAll::new());
//! let router = Arc::new(PrefixRouter::by_name(["files", "github"])?);
//! let stack = ServiceBuilder::new()
//!     .layer(DispatchLayer::new(router, policy.clone()))
//!     .layer(AuthorizeLayer::new(policy))
//!     .layer(AttachCredentialsLayer::new(Arc::new(Accounts)))
//!     .service(service_fn(async |call: Call<Prepared>| {
//!         assert_eq!(&**call.credential().account(), "alice");
//!         Ok::<_, Error>(Reply::result(call.request().id(), "{}"))
//!     }));
//!
//! let client = Client::new(Version::LATEST, Capabilities::default());
//! let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
//! let call = |name: &str| {
//!     let params = format!(r#"{{"name":"{name}"}}"#);
//!     let request = Request::new(&Id::from(1), &Method::ToolsCall, &params);
//!     Call::vouched_for(request, Arc::clone(&caller))
//! };
//! assert!(stack.clone().oneshot(call("files__read")).await.is_ok());
//! let error = stack.oneshot(call("github__search")).await.unwrap_err();
//! assert!(matches!(error, Error::Credential { .. }));
//! # Ok(())
//! # }
//! ```

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
/// See the [module documentation](self) for an example.
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
