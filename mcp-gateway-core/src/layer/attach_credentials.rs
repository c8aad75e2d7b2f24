//! Attach the credential for the server to each call.
//!
//! [`AttachCredentialsLayer`] calls a [`CredentialResolver`] for each call that the policy has
//! permitted. If it fails, the server is not called. The token that the caller presented to the
//! gateway is never forwarded.
//!
//! A server may have [a resolver of its own](PooledServer::with_credentials). Then the call is sent
//! to that very server, whatever server has its name meanwhile.
//!
//! If the server rejects the credential, with the status 401 or 403, it has not executed the call.
//! The resolver receives the [`Challenge`] and may provide another credential, with which the call
//! is sent once more.
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
//! use mcp_gateway_core::protocol::{Capabilities, Method, ProtocolVersion};
//! use mcp_gateway_core::route::{PrefixRouter, Target};
//! use mcp_gateway_core::{Call, Caller, ClientInfo, Error, Reply};
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
//! let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
//! let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
//! let call = |name: &str| {
//!     let params = format!(r#"{{"name":"{name}"}}"#);
//!     let request = Request::new(&Id::from(1), &Method::ToolsCall, &params);
//!     Call::trusted(request, Arc::clone(&caller))
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

use tower::ServiceExt;
use tower_layer::Layer;
use tower_service::Service;

use crate::call::{Permitted, Prepared, ServerHandle};
use crate::credential::{Challenge, CredentialError, CredentialResolver};
use crate::era::has_request_state;
use crate::error::UpstreamError;
use crate::upstream::{PooledServer, ServerPool};
use crate::{Call, Credential, Error};

/// A [`Layer`] that applies [`AttachCredentials`].
///
/// See the [module documentation](self) for an example.
#[derive(Clone, Debug)]
pub struct AttachCredentialsLayer(Arc<Shared>);

/// Parts of the layer, shared by its services: they are cloned for every call.
#[derive(Debug)]
struct Shared {
    resolver: Arc<dyn CredentialResolver>,
    pool: ServerPool,
}

impl AttachCredentialsLayer {
    /// Creates a layer that resolves credentials with `resolver`.
    #[must_use]
    pub fn new(resolver: Arc<dyn CredentialResolver>) -> Self {
        let pool = ServerPool::new();
        Self(Arc::new(Shared { resolver, pool }))
    }

    /// Sets the servers, which may have resolvers of their own.
    #[must_use]
    pub fn with_pool(self, pool: ServerPool) -> Self {
        let resolver = Arc::clone(&self.0.resolver);
        Self(Arc::new(Shared { resolver, pool }))
    }
}

impl<S> Layer<S> for AttachCredentialsLayer {
    type Service = AttachCredentials<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AttachCredentials {
            inner,
            shared: Arc::clone(&self.0),
        }
    }
}

/// A service that attaches the credential of a [`CredentialResolver`] to each call.
#[derive(Clone, Debug)]
pub struct AttachCredentials<S> {
    inner: S,
    shared: Arc<Shared>,
}

impl Shared {
    /// Returns the server of `call`, if the layer knows it, and the credential for that server.
    ///
    /// A server that is replaced meanwhile is looked up again, so that the call reaches its
    /// successor.
    async fn resolve(
        &self,
        call: &Call<Permitted>,
    ) -> Result<(Option<Arc<PooledServer>>, Credential), CredentialError> {
        let mut lookups = 1;
        loop {
            let server = self.pool.get(&call.target().server);
            let resolver = self.resolver_of(server.as_deref());
            let resolved = resolver.resolve(call.caller(), call.target()).await;
            match resolved {
                Err(CredentialError::Replaced) if lookups < MAX_LOOKUPS => lookups += 1,
                resolved => return resolved.map(|credential| (server, credential)),
            }
        }
    }

    /// Returns the resolver of `server`, otherwise that of the gateway.
    fn resolver_of<'a>(&'a self, server: Option<&'a PooledServer>) -> &'a dyn CredentialResolver {
        let own = server.and_then(PooledServer::credentials);
        own.unwrap_or(&*self.resolver)
    }
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
        let shared = Arc::clone(&self.shared);
        AttachCredentialsFuture(Box::pin(async move {
            let (server, credential) = match shared.resolve(&call).await {
                Ok(resolved) => resolved,
                Err(source) => return Err(missing(&call, source)),
            };
            let rejected = Rejected {
                call: call.share(),
                server: server.clone(),
                credential: credential.clone(),
            };
            let challenge = match inner.call(prepared(call, server, credential)).await {
                Err(Error::Upstream {
                    source: UpstreamError::Unauthorized { challenge },
                    ..
                }) => challenge,
                answer => return answer,
            };
            Box::pin(rejected.retry(&shared, challenge, inner)).await
        }))
    }
}

