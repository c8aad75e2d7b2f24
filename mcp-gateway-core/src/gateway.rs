//! The gateway as one service, and its builder.

mod builder;

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower_service::Service;

pub use self::builder::{BuildError, GatewayBuilder};
use crate::auth::{AllowAnonymous, AuthVerifier};
use crate::endpoint::{Body, Endpoint, serve_lines};
use crate::layer::authenticate::Authenticate;
use crate::layer::cors::Cors;
use crate::layer::drain_body::DrainBody;
use crate::layer::host_guard::HostGuard;
use crate::layer::respond_errors::RespondErrors;
use crate::session::Sessions;
use crate::upstream::ServerPool;
use crate::{BoxError, BoxFuture, Call, Drain, Error, Reply};

/// One MCP endpoint in front of many servers.
///
/// It is a [`Service`] that answers every request, so its error is [`Infallible`] and it can be
/// mounted wherever a service can: in axum, in hyper, or in another tower stack.
///
/// Cloning is cheap; clones share sessions and servers. `poll_ready` is always ready. The gateway
/// owns its sessions, its servers and the signal of its shutdown; [`close`](Self::close) ends them
/// in order.
///
/// It consists of the layers of [`layer`](crate::layer) in their order. All of them are public.
/// Built by hand, a gateway is this, from the outside in:
///
/// ```
/// use std::sync::Arc;
///
/// use http::{Request, StatusCode};
/// # use async_trait::async_trait;
/// # use http::request::Parts;
/// # use mcp_gateway_core::auth::{AuthError, AuthVerifier, Principal};
/// use mcp_gateway_core::auth::ProtectedResource;
/// use mcp_gateway_core::credential::NoCredentials;
/// use mcp_gateway_core::endpoint::EndpointLayer;
/// use mcp_gateway_core::host_policy::HostPolicy;
/// use mcp_gateway_core::layer::attach_credentials::AttachCredentialsLayer;
/// use mcp_gateway_core::layer::authenticate::AuthenticateLayer;
/// use mcp_gateway_core::layer::authorize::AuthorizeLayer;
/// use mcp_gateway_core::layer::cors::CorsLayer;
/// use mcp_gateway_core::layer::dispatch::DispatchLayer;
/// use mcp_gateway_core::layer::drain_body::DrainBodyLayer;
/// use mcp_gateway_core::layer::forward::Forward;
/// use mcp_gateway_core::layer::host_guard::HostGuardLayer;
/// use mcp_gateway_core::layer::observe::ObserveLayer;
/// use mcp_gateway_core::layer::respond_errors::RespondErrorsLayer;
/// use mcp_gateway_core::layer::trace::TraceLayer;
/// use mcp_gateway_core::policy::AllowAll;
/// use mcp_gateway_core::route::PrefixRouter;
/// use mcp_gateway_core::session::Sessions;
/// use mcp_gateway_core::upstream::ServerPool;
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # #[derive(Debug)]
/// # struct Tokens;
/// # #[async_trait]
/// # impl AuthVerifier for Tokens {
/// #     async fn verify(&self, request: &Parts) -> Result<Principal, AuthError> {
/// #         match request.headers.get("authorization") {
/// #             Some(token) if token == "Bearer secret" => Ok(Principal::new("alice")),
/// #             Some(_) => Err(AuthError::InvalidToken),
/// #             None => Err(AuthError::MissingToken),
/// #         }
/// #     }
/// # }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let servers = ServerPool::new();
/// # let verifier = Arc::new(Tokens);
/// let metadata = "https://gw.example.com/.well-known/oauth-protected-resource/mcp";
/// let hosts = Arc::new(HostPolicy::new());
/// let router = Arc::new(PrefixRouter::by_name(servers.names())?);
/// let policy = Arc::new(AllowAll::new());
///
/// let gateway = ServiceBuilder::new()
///     .layer(CorsLayer::new(hosts.clone()))
///     .layer(DrainBodyLayer::new())
///     .layer(
///         RespondErrorsLayer::new().with_protected_resource(ProtectedResource::new(metadata)),
///     )
///     .layer(HostGuardLayer::new(hosts))
///     .layer(AuthenticateLayer::new(verifier))
///     .layer(EndpointLayer::new("default", Sessions::ephemeral()?))
///     .layer(TraceLayer::new())
///     .layer(DispatchLayer::new(router, policy.clone()))
///     .layer(ObserveLayer::new(servers.clone()))
///     .layer(AuthorizeLayer::new(policy).with_pool(servers.clone()))
///     .layer(AttachCredentialsLayer::new(Arc::new(NoCredentials::new())))
///     .service(Forward::new(servers));
///
/// // Pages of other origins are rejected.
/// let request = Request::post("/mcp").header("origin", "https://elsewhere.example");
/// let response = gateway.clone().oneshot(request.body(String::new())?).await?;
/// assert_eq!(response.status(), StatusCode::FORBIDDEN);
///
/// // Clients without a token learn where to obtain one.
/// let request = Request::post("/mcp").body(String::new())?;
/// let response = gateway.clone().oneshot(request).await?;
/// assert_eq!(response.status(), StatusCode::UNAUTHORIZED);
/// assert_eq!(
///     response.headers()["www-authenticate"],
///     format!("Bearer resource_metadata=\"{metadata}\""),
/// );
///
/// // Clients with a token reach the endpoint.
/// let request = Request::post("/mcp").header("authorization", "Bearer secret");
/// let request = request.header("content-type", "application/json");
/// let response = gateway.oneshot(request.body("not JSON".to_owned())?).await?;
/// assert_eq!(response.status(), StatusCode::BAD_REQUEST);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
#[doc(alias("proxy", "aggregator", "multiplexer"))]
pub struct Gateway {
    stack: Stack,
    owned: Arc<Owned>,
}

