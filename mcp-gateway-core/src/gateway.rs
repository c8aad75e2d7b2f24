//! The gateway as one service, and its builder.

mod builder;

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response};
use tower::ServiceBuilder;
use tower_service::Service;

pub use self::builder::GatewayBuilder;
use crate::auth::AuthVerifier;
use crate::credential::CredentialResolver;
use crate::endpoint::{Body, Endpoint, EndpointLayer, serve_lines};
use crate::guard::Guard;
use crate::layer::attach_credentials::AttachCredentialsLayer;
use crate::layer::authenticate::{Authenticate, AuthenticateLayer};
use crate::layer::authorize::AuthorizeLayer;
use crate::layer::cors::{Cors, CorsLayer};
use crate::layer::dispatch::DispatchLayer;
use crate::layer::drain_body::{DrainBody, DrainBodyLayer};
use crate::layer::forward::Forward;
use crate::layer::guard::{GuardLayer, Guarded};
use crate::layer::observe::ObserveLayer;
use crate::layer::respond_errors::{RespondErrors, RespondErrorsLayer};
use crate::layer::trace::TraceLayer;
use crate::policy::{AllowAll, Policy};
use crate::route::ToolRouter;
use crate::session::Sessions;
use crate::upstream::ServerPool;
use crate::{BoxError, BoxFuture, Call, Error, Reply};

/// One MCP endpoint in front of many servers.
///
/// It is a [`Service`] that answers every request, so its error is [`Infallible`] and it can be
/// mounted wherever a service can: in axum, in hyper, or in another tower stack. It must be mounted
/// at a path and below it, because clients of revision 2024-11-05 post to `…/messages`.
///
/// Cloning is cheap; clones share sessions and servers. `poll_ready` is always ready.
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
/// use mcp_gateway_core::guard::Guard;
/// use mcp_gateway_core::layer::attach_credentials::AttachCredentialsLayer;
/// use mcp_gateway_core::layer::authenticate::AuthenticateLayer;
/// use mcp_gateway_core::layer::authorize::AuthorizeLayer;
/// use mcp_gateway_core::layer::cors::CorsLayer;
/// use mcp_gateway_core::layer::dispatch::DispatchLayer;
/// use mcp_gateway_core::layer::drain_body::DrainBodyLayer;
/// use mcp_gateway_core::layer::forward::Forward;
/// use mcp_gateway_core::layer::guard::GuardLayer;
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
/// let guard = Arc::new(Guard::new());
/// let router = Arc::new(PrefixRouter::by_name(servers.names())?);
/// let policy = Arc::new(AllowAll::new());
///
/// let gateway = ServiceBuilder::new()
///     .layer(CorsLayer::new(guard.clone()))
///     .layer(DrainBodyLayer::new())
///     .layer(
///         RespondErrorsLayer::new().with_protected_resource(ProtectedResource::new(metadata)),
///     )
///     .layer(GuardLayer::new(guard))
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
pub struct Gateway {
    stack: Stack,
    calls: Calls,
    sessions: Sessions,
}

/// Layers of a request, around those of its call.
type Stack = Cors<DrainBody<RespondErrors<Guarded<Authenticate<Endpoint<Calls>>>>>>;

/// Stack of the layers of a call, with its type erased.
#[derive(Clone)]
struct Calls(Arc<dyn Fn(Call) -> BoxFuture<'static, Result<Reply, Error>> + Send + Sync>);

impl Gateway {
    /// Creates a builder for a gateway.
    ///
    /// `verifier` authenticates callers, `router` names the features of the servers in `pool`,
    /// `resolver` provides the credentials for them, and `sessions` holds the sessions of legacy
    /// clients.
    pub fn builder(
        verifier: Arc<dyn AuthVerifier>,
        router: Arc<dyn ToolRouter>,
        resolver: Arc<dyn CredentialResolver>,
        pool: ServerPool,
        sessions: Sessions,
    ) -> GatewayBuilder {
        let guard = Arc::new(Guard::new());
        let policy: Arc<dyn Policy> = Arc::new(AllowAll::new());
        GatewayBuilder {
            cors: CorsLayer::new(Arc::clone(&guard)),
            drain_body: DrainBodyLayer::new(),
            respond_errors: RespondErrorsLayer::new(),
            guard: GuardLayer::new(guard),
            authenticate: AuthenticateLayer::new(verifier),
            endpoint: EndpointLayer::new("default", sessions.clone()),
            trace: TraceLayer::new(),
            calls: ServiceBuilder::new(),
            dispatch: DispatchLayer::new(router, Arc::clone(&policy)),
            observe: ObserveLayer::new(pool.clone()),
            routed: ServiceBuilder::new(),
            authorize: AuthorizeLayer::new(policy).with_pool(pool.clone()),
            attach_credentials: AttachCredentialsLayer::new(resolver),
            forward: Forward::new(pool.clone()),
            pool,
            sessions,
        }
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
        let (calls, sessions) = (self.calls.clone(), self.sessions.clone());
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

impl Service<Call> for Calls {
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
