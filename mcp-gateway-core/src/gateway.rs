mod builder;
mod cors;
mod settings;

use std::convert::Infallible;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{Request, Response, header};
use tower::{ServiceBuilder, ServiceExt};
use tower_http::cors::CorsLayer;
use tower_layer::Layer;
use tower_service::Service;

pub use self::builder::{GatewayBuilder, MaybeObserve};
use self::settings::Settings;
use crate::auth::{AuthVerifier, ProtectedResource};
use crate::credential::CredentialResolver;
use crate::endpoint::{Body, EndpointLayer, Tracked, Unread, serve_lines};
use crate::guard::Guard;
use crate::layer::{authenticate::AuthenticateLayer, dispatch::Identity};
use crate::policy::{AllowAll, Policy};
use crate::protocol::Era;
use crate::route::ToolRouter;
use crate::session::Sessions;
use crate::upstream::ServerPool;
use crate::{BoxError, BoxFuture, Call, Drain, Error, Reply, endpoint};

/// One MCP endpoint over many servers. Cheap to clone.
///
/// It is a [`Service`] that answers every request, so its error is [`Infallible`] and it can be
/// mounted wherever a service can: in axum, in hyper, or in another tower stack. Mount it at a path
/// and at what is below, because clients of revision 2024-11-05 post to `…/messages`.
///
/// This is the paved path: the layers of this crate in their order. Each of them is public, and
/// can be put together in another way. By hand, a gateway is this, from the outside in:
///
/// ```
/// use std::sync::Arc;
///
/// use mcp_gateway_core::auth::AllowAnonymous;
/// use mcp_gateway_core::layer::authenticate::AuthenticateLayer;
/// use mcp_gateway_core::credential::NoCredentials;
/// use mcp_gateway_core::layer::attach_credentials::AttachCredentialsLayer;
/// use mcp_gateway_core::layer::dispatch::DispatchLayer;
/// use mcp_gateway_core::endpoint::EndpointLayer;
/// use mcp_gateway_core::policy::AllowAll;
/// use mcp_gateway_core::layer::authorize::AuthorizeLayer;
/// use mcp_gateway_core::route::PrefixRouter;
/// use mcp_gateway_core::session::Sessions;
/// use mcp_gateway_core::upstream::ServerPool;
/// use mcp_gateway_core::layer::forward::Forward;
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let servers = ServerPool::new();
/// let router = Arc::new(PrefixRouter::by_name(servers.names())?);
/// let policy = Arc::new(AllowAll::new());
/// let gateway = ServiceBuilder::new()
///     .layer(AuthenticateLayer::new(Arc::new(AllowAnonymous::new())))
///     .layer(EndpointLayer::new("default", Sessions::ephemeral()?))
///     .layer(DispatchLayer::new(router, policy.clone()))
///     .layer(AuthorizeLayer::new(policy))
///     .layer(AttachCredentialsLayer::new(Arc::new(NoCredentials::new())))
///     .service(Forward::new(servers));
/// # let request = http::Request::post("/mcp").body(String::new())?;
/// # let _ = gateway.oneshot(request).await;
/// # Ok(())
/// # }
/// ```
///
/// It also checks `Host` and `Origin` with a [`Guard`], and answers with an error what these layers
/// fail with.
#[derive(Clone)]
pub struct Gateway(Arc<Inner>);

struct Inner {
    calls: Calls,
    authenticate: AuthenticateLayer,
    endpoint: EndpointLayer,
    sessions: Sessions,
    guard: Arc<Guard>,
    cors: CorsLayer,
    protected: Option<ProtectedResource>,
}

/// The stack that calls go through, after its type has been erased.
#[derive(Clone)]
struct Calls(Arc<dyn Fn(Call) -> BoxFuture<'static, Result<Reply, Error>> + Send + Sync>);

impl Gateway {
    /// A gateway that authenticates with `verifier`, knows the servers of `pool` by the names that
    /// `router` gives, and gets credentials for them from `resolver`.
    pub fn builder(
        verifier: Arc<dyn AuthVerifier>,
        router: Arc<dyn ToolRouter>,
        resolver: Arc<dyn CredentialResolver>,
        pool: ServerPool,
        sessions: Sessions,
    ) -> GatewayBuilder {
        let policy: Arc<dyn Policy> = Arc::new(AllowAll::new());
        let settings = Settings {
            verifier,
            router,
            resolver,
            pool,
            sessions,
            policy,
            observer: None,
            name: "default".into(),
            identity: Identity::default(),
            guard: Guard::new(),
            drain: Drain::new(),
            max_body: None,
            headers: Vec::new(),
            page_size: None,
            protected: None,
        };
        GatewayBuilder {
            settings: Box::new(settings),
            calls: ServiceBuilder::new(),
            routed: ServiceBuilder::new(),
        }
    }

    /// Serves one client that writes its messages as lines to `reader` and reads those for it from
    /// `writer`, and that is known to be `principal`.
    ///
    /// Returns when the client closes its side and all that it asked has been answered.
    ///
    /// # Errors
    ///
    /// The error of reading or writing.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the session of the client and what it asked.
    pub async fn serve_lines(
        &self,
        principal: crate::auth::Principal,
        reader: impl tokio::io::AsyncRead + Send + Unpin,
        writer: impl tokio::io::AsyncWrite + Send + Unpin,
    ) -> std::io::Result<()> {
        let Inner {
            calls, sessions, ..
        } = &*self.0;
        serve_lines(calls.clone(), principal, sessions.clone(), reader, writer).await
    }
}

impl<B> Service<Request<B>> for Gateway
where
    B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
{
    type Response = Response<Body>;
    type Error = Infallible;
    type Future = BoxFuture<'static, Result<Response<Body>, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let gateway = self.clone();
        // Only web pages need to be told what they may do.
        match request.headers().contains_key(header::ORIGIN) {
            false => Box::pin(async move { Ok(gateway.answer(request).await) }),
            true => {
                let cors = self.0.cors.clone();
                let answer = move |request| {
                    let gateway = gateway.clone();
                    async move { Ok::<_, Infallible>(gateway.answer(request).await) }
                };
                Box::pin(cors.layer(tower::service_fn(answer)).oneshot(request))
            }
        }
    }
}

impl Gateway {
    async fn answer<B>(self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let unread = Unread::of(&request);
        let (parts, body) = request.into_parts();
        let mut body = pin!(Tracked::new(body));
        let request = Request::from_parts(parts, body.as_mut());
        let mut response = self.answer_early(request).await;
        unread.discard(body, &mut response).await;
        response
    }

    /// Answers `request`, of which something may be left to read.
    async fn answer_early<B>(self, request: Request<B>) -> Response<Body>
    where
        B: http_body::Body<Data: Send, Error: Into<BoxError>> + Send,
    {
        let (parts, body) = request.into_parts();
        let gateway = &*self.0;
        if let Err(error) = gateway.guard.check(&parts) {
            return endpoint::error(&error.into(), None, Era::Modern);
        }
        let request = Request::from_parts(parts, body);
        let answered = match gateway.authenticate.admit(request).await {
            Ok(request) => Ok(gateway.endpoint.answer(&gateway.calls, request).await),
            Err(error) => Err(error),
        };
        answered.unwrap_or_else(|error| {
            let mut response = endpoint::error(&error, None, Era::Modern);
            if let Some(protected) = &gateway.protected {
                protected.complete(response.headers_mut());
            }
            response
        })
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
        f.debug_struct("Gateway")
            .field("endpoint", &self.0.endpoint)
            .finish_non_exhaustive()
    }
}
