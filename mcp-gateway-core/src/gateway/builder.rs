//! Builder of a gateway: one field per layer, in the order of the stack.

use std::sync::Arc;

use http::HeaderName;
use tower::{ServiceBuilder, ServiceExt};
use tower_layer::{Identity as NoLayer, Layer, Stack};
use tower_service::Service;

use super::{Calls, Gateway};
use crate::auth::ProtectedResource;
use crate::call::Routed;
use crate::endpoint::EndpointLayer;
use crate::guard::Guard;
use crate::layer::attach_credentials::{AttachCredentials, AttachCredentialsLayer};
use crate::layer::authenticate::AuthenticateLayer;
use crate::layer::authorize::{Authorize, AuthorizeLayer};
use crate::layer::cors::CorsLayer;
use crate::layer::dispatch::{Dispatch, DispatchLayer, Identity};
use crate::layer::drain_body::DrainBodyLayer;
use crate::layer::forward::Forward;
use crate::layer::guard::GuardLayer;
use crate::layer::observe::{Observe, ObserveLayer};
use crate::layer::respond_errors::RespondErrorsLayer;
use crate::layer::trace::TraceLayer;
use crate::observe::Observer;
use crate::policy::Policy;
use crate::session::Sessions;
use crate::upstream::ServerPool;
use crate::{Call, Drain, Error, Reply};

/// Builder of a [`Gateway`].
///
/// Required parts are arguments of [`Gateway::builder`]; options are methods here.
///
/// # Example
///
/// ```
/// use std::sync::Arc;
///
/// use http::{Request, StatusCode};
/// use mcp_gateway_core::Gateway;
/// use mcp_gateway_core::auth::AllowAnonymous;
/// use mcp_gateway_core::credential::NoCredentials;
/// use mcp_gateway_core::guard::Guard;
/// use mcp_gateway_core::route::PrefixRouter;
/// use mcp_gateway_core::session::Sessions;
/// use mcp_gateway_core::upstream::ServerPool;
/// use tower::ServiceExt;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let servers = ServerPool::new();
/// let gateway = Gateway::builder(
///     Arc::new(AllowAnonymous::new()),
///     Arc::new(PrefixRouter::by_name(servers.names())?),
///     Arc::new(NoCredentials::new()),
///     servers,
///     Sessions::ephemeral()?,
/// )
/// .with_name("team")
/// .with_guard(Guard::new().with_host("mcp.example.com"))
/// .with_max_body(1024 * 1024)
/// .build();
///
/// let request = Request::post("/mcp").header("host", "rebound.example.net");
/// let response = gateway.oneshot(request.body(String::new())?).await?;
/// assert_eq!(response.status(), StatusCode::FORBIDDEN);
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
#[must_use]
pub struct GatewayBuilder<C = NoLayer, R = NoLayer> {
    pub(super) cors: CorsLayer,
    pub(super) drain_body: DrainBodyLayer,
    pub(super) respond_errors: RespondErrorsLayer,
    pub(super) guard: GuardLayer,
    pub(super) authenticate: AuthenticateLayer,
    pub(super) endpoint: EndpointLayer,
    pub(super) trace: TraceLayer,
    pub(super) calls: ServiceBuilder<C>,
    pub(super) dispatch: DispatchLayer,
    pub(super) observe: ObserveLayer,
    pub(super) routed: ServiceBuilder<R>,
    pub(super) authorize: AuthorizeLayer,
    pub(super) attach_credentials: AttachCredentialsLayer,
    pub(super) forward: Forward,
    pub(super) pool: ServerPool,
    pub(super) sessions: Sessions,
}

