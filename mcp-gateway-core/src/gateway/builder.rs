use std::sync::Arc;

use http::HeaderName;
use tower::{ServiceBuilder, ServiceExt};
use tower_layer::{Identity as NoLayer, Layer, Stack};
use tower_service::Service;

use super::cors::cors;
use super::settings::Settings;
use super::{Calls, Gateway, Inner};
use crate::auth::ProtectedResource;
use crate::call::Routed;
use crate::guard::Guard;
use crate::layer::{
    attach_credentials::{AttachCredentials, AttachCredentialsLayer},
    authenticate::AuthenticateLayer,
    authorize::{Authorize, AuthorizeLayer},
    dispatch::{Dispatch, Identity},
    forward::Forward,
    observe::{Observe, ObserveLayer},
};
use crate::observe::Observer;
use crate::policy::Policy;
use crate::{Call, Drain, Error, Reply};

/// Builds a [`Gateway`].
///
/// What a gateway cannot do without is an argument of [`Gateway::builder`]; what it can do without
/// is a method here.
#[derive(Debug)]
#[must_use]
pub struct GatewayBuilder<C = NoLayer, R = NoLayer> {
    pub(super) settings: Box<Settings>,
    pub(super) calls: ServiceBuilder<C>,
    pub(super) routed: ServiceBuilder<R>,
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

    /// Tells clients that are refused where they learn how to get a token.
    pub fn with_protected_resource(mut self, resource: ProtectedResource) -> Self {
        self.settings.protected = Some(resource);
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
            protected: settings.protected,
        }))
    }
}

/// A service that may be observed.
pub type MaybeObserve<S> = tower::util::Either<Observe<S>, S>;