/// Parts that a gateway owns, besides its layers.
struct Owned {
    calls: BoxCallService,
    drain: Drain,
    pool: ServerPool,
    sessions: Sessions,
}

/// Layers of a request, around those of its call.
type Stack = Cors<DrainBody<RespondErrors<HostGuard<Authenticate<Endpoint<BoxCallService>>>>>>;

/// Stack of the layers of a call, with its type erased.
#[derive(Clone)]
struct BoxCallService(Arc<dyn Fn(Call) -> BoxFuture<'static, Result<Reply, Error>> + Send + Sync>);

impl Gateway {
    /// Creates a builder for a gateway whose callers `verifier` authenticates.
    ///
    /// Everything else has a safe default, see [`GatewayBuilder`].
    pub fn builder(verifier: impl AuthVerifier) -> GatewayBuilder {
        GatewayBuilder::new(Arc::new(verifier))
    }

    /// Creates a builder for a gateway that accepts every request without authentication.
    ///
    /// All callers are one principal, and have the access of the gateway to its servers. It is
    /// meant for gateways that only this machine, or an authenticating proxy, can reach.
    pub fn anonymous() -> GatewayBuilder {
        Self::builder(AllowAnonymous::new())
    }

    /// Returns a future that completes with `signal`, after it has begun the shutdown: long-lived
    /// streams end, so that a server whose graceful shutdown waits for them can end as well.
    ///
    /// # Example
    ///
    /// ```
    /// # use mcp_gateway_core::Gateway;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let gateway = Gateway::anonymous().build()?;
    /// gateway.shutdown_when(std::future::ready(())).await;
    /// assert!(gateway.drain().is_draining());
    /// # Ok(())
    /// # }
    /// ```
    pub fn shutdown_when<F: Future>(&self, signal: F) -> impl Future<Output = ()> + use<F> {
        let drain = self.owned.drain.clone();
        async move {
            signal.await;
            drain.start();
        }
    }

    /// Returns the signal upon which long-lived streams end.
    #[must_use]
    pub fn drain(&self) -> &Drain {
        &self.owned.drain
    }

    /// Ends the gateway in order: it begins the shutdown, then closes all sessions, then all
    /// servers, and waits until their processes have ended.
    ///
    /// Call it after the HTTP server has ended. Session IDs stay valid if the sessions have a key
    /// that outlives the process.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future leaves the rest to the drop of the servers, which kills processes.
    pub async fn close(&self) {
        let Owned {
            drain,
            pool,
            sessions,
            ..
        } = &*self.owned;
        drain.start();
        sessions.close();
        pool.close().await;
    }

    /// Serves one client over byte streams with newline-delimited messages, as the stdio transport
    /// defines.
    ///
    /// The client acts as `principal`, which must have been authenticated by other means. Returns
    /// when the client closes its side and all of its requests have been answered.
    ///
    /// # Errors
    ///
    /// The error of reading or writing.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the session of the client and cancels its in-flight requests.
    pub async fn serve_lines(
        &self,
        principal: crate::auth::Principal,
        reader: impl tokio::io::AsyncRead + Send + Unpin,
        writer: impl tokio::io::AsyncWrite + Send + Unpin,
    ) -> std::io::Result<()> {
        let Owned {
            calls, sessions, ..
        } = &*self.owned;
        let (calls, sessions) = (calls.clone(), sessions.clone());
        serve_lines(calls, principal, sessions, reader, writer).await
    }
}

impl<B> Service<Request<B>> for Gateway
where
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Service::<Request<B>>::poll_ready(&mut self.stack, cx)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        Box::pin(self.stack.call(request))
    }
}

impl Service<Call> for BoxCallService {
    type Response = Reply;
    type Error = Error;
    type Future = BoxFuture<'static, Result<Reply, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, call: Call) -> Self::Future {
        (self.0)(call)
    }
}

impl fmt::Debug for Gateway {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Gateway").finish_non_exhaustive()
    }
}