/// Adds the credential to `call`, and the server that it is for.
fn prepared(
    call: Call<Permitted>,
    server: Option<Arc<PooledServer>>,
    credential: Credential,
) -> Call<Prepared> {
    let server = server.map(ServerHandle::new);
    call.advance(|Permitted { target, .. }| {
        Prepared::trusted(target, credential).with_server(server)
    })
}

/// Returns the error of `call`, for which there is no credential. It has not run, and keeps its
/// approval.
fn missing(call: &Call<Permitted>, source: CredentialError) -> Error {
    call.restore_approval();
    let server = Arc::clone(&call.target().server);
    Error::Credential { server, source }
}

/// A call whose credential the server has rejected.
struct Rejected {
    call: Call<Permitted>,
    server: Option<Arc<PooledServer>>,
    credential: Credential,
}

impl Rejected {
    /// Sends the call once more to the same server, if its resolver has another credential.
    async fn retry<S>(
        self,
        shared: &Shared,
        challenge: Challenge,
        inner: S,
    ) -> Result<S::Response, Error>
    where
        S: Service<Call<Prepared>, Error = Error>,
    {
        let Self {
            call,
            server,
            credential,
        } = self;
        let (caller, target) = (call.caller(), call.target());
        let name = Arc::clone(&target.server);
        let resolver = shared.resolver_of(server.as_deref());
        let renewed = resolver.rejected(caller, target, &credential, &challenge);
        let renewed = renewed.await;
        match renewed {
            // A `requestState` is valid once, and has been redeemed.
            Ok(Some(renewed)) if !has_request_state(&call) => {
                tracing::debug!(server = %name, "credential renewed; call retried");
                inner.oneshot(prepared(call, server, renewed)).await
            }
            Ok(_) => {
                let (server, source) = (name, UpstreamError::Unauthorized { challenge });
                Err(Error::Upstream { server, source })
            }
            Err(source) => Err(missing(&call, source)),
        }
    }
}

opaque_future! {
    /// The response future of [`AttachCredentials`].
    AttachCredentialsFuture<T> -> Result<T, Error>
}

/// Maximum number of times that the server of a call is looked up.
const MAX_LOOKUPS: u32 = 3;

#[cfg(test)]
mod tests {
    use async_trait::async_trait;
    use http::{HeaderMap, HeaderValue, StatusCode, header};
    use tower::service_fn;

    use super::*;
    use crate::auth::Principal;
    use crate::call::Attempts;
    use crate::jsonrpc::{Id, Request};
    use crate::protocol::{Capabilities, Method, ProtocolVersion};
    use crate::route::{Feature, Target};
    use crate::{Caller, ClientInfo, Reply};

    /// Renews once what is rejected, unless a scope is missing.
    #[derive(Debug)]
    struct Renewing;

    fn token(value: &'static str) -> Credential {
        let value = HeaderValue::from_static(value);
        Credential::new("alice").with_header(header::AUTHORIZATION, value)
    }

    #[async_trait]
    impl CredentialResolver for Renewing {
        async fn resolve(&self, _: &Caller, _: &Target) -> Result<Credential, CredentialError> {
            Ok(token("expired"))
        }

        async fn rejected(
            &self,
            _: &Caller,
            _: &Target,
            credential: &Credential,
            challenge: &Challenge,
        ) -> Result<Option<Credential>, CredentialError> {
            assert_eq!(credential.headers()[0].1, "expired");
            match challenge.is_insufficient_scope() {
                true => Err(CredentialError::NotConnected { url: None }),
                false => Ok(Some(token("renewed"))),
            }
        }
    }