impl<C, R> GatewayBuilder<C, R> {
    /// Sets the name of the gateway. Default: `default`. Sessions of one gateway are rejected by
    /// others.
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.endpoint = self.endpoint.with_name(name);
        self
    }

    /// Sets the name, version and instructions that clients receive.
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.dispatch = self.dispatch.with_identity(identity);
        self
    }

    /// Sets the policy that authorizes calls and filters lists. Default:
    /// [`AllowAll`](crate::policy::AllowAll).
    pub fn with_policy(mut self, policy: Arc<dyn Policy>) -> Self {
        self.dispatch = self.dispatch.with_policy(Arc::clone(&policy));
        self.authorize = AuthorizeLayer::new(policy).with_pool(self.pool.clone());
        self
    }

    /// Sets the observer that receives a report of each call. Default: none.
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observe = self.observe.with_observer(observer);
        self
    }

    /// Sets the allowlist of hosts and origins. Default: local hosts only, see [`Guard`].
    pub fn with_guard(mut self, guard: Guard) -> Self {
        let guard = Arc::new(guard);
        self.cors = CorsLayer::new(Arc::clone(&guard));
        self.guard = GuardLayer::new(guard);
        self
    }

    /// Sets the signal upon which long-lived streams end.
    pub fn with_drain(mut self, drain: Drain) -> Self {
        self.endpoint = self.endpoint.with_drain(drain);
        self
    }

    /// Sets the maximum size of a body in bytes. Default: 16 MiB.
    pub fn with_max_body(mut self, bytes: usize) -> Self {
        self.endpoint = self.endpoint.with_max_body(bytes);
        self
    }

    /// Sets the allowlist of headers that are forwarded to HTTP servers. Default: none.
    pub fn with_forwarded_headers(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.endpoint = self.endpoint.with_forwarded_headers(headers);
        self
    }

    /// Sets the maximum number of entries of a list page. Default: 1,000.
    pub fn with_page_size(mut self, entries: usize) -> Self {
        self.dispatch = self.dispatch.with_page_size(entries);
        self
    }

    /// Sets the metadata that tells rejected clients where to obtain a token.
    pub fn with_protected_resource(mut self, resource: ProtectedResource) -> Self {
        self.respond_errors = self.respond_errors.with_protected_resource(resource);
        self
    }

    /// Adds a layer that receives every call of an authenticated caller, before it is routed.
    ///
    /// Layers receive a call in the order in which they were added.
    pub fn on_call<L>(self, layer: L) -> GatewayBuilder<Stack<L, C>, R> {
        self.map_layers(|calls| calls.layer(layer), |routed| routed)
    }

    /// Adds a layer that receives every call whose target is known, before it is authorized.
    ///
    /// Layers receive a call in the order in which they were added.
    ///
    /// # Example
    ///
    /// The type of its request determines where a layer fits. This one requires the target:
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
        self.map_layers(|calls| calls, |routed| routed.layer(layer))
    }

    /// Replaces the layers of the embedder.
    fn map_layers<D, T>(
        self,
        calls: impl FnOnce(ServiceBuilder<C>) -> ServiceBuilder<D>,
        routed: impl FnOnce(ServiceBuilder<R>) -> ServiceBuilder<T>,
    ) -> GatewayBuilder<D, T> {
        GatewayBuilder {
            cors: self.cors,
            drain_body: self.drain_body,
            respond_errors: self.respond_errors,
            guard: self.guard,
            authenticate: self.authenticate,
            endpoint: self.endpoint,
            trace: self.trace,
            calls: calls(self.calls),
            dispatch: self.dispatch,
            observe: self.observe,
            routed: routed(self.routed),
            authorize: self.authorize,
            attach_credentials: self.attach_credentials,
            forward: self.forward,
            pool: self.pool,
            sessions: self.sessions,
        }
    }

    /// Builds the gateway.
    #[must_use]
    pub fn build<SC, SR>(self) -> Gateway
    where
        R: Layer<Authorize<AttachCredentials<Forward>>, Service = SR>,
        SR: Service<Call<Routed>, Response = Reply, Error = Error>,
        SR: Clone + Send + Sync + 'static,
        SR::Future: Send,
        C: Layer<Dispatch<Observe<SR>>, Service = SC>,
        SC: Service<Call, Response = Reply, Error = Error>,
        SC: Clone + Send + Sync + 'static,
        SC::Future: Send,
    {
        let permitted = self.attach_credentials.layer(self.forward);
        let routed = self.routed.service(self.authorize.layer(permitted));
        let dispatch = self.dispatch.layer(self.observe.layer(routed));
        let calls = self.trace.layer(self.calls.service(dispatch));
        let calls = Calls(Arc::new(move |call| Box::pin(calls.clone().oneshot(call))));
        let stack = ServiceBuilder::new()
            .layer(self.cors)
            .layer(self.drain_body)
            .layer(self.respond_errors)
            .layer(self.guard)
            .layer(self.authenticate)
            .layer(self.endpoint)
            .service(calls.clone());
        Gateway {
            stack,
            calls,
            sessions: self.sessions,
        }
    }
}
