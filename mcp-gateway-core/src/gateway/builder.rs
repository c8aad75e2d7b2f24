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
use crate::{Call, Drain, Error, Reply};

/// Builds a [`Gateway`].
///
/// What a gateway cannot do without is an argument of [`Gateway::builder`]; what it can do without
/// is a method here.
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
    pub(super) sessions: Sessions,
}

impl<C, R> GatewayBuilder<C, R> {
    /// Names the gateway; sessions of one gateway are of no use at another. `default` by default.
    pub fn with_name(mut self, name: impl Into<Arc<str>>) -> Self {
        self.endpoint = self.endpoint.with_name(name);
        self
    }

    /// Introduces the gateway to clients as `identity`.
    pub fn with_identity(mut self, identity: Identity) -> Self {
        self.dispatch = self.dispatch.with_identity(identity);
        self
    }

    /// Decides with `policy` what callers may see and do. By default they may do everything.
    pub fn with_policy(mut self, policy: Arc<dyn Policy>) -> Self {
        self.dispatch = self.dispatch.with_policy(Arc::clone(&policy));
        self.authorize = AuthorizeLayer::new(policy);
        self
    }

    /// Tells `observer` what became of each call.
    pub fn with_observer(mut self, observer: Arc<dyn Observer>) -> Self {
        self.observe = self.observe.with_observer(observer);
        self
    }

    /// Says which hosts the gateway is, and which web pages may call it.
    pub fn with_guard(mut self, guard: Guard) -> Self {
        let guard = Arc::new(guard);
        self.cors = CorsLayer::new(Arc::clone(&guard));
        self.guard = GuardLayer::new(guard);
        self
    }

    /// Ends the streams that last when `drain` begins.
    pub fn with_drain(mut self, drain: Drain) -> Self {
        self.endpoint = self.endpoint.with_drain(drain);
        self
    }

    /// Takes bodies of up to `bytes`; 16 MiB by default.
    pub fn with_max_body(mut self, bytes: usize) -> Self {
        self.endpoint = self.endpoint.with_max_body(bytes);
        self
    }

    /// Passes the headers of these names on to HTTP servers, and no others.
    pub fn with_forwarded_headers(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.endpoint = self.endpoint.with_forwarded_headers(headers);
        self
    }

    /// Lists up to `entries` at a time; 1,000 by default.
    pub fn with_page_size(mut self, entries: usize) -> Self {
        self.dispatch = self.dispatch.with_page_size(entries);
        self
    }

    /// Tells clients that are refused where they learn how to get a token.
    pub fn with_protected_resource(mut self, resource: ProtectedResource) -> Self {
        self.respond_errors = self.respond_errors.with_protected_resource(resource);
        self
    }

    /// Adds a layer that sees every call of a known caller, before it is brought to servers.
    ///
    /// The layer added first sees the call first.
    pub fn on_call<L>(self, layer: L) -> GatewayBuilder<Stack<L, C>, R> {
        self.map_layers(|calls| calls.layer(layer), |routed| routed)
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
        self.map_layers(|calls| calls, |routed| routed.layer(layer))
    }

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
            sessions: self.sessions,
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
