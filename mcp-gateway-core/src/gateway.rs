mod cors;
mod settings;

use std::convert::Infallible;
use std::fmt;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::{HeaderName, Request, Response, header};
use tower::{ServiceBuilder, ServiceExt};
use tower_http::cors::CorsLayer;
use tower_layer::{Identity as NoLayer, Layer, Stack};
use tower_service::Service;

use self::cors::cors;
use self::settings::Settings;
use crate::auth::{AuthVerifier, AuthenticateLayer};
use crate::call::Routed;
use crate::credential::{AttachCredentials, AttachCredentialsLayer, CredentialResolver};
use crate::dispatch::{Dispatch, Identity};
use crate::endpoint::{Body, EndpointLayer, serve_lines};
use crate::guard::Guard;
use crate::observe::{Observe, ObserveLayer, Observer};
use crate::policy::{AllowAll, Authorize, AuthorizeLayer, Policy};
use crate::protocol::Era;
use crate::route::ToolRouter;
use crate::session::Sessions;
use crate::upstream::{Forward, ServerPool};
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
/// use mcp_gateway_core::auth::{AllowAnonymous, AuthenticateLayer};
/// use mcp_gateway_core::credential::{AttachCredentialsLayer, NoCredentials};
/// use mcp_gateway_core::dispatch::DispatchLayer;
/// use mcp_gateway_core::endpoint::EndpointLayer;
/// use mcp_gateway_core::policy::{AllowAll, AuthorizeLayer};
/// use mcp_gateway_core::route::PrefixRouter;
/// use mcp_gateway_core::session::Sessions;
/// use mcp_gateway_core::upstream::{Forward, ServerPool};
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
        answered.unwrap_or_else(|error| endpoint::error(&error, None, Era::Modern))
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

/// Builds a [`Gateway`].
///
/// What a gateway cannot do without is an argument of [`Gateway::builder`]; what it can do without
/// is a method here.
#[derive(Debug)]
#[must_use]
pub struct GatewayBuilder<C = NoLayer, R = NoLayer> {
    settings: Box<Settings>,
    calls: ServiceBuilder<C>,
    routed: ServiceBuilder<R>,
}

impl<C, R> GatewayBuilder<C, R> {
    /// Names the gateway; sessions of one gateway are of no use at another. `default` by default.
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.settings.name = name.into();
        self
    }

    /// Introduces the gateway to clients as `identity`.
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.settings.identity = identity;
        self
    }

    /// Decides with `policy` what callers may see and do. By default they may do everything.
    pub fn with_policy(mut self, policy: Arc<dyn Policy>) -> Self {
        self.settings.policy = policy;
        self
    }

    /// Tells `observer` what became of each call.
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.settings.observer = Some(observer);
        self
    }

    /// Says which hosts the gateway is, and which web pages may call it.
    pub fn with_guard(mut self, guard: Guard) -> Self {
        self.settings.guard = guard;
        self
    }

    /// Ends the streams that last when `drain` begins.
    pub fn with_drain(mut self, drain: Drain) -> Self {
        self.settings.drain = drain;
        self
    }

    /// Takes bodies of up to `bytes`; 16 MiB by default.
    pub fn with_max_body(mut self, bytes: usize) -> Self {
        self.settings.max_body = Some(bytes);
        self
    }

    /// Passes the headers of these names on to HTTP servers, and no others.
    pub fn with_forwarded_headers(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.settings.headers = headers.into_iter().collect();
        self
    }

    /// Lists up to `entries` at a time; 1,000 by default.
    pub fn with_page_size(mut self, entries: usize) -> Self {
        self.settings.page_size = Some(entries);
        self
    }

    /// Adds a layer that sees every call of a known caller, before it is brought to servers.
    ///
    /// The layer added first sees the call first.
    pub fn on_call<L>(self, layer: L) -> GatewayBuilder<Stack<L, C>, R> {
        let Self {
            settings,
            calls,
            routed,
        } = self;
        GatewayBuilder {
            settings,
            calls: calls.layer(layer),
            routed,
        }
    }

    /// Adds a layer that sees every call whose server is known, before it is permitted.
    ///
    /// The layer added first sees the call first.
    ///
    /// # Example
    ///
    /// A layer is for the calls that it takes. This one wants to know their target:
    ///
    /// ```
    /// use mcp_gateway_core::call::{Call, Routed};
    /// use mcp_gateway_core::{Gateway, GatewayBuilder};
    /// use tower::util::MapRequestLayer;
    ///
    /// fn logged(builder: GatewayBuilder) -> Gateway {
    ///     let log = MapRequestLayer::new(|call: Call<Routed>| {
    ///         println!("{} calls {}", call.principal().subject(), call.target().server);
    ///         call
    ///     });
    ///     builder.on_routed(log).build()
    /// }
    /// ```
    ///
    /// Where the target is not known yet, it does not compile:
    ///
    /// ```compile_fail,E0631
    /// # use mcp_gateway_core::call::{Call, Routed};
    /// # use mcp_gateway_core::{Gateway, GatewayBuilder};
    /// # use tower::util::MapRequestLayer;
    /// fn logged(builder: GatewayBuilder) -> Gateway {
    ///     let log = MapRequestLayer::new(|call: Call<Routed>| {
    ///         println!("{} calls {}", call.principal().subject(), call.target().server);
    ///         call
    ///     });
    ///     builder.on_call(log).build()
    /// }
    /// ```
    pub fn on_routed<L>(self, layer: L) -> GatewayBuilder<C, Stack<L, R>> {
        let Self {
            settings,
            calls,
            routed,
        } = self;
        GatewayBuilder {
            settings,
            calls,
            routed: routed.layer(layer),
        }
    }

    /// The gateway.
    #[must_use]
    pub fn build<SC, SR>(self) -> Gateway
    where
        R: Layer<Authorize<AttachCredentials<Forward>>, Service = SR>,
        SR: Service<Call<Routed>, Response = Reply, Error = Error>,
        SR: Clone + Send + Sync + 'static,
        SR::Future: Send,
        C: Layer<Dispatch<MaybeObserve<SR>>, Service = SC>,
        SC: Service<Call, Response = Reply, Error = Error>,
        SC: Clone + Send + Sync + 'static,
        SC::Future: Send,
    {
        let settings = *self.settings;
        let attach = AttachCredentialsLayer::new(Arc::clone(&settings.resolver));
        let permitted = attach.layer(Forward::new(settings.pool.clone()));
        let authorize = AuthorizeLayer::new(Arc::clone(&settings.policy));
        let routed = self.routed.service(authorize.layer(permitted));
        let routed = match &settings.observer {
            Some(observer) => {
                let observe = ObserveLayer::new(Arc::clone(observer), settings.pool.clone());
                MaybeObserve::Left(observe.layer(routed))
            }
            None => MaybeObserve::Right(routed),
        };
        let calls = self.calls.service(settings.dispatch().layer(routed));
        let endpoint = settings.endpoint();
        let guard = Arc::new(settings.guard);
        Gateway(Arc::new(Inner {
            calls: Calls(Arc::new(move |call| Box::pin(calls.clone().oneshot(call)))),
            authenticate: AuthenticateLayer::new(settings.verifier),
            endpoint,
            sessions: settings.sessions,
            cors: cors(Arc::clone(&guard)),
            guard,
        }))
    }
}

/// A service that may be observed.
pub type MaybeObserve<S> = tower::util::Either<Observe<S>, S>;