    /// Calls a server that rejects each credential in `rejects` with `challenge`.
    async fn call(
        resolver: impl CredentialResolver,
        rejects: &'static [&'static str],
        challenge: &'static str,
        params: &str,
    ) -> (Result<Reply, Error>, usize) {
        let calls = Arc::new(std::sync::atomic::AtomicUsize::new(0));
        let counter = Arc::clone(&calls);
        let server = service_fn(move |call: Call<Prepared>| {
            counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            let presented = call.credential().headers().first().map(|(_, value)| value);
            let presented = presented.map_or("", |value| value.to_str().unwrap());
            let mut headers = HeaderMap::new();
            headers.insert(
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static(challenge),
            );
            let challenge = Challenge::new(StatusCode::UNAUTHORIZED, &headers);
            let source = UpstreamError::Unauthorized { challenge };
            let server = Arc::clone(&call.target().server);
            std::future::ready(match rejects.contains(&presented) {
                true => Err(Error::Upstream { server, source }),
                false => Ok(Reply::result(call.request().id(), "{}")),
            })
        });
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
        let request = Request::new(&Id::from(1), &Method::ToolsCall, params);
        let target = Target::new("s", Feature::Tool("a".into()));
        let call = Call::trusted(request, caller).advance(|()| Permitted {
            target,
            attempts: Attempts::default(),
        });
        let layer = AttachCredentialsLayer::new(Arc::new(resolver));
        let reply = layer.layer(server).oneshot(call).await;
        (reply, calls.load(std::sync::atomic::Ordering::Relaxed))
    }

    /// Resolver of one server, which is replaced by another one while the credential is resolved.
    #[derive(Debug)]
    struct Replacing {
        own: &'static str,
        pool: ServerPool,
        successor: std::sync::Mutex<Option<PooledServer>>,
        notices: bool,
    }

    #[async_trait]
    impl CredentialResolver for Replacing {
        async fn resolve(&self, _: &Caller, _: &Target) -> Result<Credential, CredentialError> {
            let successor = self.successor.lock().unwrap().take();
            match successor.map(|successor| self.pool.insert("s", successor)) {
                Some(()) if self.notices => Err(CredentialError::Replaced),
                _ => Ok(token(self.own)),
            }
        }
    }

    /// Server that returns its address and the credential that it has received.
    #[derive(Debug)]
    struct Address(&'static str);

    #[async_trait]
    impl crate::upstream::Upstream for Address {
        async fn send(&self, call: Call<Prepared>) -> Result<Reply, UpstreamError> {
            let presented = call.credential().headers()[0].1.to_str().unwrap();
            let text = format!(r#""{} with the credential of {presented}""#, self.0);
            Ok(Reply::result(call.request().id(), &text))
        }
    }

    /// Calls a server that is replaced meanwhile, which its resolver `notices` or not.
    async fn replaced(notices: bool) -> String {
        let pool = ServerPool::new();
        let server = |own: &'static str, successor: Option<PooledServer>| {
            let resolver = Replacing {
                own,
                pool: pool.clone(),
                successor: std::sync::Mutex::new(successor),
                notices,
            };
            let limits = crate::limit::Limits::default();
            PooledServer::new(Arc::new(Address(own)), limits).with_credentials(Arc::new(resolver))
        };
        pool.insert("s", server("old", Some(server("new", None))));
        let client = ClientInfo::new(ProtocolVersion::LATEST, Capabilities::default());
        let caller = Arc::new(Caller::new(Principal::new("alice"), "main", client));
        let request = Request::new(&Id::from(1), &Method::ToolsCall, "{}");
        let target = Target::new("s", Feature::Tool("a".into()));
        let call = Call::trusted(request, caller).advance(|()| Permitted {
            target,
            attempts: Attempts::default(),
        });
        let layer = AttachCredentialsLayer::new(Arc::new(crate::credential::NoCredentials));
        let forward = crate::layer::forward::Forward::new(pool.clone());
        let stack = layer.with_pool(pool.clone()).layer(forward);
        let reply = stack.oneshot(call).await.unwrap();
        let text = crate::reply::into_response_text(reply, 1024).await.unwrap();
        String::from_utf8(text.to_vec()).unwrap()
    }

    #[tokio::test]
    async fn a_credential_reaches_the_server_for_which_it_was_resolved() {
        let text = replaced(false).await;
        assert!(text.contains("old with the credential of old"), "{text}");
        let text = replaced(true).await;
        assert!(text.contains("new with the credential of new"), "{text}");
    }

    #[tokio::test]
    async fn a_rejected_credential_is_renewed_once() {
        let (reply, calls) = call(Renewing, &["expired"], "Bearer", "{}").await;
        assert!(reply.is_ok());
        assert_eq!(calls, 2);

        let (reply, calls) = call(Renewing, &["expired", "renewed"], "Bearer", "{}").await;
        assert!(matches!(
            reply,
            Err(Error::Upstream {
                source: UpstreamError::Unauthorized { .. },
                ..
            })
        ));
        assert_eq!(calls, 2);
    }

    #[tokio::test]
    async fn a_resolver_may_send_the_user_elsewhere() {
        let challenge = "Bearer error=\"insufficient_scope\"";
        let (reply, calls) = call(Renewing, &["expired"], challenge, "{}").await;
        assert!(matches!(
            reply,
            Err(Error::Credential {
                source: CredentialError::NotConnected { .. },
                ..
            })
        ));
        assert_eq!(calls, 1);
    }

    #[tokio::test]
    async fn a_call_is_not_retried_without_another_credential_or_with_redeemed_state() {
        let none = crate::credential::NoCredentials::new();
        let (reply, calls) = call(none, &[""], "Bearer", "{}").await;
        assert!(reply.is_err());
        assert_eq!(calls, 1);

        let params = r#"{"requestState":"x"}"#;
        let (reply, calls) = call(Renewing, &["expired"], "Bearer", params).await;
        assert!(reply.is_err());
        assert_eq!(calls, 1);
    }
}
